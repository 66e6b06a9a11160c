"""How far to go along a direction: a line search for the strong Wolfe conditions, and one for Armijo's.

Nocedal and Wright (2006), 'Numerical Optimization', chapter 3; 'p.' below is a page of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from estimator_lab.optimizers.second_order.flat import epsilon
from estimator_lab.tf1 import tf

# The next step length is looked for between these multiples of the last one's growth, while no bracket is
# known (Moré and Thuente 1994, section 4) ...
_GROWTH = 1.1, 4.0
# ... and then within this share of the bracket, so that it shrinks (p. 62).
_INSIDE = 0.1
# How many units in the last place of the loss are taken for rounding.
_ROUNDING = 4


class Point(NamedTuple):
    """A step length along the direction, with the loss and its slope there, all scalars."""

    step: Any
    loss: Any
    slope: Any


class Found(NamedTuple):
    """The end of a line search.

    Attributes:
      point: the step length; 0 where no loss was low enough.
      gradient: there, a vector [size].
      evaluations: of the loss and its gradient, an int32 scalar.
      satisfied: whether the conditions hold there; without, the loss is lower all the same, if
        `point.step` is not 0.
      finite: whether the loss was finite anywhere.
    """

    point: Point
    gradient: Any
    evaluations: Any
    satisfied: Any
    finite: Any


class _Search(NamedTuple):
    """Between two evaluations: the bracket's better end and its other one, and where to look next.

    While there is no bracket, `high` lies at infinity. That makes one rule of algorithms 3.5 and 3.6.
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
    """Looks for a step length that meets the strong Wolfe conditions (algorithms 3.5 and 3.6, p. 60).

    Of the loss phi and the step a: phi(a) <= phi(0) + c1 a phi'(0), up to rounding, and
    |phi'(a)| <= c2 |phi'(0)| (3.7). A loss that is not finite counts as too high.

    Args:
      evaluate: step length -> the point there, and its gradient [size].
      start: the point of step 0; its slope is below 0.
      gradient: the one of step 0, a vector [size].
      first_step: where to look first, a scalar above 0.
      sufficient_decrease: c1, in (0, 1).
      curvature: c2, in (c1, 1).
      most: how many evaluations there may be, at least 1.
    """
    dtype = start.loss.dtype
    slack = _ROUNDING * epsilon(dtype) * tf.abs(start.loss)

    def unfinished(search: _Search) -> Any:
        # What is left to gain in the bracket may be less than the loss is rounded by.
        left = tf.abs((search.high.step - search.low.step) * search.low.slope)
        return tf.logical_not(search.satisfied) & (search.evaluations < most) & (left > slack)

    def look(search: _Search) -> tuple[_Search]:
        at, gradient = evaluate(search.trial)
        finite = tf.is_finite(at.loss) & tf.is_finite(at.slope)
        promised = start.loss + sufficient_decrease * at.step * start.slope
        decreases = finite & (at.loss <= tf.minimum(promised, search.low.loss) + slack)
        satisfied = decreases & (tf.abs(at.slope) <= -curvature * start.slope)
        # The minimum lies between `low` and the trial if the loss rises from the trial towards `high`.
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
    """Returns where the cubic of two losses and slopes has its minimum ((3.59), p. 59); NaN for none."""
    mean = one.slope + other.slope - 3 * (one.loss - other.loss) / (one.step - other.step)
    root = tf.sign(other.step - one.step) * tf.sqrt(mean**2 - one.slope * other.slope)
    share = (other.slope + root - mean) / (other.slope - one.slope + 2 * root)
    return other.step - (other.step - one.step) * share


def _interpolated(low: Point, high: Point) -> Any:
    """Returns a step length within the bracket."""
    width = high.step - low.step
    share = (cubic_minimum(low, high) - low.step) / width
    # Where the loss is not finite, nothing but the other end is known.
    known = tf.where(
        tf.is_finite(high.loss), tf.constant(0.5, width.dtype), tf.constant(_INSIDE, width.dtype)
    )
    share = tf.where(tf.is_finite(share), share, known)
    return low.step + width * tf.clip_by_value(share, _INSIDE, 1 - _INSIDE)


def _extrapolated(before: Point, low: Point, trial: Any) -> Any:
    """Returns a longer step than the last one."""
    grown = trial - before.step
    least, most = (trial + factor * grown for factor in _GROWTH)
    step = cubic_minimum(before, low)
    return tf.where(step >= least, tf.minimum(step, most), tf.where(step > trial, least, most))


class Backtracked(NamedTuple):
    """The end of a backtracking search: a share of the step in [0, 1], 0 for none; the loss; evaluations."""

    rate: Any
    loss: Any
    evaluations: Any


def armijo(
    loss_at: Callable[[Any], Any],
    start: Point,
    first_loss: Any,
    sufficient_decrease: float = 0.01,
    shrink: float = 0.8,
    most: int = 60,
) -> Backtracked:
    """Shortens a step until the loss falls by a share of what the slope promises (algorithm 3.1, p. 37).

    Args:
      loss_at: share of the step in (0, 1] -> loss.
      start: share 0: the loss before the step and its slope along it.
      first_loss: the loss of the whole step.
      sufficient_decrease: c, in (0, 1).
      shrink: by which the share is multiplied, in (0, 1).
      most: how many shares are tried, at least 1; then the share is 0.
    """
    slack = _ROUNDING * epsilon(start.loss.dtype) * tf.abs(start.loss)

    def low_enough(rate: Any, loss: Any) -> Any:
        # TensorFlow takes `not a <= b` for `a > b`, which is false for a NaN as well.
        return tf.is_finite(loss) & (loss <= start.loss + sufficient_decrease * rate * start.slope + slack)

    def unfinished(rate: Any, loss: Any, tried: Any) -> Any:
        return tf.logical_not(low_enough(rate, loss)) & (tried < most)

    def shorten(rate: Any, loss: Any, tried: Any) -> Any:
        del loss
        return rate * shrink, loss_at(rate * shrink), tried + 1

    first = (tf.ones_like(first_loss), first_loss, tf.constant(1))
    rate, loss, tried = tf.while_loop(unfinished, shorten, first, parallel_iterations=1)
    found = low_enough(rate, loss)
    return Backtracked(
        tf.where(found, rate, tf.zeros_like(rate)), tf.where(found, loss, start.loss), tried - 1
    )


def _choose(condition: Any, one: Any, other: Any) -> Any:
    """Returns one of two structures of tensors, without a copy."""
    return tf.cond(condition, lambda: one, lambda: other)
