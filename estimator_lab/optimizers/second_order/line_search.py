"""Line searches: for the strong Wolfe conditions, and for Armijo's condition.

Nocedal and Wright (2006), 'Numerical Optimization', chapter 3; 'p.' below is a page of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from estimator_lab.optimizers.second_order.flat import epsilon
from estimator_lab.tf1 import tf

# Without a bracket, the step length grows by between these multiples of its last growth (Moré and Thuente
# 1994, section 4) ...
_GROWTH = 1.1, 4.0
# ... and within a bracket, it stays this share of the width away from both ends, so that the bracket
# shrinks (p. 62).
_INSIDE = 0.1
# Martens' constants of Armijo's condition: c, and the factor of the step after each try.
_DECREASE, _SHRINK = 0.01, 0.8
# Units in the last place of the loss that count as rounding.
_ROUNDING = 4


class Point(NamedTuple):
    """A step length along the direction, the loss there, and its slope along the direction, all scalars."""

    step: Any
    loss: Any
    slope: Any


class Found(NamedTuple):
    """The end of a line search.

    Attributes:
      point: the chosen point; its step length is 0 if no loss was low enough.
      gradient: the gradient there, a vector [size].
      evaluations: number of evaluations of the loss and its gradient, an int32 scalar.
      satisfied: whether the point meets the conditions; otherwise its loss is still lower, unless
        `point.step` is 0.
      finite: whether any loss was finite.
    """

    point: Point
    gradient: Any
    evaluations: Any
    satisfied: Any
    finite: Any


class _Search(NamedTuple):
    """The loop variables: the better end of the bracket, the other end, and the step length to try next.

    Until a bracket is found, `high` is at infinity. This turns algorithms 3.5 and 3.6 into one rule.
    """

    low: Point
    high: Point
    gradient: Any
    trial: Any
    evaluations: Any
    satisfied: Any
    finite: Any


def strong_wolfe(
    evaluate: Callable[[Any], tuple[Point, Any]],
    start: Point,
    gradient: Any,
    first_step: Any,
    sufficient_decrease: float,
    curvature: float,
    most: int,
) -> Found:
    """Finds a step length that meets the strong Wolfe conditions (algorithms 3.5 and 3.6, p. 60).

    For the loss phi and the step length a: phi(a) <= phi(0) + c1 a phi'(0), up to rounding, and
    |phi'(a)| <= c2 |phi'(0)| (3.7). A loss that is not finite counts as too high.

    Args:
      evaluate: step length -> (the point there, the gradient there, [size]).
      start: the point at step length 0; its slope is negative.
      gradient: the gradient at step length 0, [size].
      first_step: the step length to try first, a positive scalar.
      sufficient_decrease: c1, in (0, 1).
      curvature: c2, in (c1, 1).
      most: maximum number of evaluations, at least 1.
    """
    dtype = start.loss.dtype
    slack = _ROUNDING * epsilon(dtype) * tf.abs(start.loss)

    def unfinished(search: _Search) -> Any:
        # The possible decrease within the bracket may be below the rounding error of the loss.
        left = tf.abs((search.high.step - search.low.step) * search.low.slope)
        return tf.logical_not(search.satisfied) & (search.evaluations < most) & (left > slack)

    def look(search: _Search) -> tuple[_Search]:
        at, gradient = evaluate(search.trial)
        finite = tf.is_finite(at.loss) & tf.is_finite(at.slope)
        expected = start.loss + sufficient_decrease * at.step * start.slope
        decreases = finite & (at.loss <= tf.minimum(expected, search.low.loss) + slack)
        satisfied = decreases & (tf.abs(at.slope) <= -curvature * start.slope)
        # The minimum is between `low` and the trial if the loss increases from the trial towards `high`.
        turns = at.slope * (search.high.step - search.low.step) >= 0
        high = _choose(decreases, _choose(turns, search.low, search.high), at)
        low, gradient = _choose(decreases, (at, gradient), (search.low, search.gradient))
        trial = tf.where(
            tf.is_finite(high.step), _interpolated(low, high), _extrapolated(search.low, low, search.trial)
        )
        evaluations, finite = search.evaluations + 1, finite | search.finite
        return (_Search(low, high, gradient, trial, evaluations, satisfied, finite),)

    infinity, no = tf.constant(float('inf'), dtype), tf.constant(False)
    far = Point(infinity, infinity, infinity)
    first = _Search(start, far, gradient, tf.cast(first_step, dtype), tf.constant(0), no, no)
    (end,) = tf.while_loop(unfinished, look, (first,), parallel_iterations=1)
    return Found(end.low, end.gradient, end.evaluations, end.satisfied, end.finite)


def cubic_minimum(one: Point, other: Point) -> Any:
    """Returns the minimum of the cubic through two losses and slopes ((3.59), p. 59); NaN for none."""
    mean = one.slope + other.slope - 3 * (one.loss - other.loss) / (one.step - other.step)
    root = tf.sign(other.step - one.step) * tf.sqrt(mean**2 - one.slope * other.slope)
    share = (other.slope + root - mean) / (other.slope - one.slope + 2 * root)
    return other.step - (other.step - one.step) * share


def _interpolated(low: Point, high: Point) -> Any:
    """Returns a step length within the bracket."""
    width = high.step - low.step
    share = (cubic_minimum(low, high) - low.step) / width
    # If the loss is not finite at `high`, only `low` is known.
    known = tf.where(
        tf.is_finite(high.loss), tf.constant(0.5, width.dtype), tf.constant(_INSIDE, width.dtype)
    )
    share = tf.where(tf.is_finite(share), share, known)
    return low.step + width * tf.clip_by_value(share, _INSIDE, 1 - _INSIDE)


def _extrapolated(before: Point, low: Point, trial: Any) -> Any:
    """Returns a longer step length than the last one."""
    grown = trial - before.step
    least, most = (trial + factor * grown for factor in _GROWTH)
    step = cubic_minimum(before, low)
    return tf.where(step >= least, tf.minimum(step, most), tf.where(step > trial, least, most))


class Backtracked(NamedTuple):
    """The end of a backtracking search: the share of the step in [0, 1], its loss, and the evaluations."""

    rate: Any
    loss: Any
    evaluations: Any


def armijo(
    loss_at: Callable[[Any], Any],
    start: Point,
    first_loss: Any,
    most: int,
) -> Backtracked:
    """Shortens a step until the loss decreases by 1 % of the first-order prediction (algorithm 3.1, p. 37).

    Args:
      loss_at: share of the step in (0, 1] -> loss.
      start: the loss before the step, and its slope along the step.
      first_loss: the loss after the whole step.
      most: maximum number of tries, at least 1; if none succeeds, the share is 0.
    """
    slack = _ROUNDING * epsilon(start.loss.dtype) * tf.abs(start.loss)

    def low_enough(rate: Any, loss: Any) -> Any:
        # TensorFlow rewrites `not a <= b` to `a > b`, which is false for NaN.
        return tf.is_finite(loss) & (loss <= start.loss + _DECREASE * rate * start.slope + slack)

    def unfinished(rate: Any, loss: Any, tried: Any) -> Any:
        return tf.logical_not(low_enough(rate, loss)) & (tried < most)

    def shorten(rate: Any, loss: Any, tried: Any) -> Any:
        del loss
        return rate * _SHRINK, loss_at(rate * _SHRINK), tried + 1

    first = (tf.ones_like(first_loss), first_loss, tf.constant(1))
    rate, loss, tried = tf.while_loop(unfinished, shorten, first, parallel_iterations=1)
    found = low_enough(rate, loss)
    return Backtracked(
        tf.where(found, rate, tf.zeros_like(rate)), tf.where(found, loss, start.loss), tried - 1
    )


def _choose(condition: Any, one: Any, other: Any) -> Any:
    """Returns one of two structures of tensors without copying it."""
    return tf.cond(condition, lambda: one, lambda: other)
