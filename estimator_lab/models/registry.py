"""The one list of models. It names them without loading them, so that a command can list them at once."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estimator_lab.core.keys import (
    ACCURACY,
    PERCEPTUAL_LOSS,
    RECONSTRUCTION_ERROR,
    SLICED_WASSERSTEIN,
    SQUARED_ERROR,
)
from estimator_lab.core.phases import Phase
from estimator_lab.errors import FlagError

if TYPE_CHECKING:
    import numpy as np

GIBBS = 'gibbs'
"""What `dream` means for a model of Boltzmann machines: chains of Gibbs sampling."""

LATENT = 'latent'
"""What `dream` means for a generator: samples made of latent vectors."""

ASCENT = 'ascent'
"""What `dream` means for a network that looks at images: an image in which a layer sees more and more."""


@dataclass(frozen=True)
class Model:
    """A model by name, and what it can do.

    Its module has `Params`, a dataclass of hyper-parameters and of what the data decides; `check(params)`,
    which raises FlagError for a network that can't be built; and `model_fn`, whose predictions in EVAL,
    too, are classes and probabilities, or the error of each example. What else it has is declared here, and
    nowhere guessed:

    Attributes:
      name: value of --model.
      module: where it is.
      summary: one line for --help.
      kinds: of the examples that it takes, names in `data.kinds`; a run has examples of one of them.
      primary_metric: the evaluation metric by which runs are compared, a name in `core.keys`.
      higher_is_better: whether a larger primary metric is better.
      labelled: whether it needs examples with labels; others take labels where there are any.
      has_phases: whether it may be trained in phases: then the module has `phases(params)`, a list of
        `core.phases.Phase`.
      prepares: whether it wants to see the training examples before it learns: then the module has
        `prepare(params, batches, model_dir)`.
      published_as: whose files of weights it takes beside checkpoints that name its own variables, a name in
        `weights.layouts.PUBLISHED`; '' for nobody's.
      dreams: what `dream` means for it: GIBBS, whose module has `stack_of(params)`, a
        `core.boltzmann.stack.Stack` or None where nothing dreams; LATENT, whose module has
        `sampler_of(params)`: latent_size, conditional, and a call that makes images; ASCENT, whose PREDICT
        publishes its endpoints. With several, --layer and its like ask for ASCENT.
      layered: whether its network can be built layer by layer, so that those below the dense ones see images
        of any size: then the module has `layered(params)`, a `core.endpoints.Layered`.
      takes_unlabelled: whether it learns from images without labels beside those with.
      judged: whether a classifier can judge its samples: then its parameters have `judge`, and its EVAL adds
        `core.adversarial.quality.Samples` to the graph.
      paints: whether it makes of a photo a picture of the photo's own size: then its parameters have
        `style_image`, `perceptual` and what goes with them, and its folder holds a
        `core.style.perceptual_loss.PerceptualLoss`.
      declares: whether some of this depends on its parameters: then the module has `declared(params)`, which
        returns what is other than here, by name.
    """

    name: str
    module: str
    summary: str
    kinds: tuple[str, ...] = ('image',)
    primary_metric: str = ACCURACY
    higher_is_better: bool = True
    labelled: bool = True
    has_phases: bool = False
    prepares: bool = False
    dreams: tuple[str, ...] = ()
    layered: bool = False
    takes_unlabelled: bool = False
    judged: bool = False
    paints: bool = False
    declares: bool = False
    published_as: str = ''

    def configured(self, params: Any) -> 'Model':
        """Returns the same model with what these parameters decide."""
        return replace(self, **self.load().declared(params)) if self.declares else self

    def load(self) -> Any:
        """Returns the model's module; this imports TensorFlow."""
        return importlib.import_module(self.module)

    def phases(self, params: Any) -> list[Phase]:
        """Returns the phases of training with these parameters; most models have one only."""
        phases: list[Phase] = self.load().phases(params) if self.has_phases else [Phase()]
        return phases

    def prepare(self, params: Any, batches: 'Callable[[], Iterable[np.ndarray]]', model_dir: Path) -> None:
        """Lets the model see the training examples once, if it `prepares`.

        Args:
          params: its resolved parameters.
          batches: gives the examples once, in a random order.
          model_dir: where it may keep what it computes.
        """
        if self.prepares:
            self.load().prepare(params, batches, model_dir)


MODELS = {
    model.name: model
    for model in (
        Model(
            'cnn',
            'estimator_lab.models.cnn',
            "the document's convolutional network, for classification",
            dreams=(ASCENT,),
            layered=True,
        ),
        Model('mlp', 'estimator_lab.models.mlp', 'a feed-forward network with dropout', dreams=(ASCENT,)),
        Model(
            'vgg',
            'estimator_lab.models.vgg',
            'a very deep convolutional network (VGG-11 to VGG-19), for classification',
            published_as='keras_vgg',
            dreams=(ASCENT,),
            layered=True,
        ),
        Model(
            'recurrent',
            'estimator_lab.models.recurrent',
            'recurrent networks that read an image as a sequence, for classification',
            dreams=(ASCENT,),
        ),
        Model(
            'recursive',
            'estimator_lab.models.recursive',
            'a recursive network on trees, or on the quadtrees of images, for classification',
            kinds=('tree', 'image'),
        ),
        Model(
            'dbn',
            'estimator_lab.models.dbn',
            'a deep belief network: pre-trained layer by layer, then fine-tuned, for classification',
            has_phases=True,
            dreams=(GIBBS, ASCENT),
        ),
        Model(
            'rbm',
            'estimator_lab.models.rbm',
            'a restricted Boltzmann machine: features, reconstructions and dreams',
            primary_metric=RECONSTRUCTION_ERROR,
            higher_is_better=False,
            labelled=False,
            dreams=(GIBBS,),
        ),
        Model(
            'autoencoder',
            'estimator_lab.models.autoencoder',
            'images through a bottleneck and back: compression, denoising, outliers',
            dreams=(ASCENT,),
            primary_metric=SQUARED_ERROR,
            higher_is_better=False,
            labelled=False,
            has_phases=True,
            prepares=True,
        ),
        Model(
            'gan',
            'estimator_lab.models.gan',
            'a generative adversarial network: a generator that dreams images against a discriminator',
            primary_metric=SLICED_WASSERSTEIN,
            higher_is_better=False,
            labelled=False,
            dreams=(LATENT, ASCENT),
            layered=True,
            judged=True,
            declares=True,
        ),
        Model(
            'style',
            'estimator_lab.models.style',
            'a network that paints photos in the style of a picture, or of several',
            primary_metric=PERCEPTUAL_LOSS,
            higher_is_better=False,
            labelled=False,
            paints=True,
        ),
    )
}


def find_model(name: str) -> Model:
    """Returns the model called `name`.

    Raises:
      FlagError: if there is none; it lists the known ones.
    """
    if name not in MODELS:
        raise FlagError(f'--model={name} is unknown; known are: {", ".join(sorted(MODELS))}.')
    return MODELS[name]
