"""Hessian-free optimization: Martens (2010), 'Deep learning via Hessian-free optimization', and his code."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers.second_order.gauss_newton import GaussNewton, find_batch, find_outputs
from estimator_lab.optimizers.second_order.objective import (
    Iterate,
    Objective,
    dot,
    epsilon,
    flatten,
    norm,
    rounding,
)
from estimator_lab.optimizers.second_order.optimizer import SecondOrderOptimizer, Slot, Step
from estimator_lab.optimizers.second_order.subgraph import Subgraph
from estimator_lab.tf1 import Operation, Tensor, tf

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
# Conjugate gradients stop by their progress over this share of the steps so far, and at least this many.
_GAP, _LEAST_GAP = 0.1, 10
# Solutions are kept after steps 5, 7, 9, 11, 15 and so on.
_FIRST_KEPT, _KEPT_GROWTH = 5, 1.3
# Armijo's condition: the share of the predicted decrease, the factor of the step after each try, most tries.
_SUFFICIENT, _SHRINK, _TRIES = 0.01, 0.8, 60


class Damped(NamedTuple):
    """The last solution of conjugate gradients [size], lambda, and the number of steps so far.

    The number, int32, chooses the share of the batch.
    """

    solution: Tensor
    damping: Tensor
    turn: Tensor


class HessianFreeOptimizer(SecondOrderOptimizer):
    """Minimizes a damped quadratic model of the loss by conjugate gradients, one model per step.

    The model is g'd + d'(G + lambda I)d / 2, with the gradient g on the whole batch and the Gauss-Newton
    matrix G on a share of it, the next one in each step. Use a large batch, or the whole data set.

    Args:
      cg_steps: most steps of conjugate gradients, at least 1.
      curvature_share: share of the batch from which curvature is taken, in (0, 1].
      damping: the first lambda, at least 0; 0 for a tenth of the largest curvature.
      l2: weight of half the squared kernels (not biases), added to the loss, at least 0.
      name: name of the optimizer and scope of its variables.
    """

    shown = ('step_length', 'damping', 'reduction_ratio', 'cg_steps')

    def __init__(
        self,
        cg_steps: int = 250,
        curvature_share: float = 1.0,
        damping: float = 0.0,
        l2: float = 0.0,
        name: str = 'HessianFree',
    ) -> None:
        super().__init__(name)
        if cg_steps < 1 or not 0 < curvature_share <= 1 or damping < 0 or l2 < 0:
            raise FlagError(
                f'cg_steps={cg_steps} must be at least 1, curvature_share={curvature_share} in (0, 1], '
                f'damping={damping} and l2={l2} at least 0.'
            )
        self._cg_steps, self._damping, self._l2 = cg_steps, damping, l2
        self._shares = max(1, round(1 / curvature_share))

    def minimize(
        self, loss: Tensor, *arguments: Any, outputs: Sequence[Tensor] | None = None, **named: Any
    ) -> Operation:
        """Returns the operation that takes one step down the loss.

        Args:
          loss: see `SecondOrderOptimizer.minimize`.
          *arguments: its other arguments.
          outputs: tensors between the variables and the loss, with the batch on their first axis; the loss is
            a convex function of them. None for what `find_outputs` finds.
          **named: its other arguments.

        Raises:
          FlagError: as in the base class; if outputs are needed and not found, or a given output does not
            depend on the variables.
        """
        self._outputs = list(outputs or ())
        return super().minimize(loss, *arguments, **named)

    def _study(self, objective: Objective) -> None:
        self._outputs = self._outputs or find_outputs(objective)
        for output in self._outputs:
            if not objective.contains(output):
                raise FlagError(f'The output {output.name!r} is not between the variables and the loss.')
        self._batch = find_batch(objective, self._outputs) if self._shares > 1 else []
        self._model = Subgraph([*objective.sources, *self._batch], [objective.loss, *self._outputs])

    def _initial_state(self, objective: Objective) -> Damped:
        return Damped(Slot((objective.size,)), Slot(initial=self._damping), Slot(dtype=tf.int32))

    def _rejected(self, state: Damped) -> Damped:
        return state._replace(damping=state.damping * _INCREASE, turn=state.turn + 1)

    def _step(self, objective: Objective, here: Iterate, state: Damped) -> Step:
        decay = self._l2 * _kernels(objective)

        def loss_after(change: Tensor) -> Tensor:
            weights = here.weights + change
            return objective.loss_at(weights) + dot(decay, weights**2) / 2

        loss = here.loss + dot(decay, here.weights**2) / 2
        gradient = here.gradient + decay * here.weights
        matrix = self._gauss_newton(objective, here.weights, state.turn)

        def product(vector: Tensor) -> Tensor:
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
            most=self._cg_steps,
        )
        change, changed_loss, tries = _backtracked(solutions, loss_after)
        slope = dot(gradient, change)
        predicted = slope + dot(change, product(change)) / 2
        ratio = (changed_loss - loss) / predicted
        # If the gradient of the whole batch leads up, the step must still lower the loss.
        rate, more_tries = armijo(
            lambda rate: loss_after(rate * change), loss, tf.minimum(slope, 0), changed_loss
        )
        # Near the minimum, the predicted change is below the rounding error of the loss.
        meaningful = -predicted > epsilon(loss.dtype) * tf.abs(loss)
        factor = tf.where(meaningful, damping_factor(ratio), tf.ones_like(ratio))
        # A solution along which no step lowers the loss is rounding errors, which would grow with each step.
        solution = tf.where(rate > 0, solutions.kept.read(solutions.last), tf.zeros_like(change))
        return Step(
            weights=here.weights + rate * change,
            state=Damped(solution, damping * factor, state.turn + 1),
            finite=tf.is_finite(changed_loss) | (rate > 0),
            diagnostics={
                'evaluations': tries + more_tries,
                'step_length': rate,
                'damping': damping,
                'reduction_ratio': ratio,
                'cg_steps': solutions.steps,
            },
        )

    def _gauss_newton(self, objective: Objective, weights: Tensor, turn: Tensor) -> GaussNewton:
        """Returns the matrix of the current share of the batch."""
        share = [self._share_of(tensor, turn) for tensor in self._batch]
        try:
            loss, *outputs = self._model.at([*objective.values_of(weights), *share])
        except ValueError as error:
            raise FlagError(
                f'A curvature_share below 1 needs a network that accepts any batch size: {error}'
            ) from error
        for copy, output in zip(outputs, self._outputs, strict=True):
            copy.set_shape([None, *output.shape[1:]])
        return GaussNewton(loss, outputs, weights)

    def _share_of(self, tensor: Tensor, turn: Tensor) -> Tensor:
        """Returns the rows of a tensor that are in the current share."""
        rows, place = tf.shape(tensor)[0], tf.floormod(turn, self._shares)
        first, end = (rows * (place + more) // self._shares for more in (0, 1))
        share = tensor[first:end]
        length = tensor.shape.as_list()[0]
        if length is not None and length % self._shares == 0:
            share.set_shape([length // self._shares, *tensor.shape[1:]])
        return share


def damping_factor(ratio: Tensor) -> Tensor:
    """Returns the factor of lambda for a ratio of actual to predicted change (section 4.1); NaN is poor."""
    one = tf.ones_like(ratio)
    decrease = tf.where(ratio > _EXACT, _FAST_DECREASE * one, _DECREASE * one)
    return tf.where(ratio > _GOOD, decrease, tf.where(ratio >= _POOR, one, _INCREASE * one))


def _largest_curvature(product: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """Estimates the largest eigenvalue of x -> A x from below, by power iterations; above 0."""

    def iterate(number: Tensor, vector: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        changed = product(tf.div_no_nan(vector, length))
        return number + 1, changed, norm(changed)

    first = (tf.constant(0), start, norm(start))
    *_, curvature = tf.while_loop(
        lambda number, *_: number < _POWER_ITERATIONS, iterate, first, parallel_iterations=1
    )
    return tf.maximum(curvature, epsilon(start.dtype))


def _kernels(objective: Objective) -> Tensor:
    """Returns 1 for each weight of a kernel, 0 for each of a bias, [size]."""
    parts = [tf.fill(shape, float(len(shape) > 1)) for shape in objective.shapes]
    return tf.cast(flatten(parts), objective.dtype)


class Solutions(NamedTuple):
    """Some intermediate solutions [size] of `truncated_cg` and the last one, its index, the steps taken."""

    kept: Tensor
    last: Tensor
    steps: Tensor


class _State(NamedTuple):
    """The loop variables of `truncated_cg`; the residual is A x - b."""

    step: Tensor
    solution: Tensor
    residual: Tensor
    direction: Tensor
    power: Tensor
    values: Tensor
    kept: Tensor
    number: Tensor
    stopped: Tensor


def kept_steps(most: int) -> list[int]:
    """Returns the steps up to `most` after which a solution is kept: 5 * 1.3^j, rounded up."""
    powers = range(math.ceil(math.log(max(most, 1)) / math.log(_KEPT_GROWTH)) + 1)
    steps = (math.ceil(_FIRST_KEPT * _KEPT_GROWTH**power) for power in powers)
    return [step for step in steps if step <= most]


def truncated_cg(
    product: Callable[[Tensor], Tensor],
    target: Tensor,
    start: Tensor,
    preconditioner: Tensor,
    most: int,
    tolerance: float = 5e-4,
) -> Solutions:
    """Minimizes phi(x) = x'Ax / 2 - b'x by linear conjugate gradients until progress is slow (section 4.4).

    It stops after step i if i > k, phi_i < 0 and (phi_i - phi_(i-k)) / phi_i < k * tolerance, where k is
    max(10, i / 10); after `most` steps; and if the curvature along its direction is not positive.

    Args:
      product: x [size] -> A x [size]; A is symmetric and positive definite.
      target: b, [size].
      start: x before the first step, [size].
      preconditioner: a positive diagonal close to A's, [size].
      most: maximum number of steps, at least 1.
      tolerance: minimum progress per step, as a share of phi_i.
    """
    keeps = tf.constant(kept_steps(most), tf.int32)

    def unfinished(state: _State) -> Tensor:
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
        ends = (step > gap) & (value < 0) & slow | tf.logical_not(curved) | tf.equal(power, 0)
        keep = tf.reduce_any(tf.equal(step, keeps)) & tf.logical_not(ends) & (step < most)
        # The next solution overwrites this one unless it is to be kept.
        kept = state.kept.write(state.number, solution)
        number = state.number + tf.cast(keep, tf.int32)
        direction = tf.div_no_nan(power, state.power) * state.direction - scaled
        return (_State(step, solution, residual, direction, power, values, kept, number, ends),)

    residual = product(start) - target
    scaled = residual / preconditioner
    size, dtype, zero = target.shape[0], target.dtype, tf.constant(0)
    kept = tf.TensorArray(dtype, len(kept_steps(most)) + 1, element_shape=[size], clear_after_read=False)
    values, power = tf.zeros([most + 1], dtype), dot(residual, scaled)
    first = _State(
        zero, start, residual, -scaled, power, values, kept.write(0, start), zero, tf.constant(False)
    )
    (end,) = tf.while_loop(unfinished, advance, (first,), parallel_iterations=1)
    return Solutions(end.kept, end.number, end.step)


def _backtracked(
    solutions: Solutions, loss_after: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Goes back to earlier solutions as long as their loss is lower (section 4.6).

    Returns (the solution [size], its loss, the number of evaluations).
    """

    def loss_at(number: Tensor) -> Tensor:
        loss = loss_after(solutions.kept.read(number))
        return tf.where(tf.is_finite(loss), loss, tf.constant(float('inf'), loss.dtype))

    def back(number: Tensor, best: Tensor, _: Tensor, evaluations: Tensor) -> Tensor:
        loss = loss_at(number - 1)
        better = loss <= best
        number = tf.where(better, number - 1, number)
        return number, tf.minimum(loss, best), better, evaluations + 1

    first = (solutions.last, loss_at(solutions.last), tf.constant(True), tf.constant(1))
    number, loss, _, evaluations = tf.while_loop(
        lambda number, best, before, _: (number > 0) & before, back, first, parallel_iterations=1
    )
    return solutions.kept.read(number), loss, evaluations


def armijo(
    loss_at: Callable[[Tensor], Tensor], loss: Tensor, slope: Tensor, first_loss: Tensor, most: int = _TRIES
) -> tuple[Tensor, Tensor]:
    """Shortens a step until the loss decreases by 1 % of the first-order prediction.

    Nocedal and Wright (2006), algorithm 3.1, p. 37.

    Args:
      loss_at: share of the step in (0, 1] -> loss.
      loss: the loss before the step.
      slope: its slope along the step, at most 0.
      first_loss: the loss after the whole step.
      most: maximum number of tries.

    Returns:
      (the share of the step in [0, 1], 0 if no try succeeds; the number of evaluations).
    """
    slack = rounding(loss)

    def low_enough(rate: Tensor, found: Tensor) -> Tensor:
        # TensorFlow rewrites `not a <= b` to `a > b`, which is false for NaN.
        return tf.is_finite(found) & (found <= loss + _SUFFICIENT * rate * slope + slack)

    def unfinished(rate: Tensor, found: Tensor, tried: Tensor) -> Tensor:
        return tf.logical_not(low_enough(rate, found)) & (tried < most)

    def shorten(rate: Tensor, _: Tensor, tried: Tensor) -> Tensor:
        return rate * _SHRINK, loss_at(rate * _SHRINK), tried + 1

    first = (tf.ones_like(first_loss), first_loss, tf.constant(1))
    rate, found, tried = tf.while_loop(unfinished, shorten, first, parallel_iterations=1)
    return tf.where(low_enough(rate, found), rate, tf.zeros_like(rate)), tried - 1
