"""Recurrent cells over whole sequences, with gradients written by hand.

`tf.nn.dynamic_rnn` differentiates its loop operation by operation: each step back has another product for the
gradient of the kernel, and reads a copy of every operation's input. Here, the forward loop keeps only the
gates, the backward loop has one product per step for each of the cell's products, and the gradient of the
kernel is one product over all steps.

The first rows of a kernel belong to the input x, the others to the state h. Time is the first axis. The
initial state is 0. Variables have the names and shapes of `tf.nn.rnn_cell`.
"""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from estimator_lab.tf1 import Nested, Tensor, Variable, tf

Step = Callable[[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]
"""(values of the arrays at this step, states) -> (outputs, next states)."""

StepBack = Callable[[Tensor, list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]
"""(gradient with respect to h, values of the arrays, gradients with respect to the other states) -> (outputs,
gradients with respect to the states before the step)."""


@dataclasses.dataclass(frozen=True)
class Cell(abc.ABC):
    """The base class of cells; all calls of a cell in one variable scope share its variables.

    Attributes:
      units: units of the state h.
      scope: scope of its variables.
      states: number of states, the first of which is h.
      outputs: widths of the outputs of a step as multiples of the units, h first.
      back_outputs: the same of a step back.
    """

    units: int

    scope: ClassVar[str]
    states: ClassVar[int] = 1
    outputs: ClassVar[tuple[int, ...]] = (1,)
    back_outputs: ClassVar[tuple[int, ...]] = (1,)

    def __call__(self, sequence: Tensor, probe: Tensor | None = None, in_halves: bool = False) -> Tensor:
        """Returns the states h, float32 [steps, batch, units].

        Args:
          sequence: float32 [steps, batch, values].
          probe: float32 [steps, batch, units] or None. It does not change the result; its gradient is that
            with respect to the state h after each step, including the effect of h on later steps, but not
            that of an LSTM's c.
          in_halves: whether both halves of a batch run in parallel: one step is too little work to split over
            two processor cores, and two loops use both.
        """
        with tf.variable_scope(self.scope, reuse=tf.AUTO_REUSE):
            variables = self._variables(sequence.shape.as_list()[2])
        half = tf.shape(sequence)[1] // 2
        parts = [slice(None, half), slice(half, None)] if in_halves else [slice(None)]
        made = [
            self._run(variables, sequence[:, part], [] if probe is None else [probe[:, part]])
            for part in parts
        ]
        return tf.concat(made, axis=1)

    def _run(self, variables: Sequence[Variable], inputs: Tensor, probes: Sequence[Tensor]) -> Tensor:
        widths, back_widths = ([n * self.units for n in each] for each in (self.outputs, self.back_outputs))

        @tf.custom_gradient
        def run(inputs: Tensor, *given: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]:
            weights, probes = given[: len(variables)], given[len(variables) :]
            zeros = [tf.zeros([tf.shape(inputs)[1], self.units])] * self.states
            made = _over_time(self._forward(weights), [_array(inputs)], zeros, widths)
            h = _stacked(made[0], inputs, self.units)

            def gradient(by_h: Tensor) -> tuple[Tensor, ...]:
                step_back = self._backward(weights)

                def step(now: list[Tensor], later: list[Tensor]) -> Nested:
                    by_state = now[0] + later[0]
                    outputs, earlier = step_back(by_state, now[1:], later[1:])
                    return [*outputs, *(by_state for _ in probes)], earlier

                all_widths = [*back_widths, *(self.units for _ in probes)]
                arrays = [_array(by_h), *self._read(made)]
                back = _over_time(step, arrays, zeros, all_widths, backwards=True)
                found = [_stacked(each, inputs, width) for each, width in zip(back, all_widths, strict=True)]
                by_sums, by_probes = found[: len(back_widths)], found[len(back_widths) :]
                return *self._by_weights(inputs, h, weights, by_sums), *by_probes

            return h, gradient

        return run(inputs, *variables, *probes)

    @abc.abstractmethod
    def _variables(self, values: int) -> list[Variable]:
        """Returns kernel and bias for inputs of some values; for a GRU, first of the gates."""

    @abc.abstractmethod
    def _forward(self, weights: Sequence[Tensor]) -> Step:
        """Returns the step over the inputs; the first state is h."""

    def _read(self, made: Sequence[Any]) -> list[Any]:
        """Returns the arrays that a step back reads, given the arrays of the forward loop."""
        return list(made)

    @abc.abstractmethod
    def _backward(self, weights: Sequence[Tensor]) -> StepBack:
        """Returns the step back."""

    def _by_weights(
        self, inputs: Tensor, states: Tensor, weights: Sequence[Tensor], by_sums: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Returns the gradients with respect to inputs and weights, from the outputs of the steps back."""
        return _by_affine(inputs, states, weights[0], by_sums[0])


class TanhCell(Cell):
    """h = tanh([x, h] W + b), as `tf.nn.rnn_cell.BasicRNNCell` (Elman 1990)."""

    scope = 'basic_rnn_cell'

    def _variables(self, values: int) -> list[Variable]:
        return _kernel_and_bias(values + self.units, self.units)

    def _forward(self, weights: Sequence[Tensor]) -> Step:
        def step(now: list[Tensor], state: list[Tensor]) -> Nested:
            after = tf.tanh(_affine(now[0], state[0], *weights))
            return [after], [after]

        return step

    def _backward(self, weights: Sequence[Tensor]) -> StepBack:
        back = tf.transpose(weights[0][-self.units :])  # once rather than in each product

        def step(by_h: Tensor, now: list[Tensor], later: list[Tensor]) -> Nested:
            by_sum = tf.raw_ops.TanhGrad(y=now[0], dy=by_h)
            return [by_sum], [tf.matmul(by_sum, back)]

        return step


class LstmCell(Cell):
    """`tf.nn.rnn_cell.LSTMCell` (Gers et al. 2000), with its forget bias of 1.

    i, j, f, o = [x, h] W + b;  c = sigmoid(f + 1) c + sigmoid(i) tanh(j);  h = sigmoid(o) tanh(c).
    """

    scope = 'lstm_cell'
    states = 2  # h, c
    outputs = (1, 1, 4)  # h, c, gates
    back_outputs = (4,)

    def _variables(self, values: int) -> list[Variable]:
        return _kernel_and_bias(values + self.units, 4 * self.units)

    def _forward(self, weights: Sequence[Tensor]) -> Step:
        kernel, bias = weights
        units = self.units
        # With tanh(j) = 2 sigmoid(2 j) - 1, all gates are one sigmoid.
        twice = tf.constant([1.0] * units + [2.0] * units + [1.0] * 2 * units)
        scaled = kernel * twice
        shifted = (bias + tf.constant([0.0] * 2 * units + [1.0] * units + [0.0] * units)) * twice

        def step(now: list[Tensor], state: list[Tensor]) -> Nested:
            h, c = state
            gates = tf.sigmoid(_affine(now[0], h, scaled, shifted))
            i, half_j, f, o = tf.split(gates, 4, axis=1)
            c = f * c + i * (2 * half_j - 1)
            h = o * tf.tanh(c)
            return [h, c, gates], [h, c]

        return step

    def _read(self, made: Sequence[Any]) -> list[Any]:
        _, of_c, of_gates = made
        return [of_gates, of_c, _Before(of_c)]

    def _backward(self, weights: Sequence[Tensor]) -> StepBack:
        back = tf.transpose(weights[0][-self.units :])  # once rather than in each product

        def step(by_h: Tensor, now: list[Tensor], later: list[Tensor]) -> Nested:
            gates, c, c_before = now
            i, half_j, f, o = tf.split(gates, 4, axis=1)
            squashed = tf.tanh(c)
            by_c = later[0] + tf.raw_ops.TanhGrad(y=squashed, dy=by_h * o)
            # The derivative of sigmoid s is s (1 - s); of tanh(j) by s = sigmoid(2 j), it is 4 s (1 - s).
            by_gates = [by_c * (2 * half_j - 1), 4 * by_c * i, by_c * c_before, by_h * squashed]
            by_sum = tf.raw_ops.SigmoidGrad(y=gates, dy=tf.concat(by_gates, axis=1))
            return [by_sum], [tf.matmul(by_sum, back), by_c * f]

        return step


class GruCell(Cell):
    """`tf.nn.rnn_cell.GRUCell` (Cho et al. 2014).

    r, u = sigmoid([x, h] W + b);  j = tanh([x, r h] V + d);  h = u h + (1 - u) j.
    """

    scope = 'gru_cell'
    outputs = (1, 2, 1)  # h, gates, j
    back_outputs = (2, 1, 1)  # of the gates' sums, the candidate's, r h

    def _variables(self, values: int) -> list[Variable]:
        with tf.variable_scope('gates'):
            gates = _kernel_and_bias(values + self.units, 2 * self.units, tf.ones_initializer())
        with tf.variable_scope('candidate'):
            return [*gates, *_kernel_and_bias(values + self.units, self.units)]

    def _forward(self, weights: Sequence[Tensor]) -> Step:
        gate_kernel, gate_bias, kernel, bias = weights

        def step(now: list[Tensor], state: list[Tensor]) -> Nested:
            (h,) = state
            gates = tf.sigmoid(_affine(now[0], h, gate_kernel, gate_bias))
            r, u = tf.split(gates, 2, axis=1)
            j = tf.tanh(_affine(now[0], r * h, kernel, bias))
            h = j + u * (h - j)
            return [h, gates, j], [h]

        return step

    def _read(self, made: Sequence[Any]) -> list[Any]:
        of_h, of_gates, of_candidates = made
        return [of_gates, of_candidates, _Before(of_h)]

    def _backward(self, weights: Sequence[Tensor]) -> StepBack:
        gate_back, back = (tf.transpose(kernel[-self.units :]) for kernel in weights[::2])

        def step(by_h: Tensor, now: list[Tensor], later: list[Tensor]) -> Nested:
            gates, j, before = now
            r, u = tf.split(gates, 2, axis=1)
            by_candidate = tf.raw_ops.TanhGrad(y=j, dy=by_h * (1 - u))
            by_reset = tf.matmul(by_candidate, back)
            by_gate = tf.raw_ops.SigmoidGrad(
                y=gates, dy=tf.concat([by_reset * before, by_h * (before - j)], axis=1)
            )
            earlier = by_h * u + by_reset * r + tf.matmul(by_gate, gate_back)
            return [by_gate, by_candidate, r * before], [earlier]

        return step

    def _by_weights(
        self, inputs: Tensor, states: Tensor, weights: Sequence[Tensor], by_sums: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        by_gates, by_candidates, seen = by_sums
        by_inputs, *by_gate_weights = _by_affine(inputs, states, weights[0], by_gates)
        # `seen` has r h, which the candidate of step t reads, at t; `_by_affine` expects it at t - 1.
        later = tf.concat([seen[1:], tf.zeros_like(seen[:1])], axis=0)
        more, *by_weights = _by_affine(inputs, later, weights[2], by_candidates)
        return by_inputs + more, *by_gate_weights, *by_weights


CELLS: dict[str, type[Cell]] = {'tanh': TanhCell, 'lstm': LstmCell, 'gru': GruCell}
"""Cells by the names that hyper-parameters use."""


class _Before:
    """An array shifted by one step: reads the previous step's value, and 0 at the first step."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def read(self, at: Tensor) -> Tensor:
        """Returns the value of the preceding step."""
        # tf.cond would take longer than a product with 0.
        return tf.cast(at > 0, tf.float32) * self._array.read(tf.maximum(at - 1, 0))


def _over_time(
    step: Step,
    arrays: Sequence[Any],
    states: Sequence[Tensor],
    widths: Sequence[int],
    backwards: bool = False,
) -> list[Any]:
    """Runs a step over arrays, the first of which has the number of steps.

    Returns:
      The outputs as TensorArrays of float32 [batch, width].
    """
    count = arrays[0].size()
    with tf.name_scope('backwards' if backwards else 'over_time'):
        made = [
            tf.TensorArray(tf.float32, count, element_shape=[None, width], clear_after_read=False)
            for width in widths
        ]

        def body(number: Tensor, states: list[Tensor], made: list[Any]) -> Any:
            at = count - 1 - number if backwards else number
            outputs, states = step([array.read(at) for array in arrays], states)
            written = [array.write(at, value) for array, value in zip(made, outputs, strict=True)]
            return number + 1, states, written

        *_, made = tf.while_loop(lambda number, *_: number < count, body, [0, list(states), made])
        return list(made)


def _array(values: Tensor) -> Any:
    """Returns the steps of a sequence [steps, batch, values] as a TensorArray."""
    return tf.TensorArray(tf.float32, values.shape.as_list()[0], clear_after_read=False).unstack(values)


def _stacked(array: Any, sequence: Tensor, width: int) -> Tensor:
    """Returns a TensorArray of a sequence's steps, float32 [steps, batch, width]."""
    return tf.ensure_shape(array.stack(), [sequence.shape.as_list()[0], None, width])


def _affine(inputs: Tensor, state: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Returns [x, h] W + b for one step."""
    return tf.nn.bias_add(tf.matmul(tf.concat([inputs, state], axis=1), kernel), bias)


def _by_affine(
    inputs: Tensor, states: Tensor, kernel: Tensor, by_sums: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the gradients with respect to x, W and b over all steps.

    `states` has h after each step; `by_sums` is the gradient with respect to [x, h] W + b, [steps, batch,
    width].
    """
    steps, _, values = inputs.shape.as_list()
    # b is the weight of an additional input of 1.
    with_one = tf.pad(inputs, [[0, 0], [0, 0], [0, 1]], constant_values=1.0)
    by_values = tf.matmul(_rows(with_one), _rows(by_sums), transpose_a=True)
    by_state = tf.matmul(_rows(states[:-1]), _rows(by_sums[1:]), transpose_a=True)
    by_kernel = tf.concat([by_values[:-1], by_state], axis=0)
    by_inputs = tf.matmul(_rows(by_sums), tf.transpose(kernel[:values]))
    return tf.reshape(by_inputs, [steps, -1, values]), by_kernel, by_values[-1]


def _rows(values: Tensor) -> Tensor:
    """Returns [steps, batch, values] as [steps * batch, values]."""
    return tf.reshape(values, [-1, values.shape.as_list()[2]])


def _kernel_and_bias(inputs: int, units: int, bias: Any = None) -> list[Variable]:
    """Returns the two variables, with the initializers of `tf.nn.rnn_cell`."""
    initial = bias or tf.zeros_initializer()
    return [
        tf.get_variable('kernel', [inputs, units], initializer=tf.glorot_uniform_initializer()),
        tf.get_variable('bias', [units], initializer=initial),
    ]
