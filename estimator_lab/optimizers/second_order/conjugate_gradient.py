"""The nonlinear conjugate gradient method: Nocedal and Wright (2006), section 5.2, p. 121-132."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from estimator_lab.base.settings import setting
from estimator_lab.optimizers.second_order.descent import (
    DescentOptimizer,
    DescentSettings,
    Direction,
    steepest,
)
from estimator_lab.optimizers.second_order.flat import dot
from estimator_lab.optimizers.second_order.line_search import Found
from estimator_lab.optimizers.second_order.objective import Iterate, Objective
from estimator_lab.optimizers.second_order.optimizer import Slot
from estimator_lab.tf1 import tf

BETAS: dict[str, Callable[[Any, Any, Any], Any]] = {
    # Polak and Ribiere ((5.44), p. 122), at least 0, which restarts the method (PR+).
    'polak_ribiere': lambda new, old, _: tf.maximum(tf.div_no_nan(dot(new, new - old), dot(old, old)), 0),
    # Hestenes and Stiefel ((5.46), p. 123), at least 0.
    'hestenes_stiefel': lambda new, old, direction: tf.maximum(
        tf.div_no_nan(dot(new, new - old), dot(direction, new - old)), 0
    ),
    # Dai and Yuan ((5.49), p. 123).
    'dai_yuan': lambda new, old, direction: tf.div_no_nan(dot(new, new), dot(direction, new - old)),
}
"""Name -> (new gradient, previous gradient, the direction between them, all [size]) -> beta, a scalar."""


@dataclasses.dataclass(frozen=True)
class ConjugateGradientSettings(DescentSettings):
    """Settings of the conjugate gradient method."""

    # The method needs a better minimum along the line than L-BFGS (p. 124: c2 below 1/2).
    curvature: float = setting(0.1, 'c2 of the Wolfe conditions', above=0, below=0.5)
    beta: str = setting('polak_ribiere', 'beta of the search directions', choices=tuple(BETAS))


class Memory(NamedTuple):
    """The state: what the next direction needs from the previous iteration.

    Attributes:
      direction: the previous direction, [size]; zeros before the first.
      beta: its weight in the next direction, a scalar.
      descent: its step length times the slope at its start, a scalar, at most 0.
      age: directions since the last restart, an int32 scalar.
    """

    direction: Any
    beta: Any
    descent: Any
    age: Any


class ConjugateGradientOptimizer(DescentOptimizer):
    """Minimizes by nonlinear conjugate gradients with a line search for the strong Wolfe conditions (p. 121).

    It restarts from the gradient after as many iterations as there are weights (p. 124), and whenever
    `DescentOptimizer` resets it.
    """

    Settings = ConjugateGradientSettings

    def vectors(self) -> int:
        """Returns 8: weights, gradients and directions."""
        return 8

    def _initial_state(self, objective: Objective) -> Memory:
        return Memory(Slot((objective.layout.size,)), Slot(), Slot(), Slot(dtype=tf.int32))

    def _direction(self, state: Memory, at: Iterate) -> Direction:
        vector = state.beta * state.direction - at.gradient
        # Assumes the same first-order change as in the previous search (p. 59).
        step = tf.div_no_nan(state.descent, dot(at.gradient, vector))
        return Direction(vector, tf.where(step > 0, step, steepest(at).first_step))

    def _learned(self, state: Memory, at: Iterate, direction: Any, found: Found, then: Iterate) -> Memory:
        age = state.age + 1
        restarts = age >= direction.shape[0]
        beta = BETAS[self.settings.beta](then.gradient, at.gradient, direction)
        return Memory(
            direction=direction,
            beta=tf.where(restarts, tf.zeros_like(beta), beta),
            descent=found.point.step * dot(at.gradient, direction),
            age=tf.where(restarts, tf.zeros_like(age), age),
        )
