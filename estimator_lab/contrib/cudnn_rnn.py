"""Recurrent layers of ``tf.contrib.cudnn_rnn`` on any device, made of cells.

In 1.15 a layer has one variable in cuDNN's layout, and saves its content as the variables of the cells. Here
these are the variables, so a checkpoint of 1.15 loads; slots of optimizers do not.
"""

from typing import Any

from estimator_lab.contrib.rnn import CellOfUnits, stack_bidirectional_dynamic_rnn
from estimator_lab.tf1 import tf


def CudnnCompatibleLSTMCell(num_units: int, reuse: bool | None = None, kernel_initializer: Any = None) -> Any:  # noqa: N802 - a class in 1.15
    """Returns the cell of CudnnLSTM: an LSTM without a bias added to the forget gate."""
    return tf.nn.rnn_cell.LSTMCell(
        num_units,
        forget_bias=0.0,
        initializer=kernel_initializer,
        reuse=reuse,
        name='cudnn_compatible_lstm_cell',
    )


class CudnnCompatibleGRUCell(CellOfUnits):
    """The cell of CudnnGRU, whose reset gate scales the projected state, not the state as in other GRUs."""

    def __init__(self, num_units: int, reuse: bool | None = None, kernel_initializer: Any = None) -> None:
        super().__init__(_reuse=reuse)
        self._num_units = num_units
        self._kernel_initializer = kernel_initializer

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output [batch, units] twice, as the next state too, of inputs [batch, inputs]."""
        width, units = inputs.shape.as_list()[-1], self._num_units

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


class _Layers:
    """Layers of cells, in one direction or both.

    Raises:
      ValueError: for another direction or input_mode.
    """

    _cell: Any
    _name = ''
    _parts = 1

    def __init__(
        self,
        num_layers: int,
        num_units: int,
        input_mode: str = 'linear_input',
        direction: str = 'unidirectional',
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Any = None,
        name: str | None = None,
        **unused: Any,
    ) -> None:
        if direction not in ('unidirectional', 'bidirectional') or input_mode != 'linear_input':
            raise ValueError(f'direction={direction!r} with input_mode={input_mode!r} is not supported.')
        self.num_layers, self.num_units = num_layers, num_units
        self.num_dirs = 1 if direction == 'unidirectional' else 2
        self._dropout, self._seed = dropout, seed
        self._scope: Any = name
        start = kernel_initializer or tf.glorot_uniform_initializer(seed=seed)
        self._cells = [
            [self._cell(num_units, kernel_initializer=start) for _ in range(num_layers)]
            for _ in range(self.num_dirs)
        ]

    def state_shape(self, batch_size: Any) -> tuple[list[Any], ...]:
        """Returns the shape of each part of the state: (output, state) of an LSTM, (output,) of a GRU."""
        return tuple(
            [self.num_layers * self.num_dirs, batch_size, self.num_units] for _ in range(self._parts)
        )

    def __call__(
        self,
        inputs: Any,
        initial_state: tuple[Any, ...] | None = None,
        sequence_lengths: Any = None,
        time_major: bool = True,
        training: Any = True,
    ) -> tuple[Any, tuple[Any, ...]]:
        """Returns outputs [time, batch, units of all directions], and the final state, of `state_shape`."""
        x = tf.convert_to_tensor(inputs)
        given: list[Any] = []
        if initial_state is not None:
            given = [self._to_cell(parts) for parts in zip(*map(tf.unstack, initial_state), strict=True)]
        keep = 1 - self._dropout * tf.cast(training, x.dtype)
        ways = [
            [self._dropped_out(cell, layer, keep) for layer, cell in enumerate(way)] for way in self._cells
        ]
        more: dict[str, Any] = {
            'dtype': x.dtype,
            'sequence_length': sequence_lengths,
            'time_major': time_major,
        }
        with tf.variable_scope(self._scope, self._name) as self._scope:
            if self.num_dirs == 1:
                stack = tf.nn.rnn_cell.MultiRNNCell(ways[0])
                outputs, final = tf.nn.dynamic_rnn(stack, x, initial_state=tuple(given) or None, **more)
            else:
                forward, backward = ways
                outputs, *both = stack_bidirectional_dynamic_rnn(
                    forward, backward, x, given[::2] or None, given[1::2] or None, **more
                )
                final = [state for pair in zip(*both, strict=True) for state in pair]
        return outputs, tuple(map(tf.stack, zip(*map(self._from_cell, final), strict=True)))

    def _dropped_out(self, cell: Any, layer: int, keep: Any) -> Any:
        if not (layer and self._dropout):
            return cell
        return tf.nn.rnn_cell.DropoutWrapper(cell, input_keep_prob=keep, seed=self._seed)

    def _to_cell(self, parts: tuple[Any, ...]) -> Any:
        return parts[0]

    def _from_cell(self, state: Any) -> tuple[Any, ...]:
        return (state,)


class CudnnLSTM(_Layers):
    """Layers of LSTMs: see CudnnCompatibleLSTMCell."""

    _cell = staticmethod(CudnnCompatibleLSTMCell)
    _name = 'cudnn_lstm'
    _parts = 2

    def _to_cell(self, parts: tuple[Any, ...]) -> Any:
        output, memory = parts
        return tf.nn.rnn_cell.LSTMStateTuple(memory, output)

    def _from_cell(self, state: Any) -> tuple[Any, ...]:
        return state.h, state.c


class CudnnGRU(_Layers):
    """Layers of GRUs: see CudnnCompatibleGRUCell."""

    _cell = CudnnCompatibleGRUCell
    _name = 'cudnn_gru'
