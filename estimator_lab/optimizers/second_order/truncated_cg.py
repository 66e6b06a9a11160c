"""The linear conjugate gradient method, stopped early: Martens (2010), sections 4.4 and 4.6, and his code."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from estimator_lab.optimizers.second_order.flat import dot
from estimator_lab.tf1 import tf

# Progress is measured over this share of the steps so far, and over at least this many steps.
_GAP, _LEAST_GAP = 0.1, 10
# Solutions are kept after steps 5, 7, 9, 11, 15 and so on.
_FIRST_KEPT, _KEPT_GROWTH = 5, 1.3


class Solutions(NamedTuple):
    """The result of the method.

    Attributes:
      kept: a TensorArray of some intermediate solutions [size], then the last one.
      last: index of the last one, an int32 scalar.
      steps: number of steps taken, an int32 scalar.
    """

    kept: Any
    last: Any
    steps: Any


class _State(NamedTuple):
    """The loop variables; the residual is A x - b."""

    step: Any
    solution: Any
    residual: Any
    direction: Any
    power: Any
    values: Any
    kept: Any
    number: Any
    stopped: Any


def kept_steps(most: int) -> list[int]:
    """Returns the steps up to `most` after which a solution is kept: 5 * 1.3^j, rounded up."""
    powers = range(math.ceil(math.log(max(most, 1)) / math.log(_KEPT_GROWTH)) + 1)
    steps = (math.ceil(_FIRST_KEPT * _KEPT_GROWTH**power) for power in powers)
    return [step for step in steps if step <= most]


def truncated_cg(
    product: Callable[[Any], Any],
    target: Any,
    start: Any,
    preconditioner: Any,
    most: int,
    tolerance: float = 5e-4,
) -> Solutions:
    """Minimizes phi(x) = x'Ax / 2 - b'x until progress is slow.

    It stops after step i if i > k, phi_i < 0 and (phi_i - phi_(i-k)) / phi_i < k * tolerance, where k is
    max(10, i / 10); after `most` steps; and if the curvature along its direction is not positive.

    Args:
      product: x [size] -> A x [size]; A is symmetric and positive definite.
      target: b, [size].
      start: x before the first step, [size].
      preconditioner: a positive diagonal close to that of A, [size].
      most: maximum number of steps, at least 1.
      tolerance: minimum progress per step, as a share of phi_i.
    """
    keeps = tf.constant(kept_steps(most), tf.int32)
    size = target.shape[0]

    def unfinished(state: _State) -> Any:
        return (state.step < most) & tf.logical_not(state.stopped)

    def advance(state: _State) -> tuple[_State]:
        along = product(state.direction)
        curvature = dot(state.direction, along)
        # Without curvature, this step has length 0 and is the last.
        curved = tf.is_finite(curvature) & (curvature > 0)
        length = tf.where(curved, tf.div_no_nan(state.power, curvature), tf.zeros_like(curvature))
        solution = state.solution + length * state.direction
        residual = state.residual + tf.cond(curved, lambda: length * along, lambda: tf.zeros_like(along))
        scaled = residual / preconditioner
        power = dot(residual, scaled)
        step = state.step + 1
        value = dot(residual - target, solution) / 2
        values = tf.tensor_scatter_nd_update(state.values, [[step]], [value])
        gap = tf.maximum(_LEAST_GAP, tf.cast(tf.math.ceil(_GAP * tf.cast(step, tf.float32)), tf.int32))
        before = tf.gather(values, tf.maximum(step - gap, 0))
        slow = (value - before) / value < tolerance * tf.cast(gap, value.dtype)
        stopped = (step > gap) & (value < 0) & slow
        ends = stopped | tf.logical_not(curved) | tf.equal(power, 0)
        keep = tf.reduce_any(tf.equal(step, keeps)) & tf.logical_not(ends) & (step < most)
        return (
            _State(
                step=step,
                solution=solution,
                residual=residual,
                direction=tf.div_no_nan(power, state.power) * state.direction - scaled,
                power=power,
                values=values,
                # The next solution overwrites this one unless it is to be kept.
                kept=state.kept.write(state.number, solution),
                number=state.number + tf.cast(keep, tf.int32),
                stopped=ends,
            ),
        )

    residual = product(start) - target
    scaled = residual / preconditioner
    kept = tf.TensorArray(
        target.dtype, len(kept_steps(most)) + 1, element_shape=[size], clear_after_read=False
    )
    first = _State(
        step=tf.constant(0),
        solution=start,
        residual=residual,
        direction=-scaled,
        power=dot(residual, scaled),
        values=tf.zeros([most + 1], target.dtype),
        kept=kept.write(0, start),
        number=tf.constant(0),
        stopped=tf.constant(False),
    )
    (end,) = tf.while_loop(unfinished, advance, (first,), parallel_iterations=1)
    return Solutions(end.kept, end.number, end.step)
