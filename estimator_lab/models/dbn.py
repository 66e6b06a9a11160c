"""The notes' deep belief network: layers pre-trained one by one, then 'gentle bp' through all of them.

Hinton, Osindero and Teh 2006; the defaults are the 784-500-500-2000-10 of Hinton and Salakhutdinov 2006 on
MNIST. With `pretrain_epochs=0` it is trained from random weights.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from estimator_lab.base.errors import option
from estimator_lab.base.settings import setting
from estimator_lab.core import classifier
from estimator_lab.core.abilities import HasNetwork
from estimator_lab.core.endpoints import LOGITS, Layers, publish_all
from estimator_lab.core.layers import class_logits, hidden_layers, network_pixels
from estimator_lab.core.model import FINAL, Model, Phase, arguments
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.core.params import (
    SIZES,
    AnyOptimizer,
    ClassifierParams,
    other_default,
    share,
    sizes,
    structural,
)
from estimator_lab.models.boltzmann.machine import GAUSSIAN
from estimator_lab.models.boltzmann.pretraining import (
    PretrainingParams,
    pretraining_head,
    pretraining_phases,
    pretraining_stack,
)
from estimator_lab.models.boltzmann.samples import DrawsFromMachines
from estimator_lab.models.boltzmann.stack import Stack, standardised
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

# With dropout, sigmoid units learn slowly: on 1,437 digits of 8x8 pixels, the accuracy is 0.97 after 2,000
# steps and 0.98 then.
_LEAST_STEPS = 4500
# Of the built-in faces, 0.86 are classified right with 64x64 pixels, and 0.57 with 128x128.
_MOST_INPUTS = 8192


@dataclasses.dataclass(frozen=True)
class Params(AnyOptimizer, ClassifierParams, PretrainingParams):
    """Parameters of the network."""

    layers: str = structural('500-500-2000', 'hidden units of each layer', pattern=SIZES)
    # Without them, dreams of MNIST are nearly all alike, and none looks like a digit.
    chains: int = other_default(PretrainingParams, 'chains', 100)
    head_steps: float = setting(
        0.025,
        'steps of fine-tuning that train only the new top layer; below 1: share of the steps',
        lower=0,
        used_if=lambda params: params.pretrain_epochs > 0,
    )
    dropout_rate: float = share(0.2, 'share of hidden units dropped in fine-tuning')
    input_dropout_rate: float = share(0.1, 'share of pixels dropped in fine-tuning')

    @property
    def steps_of_head(self) -> int:
        """Number of fine-tuning steps that train only the new top layer."""
        is_share = self.head_steps < 1
        return round(self.head_steps * self.train_steps) if is_share else int(self.head_steps)

    def caution(self) -> str:
        """Returns a warning of more pixels than binary units learn from; '' for none."""
        inputs = math.prod(self.image_shape)
        if not self.pretrain_epochs or self.visible_units == GAUSSIAN or inputs <= _MOST_INPUTS:
            return ''
        return (
            f'binary units learn little from images of {inputs:,} values: give a smaller {option.image_size}.'
        )


def stack_of(params: Params) -> Stack | None:
    """Creates the variables of the machines up to the one of `params.phase`; None without pre-training."""
    if not params.pretrain_epochs:
        return None
    return pretraining_stack(params, sizes(params.layers), pixels=params.pixels)


def network(images: Tensor, params: Params, noise: Noise | None = None) -> Layers:
    """Yields layer_1 and so on, float32 [batch, units], then the logits: see `core.abilities.HasNetwork`."""
    if params.visible_units == GAUSSIAN:  # as in pre-training
        images, *_ = standardised(images)
    else:
        images = network_pixels(images, params)
    pixels = dropout(tf.layers.flatten(images), params.input_dropout_rate, noise)
    hidden = yield from hidden_layers(pixels, sizes(params.layers), tf.sigmoid, noise, params.dropout_rate)
    if noise and params.pretrain_epochs and params.steps_of_head:
        hidden = _head_first(hidden, params)
    yield LOGITS, class_logits(hidden, params)


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Pre-trains the layer that `params.phase` names, or fine-tunes the classifier if that is ''.

    See `models.boltzmann.head` and `core.classifier`.
    """
    args = arguments(Params, features, labels, mode, params, config)
    if args.params.phase != FINAL:
        stack = stack_of(args.params)
        assert stack, 'a phase of pre-training'
        machine = pretraining_head(args, stack, len(stack.machines) == len(sizes(args.params.layers)))
        if mode == tf.estimator.ModeKeys.PREDICT:
            return machine.predict_spec()
        if mode == tf.estimator.ModeKeys.EVAL:
            return machine.eval_spec()
        return machine.train_spec()
    layers = publish_all(network(args.images, args.params, args.noise))
    if mode == tf.estimator.ModeKeys.PREDICT:
        return classifier.predict_spec(args, layers)
    loss = classifier.loss(args, layers)
    if mode == tf.estimator.ModeKeys.EVAL:
        return classifier.eval_spec(args, layers, loss)
    return classifier.train_spec(args, layers, loss)


def _head_first(values: Tensor, params: Params) -> Tensor:
    """Stops the gradient to the pre-trained layers during the first steps.

    The first gradients of the new top layer, which starts from random weights, would undo pre-training.
    """
    with tf.name_scope('head_first'):
        step = tf.train.get_or_create_global_step() - params.first_step
        shape = tf.shape(values)
        return tf.where(tf.fill(shape, step >= params.steps_of_head), values, tf.stop_gradient(values))


class Dbn(Model[Params], HasNetwork, DrawsFromMachines):
    """The notes' deep belief network."""

    name = 'dbn'
    params = Params
    model_fn = staticmethod(model_fn)
    network = staticmethod(network)
    stack_of = staticmethod(stack_of)

    def phases(self, params: Params) -> list[Phase]:
        """Returns the phases of training: one per layer, then fine-tuning."""
        return pretraining_phases(params, len(sizes(params.layers)), least_steps=_LEAST_STEPS)


MODEL = Dbn()
