"""Hessian-free optimization: Martens (2010), 'Deep learning via Hessian-free optimization', and his code."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.curvature import GaussNewton
from estimator_lab.optimizers.second_order.flat import dot, epsilon
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
from estimator_lab.settings import setting
from estimator_lab.tf1 import tf

# Martens' constants: the share of the last solution from which the next is looked for (section 4.4) ...
_DECAY = 0.95
# ... the power to which the diagonal is taken as preconditioner (section 4.7) ...
_POWER = 0.75
# ... and how damping follows the reduction ratio: harder below the one, softer above the other (section 4.1).
_POOR, _GOOD = 0.25, 0.75
_HARDER, _SOFTER = 3 / 2, 2 / 3
# Sums of gradients with random signs in the estimate of the diagonal.
_DRAWS = 8


@dataclasses.dataclass(frozen=True)
class HessianFreeSettings(SecondOrderSettings):
    """Settings of Hessian-free optimization; the defaults are Martens', but for the share of the batch."""

    cg_steps: int = setting(250, 'most steps of conjugate gradients, at least 1', lambda v: v >= 1)
    line_search_steps: int = setting(
        60, 'most lengths that are tried for a step, at least 1', lambda v: v >= 1
    )
    damping: float = setting(45.0, 'the first lambda, above 0', lambda v: v > 0)
    curvature_share: float = setting(
        1.0, 'share of the batch for the curvature, another one in each step, in (0, 1]', lambda v: 0 < v <= 1
    )
    l2: float = setting(
        0.0,
        'weight of half the squared weights, biases left out, added to the loss, at least 0',
        lambda v: v >= 0,
    )


class Damped(NamedTuple):
    """What the next step needs of the last one.

    Attributes:
      solution: the last one of conjugate gradients, [size].
      damping: lambda, a scalar.
      turn: steps so far, an int32 scalar: it decides which share of the batch comes next.
    """

    solution: Any
    damping: Any
    turn: Any


class HessianFreeOptimizer(SecondOrderOptimizer):
    """Minimizes the damped quadratic model of the loss by conjugate gradients, one model a step.

    The gradient and all losses are those of the whole batch; the curvature, the Gauss-Newton matrix, is that
    of a share of it, which goes round. Give it a large batch, or the whole data set.
    """

    Settings = HessianFreeSettings
    shown = ('step_length', 'damping', 'reduction_ratio', 'cg_steps')

    def vectors(self) -> int:
        return len(kept_steps(self.settings.cg_steps)) + 10

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Sequence[Any] | None = None,
        name: str | None = None,
        active: Any = None,
        outputs: Sequence[Any] | None = None,
        batch: Sequence[Any] | None = None,
    ) -> Any:
        """Returns the operation that takes one step down the loss, as `SecondOrderOptimizer.minimize`.

        Args:
          loss: as there.
          global_step: as there.
          var_list: as there.
          name: as there.
          active: as there.
          outputs: tensors between the variables and the loss, the batch on their first axis; the loss is a
            convex function of them. None for those that `find_outputs` finds.
          batch: the tensors from which a share of the batch is taken, on their first axis; None for those
            that `find_batch` finds. Only for curvature_share below 1.

        Raises:
          FlagError: as there; if outputs or batch are needed and not found, or the outputs are none.
        """
        self._outputs = list(outputs or ())
        self._batch = None if batch is None else list(batch)
        return super().minimize(loss, global_step, var_list, name, active)

    def _study(self, objective: Objective) -> None:
        self._outputs = self._outputs or find_outputs(objective)
        for output in self._outputs:
            if not objective.contains(output):
                raise FlagError(f'The output {output.name!r} lies not between the variables and the loss.')
        if self._shares == 1:
            self._batch = []
        elif self._batch is None:
            self._batch = find_batch(objective, self._outputs)
        targets = [objective.loss, *self._outputs]
        self._model = Subgraph([*objective.sources, *self._batch], targets)

    @property
    def _shares(self) -> int:
        """How many shares a batch has."""
        return max(1, round(1 / self.settings.curvature_share))

    def _initial_state(self, objective: Objective) -> Damped:
        return Damped(
            Slot((objective.layout.size,)), Slot(initial=self.settings.damping), Slot(dtype=tf.int32)
        )

    def _rejected(self, state: Damped) -> Damped:
        return state._replace(damping=state.damping * _HARDER, turn=state.turn + 1)

    def _step(self, objective: Objective, here: Iterate, state: Damped) -> Step:
        decay = self.settings.l2 * _kernels(objective)

        def loss_at(weights: Any) -> Any:
            return objective.loss_at(weights) + dot(decay, weights**2) / 2

        loss = here.loss + dot(decay, here.weights**2) / 2
        gradient = here.gradient + decay * here.weights
        matrix = self._gauss_newton(objective, here.weights, state.turn)

        def product(vector: Any) -> Any:
            return matrix.product(vector) + decay * vector

        diagonal = matrix.squared_gradients(state.turn, _DRAWS)
        solutions = truncated_cg(
            lambda vector: product(vector) + state.damping * vector,
            target=-gradient,
            start=_DECAY * state.solution,
            preconditioner=(diagonal + decay + state.damping) ** _POWER,
            most=self.settings.cg_steps,
        )
        tried = _backtracked(solutions, lambda change: loss_at(here.weights + change))
        slope = dot(gradient, tried.change)
        promised = slope + dot(tried.change, product(tried.change)) / 2
        ratio = (tried.loss - loss) / promised
        found = armijo(
            lambda rate: loss_at(here.weights + rate * tried.change),
            # A direction that leads up, by the whole batch's gradient, must lower the loss all the same.
            Point(tf.zeros_like(loss), loss, tf.minimum(slope, 0)),
            tried.loss,
            most=self.settings.line_search_steps,
        )
        # Near the minimum, what is promised is less than the loss is rounded by, and the ratio says nothing.
        telling = -promised > epsilon(loss.dtype) * tf.abs(loss)
        damping = tf.where(telling, state.damping * _damping_factor(ratio), state.damping)
        return Step(
            weights=here.weights + found.rate * tried.change,
            state=Damped(solutions.kept.read(solutions.last), damping, state.turn + 1),
            finite=tried.finite | (found.rate > 0),
            diagnostics={
                'evaluations': tried.evaluations + found.evaluations,
                'step_length': found.rate,
                'damping': state.damping,
                'reduction_ratio': ratio,
                'cg_steps': solutions.steps,
            },
        )

    def _gauss_newton(self, objective: Objective, weights: Any, turn: Any) -> GaussNewton:
        """Returns the matrix of the share of the batch whose turn it is."""
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
        """Returns the rows of a tensor whose turn it is."""
        rows, place = tf.shape(tensor)[0], tf.floormod(turn, self._shares)
        first, end = (rows * (place + more) // self._shares for more in (0, 1))
        share = tensor[first:end]
        length = tensor.shape.as_list()[0]
        if length is not None and length % self._shares == 0:
            share.set_shape([length // self._shares, *tensor.shape[1:]])
        return share


class _Tried(NamedTuple):
    """The solution that is tried: a change of the weights [size], its loss; whether that is finite."""

    change: Any
    loss: Any
    evaluations: Any
    finite: Any


def _backtracked(solutions: Solutions, loss_of: Callable[[Any], Any]) -> _Tried:
    """Goes back from the last solution to earlier ones while their loss is lower (section 4.6)."""

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
    return _Tried(solutions.kept.read(number), loss, evaluations, tf.is_finite(loss))


def _damping_factor(ratio: Any) -> Any:
    """Returns by what lambda is multiplied after a step with this reduction ratio (section 4.1).

    The ratio is that of the change of the loss to the one which the model without damping promised.
    """
    one = tf.ones_like(ratio)
    # What is not a number, or promises nothing, is poor.
    return tf.where(ratio > _GOOD, _SOFTER * one, tf.where(ratio >= _POOR, one, _HARDER * one))


def _kernels(objective: Objective) -> Any:
    """Returns 1 for each weight of a matrix or filter, 0 for each of a bias: [size]."""
    parts = [tf.fill(shape, float(len(shape) > 1)) for shape in objective.layout.shapes]
    return tf.cast(objective.layout.flatten(parts), objective.dtype)
