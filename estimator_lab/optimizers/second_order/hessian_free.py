"""Hessian-free optimization: Martens (2010), 'Deep learning via Hessian-free optimization', and his code."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from estimator_lab.base.settings import setting
from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.curvature import GaussNewton
from estimator_lab.optimizers.second_order.flat import dot, epsilon, norm
from estimator_lab.optimizers.second_order.line_search import Point, armijo
from estimator_lab.optimizers.second_order.objective import Iterate, Objective
from estimator_lab.optimizers.second_order.optimizer import (
    SecondOrderOptimizer,
    SecondOrderSettings,
    Slot,
    Step,
)
from estimator_lab.optimizers.second_order.outputs import find_batch, find_outputs
from estimator_lab.optimizers.second_order.subgraph import Subgraph
from estimator_lab.optimizers.second_order.truncated_cg import Solutions, kept_steps, truncated_cg
from estimator_lab.tf1 import tf

# Martens' constants: conjugate gradients start at this share of the previous solution (section 4.4) ...
_DECAY = 0.95
# ... the preconditioner is the diagonal to this power (section 4.7) ...
_POWER = 0.75
# ... damping increases below the first reduction ratio and decreases above the second (section 4.1).
_POOR, _GOOD = 0.25, 0.75
_INCREASE, _DECREASE = 3 / 2, 2 / 3
# Above this ratio the model is as good as exact: damping decreases faster than Martens'.
_EXACT, _FAST_DECREASE = 0.9, 1 / 4
# The first damping is this share of the largest curvature, found by a few power iterations.
_FIRST_SHARE, _POWER_ITERATIONS = 0.1, 8
# Sums of gradients with random signs in the estimate of the diagonal.
_DRAWS = 8
_LINE_SEARCH_STEPS = 60


@dataclasses.dataclass(frozen=True)
class HessianFreeSettings(SecondOrderSettings):
    """Settings of Hessian-free optimization; the defaults are Martens', except for `curvature_share`."""

    l2: float = setting(
        0.0,
        'weight of half the squared kernels (not biases), added to the loss, at least 0',
        lower=0,
    )


class Damped(NamedTuple):
    """The state: what the next step needs from the previous one.

    Attributes:
      solution: the last solution of conjugate gradients, [size].
      damping: lambda, a scalar.
      turn: steps so far, an int32 scalar; it chooses the share of the batch.
    """

    solution: Any
    damping: Any
    turn: Any


class HessianFreeOptimizer(SecondOrderOptimizer):
    """Minimizes a damped quadratic model of the loss by conjugate gradients, one model per step.

    The gradient and all losses are computed on the whole batch. The curvature, the Gauss-Newton matrix, is
    computed on a share of it, the next one in each step. Use a large batch, or the whole data set.
    """

    Settings = HessianFreeSettings
    shown = ('step_length', 'damping', 'reduction_ratio', 'cg_steps')

    def vectors(self) -> int:
        """Returns one for each solution that is kept, and 10 for weights, gradients and directions."""
        return len(kept_steps(self.settings.cg_steps)) + 10

    def minimize(
        self,
        loss: Any,
        *arguments: Any,
        outputs: Sequence[Any] | None = None,
        batch: Sequence[Any] | None = None,
        **named: Any,
    ) -> Any:
        """Returns the operation that takes one step down the loss.

        Args:
          loss: see `SecondOrderOptimizer.minimize`.
          *arguments: its other arguments.
          outputs: tensors between the variables and the loss, with the batch on their first axis; the loss is
            a convex function of them. None for those that `find_outputs` finds.
          batch: tensors with the batch on their first axis, for a curvature_share below 1; None for those
            that `find_batch` finds.
          **named: its other arguments.

        Raises:
          FlagError: as in the base class; if outputs or batch are needed and not found, or a given output
            does not depend on the variables.
        """
        self._outputs = list(outputs or ())
        self._batch = None if batch is None else list(batch)
        return super().minimize(loss, *arguments, **named)

    def _study(self, objective: Objective) -> None:
        self._outputs = self._outputs or find_outputs(objective)
        for output in self._outputs:
            if not objective.contains(output):
                raise FlagError(f'The output {output.name!r} is not between the variables and the loss.')
        if self._shares == 1:
            self._batch = []
        elif self._batch is None:
            self._batch = find_batch(objective, self._outputs)
        targets = [objective.loss, *self._outputs]
        self._model = Subgraph([*objective.sources, *self._batch], targets)

    @property
    def _shares(self) -> int:
        """The number of shares of a batch."""
        return max(1, round(1 / self.settings.curvature_share))

    def _initial_state(self, objective: Objective) -> Damped:
        return Damped(
            Slot((objective.layout.size,)), Slot(initial=self.settings.damping), Slot(dtype=tf.int32)
        )

    def _rejected(self, state: Damped) -> Damped:
        return state._replace(damping=state.damping * _INCREASE, turn=state.turn + 1)

    def _step(self, objective: Objective, here: Iterate, state: Damped) -> Step:
        decay = self.settings.l2 * _kernels(objective)

        def loss_at(weights: Any) -> Any:
            return objective.loss_at(weights) + dot(decay, weights**2) / 2

        loss = here.loss + dot(decay, here.weights**2) / 2
        gradient = here.gradient + decay * here.weights
        matrix = self._gauss_newton(objective, here.weights, state.turn)

        def product(vector: Any) -> Any:
            return matrix.product(vector) + decay * vector

        damping = tf.cond(
            state.damping > 0,
            lambda: state.damping,
            lambda: _FIRST_SHARE * _largest_curvature(product, gradient),
        )
        diagonal = matrix.squared_gradients(state.turn, _DRAWS)
        solutions = truncated_cg(
            lambda vector: product(vector) + damping * vector,
            target=-gradient,
            start=_DECAY * state.solution,
            preconditioner=(diagonal + decay + damping) ** _POWER,
            most=self.settings.cg_steps,
        )
        change, changed_loss, tries = _backtracked(solutions, lambda change: loss_at(here.weights + change))
        slope = dot(gradient, change)
        predicted = slope + dot(change, product(change)) / 2
        ratio = (changed_loss - loss) / predicted
        found = armijo(
            lambda rate: loss_at(here.weights + rate * change),
            # If the gradient of the whole batch leads up, the step must still lower the loss.
            Point(tf.zeros_like(loss), loss, tf.minimum(slope, 0)),
            changed_loss,
            most=self.settings.line_search_steps or _LINE_SEARCH_STEPS,
        )
        # Near the minimum, the predicted change is below the rounding error of the loss.
        meaningful = -predicted > epsilon(loss.dtype) * tf.abs(loss)
        factor = tf.where(meaningful, _damping_factor(ratio), tf.ones_like(ratio))
        # A solution along which no step lowers the loss is rounding errors, which would grow with each step.
        solution = tf.where(found.rate > 0, solutions.kept.read(solutions.last), tf.zeros_like(change))
        return Step(
            weights=here.weights + found.rate * change,
            state=Damped(solution, damping * factor, state.turn + 1),
            finite=tf.is_finite(changed_loss) | (found.rate > 0),
            diagnostics={
                'evaluations': tries + found.evaluations,
                'step_length': found.rate,
                'damping': damping,
                'reduction_ratio': ratio,
                'cg_steps': solutions.steps,
            },
        )

    def _gauss_newton(self, objective: Objective, weights: Any, turn: Any) -> GaussNewton:
        """Returns the matrix of the current share of the batch."""
        share = [self._share_of(tensor, turn) for tensor in self._batch or ()]
        try:
            loss, *outputs = self._model.at([*objective.values_of(weights), *share])
        except ValueError as error:
            raise FlagError(
                f'curvature_share={self.settings.curvature_share} needs a network that accepts any '
                f'batch size: {error}'
            ) from error
        for copy, output in zip(outputs, self._outputs, strict=True):
            copy.set_shape([None, *output.shape[1:]])
        return GaussNewton(loss, outputs, weights)

    def _share_of(self, tensor: Any, turn: Any) -> Any:
        """Returns the rows of a tensor that are in the current share."""
        rows, place = tf.shape(tensor)[0], tf.floormod(turn, self._shares)
        first, end = (rows * (place + more) // self._shares for more in (0, 1))
        share = tensor[first:end]
        length = tensor.shape.as_list()[0]
        if length is not None and length % self._shares == 0:
            share.set_shape([length // self._shares, *tensor.shape[1:]])
        return share


def _backtracked(solutions: Solutions, loss_of: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    """Goes back from the last solution to earlier ones as long as their loss is lower (section 4.6).

    Returns:
      (the solution [size], its loss, the number of evaluations).
    """

    def loss_at(number: Any) -> Any:
        loss = loss_of(solutions.kept.read(number))
        return tf.where(tf.is_finite(loss), loss, tf.constant(float('inf'), loss.dtype))

    def unfinished(number: Any, best: Any, before: Any, evaluations: Any) -> Any:
        del best, evaluations
        return (number > 0) & before

    def back(number: Any, best: Any, before: Any, evaluations: Any) -> Any:
        del before
        loss = loss_at(number - 1)
        better = loss <= best
        number = tf.where(better, number - 1, number)
        return number, tf.minimum(loss, best), better, evaluations + 1

    first = (solutions.last, loss_at(solutions.last), tf.constant(True), tf.constant(1))
    number, loss, _, evaluations = tf.while_loop(unfinished, back, first, parallel_iterations=1)
    return solutions.kept.read(number), loss, evaluations


def _damping_factor(ratio: Any) -> Any:
    """Returns the factor of lambda after a step (section 4.1).

    Args:
      ratio: the change of the loss divided by the change that the undamped model predicts; NaN is poor.
    """
    one = tf.ones_like(ratio)
    decrease = tf.where(ratio > _EXACT, _FAST_DECREASE * one, _DECREASE * one)
    return tf.where(ratio > _GOOD, decrease, tf.where(ratio >= _POOR, one, _INCREASE * one))


def _largest_curvature(product: Callable[[Any], Any], start: Any) -> Any:
    """Estimates the largest eigenvalue of a positive semi-definite matrix from below, by power iterations.

    Args:
      product: x [size] -> A x [size].
      start: the first vector, [size].

    Returns:
      A scalar, above 0 even if the curvature is 0 along `start`.
    """

    def iterate(number: Any, vector: Any, length: Any) -> tuple[Any, Any, Any]:
        changed = product(tf.div_no_nan(vector, length))
        return number + 1, changed, norm(changed)

    first = (tf.constant(0), start, norm(start))
    *_, curvature = tf.while_loop(
        lambda number, *_: number < _POWER_ITERATIONS, iterate, first, parallel_iterations=1
    )
    return tf.maximum(curvature, epsilon(start.dtype))


def _kernels(objective: Objective) -> Any:
    """Returns 1 for each weight of a kernel, 0 for each of a bias, [size]."""
    parts = [tf.fill(shape, float(len(shape) > 1)) for shape in objective.layout.shapes]
    return tf.cast(objective.layout.flatten(parts), objective.dtype)
