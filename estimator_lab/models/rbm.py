"""A restricted Boltzmann machine on images: the notes' 'feature extraction' and 'machine dreams'.

Hinton 2002 and 2012; Tieleman 2008 for persistent chains; Salakhutdinov and Murray 2008 for log probability.
"""

import math
from collections.abc import Mapping
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.model import Model, Task, arguments
from estimator_lab.models.boltzmann.head import MachineHead
from estimator_lab.models.boltzmann.learning import RbmParams
from estimator_lab.models.boltzmann.machine import BERNOULLI
from estimator_lab.models.boltzmann.samples import DrawsFromMachines
from estimator_lab.models.boltzmann.stack import Stack, make_rbm
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

Params = RbmParams
# With 1,437 digits of 8x8 pixels, the reconstruction error is 3.4 after the 450 of ten epochs, and 1.1 then.
_LEAST_STEPS = 4500


def stack_of(params: Params) -> Stack:
    """Creates the machine's variables."""
    pixels = math.prod(params.image_shape)
    machine = make_rbm(1, pixels, params.hidden_units, (params.visible_units, BERNOULLI))
    return Stack([machine], params.image_shape, params.pixels)


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Trains and samples from the machine: see `models.boltzmann.head`. Labels are not used."""
    args = arguments(Params, features, labels, mode, params, config)
    machine = MachineHead(args, stack_of(args.params))
    if mode == tf.estimator.ModeKeys.PREDICT:
        return machine.predict_spec()
    if mode == tf.estimator.ModeKeys.EVAL:
        return machine.eval_spec()
    return machine.train_spec()


class Rbm(Model[Params], DrawsFromMachines):
    """A restricted Boltzmann machine."""

    name = 'rbm'
    params = Params
    model_fn = staticmethod(model_fn)
    stack_of = staticmethod(stack_of)
    least_steps = _LEAST_STEPS

    def task(self, params: Params) -> Task:
        """Returns what is learned: reconstructions."""
        return Task(keys.RECONSTRUCTION_ERROR, higher_is_better=False, labelled=False)


MODEL = Rbm()
