"""Greedy pre-training of a stack: each machine is trained on the output of the machines below.

Hinton, Osindero and Teh (2006); Bengio et al. (2007). The variables of the machines initialise a feed-forward
network.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from estimator_lab.base.settings import setting
from estimator_lab.core.model import Args, Phase
from estimator_lab.core.params import RAW_PIXELS, Pixels, structural
from estimator_lab.models.boltzmann.head import MachineHead
from estimator_lab.models.boltzmann.learning import RATES, RbmParams
from estimator_lab.models.boltzmann.machine import BERNOULLI, GAUSSIAN, UNITS
from estimator_lab.models.boltzmann.stack import Stack, layer_variables, make_rbm

_PHASE = 'pretrain_'
# Of each machine, if its length is not given: after the 450 of ten epochs on 1,437 digits of 8x8 pixels, the
# upper ones give nearly the same for all images.
_LEAST_STEPS = 3000


def _is_pretrained(params: Any) -> bool:
    return params.pretrain_epochs > 0


@dataclasses.dataclass(frozen=True)
class PretrainingParams:
    """Hyper-parameters of pre-training, which is by momentum with a linear schedule."""

    pretrain_epochs: float = structural(
        10.0, 'passes over the images for each layer; 0 for none', lower=0, of_training=True
    )
    pretrain_learning_rate: float = setting(
        0.0,
        'initial learning rate of pre-training; 0 for the default, 0.05, or 0.001 for gaussian units',
        lower=0,
        used_if=_is_pretrained,
    )
    cd_steps: int = setting(1, 'Gibbs steps in an update of an rbm', lower=1, used_if=_is_pretrained)
    chains: int = structural(
        0,
        'persistent chains of the last rbm, for better samples; 0 starts each chain at the data',
        lower=0,
        of_training=True,
        used_if=_is_pretrained,
    )
    pretrain_binarize: bool = setting(
        False,
        'whether rbms learn from inputs sampled as 0 or 1: better samples after few steps',
        used_if=_is_pretrained,
    )
    visible_units: str = structural(
        BERNOULLI, 'of the lowest rbm: bernoulli, or gaussian for photos', choices=UNITS
    )


def pretraining_phases(
    params: Any, layers: int, renames: Sequence[tuple[str, str]] = (), least_steps: int = 0
) -> list[Phase]:
    """Returns one phase per layer, then the final one; without pre-training only that.

    The final phase inherits the kernel and the bias of each layer; `renames` and `least_steps` are its own.
    """
    if not params.pretrain_epochs:
        return [Phase(least_steps=least_steps)]
    numbers, epochs = range(1, layers + 1), params.pretrain_epochs
    least = 0 if 'pretrain_epochs' in params.given else _LEAST_STEPS
    early = [Phase(f'{_PHASE}{n}', epochs, layer_variables(n - 1), least_steps=least) for n in numbers]
    final = tuple(f'layer_{n}/{name}' for n in numbers for name in ('kernel', 'bias'))
    return [*early, Phase(inherits=final, renames=tuple(renames), least_steps=least_steps)]


def pretraining_stack(
    params: Any, layers: Sequence[int], linear_top: bool = False, pixels: Pixels = RAW_PIXELS
) -> Stack:
    """Creates the variables of the layers up to the one that `params.phase` trains.

    With a linear top, the last layer has linear units, as a code has. `Stack` describes `pixels`.
    """
    below, trained = [math.prod(params.image_shape), *layers], int(params.phase.removeprefix(_PHASE))

    def units(number: int) -> tuple[str, str]:
        is_linear = linear_top and number == len(layers)
        visible = params.visible_units if number == 1 else BERNOULLI
        return visible, GAUSSIAN if is_linear else BERNOULLI

    made = [
        make_rbm(number, below[number - 1], layers[number - 1], units(number), trainable=number == trained)
        for number in range(1, trained + 1)
    ]
    return Stack(made, params.image_shape, pixels)


def pretraining_head(args: Args[Any], stack: Stack, is_last: bool) -> MachineHead:
    """Returns the head of a phase of pre-training, in which the stack's top machine learns.

    The chains of the last machine persist.
    """
    params = machine_params(args.params, stack, is_last)
    return MachineHead(dataclasses.replace(args, params=params), stack)


def machine_params(params: Any, stack: Stack, is_last: bool) -> RbmParams:
    """Returns the parameters of the stack's top machine."""
    top = stack.top
    is_linear = GAUSSIAN in (top.visible_units, top.hidden_units)
    chains = params.chains if is_last else 0
    return RbmParams(
        image_shape=params.image_shape,
        train_steps=params.train_steps,
        first_step=params.first_step,
        learning_rate=params.pretrain_learning_rate or RATES[GAUSSIAN if is_linear else BERNOULLI],
        cd_steps=params.cd_steps,
        chains=chains,
        of_units=len(stack.machines) > 1,
        visible_units=top.visible_units,
        # The states of persistent chains are binary, too.
        binarize=params.pretrain_binarize or chains > 0,
    )
