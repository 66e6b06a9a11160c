"""The one list of models. It names them without loading them, so that a command can list them at once."""

import importlib
from dataclasses import dataclass
from typing import Any

from estimator_lab.core.keys import ACCURACY, RECONSTRUCTION_ERROR, SQUARED_ERROR
from estimator_lab.errors import FlagError


@dataclass(frozen=True)
class Model:
    """A model by name.

    Attributes:
      name: value of --model.
      module: where it is; the module has `model_fn`, `Params` (a dataclass with `image_shape` and
        hyper-parameters) and `check(params)`, which raises FlagError for a network that can't be built;
        and, if it is to see the training images before it learns, `prepare(params, batches, model_dir)`. In
        EVAL, too, its predictions are classes and probabilities, or the error of each example.
      summary: one line for --help.
      headline: the evaluation metric by which runs are compared, a name in `core.keys`.
      higher_is_better: whether a larger headline is a better one.
      labelled: whether it needs images with labels; others take labels where there are any.
    """

    name: str
    module: str
    summary: str
    headline: str = ACCURACY
    higher_is_better: bool = True
    labelled: bool = True

    def load(self) -> Any:
        """Returns the model's module; this imports TensorFlow."""
        return importlib.import_module(self.module)


MODELS = {
    model.name: model
    for model in (
        Model('cnn', 'estimator_lab.models.cnn', "the document's convolutional network, for classification"),
        Model(
            'dbn',
            'estimator_lab.models.dbn',
            'a deep belief network: pre-trained layer by layer, then fine-tuned, for classification',
        ),
        Model(
            'rbm',
            'estimator_lab.models.rbm',
            'a restricted Boltzmann machine: features, reconstructions and dreams',
            headline=RECONSTRUCTION_ERROR,
            higher_is_better=False,
            labelled=False,
        ),
        Model(
            'autoencoder',
            'estimator_lab.models.autoencoder',
            'images through a bottleneck and back: compression, denoising, outliers',
            headline=SQUARED_ERROR,
            higher_is_better=False,
            labelled=False,
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
