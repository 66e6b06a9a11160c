"""The one list of models. It loads none of them, so that commands can list and check names at once."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.json_input import shortened

if TYPE_CHECKING:
    from estimator_lab.core.model import AnyModel


class ModelEntry(NamedTuple):
    """A model that is not loaded.

    Attributes:
      summary: one line for --help.
      kinds: kinds of examples that it accepts, names in `data.archives.kinds`; a run has one of them.
    """

    summary: str
    kinds: tuple[str, ...] = ('image',)


MODELS: Mapping[str, ModelEntry] = {
    'cnn': ModelEntry("the notes' convolutional network, for classification"),
    'mlp': ModelEntry('a feed-forward network with dropout'),
    'vgg': ModelEntry('a very deep convolutional network (VGG-11 to VGG-19), for classification'),
    'resnet': ModelEntry('a residual network (ResNet-18 to ResNet-152), for classification'),
    'recurrent': ModelEntry('recurrent networks that read an image as a sequence, for classification'),
    'recursive': ModelEntry(
        'a recursive network on trees, or on the quadtrees of images, for classification', ('tree', 'image')
    ),
    'dbn': ModelEntry(
        'a deep belief network: pre-trained layer by layer, then fine-tuned, for classification'
    ),
    'rbm': ModelEntry('a restricted Boltzmann machine: features, reconstructions and samples'),
    'autoencoder': ModelEntry('reconstructs images from a small code: compression, denoising, outliers'),
    'gan': ModelEntry('a generative adversarial network: a generator of images against a discriminator'),
    'style': ModelEntry('a network that paints photos in the style of one or more pictures'),
}
"""By name, which the module in `estimator_lab.models` has too."""


def find_model(name: str) -> 'AnyModel':
    """Returns the model called `name`; its module is imported, and TensorFlow with it.

    Examples:
        >>> find_model('cnn').name
        'cnn'

    Raises:
      FlagError: there is none; the message lists the known ones.
    """
    if not isinstance(name, str) or name not in MODELS:
        given, known = shortened(str(name)), ', '.join(sorted(MODELS))
        raise FlagError(f'{option.model}={given} is unknown; known are: {known}.')
    return cast('AnyModel', importlib.import_module(f'estimator_lab.models.{name}').MODEL)
