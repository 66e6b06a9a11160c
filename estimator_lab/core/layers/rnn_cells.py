"""The cells of `tf.nn.rnn_cell`: one step forward and one step back of each."""

from collections.abc import Sequence
from typing import Any, ClassVar

from estimator_lab.core.layers.recurrence import Before, Cell, Step, StepBack, affine, by_affine, of_state
from estimator_lab.tf1 import Tensor, Variable, tf

_NEAR_ZERO = 0.001


class TanhCell(Cell):
    """h = tanh([x, h] W + b), as `tf.nn.rnn_cell.BasicRNNCell` (Elman 1990)."""

    scope = 'basic_rnn_cell'
    activation: ClassVar[Any] = staticmethod(tf.tanh)

    def _variables(self, values: int) -> list[Variable]:
        return _kernel_and_bias(values + self.units, self.units)

    def _tensorflows(self) -> Any:
        return tf.nn.rnn_cell.BasicRNNCell(self.units, self.activation, reuse=True)

    def _forward(self, weights: Sequence[Tensor]) -> Step:
        def step(now: list[Tensor], state: list[Tensor]) -> Any:
            after = self.activation(affine(now[0], state[0], *weights))
            return [after], [after]

        return step

    def _backward(self, weights: Sequence[Tensor]) -> StepBack:
        back = of_state(weights[0], self.units)

        def step(by_h: Tensor, now: list[Tensor], later: list[Tensor]) -> Any:
            by_sum = self._by_argument(now[0], by_h)
            return [by_sum], [tf.matmul(by_sum, back)]

        return step

    def _by_argument(self, value: Tensor, gradient: Tensor) -> Tensor:
        """Returns the gradient by the argument of the activation, from its value and the gradient by that."""
        return _by_tanh(value, gradient)


class IrnnCell(TanhCell):
    """A plain ReLU cell: its initial recurrent weights are the identity, its initial input weights near 0.

    Le et al. 2015, section 2.
    """

    activation = staticmethod(tf.nn.relu)

    def _variables(self, values: int) -> list[Variable]:
        def initial(shape: Sequence[int], dtype: Any = None, partition_info: Any = None) -> Tensor:
            small = tf.random_normal_initializer(stddev=_NEAR_ZERO)([values, self.units], dtype=tf.float32)
            return tf.concat([small, tf.eye(self.units)], axis=0)

        return _kernel_and_bias(values + self.units, self.units, kernel=initial)

    def _by_argument(self, value: Tensor, gradient: Tensor) -> Tensor:
        return tf.raw_ops.ReluGrad(gradients=gradient, features=value)


class LstmCell(Cell):
    """`tf.nn.rnn_cell.LSTMCell` (Gers et al. 2000); its gates are after their sigmoid or tanh.

    i, j, f, o = [x, h] W + b;  c = sigmoid(f + forget_bias) c + sigmoid(i) tanh(j);  h = sigmoid(o) tanh(c).
    """

    scope = 'lstm_cell'
    gates = ('input_gate', 'candidate', 'forget_gate', 'output_gate')
    states = 2  # h, c

    def _variables(self, values: int) -> list[Variable]:
        return _kernel_and_bias(values + self.units, 4 * self.units)

    def _tensorflows(self) -> Any:
        return tf.nn.rnn_cell.LSTMCell(self.units, forget_bias=self.forget_bias, reuse=True)

    @property
    def _widths(self) -> list[int]:
        return [self.units, self.units, 4 * self.units]  # h, c, gates

    @property
    def _back_widths(self) -> list[int]:
        return [4 * self.units]

    def _forward(self, weights: Sequence[Tensor]) -> Step:
        kernel, bias = weights
        units = self.units
        # With tanh(j) = 2 sigmoid(2 j) - 1, all gates are one sigmoid.
        twice = tf.constant([1.0] * units + [2.0] * units + [1.0] * 2 * units)
        scaled = kernel * twice
        shifted = (bias + tf.constant([0.0] * 2 * units + [self.forget_bias] * units + [0.0] * units)) * twice

        def step(now: list[Tensor], state: list[Tensor]) -> Any:
            h, c = state
            gates = tf.sigmoid(affine(now[0], h, scaled, shifted))
            i, half_j, f, o = tf.split(gates, 4, axis=1)
            c = f * c + i * (2 * half_j - 1)
            h = o * tf.tanh(c)
            return [h, c, gates], [h, c]

        return step

    def _read(self, made: Sequence[Any]) -> list[Any]:
        _, of_c, of_gates = made
        return [of_gates, of_c, Before(of_c)]

    def _backward(self, weights: Sequence[Tensor]) -> StepBack:
        back = of_state(weights[0], self.units)

        def step(by_h: Tensor, now: list[Tensor], later: list[Tensor]) -> Any:
            gates, c, c_before = now
            i, half_j, f, o = tf.split(gates, 4, axis=1)
            squashed = tf.tanh(c)
            by_c = later[0] + _by_tanh(squashed, by_h * o)
            # The derivative of sigmoid s is s (1 - s), that of tanh(j) by sigmoid(2 j) 4 s (1 - s).
            by_gates = [by_c * (2 * half_j - 1), 4 * by_c * i, by_c * c_before, by_h * squashed]
            by_sum = _by_sigmoid(gates, tf.concat(by_gates, axis=1))
            return [by_sum], [tf.matmul(by_sum, back), by_c * f]

        return step

    def _gate_values(self, others: Sequence[Tensor]) -> list[Tensor]:
        i, half_j, f, o = tf.split(others[1], 4, axis=2)
        return [i, 2 * half_j - 1, f, o]


class GruCell(Cell):
    """`tf.nn.rnn_cell.GRUCell` (Cho et al. 2014); its gates are r and u after their sigmoid, and j.

    r, u = sigmoid([x, h] W + b);  j = tanh([x, r h] V + d);  h = u h + (1 - u) j.
    """

    scope = 'gru_cell'
    gates = ('reset_gate', 'update_gate', 'candidate')

    def _variables(self, values: int) -> list[Variable]:
        with tf.variable_scope('gates'):
            gates = _kernel_and_bias(values + self.units, 2 * self.units, tf.ones_initializer())
        with tf.variable_scope('candidate'):
            return [*gates, *_kernel_and_bias(values + self.units, self.units)]

    def _tensorflows(self) -> Any:
        return tf.nn.rnn_cell.GRUCell(self.units, reuse=True)

    @property
    def _widths(self) -> list[int]:
        return [self.units, 2 * self.units, self.units]  # h, gates, j

    @property
    def _back_widths(self) -> list[int]:
        return [2 * self.units, self.units, self.units]  # by the gates' sums, by the candidate's, r h

    def _forward(self, weights: Sequence[Tensor]) -> Step:
        gate_kernel, gate_bias, kernel, bias = weights

        def step(now: list[Tensor], state: list[Tensor]) -> Any:
            (h,) = state
            gates = tf.sigmoid(affine(now[0], h, gate_kernel, gate_bias))
            r, u = tf.split(gates, 2, axis=1)
            j = tf.tanh(affine(now[0], r * h, kernel, bias))
            h = j + u * (h - j)
            return [h, gates, j], [h]

        return step

    def _read(self, made: Sequence[Any]) -> list[Any]:
        of_h, of_gates, of_candidates = made
        return [of_gates, of_candidates, Before(of_h)]

    def _backward(self, weights: Sequence[Tensor]) -> StepBack:
        gate_back, back = of_state(weights[0], self.units), of_state(weights[2], self.units)

        def step(by_h: Tensor, now: list[Tensor], later: list[Tensor]) -> Any:
            gates, j, before = now
            r, u = tf.split(gates, 2, axis=1)
            by_candidate = _by_tanh(j, by_h * (1 - u))
            by_reset = tf.matmul(by_candidate, back)
            by_gate = _by_sigmoid(gates, tf.concat([by_reset * before, by_h * (before - j)], axis=1))
            earlier = by_h * u + by_reset * r + tf.matmul(by_gate, gate_back)
            return [by_gate, by_candidate, r * before], [earlier]

        return step

    def _by_weights(
        self, inputs: Tensor, states: Tensor, weights: Sequence[Tensor], by_sums: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        by_gates, by_candidates, seen = by_sums
        by_inputs, *by_gate_weights = by_affine(inputs, states, weights[0], by_gates)
        # `seen` has r h, which the candidate of step t reads, at t; `by_affine` expects it at t - 1.
        later = tf.concat([seen[1:], tf.zeros_like(seen[:1])], axis=0)
        more, *by_weights = by_affine(inputs, later, weights[2], by_candidates)
        return by_inputs + more, *by_gate_weights, *by_weights

    def _gate_values(self, others: Sequence[Tensor]) -> list[Tensor]:
        gates, candidates = others
        return [*tf.split(gates, 2, axis=2), candidates]


CELLS: dict[str, type[Cell]] = {'tanh': TanhCell, 'irnn': IrnnCell, 'lstm': LstmCell, 'gru': GruCell}
"""Cells by the names that hyper-parameters use."""


def _kernel_and_bias(inputs: int, units: int, bias: Any = None, kernel: Any = None) -> list[Variable]:
    """Returns the two variables, by default with the initializers of `tf.nn.rnn_cell`."""
    return [
        tf.get_variable('kernel', [inputs, units], initializer=kernel or tf.glorot_uniform_initializer()),
        tf.get_variable('bias', [units], initializer=bias or tf.zeros_initializer()),
    ]


def _by_tanh(value: Tensor, gradient: Tensor) -> Tensor:
    """Returns the gradient by the argument of a tanh: (1 - value^2) gradient, in one operation."""
    return tf.raw_ops.TanhGrad(y=value, dy=gradient)


def _by_sigmoid(value: Tensor, gradient: Tensor) -> Tensor:
    """Returns the gradient by the argument of a sigmoid: value (1 - value) gradient, in one operation."""
    return tf.raw_ops.SigmoidGrad(y=value, dy=gradient)
