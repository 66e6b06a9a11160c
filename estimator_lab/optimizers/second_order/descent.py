"""L-BFGS and nonlinear conjugate gradients, with a line search for the strong Wolfe conditions.

Nocedal and Wright (2006), 'Numerical Optimization'; 'p.' below is a page of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers.second_order.objective import (
    Iterate,
    Objective,
    choose,
    dot,
    epsilon,
    norm,
    rounding,
)
from estimator_lab.optimizers.second_order.optimizer import SecondOrderOptimizer, Slot, Step
from estimator_lab.tf1 import Nested, Tensor, tf

# Until there is a bracket, the step length grows by between these multiples of its last growth (Moré and
# Thuente 1994, section 4); within one, it stays this share of the width away from both ends (p. 62).
_GROWTH, _INSIDE = (1.1, 4.0), 0.1


class Point(NamedTuple):
    """A step length along the direction, the loss there, and its slope along the direction, all scalars."""

    step: Tensor
    loss: Tensor
    slope: Tensor


class Search(NamedTuple):
    """A line search: its loop variables, and its result.

    Attributes:
      point: the better end of the bracket; its step length is 0 if no loss was low enough.
      other: the other end. Until a bracket is found, it is at infinity, which turns algorithms 3.5 and 3.6
        into one rule.
      gradient: the gradient at the better end, a vector [size].
      trial: the step length to try next.
      evaluations: number of evaluations of the loss and its gradient, an int32 scalar.
      satisfied: whether the point meets the conditions; otherwise its loss is still lower, unless
        `point.step` is 0.
      finite: whether any loss was finite.
    """

    point: Point
    other: Point
    gradient: Tensor
    trial: Tensor
    evaluations: Tensor
    satisfied: Tensor
    finite: Tensor


def strong_wolfe(
    evaluate: Callable[[Any], tuple[Point, Tensor]],
    start: tuple[Point, Tensor],
    first_step: Tensor,
    curvature: float,
    sufficient_decrease: float = 1e-4,
    most: int = 20,
) -> Search:
    """Finds a step length that meets the strong Wolfe conditions (algorithms 3.5 and 3.6, p. 60).

    For the loss phi and the step length a: phi(a) <= phi(0) + c1 a phi'(0), up to rounding, and
    |phi'(a)| <= c2 |phi'(0)| (3.7). A loss that is not finite counts as too high.

    Args:
      evaluate: step length -> (the point there, the gradient there, [size]).
      start: the same at step length 0; its slope is negative.
      first_step: the step length to try first, a positive scalar.
      curvature: c2, in (c1, 1).
      sufficient_decrease: c1, in (0, 1).
      most: maximum number of evaluations.
    """
    begin, gradient = start
    dtype, slack = begin.loss.dtype, rounding(begin.loss)

    def unfinished(search: Search) -> Tensor:
        # The possible decrease within the bracket may be below the rounding error of the loss.
        left = tf.abs((search.other.step - search.point.step) * search.point.slope)
        return tf.logical_not(search.satisfied) & (search.evaluations < most) & (left > slack)

    def look(search: Search) -> tuple[Search]:
        at, slopes = evaluate(search.trial)
        finite = tf.is_finite(at.loss) & tf.is_finite(at.slope)
        expected = begin.loss + sufficient_decrease * at.step * begin.slope
        decreases = finite & (at.loss <= tf.minimum(expected, search.point.loss) + slack)
        satisfied = decreases & (tf.abs(at.slope) <= -curvature * begin.slope)
        # The minimum is between the point and the trial if the loss increases from there to the other end.
        turns = at.slope * (search.other.step - search.point.step) >= 0
        other = choose(decreases, choose(turns, search.point, search.other), at)
        point, kept = choose(decreases, (at, slopes), (search.point, search.gradient))
        trial = tf.where(
            tf.is_finite(other.step),
            _interpolated(point, other),
            _extrapolated(search.point, point, search.trial),
        )
        evaluations, finite = search.evaluations + 1, finite | search.finite
        return (Search(point, other, kept, trial, evaluations, satisfied, finite),)

    infinity, no = tf.constant(float('inf'), dtype), tf.constant(False)
    far = Point(infinity, infinity, infinity)
    first = Search(begin, far, gradient, tf.cast(first_step, dtype), tf.constant(0), no, no)
    (end,) = tf.while_loop(unfinished, look, (first,), parallel_iterations=1)
    return end


def cubic_minimum(one: Point, other: Point) -> Tensor:
    """Returns the minimum of the cubic through two losses and slopes ((3.59), p. 59); NaN for none."""
    mean = one.slope + other.slope - 3 * (one.loss - other.loss) / (one.step - other.step)
    root = tf.sign(other.step - one.step) * tf.sqrt(mean**2 - one.slope * other.slope)
    share = (other.slope + root - mean) / (other.slope - one.slope + 2 * root)
    return other.step - (other.step - one.step) * share


def _interpolated(low: Point, high: Point) -> Tensor:
    """Returns a step length within the bracket."""
    width = high.step - low.step
    share = (cubic_minimum(low, high) - low.step) / width
    # If the loss is not finite at `high`, only `low` is known.
    known = tf.where(
        tf.is_finite(high.loss), tf.constant(0.5, width.dtype), tf.constant(_INSIDE, width.dtype)
    )
    share = tf.where(tf.is_finite(share), share, known)
    return low.step + width * tf.clip_by_value(share, _INSIDE, 1 - _INSIDE)


def _extrapolated(before: Point, low: Point, trial: Tensor) -> Tensor:
    """Returns a longer step length than the last one."""
    grown = trial - before.step
    least, most = (trial + factor * grown for factor in _GROWTH)
    step = cubic_minimum(before, low)
    return tf.where(step >= least, tf.minimum(step, most), tf.where(step > trial, least, most))


class Direction(NamedTuple):
    """A search direction [size], and the step length to try first, a scalar."""

    vector: Tensor
    first_step: Tensor


class _Progress(NamedTuple):
    """The loop variables of a step's iterations."""

    number: Tensor
    at: Iterate
    state: Nested
    evaluations: Tensor
    step_length: Tensor
    finite: Tensor
    stuck: Tensor
    resets: Tensor


class _DescentOptimizer(SecondOrderOptimizer):
    """An optimizer whose iterations choose a direction, search along it, and update a state.

    If the direction does not lead down, or the search finds no lower loss, the method is reset: it clears its
    state and uses the negative gradient. If that finds no lower loss either, the step ends.
    """

    shown = ('step_length', 'resets')
    curvature: float
    """c2 of the Wolfe conditions."""

    def __init__(self, name: str, iterations: int) -> None:
        super().__init__(name)
        if iterations < 1:
            raise FlagError(f'iterations={iterations} must be at least 1.')
        self._iterations = iterations

    def _direction(self, state: Nested, at: Iterate) -> Direction:
        raise NotImplementedError

    def _learned(self, state: Nested, at: Iterate, direction: Tensor, found: Search, then: Iterate) -> Nested:
        """Returns the state after an iteration from `at` along a direction [size] to `then`."""
        raise NotImplementedError

    def _step(self, objective: Objective, here: Iterate, state: Nested) -> Step:
        def unfinished(progress: _Progress) -> Tensor:
            return (progress.number < self._iterations) & tf.logical_not(progress.stuck)

        def iterate(progress: _Progress) -> tuple[_Progress]:
            return (self._iteration(objective, progress),)

        zero, yes = tf.constant(0), tf.constant(True)
        first = _Progress(zero, here, state, zero, tf.zeros_like(here.loss), yes, _is_flat(here), zero)
        (end,) = tf.while_loop(unfinished, iterate, (first,), parallel_iterations=1)
        diagnostics = {'evaluations': end.evaluations, 'step_length': end.step_length, 'resets': end.resets}
        return Step(end.at.weights, end.state, end.finite, diagnostics)

    def _iteration(self, objective: Objective, progress: _Progress) -> _Progress:
        at = progress.at
        direction = self._direction(progress.state, at)
        slope = dot(at.gradient, direction.vector)
        lengths = norm(at.gradient) * norm(direction.vector)
        leads_down = tf.is_finite(slope) & (slope < -epsilon(slope.dtype) * lengths)
        direction, state = tf.cond(
            leads_down, lambda: (direction, progress.state), lambda: (_steepest(at), _cleared(progress.state))
        )

        def along(step: Tensor) -> tuple[Point, Tensor]:
            there = objective.at(at.weights + step * direction.vector)
            return Point(step, there.loss, dot(there.gradient, direction.vector)), there.gradient

        start = Point(tf.zeros_like(at.loss), at.loss, dot(at.gradient, direction.vector))
        found = strong_wolfe(along, (start, at.gradient), direction.first_step, self.curvature)
        moved = found.point.step > 0
        then = Iterate(at.weights + found.point.step * direction.vector, found.point.loss, found.gradient)
        is_steepest = tf.reduce_all(tf.equal(direction.vector, -at.gradient))
        return _Progress(
            number=progress.number + 1,
            at=choose(moved, then, at),
            state=tf.cond(
                moved,
                lambda: self._learned(state, at, direction.vector, found, then),
                lambda: _cleared(state),
            ),
            evaluations=progress.evaluations + found.evaluations,
            step_length=found.point.step,
            finite=found.finite,
            stuck=(tf.logical_not(moved) & is_steepest) | (moved & _is_flat(then)),
            resets=progress.resets + tf.cast(tf.logical_not(leads_down & moved), tf.int32),
        )


def _cleared(state: Nested) -> Nested:
    """Returns a state of zeros, for which a method's direction is `_steepest`."""
    return state._make(map(tf.zeros_like, state))


def _is_flat(at: Iterate) -> Tensor:
    return tf.equal(tf.reduce_max(tf.abs(at.gradient)), 0)


def _steepest(at: Iterate) -> Direction:
    """Returns the negative gradient; the first step to try changes the weights by a length of at most 1."""
    return Direction(-at.gradient, 1 / tf.maximum(norm(at.gradient), 1))


class Pairs(NamedTuple):
    """The last m differences of weights, s, and gradients, y, [m, size]: newest last, padded with zeros."""

    positions: Tensor
    gradients: Tensor


class LBFGSOptimizer(_DescentOptimizer):
    """Minimizes by L-BFGS with a line search for the strong Wolfe conditions (algorithm 7.5, p. 179).

    The direction is -H g, with H the inverse Hessian that the pairs describe. A pair is the difference of the
    two ends of one search, so that both gradients are of one batch. Pairs of different small batches
    contradict each other: use large batches, or the whole data set.

    Args:
      memory: pairs to keep, each of two vectors of the weights' size, at least 1.
      iterations: iterations on each batch, at least 1.
      name: name of the optimizer and scope of its variables.
    """

    curvature = 0.9

    def __init__(self, memory: int = 10, iterations: int = 1, name: str = 'LBFGS') -> None:
        super().__init__(name, iterations)
        if memory < 1:
            raise FlagError(f'memory={memory} must be at least 1.')
        self._memory = memory

    def _initial_state(self, objective: Objective) -> Pairs:
        shape = (self._memory, objective.size)
        return Pairs(Slot(shape), Slot(shape))

    def _direction(self, state: Pairs, at: Iterate) -> Direction:
        newest = dot(state.positions[-1], state.gradients[-1])
        vector = -two_loop(at.gradient, state)
        return Direction(vector, tf.where(newest > 0, tf.ones_like(newest), _steepest(at).first_step))

    def _learned(self, state: Pairs, at: Iterate, direction: Tensor, found: Search, then: Iterate) -> Pairs:
        return with_pair(state, then.weights - at.weights, then.gradient - at.gradient)


def two_loop(gradient: Tensor, pairs: Pairs) -> Tensor:
    """Returns H g, the gradient [size] times the pairs' inverse Hessian (algorithm 7.4, p. 178).

    It starts from s'y / y'y of the newest pair times the identity ((7.20), p. 178); without pairs it is g.
    """
    rows = list(zip(tf.unstack(pairs.positions), tf.unstack(pairs.gradients), strict=True))
    inverses = [tf.div_no_nan(tf.ones([], gradient.dtype), dot(s, y)) for s, y in rows]
    known = list(zip(rows, inverses, strict=True))
    result, alphas = gradient, []
    for (s, y), inverse in reversed(known):
        alphas.append(inverse * dot(s, result))
        result -= alphas[-1] * y
    s, y = rows[-1]
    scale = tf.div_no_nan(dot(s, y), dot(y, y))
    result *= tf.where(scale > 0, scale, tf.ones_like(scale))
    for ((s, y), inverse), alpha in zip(known, reversed(alphas), strict=True):
        result += (alpha - inverse * dot(y, result)) * s
    return result


def with_pair(pairs: Pairs, position: Tensor, gradient: Tensor) -> Pairs:
    """Returns the pairs with a new one, s and y [size], replacing the oldest.

    A pair without positive curvature, s'y > 0 up to rounding, is skipped to keep H positive (p. 537).
    """
    curved = dot(position, gradient) > epsilon(position.dtype) * norm(position) * norm(gradient)

    def pushed(rows: Tensor, row: Tensor) -> Tensor:
        return tf.concat([rows[1:], row[tf.newaxis]], axis=0)

    return tf.cond(
        curved,
        lambda: Pairs(pushed(pairs.positions, position), pushed(pairs.gradients, gradient)),
        lambda: pairs,
    )


class Memory(NamedTuple):
    """What the next direction of conjugate gradients needs from the previous iteration.

    That is the direction [size], zeros before the first; beta, its weight in the next one; its step length
    times the slope at its start, at most 0; and the directions since the last restart.
    """

    direction: Tensor
    beta: Tensor
    descent: Tensor
    age: Tensor


class ConjugateGradientOptimizer(_DescentOptimizer):
    """Minimizes by nonlinear conjugate gradients with a line search for the strong Wolfe conditions (p. 121).

    The direction is beta d - g, with the previous direction d and Polak and Ribière's beta ((5.44), p. 122),
    at least 0. It restarts from the gradient after as many iterations as there are weights (p. 124), and when
    a search fails.

    Args:
      iterations: iterations on each batch, at least 1.
      name: name of the optimizer and scope of its variables.
    """

    curvature = 0.1
    """The method needs a better minimum along the line than L-BFGS (p. 124: c2 below 1/2)."""

    def __init__(self, iterations: int = 1, name: str = 'ConjugateGradient') -> None:
        super().__init__(name, iterations)

    def _initial_state(self, objective: Objective) -> Memory:
        return Memory(Slot((objective.size,)), Slot(), Slot(), Slot(dtype=tf.int32))

    def _direction(self, state: Memory, at: Iterate) -> Direction:
        vector = state.beta * state.direction - at.gradient
        # Assumes the same first-order change as in the previous search (p. 59).
        step = tf.div_no_nan(state.descent, dot(at.gradient, vector))
        return Direction(vector, tf.where(step > 0, step, _steepest(at).first_step))

    def _learned(self, state: Memory, at: Iterate, direction: Tensor, found: Search, then: Iterate) -> Memory:
        age = state.age + 1
        restarts = age >= direction.shape[0]
        beta = polak_ribiere(then.gradient, at.gradient)
        return Memory(
            direction=direction,
            beta=tf.where(restarts, tf.zeros_like(beta), beta),
            descent=found.point.step * dot(at.gradient, direction),
            age=tf.where(restarts, tf.zeros_like(age), age),
        )


def polak_ribiere(new: Tensor, old: Tensor) -> Tensor:
    """Returns beta, a scalar at least 0, for two successive gradients [size]."""
    return tf.maximum(tf.div_no_nan(dot(new, new - old), dot(old, old)), 0)
