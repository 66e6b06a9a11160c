"""One training step of any model: its optimizer and learning-rate schedule, chosen by hyper-parameters."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.hparams import hparam
from estimator_lab.core.phases import FINAL
from estimator_lab.optimizers import OPTIMIZERS, SCHEDULES, learning_rate_at, make_optimizer
from estimator_lab.tf1 import tf


@dataclasses.dataclass(frozen=True)
class TrainingParams:
    """Parameters of every model that learns from images.

    Attributes:
      image_shape: (height, width, channels) of the input, in pixels.
      vocabulary: label texts in the order of their class ids.
      train_steps: steps of the training run, which a learning-rate schedule spans.
      first_step: the global step at which that schedule begins; above 0 where another phase came before.
      phase: name of the phase of training; '' is the last, and the only one of most models.
      model_dir: the folder where a model finds what it computed before training; '' for none.
    """

    image_shape: tuple[int, int, int] = (128, 128, 1)
    vocabulary: tuple[str, ...] = tuple('0123456789')
    train_steps: int = 10_000
    first_step: int = 0
    phase: str = FINAL
    model_dir: str = ''

    optimizer: str = hparam('adam', f'one of {", ".join(OPTIMIZERS)}', OPTIMIZERS.__contains__)
    learning_rate: float = hparam(0.001, 'initial learning rate, above 0', lambda v: v > 0)
    learning_rate_schedule: str = hparam('cosine', f'one of {", ".join(SCHEDULES)}', SCHEDULES.__contains__)
    momentum: float = hparam(0.9, 'for momentum, nesterov and rmsprop, in [0, 1)', lambda v: 0 <= v < 1)


def optimizer_and_rate(params: TrainingParams, momentum: Any = None) -> tuple[Any, Any]:
    """Returns a new `tf.train.Optimizer` and the learning rate of the current step, a float32 scalar.

    Args:
      params: choose both; the schedule spans the steps from `first_step` to `first_step + train_steps`.
      momentum: float32 scalar, for one that changes; None for that of the parameters.
    """
    step = tf.train.get_or_create_global_step() - params.first_step
    rate = learning_rate_at(params.learning_rate_schedule, params.learning_rate, step, params.train_steps)
    return make_optimizer(params.optimizer, rate, params.momentum if momentum is None else momentum), rate


def train_op(loss: Any, params: TrainingParams, variables: Sequence[Any] | None = None) -> Any:
    """Returns the operation that takes one step down the loss and counts it; it shows the learning rate.

    Args:
      loss: float32 scalar.
      params: choose optimizer and learning rate.
      variables: those that learn; None for all trainable ones.
    """
    with tf.name_scope('train'):
        optimizer, rate = optimizer_and_rate(params)
        step = optimizer.minimize(loss, tf.train.get_or_create_global_step(), variables)
    # Outside the scope, which would become a part of the tag.
    tf.summary.scalar(keys.LEARNING_RATE, rate)
    return step
