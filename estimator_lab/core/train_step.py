"""One training step of any model: optimizer and schedule by hyper-parameters, one update or several."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.phases import FINAL
from estimator_lab.optimizers import OPTIMIZERS, SCHEDULES, SECOND_ORDER, learning_rate_at, make_optimizer
from estimator_lab.settings import setting
from estimator_lab.tf1 import Operation, Tensor, Variable, create_slots, tf


def warmup_hparam(default: int) -> Any:
    """Returns the hyper-parameter of a rate that rises first, with a default."""
    text = (
        'steps in which the learning rate rises to that of its schedule, at most a tenth of all; 0 for none'
    )
    return setting(default, text, lambda v: v >= 0)


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

    optimizer: str = setting('adam', f'one of {", ".join(OPTIMIZERS)}', OPTIMIZERS.__contains__)
    learning_rate: float = setting(0.001, 'initial learning rate, above 0', lambda v: v > 0)
    learning_rate_schedule: str = setting('cosine', f'one of {", ".join(SCHEDULES)}', SCHEDULES.__contains__)
    warmup_steps: int = warmup_hparam(0)
    momentum: float = setting(0.9, 'for momentum, nesterov and rmsprop, in [0, 1)', lambda v: 0 <= v < 1)
    memory: int = setting(10, 'pairs that lbfgs keeps, at least 1', lambda v: v >= 1, structural=True)
    iterations: int = setting(
        1, 'iterations of lbfgs and conjugate_gradient on each batch, at least 1', lambda v: v >= 1
    )
    line_search_steps: int = setting(
        0, "most evaluations in a second-order optimizer's search; 0 for its own number", lambda v: v >= 0
    )
    cg_steps: int = setting(250, 'most inner steps of hessian_free, at least 1', lambda v: v >= 1)
    curvature_share: float = setting(
        1.0, 'share of the batch from which hessian_free takes curvature, in (0, 1]', lambda v: 0 < v <= 1
    )
    damping: float = setting(45.0, 'the first lambda of hessian_free, above 0', lambda v: v > 0)

    @property
    def smallest_batch(self) -> int:
        """How many examples a step needs, and so a batch and the training data, at least."""
        return 1


def optimizer_and_rate(params: TrainingParams, momentum: Tensor | None = None) -> tuple[Any, Tensor]:
    """Returns a new `tf.train.Optimizer` and the learning rate of the current step, a float32 scalar.

    Args:
      params: choose both; the schedule spans the steps from `first_step` to `first_step + train_steps`.
      momentum: float32 scalar, for one that changes; None for that of the parameters.
    """
    step = tf.train.get_or_create_global_step() - params.first_step
    rate = learning_rate_at(
        params.learning_rate_schedule, params.learning_rate, step, params.train_steps, params.warmup_steps
    )
    return make_optimizer(params.optimizer, rate, params.momentum if momentum is None else momentum), rate


def train_op(
    loss: Tensor,
    params: TrainingParams,
    weights: Tensor,
    variables: Sequence[Variable] | None = None,
    clip_norm: float = 0.0,
) -> Operation:
    """Returns the operation that takes one step down the loss and counts it; it shows the learning rate.

    Args:
      loss: float32 scalar.
      params: choose optimizer and learning rate.
      weights: what each example counts, float32 [batch] or a number.
      variables: those that learn; None for all trainable ones.
      clip_norm: length to which the gradient is cut back (Pascanu et al. 2013), 0 for none; of optimizers
        that step by a learning rate.
    """
    if params.optimizer in SECOND_ORDER:
        return _second_order_op(loss, params, weights, variables)
    with tf.name_scope('train'):
        optimizer, rate = optimizer_and_rate(params)

        def update() -> Operation:
            pairs = optimizer.compute_gradients(loss, variables)
            return apply_gradients(optimizer, _clipped(pairs, clip_norm), weights)

        step = sequential_train_op([update])
    # Outside the scope, which would become a part of the tag.
    tf.summary.scalar(keys.LEARNING_RATE, rate)
    return step


def watched(loss: Tensor, params: TrainingParams) -> Tensor:
    """Returns the loss as Estimator's hooks are to see it.

    They end training at the first that is no number. A second-order optimizer rejects such a step itself and
    goes on, up to a few in a row: what is no number is shown to them as infinite.
    """
    if params.optimizer not in SECOND_ORDER:
        return loss
    return tf.where(tf.is_nan(loss), tf.fill(tf.shape(loss), float('inf')), loss)


def _clipped(pairs: Sequence[tuple[Tensor, Variable]], clip_norm: float) -> Sequence[tuple[Tensor, Variable]]:
    """Returns gradients with their variables, cut back to a length that all of them have together."""
    if not clip_norm:
        return pairs
    gradients, variables = zip(*pairs, strict=True)
    return list(zip(tf.clip_by_global_norm(gradients, clip_norm)[0], variables, strict=True))


def _second_order_op(
    loss: Tensor, params: TrainingParams, weights: Tensor, variables: Sequence[Variable] | None
) -> Operation:
    """The same for an optimizer that evaluates the loss at several weights; it shows what it found."""
    with tf.name_scope('train'):
        optimizer = make_optimizer(params.optimizer, None, settings=second_order_settings(params))
        active = None if isinstance(weights, int | float) else tf.reduce_any(weights > 0)
        step = optimizer.minimize(loss, tf.train.get_or_create_global_step(), variables, active=active)
    for name, value in optimizer.diagnostics.items():
        tf.summary.scalar(f'{params.optimizer}/{name}', value)
    return step


def second_order_settings(params: TrainingParams) -> Any:
    """Returns the settings of a second-order optimizer; what the parameters leave open is its own."""
    settings_class = SECOND_ORDER[params.optimizer].Settings
    given = {
        'memory': params.memory,
        'iterations': params.iterations,
        'line_search_steps': params.line_search_steps or None,
        'cg_steps': params.cg_steps,
        'curvature_share': params.curvature_share,
        'damping': params.damping,
    }
    names = {field.name for field in dataclasses.fields(settings_class)}
    return settings_class(
        **{name: value for name, value in given.items() if name in names and value is not None}
    )


def optimizer_vectors(params: TrainingParams) -> int:
    """Returns how many vectors of the weights' size a second-order optimizer holds; 0 for others."""
    if params.optimizer not in SECOND_ORDER:
        return 0
    return SECOND_ORDER[params.optimizer](second_order_settings(params)).vectors()


def apply_gradients(optimizer: Any, pairs: Sequence[tuple[Tensor, Variable]], weights: Tensor) -> Operation:
    """Returns the operation that changes the variables, unless no example of the batch counts.

    A batch of bad examples alone has no gradient; momentum alone would still move the variables, and the
    optimizer's slots would fade.

    Args:
      optimizer: a `tf.train.Optimizer`.
      pairs: gradients with their variables, as `compute_gradients` gives them.
      weights: what each example counts, float32 [batch] or a number.
    """
    # Made within a branch, their names would begin with it.
    create_slots(optimizer, [variable for _, variable in pairs])
    return apply_if_nonempty(weights, lambda: optimizer.apply_gradients(pairs))


def apply_if_nonempty(weights: Tensor, move: Callable[[], Operation]) -> Operation:
    """Returns the operation that makes a move, or nothing if no example of the batch counts.

    Under a tf.distribute.Strategy the move is made all the same: the batches of all replicas are one step.

    Args:
      weights: what each example counts, float32 [batch] or a number.
      move: builds the operation; what it takes in is worked out before, whatever the batch.
    """
    if isinstance(weights, int | float) or tf.distribute.has_strategy():
        return move()

    def moved() -> Tensor:
        with tf.control_dependencies([move()]):
            return tf.constant(True)

    return tf.cond(tf.reduce_any(weights > 0), moved, lambda: tf.constant(False)).op


def sequential_train_op(moves: Sequence[Callable[[], Operation]]) -> Operation:
    """Returns the operation that makes moves one after the other and counts them as one global step.

    Args:
      moves: each builds its own part of the graph, whose reads of variables see what the moves before have
        done: the two players of an adversarial network, or one update alone.
    """
    before: list[Operation] = []
    for move in moves:
        with tf.control_dependencies(before):
            before = [move()]
    with tf.control_dependencies(before):
        return tf.assign_add(tf.train.get_or_create_global_step(), 1).op
