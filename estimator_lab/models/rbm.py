"""A restricted Boltzmann machine on images: the document's 'feature extraction' and 'machine dreams'.

Hinton 2002 and 2012; Tieleman 2008 for persistent chains; Salakhutdinov and Murray 2008 for log probability.
"""

import dataclasses
import math

from estimator_lab.core.boltzmann.params import RbmParams
from estimator_lab.core.boltzmann.rbm import BERNOULLI
from estimator_lab.core.boltzmann.stack import Stack, make_layer
from estimator_lab.core.heads.boltzmann import RbmBatch, rbm_spec
from estimator_lab.core.model import keys
from estimator_lab.core.model.features import images_of
from estimator_lab.core.model.model import Model, Task
from estimator_lab.core.model.model_function import model_function
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor


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


def stack_of(params: Params) -> Stack:
    """Makes the machine's variables."""
    pixels = math.prod(params.image_shape)
    layer = make_layer(1, pixels, params.hidden_units, (params.visible_units, BERNOULLI))
    return Stack([layer], params.image_shape)


@model_function(Params, check)
def model_fn(
    features: Features, labels: Tensor | None, mode: Mode, params: Params, config: RunConfig | None
) -> EstimatorSpec:
    """The model function, for `tf.estimator.Estimator`.

    Args:
      features: as `core.model.features.images_of` takes them; values in [0, 1].
      labels: not used; may be None.
      mode: a `tf.estimator.ModeKeys`.
      params: names and values of `Params`.
      config: the RunConfig.

    Returns:
      The EstimatorSpec of that mode; see `core.heads.boltzmann.rbm_spec`.
    """
    batch = RbmBatch(features, images_of(features, params.image_shape))
    return rbm_spec(stack_of(params), batch, mode, params, config)


MODEL = Model(
    'rbm',
    Params,
    model_fn,
    check,
    task=lambda params: Task(keys.RECONSTRUCTION_ERROR, higher_is_better=False, labelled=False),
    stack=stack_of,
)
