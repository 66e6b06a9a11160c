"""Cells of ``tf.contrib.cudnn_rnn``, equal to its layers, with 1.15's variable names and numbers."""

from typing import Any

from estimator_lab.contrib.rnn_cells import CellOfUnits, LSTMBlockCell
from estimator_lab.tf1 import tf


class CudnnCompatibleLSTMCell(LSTMBlockCell):
    """The cell of CudnnLSTM: a tf.contrib.rnn.LSTMBlockCell without a bias added to the forget gate.

    Args:
      num_units: size of state and output.
      reuse: whether the variables exist already.
    """

    def __init__(self, num_units: int, reuse: bool | None = None) -> None:
        super().__init__(num_units, forget_bias=0.0, reuse=reuse, name='cudnn_compatible_lstm_cell')


class CudnnCompatibleGRUCell(CellOfUnits):
    """The cell of CudnnGRU, whose reset gate scales the projected state, not the state as in other GRUs.

    Args:
      num_units: size of state and output.
      reuse: whether the variables exist already.
      kernel_initializer: initializer of the kernels.
    """

    def __init__(self, num_units: int, reuse: bool | None = None, kernel_initializer: Any = None) -> None:
        super().__init__(_reuse=reuse)
        self._num_units = num_units
        self._kernel_initializer = kernel_initializer

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output [batch, units] twice, as the next state too, of inputs [batch, inputs].

        Raises:
          ValueError: if the size of the inputs is unknown.
        """
        width, units = tf.TensorShape(inputs.shape).as_list()[-1], self._num_units
        if width is None:
            raise ValueError(f'Expected inputs.shape[-1] to be known, saw shape: {inputs.shape}')

        def variable(name: str, shape: list[int], initializer: Any) -> Any:
            return tf.get_variable(name, shape, inputs.dtype, initializer)

        start, zeros = self._kernel_initializer, tf.zeros_initializer()
        gates = variable('gates/kernel', [width + units, 2 * units], start)
        gates_bias = variable('gates/bias', [2 * units], tf.ones_initializer())
        of_input, of_state = 'candidate/input_projection', 'candidate/hidden_projection'
        input_kernel = variable(f'{of_input}/kernel', [width, units], start)
        state_kernel = variable(f'{of_state}/kernel', [units, units], start)
        input_bias = variable(f'{of_input}/bias', [units], zeros)
        state_bias = variable(f'{of_state}/bias', [units], zeros)
        both = tf.sigmoid(tf.matmul(tf.concat([inputs, state], 1), gates) + gates_bias)
        reset, update = tf.split(both, 2, 1)
        projected = tf.matmul(state, state_kernel) + state_bias
        new = tf.tanh(tf.matmul(inputs, input_kernel) + input_bias + reset * projected)
        output = (1 - update) * new + update * state
        return output, output
