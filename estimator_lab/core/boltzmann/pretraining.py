"""Greedy pre-training of a stack of layers: each is trained on the output of the layers below.

Each layer is a restricted Boltzmann machine (Hinton, Osindero and Teh 2006; Bengio et al. 2007), or a
denoising autoencoder (Vincent et al. 2010). Both have the same variables, which initialise a feed-forward
network.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from estimator_lab.base.settings import setting
from estimator_lab.core.boltzmann.params import RATES, RbmParams
from estimator_lab.core.boltzmann.rbm import BERNOULLI, GAUSSIAN, UNITS
from estimator_lab.core.boltzmann.stack import Stack, layer_variables, make_layer
from estimator_lab.core.model import Phase
from estimator_lab.core.params import TrainingParams, structural

RBM, DENOISING = 'rbm', 'denoising'
LAYERWISE = ('pretrain_epochs', 'pretraining', 'chains')
"""Hyper-parameters of how layers are pre-trained, on which the fine-tuned network does not depend."""

_PHASE = 'pretrain_'


def _is_pretrained(params: Any) -> bool:
    return params.pretrain_epochs > 0


def _has_rbms(params: Any) -> bool:
    return _is_pretrained(params) and params.pretraining == RBM


@dataclasses.dataclass(frozen=True)
class PretrainingParams:
    """Hyper-parameters of pre-training."""

    pretrain_epochs: float = structural(10.0, 'passes over the images for each layer; 0 for none', lower=0)
    pretraining: str = structural(
        RBM, f'{RBM} or {DENOISING} autoencoders', choices=(RBM, DENOISING), used_if=_is_pretrained
    )
    pretrain_learning_rate: float = setting(
        0.0,
        'learning rate; 0 for the default, 0.05 with momentum (rbm), 0.001 with adam (denoising)',
        lower=0,
        used_if=_is_pretrained,
    )
    cd_steps: int = setting(1, 'Gibbs steps in an update of an rbm, at least 1', lower=1, used_if=_has_rbms)
    chains: int = structural(
        0, "an rbm's persistent chains; 0 starts each chain at the data", lower=0, used_if=_has_rbms
    )
    pretrain_weight_decay: float = setting(
        0.0002, "factor of the L2 penalty on an rbm's weights, 0 or more", lower=0, used_if=_has_rbms
    )
    pretrain_binarize: bool = setting(
        False, 'whether rbms learn from inputs sampled as 0 or 1: better samples after few steps'
    )
    masking: float = setting(
        0.25,
        'share of the input values set to 0 for a denoising autoencoder',
        lower=0,
        below=1,
        used_if=lambda params: _is_pretrained(params) and params.pretraining == DENOISING,
    )
    visible_units: str = structural(
        BERNOULLI,
        'of the lowest rbm: bernoulli, or gaussian for photos',
        choices=tuple(UNITS),
    )


def pretraining_phases(
    params: PretrainingParams,
    layers: int,
    final: Sequence[str],
    renames: Sequence[tuple[str, str]] = (),
    least_steps: int = 0,
) -> list[Phase]:
    """Returns one phase per layer, then the final one; without pre-training only that.

    Args:
      params: the hyper-parameters.
      layers: number of layers.
      final: names of the variables that the final phase inherits.
      renames: (name in the final phase, name in pre-training) of further variables.
      least_steps: of the final phase; see `Phase`.
    """
    if not params.pretrain_epochs:
        return [Phase(least_steps=least_steps)]
    early = [
        Phase(f'{_PHASE}{number}', params.pretrain_epochs, layer_variables(number - 1))
        for number in range(1, layers + 1)
    ]
    return [*early, Phase(inherits=tuple(final), renames=tuple(renames), least_steps=least_steps)]


@dataclasses.dataclass(frozen=True)
class LayerPretraining:
    """The pre-training of a stack.

    Attributes:
      params: the run's parameters: both a TrainingParams and a PretrainingParams.
      layers: hidden units of all layers.
      linear_top: whether the last layer has linear units, as a code has.
      classes: number of labels that the last layer sees in addition to its features; 0 for none.
    """

    params: Any
    layers: Sequence[int]
    linear_top: bool = False
    classes: int = 0

    @property
    def number(self) -> int:
        """The layer that this phase trains, from 1."""
        return int(self.params.phase.removeprefix(_PHASE))

    @property
    def is_last(self) -> bool:
        """Whether that is the last layer."""
        return self.number == len(self.layers)

    def stack(self) -> Stack:
        """Creates the variables of the layers up to the one that is trained."""
        params = self.params
        below = [int(np.prod(params.image_shape)), *self.layers]
        layers = [
            make_layer(
                number,
                below[number - 1],
                self.layers[number - 1],
                (
                    params.visible_units if number == 1 and params.pretraining == RBM else BERNOULLI,
                    GAUSSIAN if self.linear_top and number == len(self.layers) else BERNOULLI,
                ),
                self.classes if number == len(self.layers) else 0,
                trainable=number == self.number,
            )
            for number in range(1, self.number + 1)
        ]
        return Stack(layers, params.image_shape)

    def rbm_params(self) -> RbmParams:
        """Returns the parameters of this phase's RBM."""
        params = self.params
        linear = (self.linear_top and self.is_last) or (params.visible_units == GAUSSIAN and self.number == 1)
        rate = params.pretrain_learning_rate or RATES[GAUSSIAN if linear else BERNOULLI]
        return RbmParams(
            image_shape=params.image_shape,
            train_steps=params.train_steps,
            first_step=params.first_step,
            learning_rate=rate,
            cd_steps=params.cd_steps,
            chains=params.chains,
            weight_decay=params.pretrain_weight_decay,
            visible_units=params.visible_units if self.number == 1 else BERNOULLI,
            binarize=params.pretrain_binarize,  # otherwise the probabilities of the units below are used
        )

    def denoising_params(self) -> TrainingParams:
        """Returns the parameters of this phase's denoising autoencoder."""
        params = self.params
        return TrainingParams(
            train_steps=params.train_steps,
            first_step=params.first_step,
            learning_rate=params.pretrain_learning_rate or 0.001,
        )
