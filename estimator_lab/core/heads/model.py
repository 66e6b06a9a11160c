"""What a model file hands to the rest of the package: one `Model`."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from estimator_lab.conventions import IMAGE, KEY
from estimator_lab.core.adversarial.players import Sampler
from estimator_lab.core.boltzmann.stack import Stack
from estimator_lab.core.heads.model_function import ModelFn
from estimator_lab.core.layers.transform_net import TransformNet
from estimator_lab.core.model import keys
from estimator_lab.core.model.endpoints import Layered, Layers, published
from estimator_lab.core.model.params import Phase, TrainingParams
from estimator_lab.core.model.weight_layouts import Layout, Shapes
from estimator_lab.tf1 import Tensor, tf

P = TypeVar('P', bound=TrainingParams)

Batches = Callable[[], Iterable[np.ndarray]]
"""Reads the training images once, in random order: yields uint8 [n, height, width, channels]."""


@dataclass(frozen=True)
class Task:
    """What a model learns with given hyper-parameters.

    Examples:
        >>> Task().primary_metric, Task().labelled
        ('accuracy', True)

    Attributes:
      primary_metric: the evaluation metric by which runs are compared, a name in `core.model.keys`.
      higher_is_better: whether larger values of that metric are better.
      labelled: whether every training example needs a label; other models use labels only where they exist.
      uses_unlabelled: whether it also learns from images without labels (--unlabelled_data).
      reference_classifier: model_dir of a trained classifier that scores the samples; '' for none. EVAL then
        adds `core.adversarial.quality.Samples` to the graph.
    """

    primary_metric: str = keys.ACCURACY
    higher_is_better: bool = True
    labelled: bool = True
    uses_unlabelled: bool = False
    reference_classifier: str = ''


def _classification(params: TrainingParams) -> Task:
    return Task()


def _accept(params: TrainingParams) -> None:
    """Accepts all hyper-parameters."""


def _one_phase(params: TrainingParams) -> list[Phase]:
    return [Phase()]


@dataclass(frozen=True)
class Model(Generic[P]):
    """A model: its parameters, its model function and what else can be done with it.

    Attributes:
      name: value of --model.
      params: dataclass of the hyper-parameters and of what the data decides.
      model_fn: the model function, for `tf.estimator.Estimator`. In PREDICT it publishes its endpoints. The
        predictions of PREDICT and EVAL have classes and probabilities, or the error of each example.
      check: raises FlagError for hyper-parameters that cannot be combined, or do not fit the images.
      task: what it learns with these parameters; classification by default.
      phases: the phases of training, the last one called FINAL; one by default.
      prepare: called once with (params, batches, model_dir) before training; writes what it computes from the
        training images to model_dir.
      layered: the network layer by layer, for gradient ascent on an image.
      stack: makes the variables of a stack of Boltzmann machines, whose top one can be sampled from; returns
        None if these parameters train none.
      sampler: a generator that makes images from latent vectors.
      transform_net: a network that maps photos of any size to pictures of the same size.
      without_loops: returns parameters of the same network without loops over arrays, for formats that have
        none.
      published_layouts: how weight files of other programs name the variables.
      freezable: names of the layers that can keep their weights in training, see `params.frozen`, from the
        input to the last one before the logits.
    """

    name: str
    params: type[P]
    model_fn: ModelFn
    check: Callable[[P], None] = _accept
    task: Callable[[P], Task] = _classification
    phases: Callable[[P], list[Phase]] = _one_phase
    prepare: Callable[[P, Batches, Path], None] | None = None
    layered: Callable[[P], Layered] | None = None
    stack: Callable[[P], Stack | None] | None = None
    sampler: Callable[[P], Sampler] | None = None
    transform_net: Callable[[P], TransformNet] | None = None
    without_loops: Callable[[P], P] | None = None
    published_layouts: Callable[[Shapes], list[Layout]] | None = None
    freezable: Callable[[P], list[str]] | None = None


AnyModel = Model[Any]
"""A model whose parameter class is known at run time only."""


def fixed_size(model_fn: ModelFn) -> Callable[[TrainingParams], Layered]:
    """Returns `Model.layered` for a network that only accepts images of the size it was trained on.

    The model function builds the whole network, and publishes its endpoints in PREDICT.
    """

    def layered(params: TrainingParams) -> Layered:
        given = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}

        def layers(images: Tensor) -> Layers:
            features = {IMAGE: images, KEY: tf.fill(tf.shape(images)[:1], '')}
            model_fn(features, None, tf.estimator.ModeKeys.PREDICT, given)
            found: Iterator[Any] = iter(published(tf.get_default_graph()).items())
            return found

        with tf.Graph().as_default():
            images = tf.placeholder(tf.float32, [None, *params.image_shape])
            first = next((name for name, _ in layers(images)), '')
        return Layered(layers, max(params.image_shape[:2]), first)

    return layered
