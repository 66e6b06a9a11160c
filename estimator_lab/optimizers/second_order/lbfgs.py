"""L-BFGS: the limited-memory method of Broyden, Fletcher, Goldfarb and Shanno.

Nocedal and Wright (2006), 'Numerical Optimization', section 7.2, p. 176-180.
"""

from typing import Any, NamedTuple

from estimator_lab.optimizers.second_order.descent import (
    DescentOptimizer,
    DescentSettings,
    Direction,
    steepest,
)
from estimator_lab.optimizers.second_order.flat import dot, epsilon, norm
from estimator_lab.optimizers.second_order.line_search import Found
from estimator_lab.optimizers.second_order.objective import Iterate, Objective
from estimator_lab.optimizers.second_order.optimizer import Slot
from estimator_lab.tf1 import tf


class LBFGSSettings(DescentSettings):
    """Settings of L-BFGS; each of the `memory` pairs is two vectors of the weights' size."""


class Pairs(NamedTuple):
    """The state: the last m differences of weights (s) and gradients (y), newest last, padded with zeros.

    Attributes:
      positions: s, [m, size].
      gradients: y, [m, size].
    """

    positions: Any
    gradients: Any


class LBFGSOptimizer(DescentOptimizer):
    """Minimizes by L-BFGS with a line search for the strong Wolfe conditions (algorithm 7.5, p. 179).

    A pair is the difference of the two ends of one search, so that both gradients are of one batch. Pairs of
    different small batches contradict each other: use large batches, or the whole data set.
    """

    Settings = LBFGSSettings

    def vectors(self) -> int:
        """Returns 4 for each pair, since updating copies them, and 8 for weights, gradients, directions."""
        return 4 * self.settings.memory + 8

    def _initial_state(self, objective: Objective) -> Pairs:
        shape = (self.settings.memory, objective.layout.size)
        return Pairs(Slot(shape), Slot(shape))

    def _direction(self, state: Pairs, at: Iterate) -> Direction:
        newest = dot(state.positions[-1], state.gradients[-1])
        vector = -two_loop(at.gradient, state)
        return Direction(vector, tf.where(newest > 0, tf.ones_like(newest), steepest(at).first_step))

    def _learned(self, state: Pairs, at: Iterate, direction: Any, found: Found, then: Iterate) -> Pairs:
        return with_pair(state, then.weights - at.weights, then.gradient - at.gradient)


def two_loop(gradient: Any, pairs: Pairs) -> Any:
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


def with_pair(pairs: Pairs, position: Any, gradient: Any) -> Pairs:
    """Returns the pairs with a new one, s and y [size], replacing the oldest.

    A pair without positive curvature, s'y > 0 up to rounding, is skipped to keep H positive (p. 537).
    """
    curved = dot(position, gradient) > epsilon(position.dtype) * norm(position) * norm(gradient)

    def pushed(rows: Any, row: Any) -> Any:
        return tf.concat([rows[1:], row[tf.newaxis]], axis=0)

    return tf.cond(
        curved,
        lambda: Pairs(pushed(pairs.positions, position), pushed(pairs.gradients, gradient)),
        lambda: pairs,
    )
