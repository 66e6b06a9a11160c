"""A trained classifier that scores the samples of a generator: --hparams=judge=MODEL_DIR.

Its network is frozen into constants and becomes part of the generator's evaluation graph; checkpoints of the
generator do not contain it. Its model_dir is only read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import DataError
from estimator_lab.base.keys import IMAGE
from estimator_lab.core import keys
from estimator_lab.core.endpoints import LOGITS, published
from estimator_lab.core.model import Task
from estimator_lab.models.gan.scores import Classified, published_samples, reference_metrics
from estimator_lab.runs.model import Trained
from estimator_lab.runs.opening import open_trained
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

FLAG = '--hparams=judge'


@dataclass(frozen=True)
class ReferenceClassifier:
    """A classifier without variables.

    Attributes:
      graph: its network as a GraphDef.
      image: name of its input, float32 [n, height, width, channels] in [0, 1].
      probabilities: name of an output, float32 [n, classes].
      hidden: name of another one, float32 [n, units]: the last layer before the logits.
    """

    graph: Any
    image: str
    probabilities: str
    hidden: str

    def __call__(self, images: Tensor) -> Classified:
        """Classifies images, float32 [n, height, width, channels] in [0, 1], in the current graph."""
        outputs = [self.probabilities, self.hidden]
        return Classified(
            *tf.import_graph_def(self.graph, {self.image: images}, outputs, name='reference_classifier')
        )


def open_reference_classifier(task: Task, params: Any) -> ReferenceClassifier | None:
    """Opens the classifier that a model's parameters name; None where they name none.

    Raises:
      DataError: if the folder holds no classifier that can be opened, or one for other images or labels.
    """
    if not task.reference_classifier:
        return None
    trained = open_trained(Path(task.reference_classifier), FLAG)
    _check_fit(trained, params)
    return freeze(trained)


def freeze(trained: Trained) -> ReferenceClassifier:
    """Returns a trained classifier with its variables frozen into constants.

    Raises:
      DataError: if it does not classify.
      LabError: if its checkpoint can't be restored.
    """
    with tf.Graph().as_default() as graph, tensorflow_errors_as_sentences():
        image = tf.placeholder(tf.float32, [None, *trained.shape], IMAGE)
        spec = trained.predictions({IMAGE: image})
        layers = [e for name, e in published(graph).items() if name != LOGITS and e.shape.rank == 2]
        if keys.PROBABILITIES not in spec.predictions or not layers:
            raise DataError(
                f'{FLAG}={trained.model_dir} holds no classifier, but --model={trained.model}: name the '
                'folder of --model=cnn, mlp or dbn.'
            )
        outputs = [spec.predictions[keys.PROBABILITIES], layers[-1]]
        with trained.session() as session:
            frozen = tf.graph_util.convert_variables_to_constants(
                session, graph.as_graph_def(), [output.op.name for output in outputs]
            )
    return ReferenceClassifier(frozen, image.name, *(output.name for output in outputs))


def with_reference_classifier(
    model_fn: Callable[..., EstimatorSpec], classifier: ReferenceClassifier | None
) -> Callable[..., EstimatorSpec]:
    """Returns a model function whose EVAL has the metrics of its samples by a reference classifier, too."""
    if classifier is None:
        return model_fn

    def with_scores(
        features: Features, labels: Tensor, mode: Mode, params: Any, config: RunConfig
    ) -> EstimatorSpec:
        spec = model_fn(features, labels, mode, params, config)
        if mode != tf.estimator.ModeKeys.EVAL:
            return spec
        samples = published_samples(tf.get_default_graph())
        real, fake = classifier(tf.concat([samples.real, samples.fake], axis=0)).halves()
        with tf.name_scope('reference_metrics'):
            metrics = reference_metrics(real, fake, samples)
        return spec._replace(eval_metric_ops={**spec.eval_metric_ops, **metrics})

    return with_scores


def _check_fit(trained: Trained, params: Any) -> None:
    """Raises DataError if the classifier takes other images or labels than the generator."""
    if tuple(trained.shape) != tuple(params.image_shape):
        was, now = ('x'.join(map(str, shape)) for shape in (trained.shape, params.image_shape))
        raise DataError(
            f'{FLAG}={params.judge} classifies images of {was} pixels and channels, not {now}: '
            'train a classifier with the same --image_size and --channels.'
        )
    if params.vocabulary and tuple(trained.record.vocabulary) != tuple(params.vocabulary):
        raise DataError(
            f'{FLAG}={params.judge} knows other labels than the data ({len(trained.record.vocabulary)} '
            f'there, {len(params.vocabulary)} here): train a classifier on the same labels.'
        )
