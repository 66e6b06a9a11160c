"""The notes' generative adversarial network: a generator of 'deconvolutional' layers against a CNN.

Goodfellow et al. 2014, with the networks of Radford et al. 2016 and the spectral normalisation of Miyato et
al. 2018. `networks` has both networks, `game` a training step, `scores` the metrics of samples, and `head`
what the model function returns.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from estimator_lab.base.errors import FlagError, hparam, option
from estimator_lab.base.settings import setting
from estimator_lab.core import keys
from estimator_lab.core.abilities import Draws, Generates, HasCompanions, HasNetwork
from estimator_lab.core.endpoints import Layers
from estimator_lab.core.model import Model, Task, arguments
from estimator_lab.core.noise import Noise
from estimator_lab.core.params import SIZES, GradientParams, sizes, structural
from estimator_lab.models.gan import head
from estimator_lab.models.gan.head import to_networks
from estimator_lab.models.gan.judge import companions
from estimator_lab.models.gan.networks import HIDDEN, discriminator
from estimator_lab.models.gan.samples import draw
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

_SMALLEST_SIDE = 8
_LEAST_STEPS = 1500  # after 450, on 1,437 digits of 8x8 pixels, samples are half-formed
_COARSEST_SIDE = 4  # of the last maps, at least
_MOST_FILTERS = (128, 256)  # if the image is halved up to twice; more often
_LEAST_FILTERS = 16


@dataclasses.dataclass(frozen=True)
class Params(GradientParams):
    """Parameters of the two networks."""

    latent_size: int = structural(64, 'numbers in a latent vector', lower=1)
    filters: str = structural(
        '',
        'filters of the convolutions, each of which halves the image; the generator mirrors them; default by '
        'the size of the image, such as 64-128 for 28 pixels',
        pattern=f'({SIZES})?',
    )
    kernel_size: int = structural(4, 'side of a filter in pixels', lower=1)
    conditional: bool = structural(False, 'whether both networks are conditioned on the label')
    learning_rate: float = setting(0.0005, 'initial learning rate of both networks', above=0)
    diff_augment: bool = setting(
        False,
        'whether the discriminator sees images and fakes with random colours, shifts and hidden squares, for '
        'small data sets (Zhao et al. 2020)',
    )
    judge: str = setting('', 'model_dir of a classifier that scores the samples; none: no such scores')

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

    @property
    def smallest_batch(self) -> int:
        """See `TrainingParams`: batch normalisation of one image is 0."""
        return 2

    def check(self) -> None:
        """Raises FlagError for hyper-parameters that cannot be combined, or do not fit the images."""
        if self.conditional and self.num_classes < 2:
            raise FlagError(f'{hparam.conditional}=true needs two labels or more.')
        side, halvings = min(self.image_shape[:2]), len(self.chosen_filters)
        if side < _SMALLEST_SIDE:
            raise FlagError(
                f'{option.image_size}={side} is too small for convolutions: give {_SMALLEST_SIDE} or more.'
            )
        if side < 2**halvings:
            raise FlagError(
                f'{option.image_size}={side} does not fit {hparam.filters}={self.filters}: that halves the '
                f'image {halvings} times, which takes {2**halvings} pixels.'
            )


def network(images: Tensor, params: Params, noise: Noise | None = None) -> Layers:
    """Yields the layers of the discriminator, for images in [0, 1]."""
    layers = discriminator(to_networks(images), None, params)
    return ((name, values) for name, values in layers if name != HIDDEN)


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Trains both networks: see `models.gan.head`.

    Labels are used for conditional=true; an image whose label is not in the vocabulary is left out.
    """
    args = arguments(Params, features, labels, mode, params, config)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return head.predict_spec(args)
    batch = head.batch_of(args)
    if mode == tf.estimator.ModeKeys.EVAL:
        return head.eval_spec(args, batch)
    return head.train_spec(args, batch)


class Gan(Model[Params], HasNetwork, Draws, Generates, HasCompanions):
    """A generator of images against a discriminator."""

    name = 'gan'
    params = Params
    model_fn = staticmethod(model_fn)
    network = staticmethod(network)
    draw = staticmethod(draw)
    companions = staticmethod(companions)
    least_steps = _LEAST_STEPS

    def task(self, params: Params) -> Task:
        """Returns what is learned: to make images like the data.

        Without a judge, runs are compared by their diversity, which shows collapse only.
        """
        return Task(
            keys.FRECHET_DISTANCE if params.judge else keys.DIVERSITY,
            higher_is_better=not params.judge,
            labelled=params.conditional,
        )


MODEL = Gan()
