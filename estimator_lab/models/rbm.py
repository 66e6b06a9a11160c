"""A restricted Boltzmann machine on images: the document's 'feature extraction' and 'machine dreams'.

Hinton 2002 and 2012; Tieleman 2008 for persistent chains; Salakhutdinov and Murray 2008 for log probability.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from estimator_lab.core.boltzmann.head import RbmBatch, rbm_spec
from estimator_lab.core.boltzmann.params import RbmParams
from estimator_lab.core.boltzmann.rbm import BERNOULLI
from estimator_lab.core.boltzmann.stack import Stack, make_layer
from estimator_lab.core.features import images_of
from estimator_lab.core.hparams import resolve
from estimator_lab.errors import FlagError


@dataclasses.dataclass(frozen=True)
class Params(RbmParams):
    """Parameters of the machine."""


def check(params: Params) -> None:
    """Raises FlagError for hyper-parameters that don't go together."""
    if params.ais_chains and params.visible_units != BERNOULLI:
        raise FlagError(
            f'Hyper-parameter ais_chains={params.ais_chains} needs visible_units={BERNOULLI}: log Z is '
            'estimated for binary units only.'
        )
    if params.ais_chains == 1:
        raise FlagError('Hyper-parameter ais_chains=1 gives no error bar: give at least 2.')


def model_fn(
    features: Any, labels: Any, mode: str, params: Mapping[str, Any] | None = None, config: Any = None
) -> Any:
    """The model function, for `tf.estimator.Estimator`.

    Args:
      features: as `core.features.images_of` takes them; values in [0, 1].
      labels: not used; may be None.
      mode: a `tf.estimator.ModeKeys`.
      params: names and values of `Params`; those left out have their defaults.
      config: the RunConfig; without it, training writes no pictures.

    Returns:
      The EstimatorSpec of that mode; see `core.rbm_specs.rbm_spec`.

    Raises:
      FlagError: for an unknown parameter, or a value that is not allowed.
    """
    settings = resolve(Params, params)
    check(settings)
    images = images_of(features, settings.image_shape)
    return rbm_spec(stack_of(settings), RbmBatch(features, images), mode, settings, config)


def stack_of(params: Params) -> Stack:
    """Makes the machine's variables."""
    pixels = int(np.prod(params.image_shape))
    layer = make_layer(1, pixels, params.hidden_units, (params.visible_units, BERNOULLI))
    return Stack([layer], params.image_shape)


def can_dream(params: Params) -> bool:
    """Returns whether `dream` can run it."""
    return True
