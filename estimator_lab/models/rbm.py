"""A restricted Boltzmann machine on images: the notes' 'feature extraction' and 'machine dreams'.

Hinton 2002 and 2012; Tieleman 2008 for persistent chains; Salakhutdinov and Murray 2008 for log probability.
"""

import math
from functools import partial

from estimator_lab.base.errors import FlagError
from estimator_lab.core import keys
from estimator_lab.core.model import Args, Model, Phase, Task, model_function
from estimator_lab.models.boltzmann.head import rbm_spec
from estimator_lab.models.boltzmann.judgement import judge_machine
from estimator_lab.models.boltzmann.learning import RbmParams
from estimator_lab.models.boltzmann.machine import BERNOULLI
from estimator_lab.models.boltzmann.samples import draw
from estimator_lab.models.boltzmann.stack import Stack, make_rbm
from estimator_lab.tf1 import EstimatorSpec

Params = RbmParams
# With 1,437 digits of 8x8 pixels, the reconstruction error is 3.4 after the 450 of ten epochs, and 1.1 then.
_LEAST_STEPS = 4500


def check(params: Params) -> None:
    """Raises FlagError for hyper-parameters that cannot be combined."""
    if params.ais_chains and params.visible_units != BERNOULLI:
        raise FlagError(
            f'Hyper-parameter ais_chains={params.ais_chains} needs visible_units={BERNOULLI}: log Z is '
            'estimated for binary units only.'
        )
    if params.ais_chains == 1:
        raise FlagError('Hyper-parameter ais_chains=1 gives no error bar: give at least 2.')


def stack_of(params: Params) -> Stack:
    """Creates the machine's variables."""
    pixels = math.prod(params.image_shape)
    machine = make_rbm(1, pixels, params.hidden_units, (params.visible_units, BERNOULLI))
    return Stack([machine], params.image_shape, params.pixels)


@model_function(Params, check)
def model_fn(args: Args[Params]) -> EstimatorSpec:
    """Trains and samples from the machine: see `models.boltzmann.head.rbm_spec`. Labels are not used."""
    return rbm_spec(args, stack_of(args.params))


MODEL = Model(
    'rbm',
    Params,
    model_fn,
    check,
    task=lambda params: Task(keys.RECONSTRUCTION_ERROR, higher_is_better=False, labelled=False),
    phases=lambda params: [Phase(least_steps=_LEAST_STEPS)],
    draw=partial(draw, stack_of),
    judge=judge_machine,
)
