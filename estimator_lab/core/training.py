"""One training step of any model: optimizer and schedule by hyper-parameters, one update or several."""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.params import TrainingParams, is_first_order
from estimator_lab.optimizers import learning_rate_at, make_optimizer
from estimator_lab.tf1 import Operation, Tensor, Variable, create_slots, tf


class LossScaledOptimizer(tf.mixed_precision.MixedPrecisionLossScaleOptimizer):
    """An optimizer that multiplies the loss by a scale, and divides the gradients by it.

    See Micikevicius et al. 2018, 'Mixed precision training'. TensorFlow's dynamic loss scale begins at 2^15
    and doubles after 2,000 updates with finite gradients. An update with an infinite gradient is skipped, and
    halves it, down to 1. The scale, float32, and the number of updates since it last changed, int64, are
    variables, and so part of every checkpoint. The collection `keys.LOSS_SCALE` holds both for each optimizer
    of a graph, as float32 [2]; all replicas of a tf.distribute.Strategy share them, and add the first one's.
    """

    def __init__(self, optimizer: Any) -> None:
        with tf.name_scope(None), tf.name_scope(keys.LOSS_SCALE):
            loss_scale = tf.mixed_precision.DynamicLossScale()
            super().__init__(optimizer, loss_scale)
            scale, good_steps = loss_scale._current_loss_scale, loss_scale._num_good_steps
            state = tf.stack([scale.read_value(), tf.cast(good_steps.read_value(), tf.float32)])
        if not tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group):
            tf.add_to_collection(keys.LOSS_SCALE, state)
        with tf.name_scope(None):  # the name is the tag in TensorBoard
            tf.summary.scalar(keys.LOSS_SCALE, state[0])

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        create_slots(self._optimizer, var_list)


def optimizer_and_rate(params: TrainingParams, **adam: float) -> tuple[Callable[[], Any], Tensor]:
    """Returns a function that makes a `tf.train.Optimizer`, and the learning rate of the current step.

    The schedule of the rate, a float32 scalar, spans the steps from `first_step` to `first_step +
    train_steps`. The optimizer scales the loss if the run computes in float16.

    Args:
      params: the optimizer and its schedule.
      **adam: arguments of `tf.train.AdamOptimizer`, if that is chosen.
    """
    step = tf.train.get_or_create_global_step() - params.first_step
    if params.accumulate > 1:  # the rate of a step with one large batch
        step -= step % params.accumulate
    rate = learning_rate_at(
        params.learning_rate_schedule, params.learning_rate, step, params.train_steps, params.warmup_steps
    )
    tf.add_to_collection(keys.LEARNING_RATE, rate)  # a session may feed another one

    def make() -> Any:
        warmed = {'step': step, 'warmup_steps': params.warmup_steps, 'warmup_inputs': params.warmup_inputs}
        options = {**warmed, **adam} if params.optimizer == 'adam' else {}
        optimizer = make_optimizer(params.optimizer, rate, params.momentum, **options)
        return LossScaledOptimizer(optimizer) if params.loss_scaling else optimizer

    return make, rate


def train_op(
    loss: Tensor,
    params: TrainingParams,
    weights: Tensor,
    clip_norm: float = 0.0,
) -> Operation:
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

        def update() -> Operation:
            pairs = optimizer.compute_gradients(loss)
            return apply_gradients(optimizer, pairs, weights, params.accumulate, clip_norm)

        step = tf.group(sequential_train_op([update]), *updates)
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
    optimizer: Any,
    pairs: Sequence[tuple[Tensor, Variable]],
    weights: Tensor,
    batches: int = 1,
    clip_norm: float = 0.0,
) -> Operation:
    """Returns the operation that updates the variables, unless all weights of the batch are 0.

    A batch of bad examples has no gradient, but momentum would still move the variables, and the optimizer's
    slots would decay.

    Args:
      optimizer: a `tf.train.Optimizer`; a `LossScaledOptimizer` skips updates that are not finite.
      pairs: gradients of mean losses with their variables, from `compute_gradients`.
      weights: the weight of each example, float32 [batch] or a number.
      batches: how many batches make up one update, by the mean gradient of all their examples.
      clip_norm: largest global norm of the gradient, 0 for none.
    """
    # Created within the branch, their names would have its prefix.
    create_slots(optimizer, [variable for _, variable in pairs])

    def update(mean: Sequence[tuple[Tensor, Variable]]) -> Operation:
        if clip_norm:
            gradients, variables = zip(*mean, strict=True)
            mean = list(zip(tf.clip_by_global_norm(gradients, clip_norm)[0], variables, strict=True))
        return optimizer.apply_gradients(mean)

    add = (lambda: update(pairs)) if batches == 1 else _accumulator(pairs, weights, batches, update)
    return apply_if_nonempty(weights, add)


def _accumulator(
    pairs: Sequence[tuple[Tensor, Variable]],
    weights: Tensor,
    batches: int,
    update: Callable[[Sequence[tuple[Tensor, Variable]]], Operation],
) -> Callable[[], Operation]:
    """Returns what builds the operation that adds a batch's gradients, and updates after the last batch.

    The sums are variables, so that a run that stops between two updates resumes exactly.
    """
    gradients = [tf.convert_to_tensor(gradient) for gradient, _ in pairs]
    variables = [variable for _, variable in pairs]
    sums = [_zeros(f'{variable.op.name}/accumulated', variable.shape) for variable in variables]
    counts = _zeros('accumulated_batches'), _zeros('accumulated_examples')
    examples = 1.0 if isinstance(weights, int | float) else tf.count_nonzero(weights > 0, dtype=tf.float32)

    def apply_and_reset() -> Tensor:
        mean = [total.read_value() / counts[1].read_value() for total in sums]
        with tf.control_dependencies([update(list(zip(mean, variables, strict=True)))]):
            cleared = [tf.assign(variable, tf.zeros(variable.shape)) for variable in (*sums, *counts)]
        with tf.control_dependencies(cleared):
            return tf.constant(True)

    def add() -> Operation:
        added = [
            tf.assign_add(total, examples * gradient) for total, gradient in zip(sums, gradients, strict=True)
        ]
        added += [tf.assign_add(counts[0], 1.0), tf.assign_add(counts[1], examples)]
        with tf.control_dependencies(added):
            is_last = counts[0].read_value() >= batches
            return tf.cond(is_last, apply_and_reset, lambda: tf.constant(False)).op

    return add


def _zeros(name: str, shape: Sequence[int] = ()) -> Variable:
    return tf.get_variable(
        name, shape, initializer=tf.zeros_initializer(), trainable=False, use_resource=True
    )


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


def sequential_train_op(updates: Sequence[Callable[[], Operation]]) -> Operation:
    """Returns the operation that makes updates one after another and increments the global step once.

    Each builds its own part of the graph, whose reads of variables see the preceding updates: those of a
    GAN's two networks, or a single one.
    """
    before: list[Operation] = []
    for update in updates:
        with tf.control_dependencies(before):
            before = [update()]
    with tf.control_dependencies(before):
        return tf.assign_add(tf.train.get_or_create_global_step(), 1).op
