"""One training step of any model: optimizer and schedule by hyper-parameters, one update or several."""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.params import TrainingParams, is_first_order, warms_up
from estimator_lab.optimizers import learning_rate_at, make_optimizer
from estimator_lab.tf1 import Operation, Optimizer, Tensor, Variable, create_slots, tf


def optimizer_and_rate(params: TrainingParams, **adam: float) -> tuple[Callable[[], Any], Tensor]:
    """Returns a function that makes a `tf.train.Optimizer`, and the learning rate of the current step.

    The schedule of the rate, a float32 scalar, spans the steps from `first_step` to `first_step +
    train_steps`. `adam` are arguments of `tf.train.AdamOptimizer`, if that is chosen.
    """
    step = tf.train.get_or_create_global_step() - params.first_step
    rate = learning_rate_at(
        params.learning_rate_schedule, params.learning_rate, step, params.train_steps, params.warmup_steps
    )
    tf.add_to_collection(keys.LEARNING_RATE, rate)  # a session may feed another one

    def make() -> Any:
        warmed = {'step': step, 'warmup_steps': params.warmup_steps, 'warmup_inputs': params.warmup_inputs}
        options = {**warmed, **adam} if warms_up(params) else {}
        return make_optimizer(params.optimizer, rate, params.momentum, **options)

    return make, rate


def train_op(loss: Tensor, params: TrainingParams, weights: Tensor, clip_norm: float = 0.0) -> Operation:
    """Returns the operation that takes one optimizer step and counts it; adds the learning rate's summary.

    The step includes the operations in tf.GraphKeys.UPDATE_OPS.

    Args:
      loss: float32 scalar.
      params: the optimizer and its learning rate.
      weights: the weight of each example, float32 [batch] or a number.
      clip_norm: largest global norm of the gradient (Pascanu et al. 2013), 0 for none; for first-order
        optimizers.
    """
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    if not is_first_order(params):
        return tf.group(_second_order_op(loss, params, weights), *updates)
    with tf.name_scope('train'):
        new_optimizer, rate = optimizer_and_rate(params)
        optimizer = new_optimizer()
        update = apply_gradients(optimizer, optimizer.compute_gradients(loss), weights, clip_norm)
        step = tf.group(counted(update), *updates)
    # Outside the scope, which would become a part of the tag.
    tf.summary.scalar(keys.LEARNING_RATE, rate)
    return step


def l2_penalty(factor: float) -> list[Tensor]:
    """Returns the L2 penalty, factor / 2 times the squares of all trained kernels; [] for a factor of 0.

    Biases and the vectors of tokens are left out: few of the latter occur in a batch.
    """
    if not factor:
        return []
    kernels = [v for v in tf.trainable_variables() if v.shape.rank > 1 and 'embedding' not in v.op.name]
    return [factor * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])]


def watched(loss: Tensor, params: TrainingParams) -> Tensor:
    """Returns the loss for Estimator's hooks, which stop training at the first NaN.

    A second-order optimizer rejects such a step itself and continues, a few times in a row: for it, a NaN is
    replaced by infinity.
    """
    if is_first_order(params):
        return loss
    return tf.where(tf.is_nan(loss), tf.fill(tf.shape(loss), float('inf')), loss)


def _second_order_op(loss: Tensor, params: Any, weights: Tensor) -> Operation:
    """The same for an optimizer that evaluates the loss at several weights; it shows what it found."""
    with tf.name_scope('train'):
        optimizer = make_optimizer(params.optimizer, params.learning_rate, **params.second_order)
        active = None if isinstance(weights, int | float) else tf.reduce_any(weights > 0)
        step = optimizer.minimize(loss, tf.train.get_or_create_global_step(), active=active)
    for name, value in optimizer.diagnostics.items():
        tf.summary.scalar(f'{params.optimizer}/{name}', value)
    return step


def apply_gradients(
    optimizer: Optimizer, pairs: Sequence[tuple[Tensor, Variable]], weights: Tensor, clip_norm: float = 0.0
) -> Operation:
    """Returns the operation that updates the variables, unless all weights of the batch are 0.

    A batch of bad examples has no gradient, but momentum would still move the variables, and the optimizer's
    slots would decay.

    Args:
      optimizer: a `tf.train.Optimizer`.
      pairs: gradients of mean losses with their variables, from `compute_gradients`.
      weights: the weight of each example, float32 [batch] or a number.
      clip_norm: largest global norm of the gradient, 0 for none.
    """
    gradients, variables = zip(*pairs, strict=True)
    if clip_norm:
        gradients, _ = tf.clip_by_global_norm(gradients, clip_norm)
    # Created within the branch, their names would have its prefix.
    with tf.control_dependencies(None):  # so that no initial value waits for other variables
        create_slots(optimizer, variables)
    moves = list(zip(gradients, variables, strict=True))
    return apply_if_nonempty(weights, lambda: optimizer.apply_gradients(moves))


def apply_if_nonempty(weights: Tensor, update: Callable[[], Operation]) -> Operation:
    """Returns the operation that makes an update, or does nothing if all weights of the batch are 0.

    `update` builds the operation; its inputs are computed in any case. Under a tf.distribute.Strategy it
    always updates: the batches of all replicas form one step.
    """
    if isinstance(weights, int | float) or tf.distribute.has_strategy():
        return update()

    def updated() -> Tensor:
        with tf.control_dependencies([update()]):
            return tf.constant(True)

    return tf.cond(tf.reduce_any(weights > 0), updated, lambda: tf.constant(False)).op


def counted(update: Operation) -> Operation:
    """Returns the operation that makes an update, then increments the global step."""
    with tf.control_dependencies([update]):
        return tf.assign_add(tf.train.get_or_create_global_step(), 1).op
