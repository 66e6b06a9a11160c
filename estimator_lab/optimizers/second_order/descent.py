"""Methods that choose a direction and search along it: what L-BFGS and conjugate gradients share."""

import dataclasses
from typing import Any, NamedTuple

from estimator_lab.base.settings import setting
from estimator_lab.optimizers.second_order.flat import dot, epsilon, norm
from estimator_lab.optimizers.second_order.line_search import Found, Point, strong_wolfe
from estimator_lab.optimizers.second_order.objective import Iterate, Objective
from estimator_lab.optimizers.second_order.optimizer import SecondOrderOptimizer, SecondOrderSettings, Step
from estimator_lab.tf1 import tf

_LINE_SEARCH_STEPS = 20


@dataclasses.dataclass(frozen=True)
class DescentSettings(SecondOrderSettings):
    """Settings of a method with a line search for the strong Wolfe conditions."""

    sufficient_decrease: float = setting(1e-4, 'c1 of the Wolfe conditions', above=0, below=0.5)
    curvature: float = setting(0.9, 'c2 of the Wolfe conditions', above=0, below=1)


class Direction(NamedTuple):
    """A search direction [size], and the step length to try first, a scalar."""

    vector: Any
    first_step: Any


class _Progress(NamedTuple):
    """The loop variables of a step's iterations."""

    number: Any
    at: Iterate
    state: Any
    evaluations: Any
    step_length: Any
    finite: Any
    stuck: Any
    resets: Any


class DescentOptimizer(SecondOrderOptimizer):
    """An optimizer whose iterations choose a direction, search along it, and update a state.

    If the direction does not lead down, or the search finds no lower loss, the method is reset: it clears its
    state and uses the negative gradient. If that finds no lower loss either, the step ends.
    """

    shown = ('step_length', 'resets')

    def _direction(self, state: Any, at: Iterate) -> Direction:
        """Returns the method's direction."""
        raise NotImplementedError

    def _learned(self, state: Any, at: Iterate, direction: Any, found: Found, then: Iterate) -> Any:
        """Returns the state after an iteration from `at` along a direction [size] to `then`."""
        raise NotImplementedError

    def _step(self, objective: Objective, here: Iterate, state: Any) -> Step:
        def unfinished(progress: _Progress) -> Any:
            return (progress.number < self.settings.iterations) & tf.logical_not(progress.stuck)

        def iterate(progress: _Progress) -> tuple[_Progress]:
            return (self._iteration(objective, progress),)

        zero, yes = tf.constant(0), tf.constant(True)
        first = _Progress(zero, here, state, zero, tf.zeros_like(here.loss), yes, _is_flat(here), zero)
        (end,) = tf.while_loop(unfinished, iterate, (first,), parallel_iterations=1)
        diagnostics = {'evaluations': end.evaluations, 'step_length': end.step_length, 'resets': end.resets}
        return Step(end.at.weights, end.state, end.finite, diagnostics)

    def _iteration(self, objective: Objective, progress: _Progress) -> _Progress:
        at = progress.at
        direction, state, was_reset = self._downwards(progress.state, at)

        def along(step: Any) -> tuple[Point, Any]:
            there = objective.at(at.weights + step * direction.vector)
            return Point(step, there.loss, dot(there.gradient, direction.vector)), there.gradient

        found = strong_wolfe(
            along,
            Point(tf.zeros_like(at.loss), at.loss, dot(at.gradient, direction.vector)),
            at.gradient,
            direction.first_step,
            self.settings.sufficient_decrease,
            self.settings.curvature,
            self.settings.line_search_steps or _LINE_SEARCH_STEPS,
        )
        moved = found.point.step > 0
        then = Iterate(at.weights + found.point.step * direction.vector, found.point.loss, found.gradient)
        is_steepest = tf.reduce_all(tf.equal(direction.vector, -at.gradient))
        return _Progress(
            number=progress.number + 1,
            at=tf.cond(moved, lambda: then, lambda: at),
            state=tf.cond(
                moved,
                lambda: self._learned(state, at, direction.vector, found, then),
                lambda: _cleared(state),
            ),
            evaluations=progress.evaluations + found.evaluations,
            step_length=found.point.step,
            finite=found.finite,
            stuck=(tf.logical_not(moved) & is_steepest) | (moved & _is_flat(then)),
            resets=progress.resets + tf.cast(was_reset | tf.logical_not(moved), tf.int32),
        )

    def _downwards(self, state: Any, at: Iterate) -> tuple[Direction, Any, Any]:
        """Returns a direction that leads down, the state to use it with, and whether the method was reset."""
        direction = self._direction(state, at)
        slope = dot(at.gradient, direction.vector)
        lengths = norm(at.gradient) * norm(direction.vector)
        down = tf.is_finite(slope) & (slope < -epsilon(slope.dtype) * lengths)
        direction, state = tf.cond(down, lambda: (direction, state), lambda: (steepest(at), _cleared(state)))
        return direction, state, tf.logical_not(down)


def _cleared(state: Any) -> Any:
    """Returns a state of zeros, for which a method's direction is `steepest`."""
    return state._make(map(tf.zeros_like, state))


def _is_flat(at: Iterate) -> Any:
    return tf.equal(tf.reduce_max(tf.abs(at.gradient)), 0)


def steepest(at: Iterate) -> Direction:
    """Returns the negative gradient; the first step to try changes the weights by a length of at most 1."""
    return Direction(-at.gradient, 1 / tf.maximum(norm(at.gradient), 1))
