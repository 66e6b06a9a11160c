"""The nonlinear conjugate gradient method: Nocedal and Wright (2006), section 5.2, p. 121-132."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

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
from estimator_lab.settings import setting
from estimator_lab.tf1 import tf


def polak_ribiere(new: Any, old: Any, direction: Any) -> Any:
    """Returns beta of Polak and Ribiere ((5.44), p. 122), not below 0, which restarts the method (PR+)."""
    del direction
    return tf.maximum(tf.div_no_nan(dot(new, new - old), dot(old, old)), 0)


def hestenes_stiefel(new: Any, old: Any, direction: Any) -> Any:
    """Returns beta of Hestenes and Stiefel ((5.46), p. 123), not below 0."""
    return tf.maximum(tf.div_no_nan(dot(new, new - old), dot(direction, new - old)), 0)


def dai_yuan(new: Any, old: Any, direction: Any) -> Any:
    """Returns beta of Dai and Yuan ((5.49), p. 123)."""
    return tf.div_no_nan(dot(new, new), dot(direction, new - old))


BETAS: dict[str, Callable[[Any, Any, Any], Any]] = {
    'polak_ribiere': polak_ribiere,
    'hestenes_stiefel': hestenes_stiefel,
    'dai_yuan': dai_yuan,
}
"""Name -> (new gradient, the one before, the direction between them, all [size]) -> beta."""


@dataclasses.dataclass(frozen=True)
class ConjugateGradientSettings(DescentSettings):
    """Settings of the conjugate gradient method."""

    # The method needs a better minimum along the line than L-BFGS (p. 124: c2 below 1/2).
    curvature: float = setting(0.1, 'c2 of the Wolfe conditions, in (0, 0.5)', lambda v: 0 < v < 0.5)
    beta: str = setting('polak_ribiere', f'one of {", ".join(BETAS)}', BETAS.__contains__)


class Memory(NamedTuple):
    """What the next direction needs of the last one.

    Attributes:
      direction: the last one, [size]; zeros before the first.
      beta: how much of it the next one has, a scalar.
      descent: its step length times the slope at its start, a scalar, at most 0.
      age: directions since the last restart, an int32 scalar.
    """

    direction: Any
    beta: Any
    descent: Any
    age: Any


class ConjugateGradientOptimizer(DescentOptimizer):
    """Minimizes by nonlinear conjugate gradients with a line search for the strong Wolfe conditions (p. 121).

    It restarts from the gradient after as many iterations as there are weights (p. 124), and where
    `DescentOptimizer` resets.
    """

    Settings = ConjugateGradientSettings

    def vectors(self) -> int:
        return 8

    def _initial_state(self, objective: Objective) -> Memory:
        return Memory(Slot((objective.layout.size,)), Slot(), Slot(), Slot(dtype=tf.int32))

    def _direction(self, state: Memory, at: Iterate) -> Direction:
        vector = state.beta * state.direction - at.gradient
        # The first-order change is taken to be that of the last search (p. 59).
        step = tf.div_no_nan(state.descent, dot(at.gradient, vector))
        return Direction(vector, tf.where(step > 0, step, steepest(at).first_step))

    def _forgotten(self, state: Memory) -> Memory:
        return Memory(*map(tf.zeros_like, state))

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
