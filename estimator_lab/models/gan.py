"""The notes' generative adversarial network: a generator of 'deconvolutional' layers against a CNN.

Goodfellow et al. 2014; the convolutional networks are those of Radford et al. 2016, with spectral
normalisation of the discriminator's kernels (Miyato et al. 2018). Both networks can be conditioned on labels,
or the discriminator learns to classify from few labelled images (Salimans et al. 2016).
"""

import dataclasses
from typing import Any

from estimator_lab.base.settings import setting
from estimator_lab.core import keys
from estimator_lab.core.adversarial.discriminator import Discriminator, convolutions, dense_layers
from estimator_lab.core.adversarial.generator import Generator, deconvolutional_generator, dense_generator
from estimator_lab.core.adversarial.head import adversarial_spec
from estimator_lab.core.adversarial.kernel_norm import NORMALIZATIONS
from estimator_lab.core.adversarial.params import AdversarialParams, check_game
from estimator_lab.core.adversarial.players import (
    AVERAGE,
    DISCRIMINATOR,
    DISCRIMINATOR_AVERAGE,
    GENERATOR,
    Players,
    Sampler,
    to_networks,
)
from estimator_lab.core.endpoints import Layers
from estimator_lab.core.model import Args, Model, Task, model_function
from estimator_lab.core.params import SIZES, sizes, structural
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import EstimatorSpec, Tensor

_KINDS = ('convolutional', 'dense')
_SMALLEST_SIDE = 8
_COARSEST_SIDE = 4  # of the last maps, at least
_MOST_FILTERS = (128, 256)  # if the image is halved up to twice; more often
_LEAST_FILTERS = 16


def _is_convolutional(params: Any) -> bool:
    return params.kind == 'convolutional'


def _is_dense(params: Any) -> bool:
    return params.kind == 'dense'


@dataclasses.dataclass(frozen=True)
class Params(AdversarialParams):
    """Parameters of the two networks."""

    kind: str = structural('convolutional', 'kind', choices=tuple(_KINDS))
    filters: str = structural(
        '',
        'for kind=convolutional: filters of the convolutions, each of which halves the image; the generator '
        'mirrors them; default by the size of the image, such as 64-128 for 28 pixels',
        pattern=f'({SIZES})?',
        used_if=_is_convolutional,
    )
    kernel_size: int = structural(
        4, 'side of a filter in pixels, at least 1', lower=1, used_if=_is_convolutional
    )
    layers: str = structural(
        '1000-500-250-250-250',
        "for kind=dense: units of the discriminator's layers",
        pattern=SIZES,
        used_if=_is_dense,
    )
    generator_layers: str = structural(
        '500-500', "for kind=dense: units of the generator's layers", pattern=SIZES, used_if=_is_dense
    )
    normalization: str = structural(
        'spectral',
        f"of the discriminator's kernels: {', '.join(NORMALIZATIONS)}",
        choices=tuple(NORMALIZATIONS),
    )
    dropout_rate: float = setting(
        0.0, "share of the discriminator's values dropped after each layer", lower=0, below=1
    )
    noise: float = setting(
        0.0, 'standard deviation of the noise after each layer of the discriminator', lower=0
    )
    input_noise: float = setting(
        0.0, "standard deviation of the noise on the discriminator's images", lower=0
    )

    @property
    def chosen_filters(self) -> tuple[int, ...]:
        """Filters of the convolutions: `filters`, or by default doubled each time the image is halved.

        By default the image is halved as long as its shorter side keeps 4 pixels.
        """
        if self.filters:
            return sizes(self.filters)
        halvings = max((min(self.image_shape[:2]) // _COARSEST_SIDE).bit_length() - 1, 1)
        most = _MOST_FILTERS[0] if halvings <= 2 else _MOST_FILTERS[1]
        return tuple(max(most >> left, _LEAST_FILTERS) for left in reversed(range(halvings)))


def check(params: Params) -> None:
    """Raises FlagError for hyper-parameters that cannot be combined, or do not fit the images."""
    check_game(params)
    side = min(params.image_shape[:2])
    if not _is_convolutional(params):
        return
    if side < _SMALLEST_SIDE:
        raise FlagError(
            f'--image_size={side} is too small for convolutions: give {_SMALLEST_SIDE} or more, or '
            '--hparams=kind=dense.'
        )
    halvings = len(params.chosen_filters)
    if side < 2**halvings:
        raise FlagError(
            f'--image_size={side} does not fit --hparams=filters={params.filters}: that halves the image '
            f'{halvings} times, which takes {2**halvings} pixels.'
        )


def task(params: Params) -> Task:
    """Returns what is learned: classes if semi-supervised, else to make images like those of the data."""
    if params.semi_supervised:
        return Task(keys.ACCURACY, uses_unlabelled=True, reference_classifier=params.judge)
    metric = keys.FRECHET_DISTANCE if params.judge else keys.SLICED_WASSERSTEIN
    return Task(
        metric,
        higher_is_better=False,
        labelled=params.conditional,
        reference_classifier=params.judge,
    )


def sampler(params: Params) -> Sampler:
    """Returns the averaged generator."""
    return Sampler(_generator(params, AVERAGE, trainable=False), params)


def network(images: Tensor, params: Params, noise: Any = None) -> Layers:
    """Yields the layers of the discriminator, for images in [0, 1]."""
    both = players(params)
    yield from (both.discriminator_average or both.discriminator).layers(to_networks(images))


@model_function(Params, check)
def model_fn(args: Args[Params]) -> EstimatorSpec:
    """Trains both networks: see `core.adversarial.head.adversarial_spec`.

    Labels are used for conditional=true and semi_supervised=true; a label that is not in the vocabulary marks
    an unlabelled image.
    """
    return adversarial_spec(args, players(args.params))


def players(params: Params) -> Players:
    """Returns the two networks, and their averages."""
    return Players(
        _generator(params, GENERATOR),
        _generator(params, AVERAGE, trainable=False),
        _discriminator(params, DISCRIMINATOR),
        _discriminator(params, DISCRIMINATOR_AVERAGE, trainable=False) if params.semi_supervised else None,
    )


def _generator(params: Params, scope: str, trainable: bool = True) -> Generator:
    if _is_dense(params):
        normalization = 'weight' if params.normalization == 'weight' else 'none'
        layers = sizes(params.generator_layers)
        return dense_generator(scope, params.image_shape, layers, trainable, normalization)
    return deconvolutional_generator(
        scope, params.image_shape, params.chosen_filters, params.kernel_size, trainable
    )


def _discriminator(params: Params, scope: str, trainable: bool = True) -> Discriminator:
    if _is_dense(params):
        hidden = dense_layers(scope, sizes(params.layers), params.normalization, trainable)
    else:
        hidden = convolutions(
            scope, params.chosen_filters, params.kernel_size, params.normalization, trainable
        )
    return Discriminator(
        scope,
        hidden,
        params.classes,
        params.semi_supervised,
        params.normalization,
        params.dropout_rate,
        params.noise,
        params.input_noise,
        trainable,
    )


MODEL = Model('gan', Params, model_fn, check, task, network=network, sampler=sampler)
