"""Recurrent layers of ``tf.contrib.cudnn_rnn``, which here run on any device.

In 1.15 a layer has one variable, whose layout depends on the GPU, and saves its content as the variables of
the cells. Here these are the layer's variables, so a checkpoint of 1.15 loads; slots of optimizers do not.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.contrib.cudnn_cells import CudnnCompatibleGRUCell, CudnnCompatibleLSTMCell
from estimator_lab.tf1 import tf

CUDNN_RNN_UNIDIRECTION = 'unidirectional'
CUDNN_RNN_BIDIRECTION = 'bidirectional'
CUDNN_LSTM = 'lstm'
CUDNN_GRU = 'gru'
CUDNN_RNN_RELU = 'rnn_relu'
CUDNN_RNN_TANH = 'rnn_tanh'
CUDNN_INPUT_LINEAR_MODE = 'linear_input'
CUDNN_INPUT_SKIP_MODE = 'skip_input'
CUDNN_INPUT_AUTO_MODE = 'auto_select'

_LSTM_NAME = 'cudnn_compatible_lstm_cell'


class _CudnnRNN(tf.layers.Layer):
    """Layers of cells, in one direction or both."""

    _rnn_mode = ''
    _cell_name = ''
    # Name, what the kernel is applied to (inputs x, state h), number of gates.
    _weights: Sequence[tuple[str, str, int]] = ()

    def __init__(
        self,
        num_layers: int,
        num_units: int,
        input_mode: str = CUDNN_INPUT_LINEAR_MODE,
        direction: str = CUDNN_RNN_UNIDIRECTION,
        dropout: float = 0.0,
        seed: int | None = None,
        dtype: Any = tf.float32,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
    ) -> None:
        """Creates the layers.

        Args:
          num_layers: number of layers.
          num_units: size of the states and, for each direction, of the outputs.
          input_mode: 'linear_input': kernels are applied to the inputs. The others are rejected if
            they would leave out the kernels.
          direction: 'unidirectional' or 'bidirectional'.
          dropout: rate of dropout between layers, in training.
          seed: seed of the dropout and the default initializer.
          dtype: float16, float32 or float64.
          kernel_initializer: initializer of each matrix [units, inputs or units]; glorot_uniform by default.
          bias_initializer: initializer of each bias; zeros by default. Most gates have the sum of two biases.
          name: scope of the variables.

        Raises:
          ValueError: if direction, input_mode or dtype is unknown.
        """
        super().__init__(dtype=dtype, name=name)
        directions = (CUDNN_RNN_UNIDIRECTION, CUDNN_RNN_BIDIRECTION)
        if direction not in directions:
            raise ValueError(f'Invalid direction: {direction}, expecting {" or ".join(directions)}')
        modes = (CUDNN_INPUT_LINEAR_MODE, CUDNN_INPUT_SKIP_MODE, CUDNN_INPUT_AUTO_MODE)
        if input_mode not in modes:
            raise ValueError(f'Invalid input_mode: {input_mode}, expect one of {", ".join(modes)}')
        if dtype not in (tf.float16, tf.float32, tf.float64):
            raise ValueError(f'Only support float16, float32, float64, provided {dtype}')
        self._type = tf.as_dtype(dtype)
        self._num_layers = num_layers
        self._num_units = num_units
        self._input_mode = input_mode
        self._direction = direction
        self._rate = dropout
        self._seed = seed
        self._kernel_initializer = kernel_initializer or tf.glorot_uniform_initializer(seed=seed)
        self._bias_initializer = bias_initializer or tf.zeros_initializer()
        self._input_size = 0

    @property
    def num_layers(self) -> int:
        """The number of layers."""
        return self._num_layers

    @property
    def num_units(self) -> int:
        """The size of the states."""
        return self._num_units

    @property
    def input_mode(self) -> str:
        """'linear_input', 'skip_input' or 'auto_select'."""
        return self._input_mode

    @property
    def rnn_mode(self) -> str:
        """'lstm', 'gru', 'rnn_tanh' or 'rnn_relu'."""
        return self._rnn_mode

    @property
    def direction(self) -> str:
        """'unidirectional' or 'bidirectional'."""
        return self._direction

    @property
    def num_dirs(self) -> int:
        """The number of directions, 1 or 2."""
        return 1 if self._direction == CUDNN_RNN_UNIDIRECTION else 2

    @property
    def input_size(self) -> int:
        """The size of the inputs; ValueError before the layer is built."""
        if not self._input_size:
            raise ValueError("'input_size' is unknown since layer has not been built.")
        return self._input_size

    def state_shape(self, batch_size: Any) -> tuple[list[Any], ...]:
        """Returns the shape of each part of the state: (output, state) of an LSTM, (output,) of others."""
        parts = 2 if self._rnn_mode == CUDNN_LSTM else 1
        return tuple([self._num_layers * self.num_dirs, batch_size, self._num_units] for _ in range(parts))

    def build(self, input_shape: Any) -> None:
        """Creates the variables for inputs [time, batch, inputs], in the variable scope of the caller.

        Raises:
          ValueError: if there are not three axes, the last one is unknown, or input_mode needs cuDNN.
        """
        shape = tf.TensorShape(input_shape)
        if shape.ndims != 3:
            raise ValueError(f'Expecting input_shape with 3 dims, got {shape.ndims}')
        size = shape.as_list()[-1]
        if size is None:
            raise ValueError(
                'The last dimension of the inputs to `CudnnRNN` should be defined. Found `None`.'
            )
        if self._input_mode == CUDNN_INPUT_SKIP_MODE or (
            self._input_mode == CUDNN_INPUT_AUTO_MODE and size == self._num_units
        ):
            raise ValueError(
                f'input_mode={self._input_mode} with {size} inputs and {self._num_units} units leaves out '
                'the input kernels, which is not supported: use linear_input.'
            )
        self._input_size = size
        self._home = tf.get_variable_scope()
        for layer in range(self._num_layers):
            width = self._num_units * self.num_dirs if layer else size
            for prefix in self._prefixes(layer):
                # Not add_weight(), which creates variables in the layer's scope.
                self._trainable_weights += self._variables_of(f'{prefix}/{self._cell_name}', width)
        super().build(input_shape)

    def _prefixes(self, layer: int) -> list[str]:
        if self.num_dirs == 1:
            return [f'rnn/multi_rnn_cell/cell_{layer}']
        return [f'{_bidirectional(layer)}/{way}' for way in ('fw', 'bw')]

    def _variables_of(self, prefix: str, width: int) -> list[Any]:
        units, made = self._num_units, []
        for part in ('kernel', 'bias'):
            for name, applied_to, gates in self._weights:
                widths = [width if each == 'x' else units for each in applied_to]
                if part == 'kernel':
                    shape = [sum(widths), gates * units]
                    start = functools.partial(_kernel, self._kernel_initializer, units, widths, gates)
                else:
                    shape = [gates * units]
                    start = functools.partial(_bias, self._bias_initializer, len(widths))
                made.append(tf.get_variable(f'{prefix}/{name}{part}', shape, self._type, start))
        return made

    def call(
        self,
        inputs: Any,
        initial_state: tuple[Any, ...] | None = None,
        sequence_lengths: Any = None,
        time_major: bool = True,
        training: Any = True,
    ) -> tuple[Any, tuple[Any, ...]]:
        """Runs all layers.

        Args:
          inputs: [time, batch, inputs], or [batch, time, inputs] if not `time_major`.
          initial_state: tensors of `state_shape`, with their first two axes exchanged if not `time_major`;
            zeros by default.
          sequence_lengths: integers [batch]; later outputs are 0.
          time_major: the order of the axes of inputs, outputs and states.
          training: whether dropout is used.

        Returns:
          Outputs [time, batch, units of all directions], and the final state; as inputs and initial_state.

        Raises:
          TypeError: if the initial state is not a tuple.
        """
        if initial_state is not None and not isinstance(initial_state, tuple):
            raise TypeError(f'Invalid initial_state type: {type(initial_state)}, expecting tuple.')
        swap = (lambda x: x) if time_major else functools.partial(tf.transpose, perm=[1, 0, 2])
        x = swap(tf.convert_to_tensor(inputs, self._type))
        if initial_state is None:
            initial_state = tuple(tf.zeros(each, self._type) for each in self.state_shape(tf.shape(x)[1]))
        else:
            initial_state = tuple(swap(tf.convert_to_tensor(each, self._type)) for each in initial_state)
        finals: list[tuple[Any, ...]] = []
        with tf.variable_scope(self._home, reuse=True, dtype=self._type, auxiliary_name_scope=False):
            for layer in range(self._num_layers):
                if layer and self._rate:
                    x = tf.layers.dropout(x, self._rate, seed=self._seed, training=training)
                first = layer * self.num_dirs
                starts = [
                    tuple(part[index] for part in initial_state)
                    for index in range(first, first + self.num_dirs)
                ]
                x, states = self._run(layer, x, starts, sequence_lengths)
                finals += states
        final = tuple(swap(tf.stack(part)) for part in zip(*finals, strict=True))
        return swap(x), final

    def _run(
        self, layer: int, x: Any, starts: Sequence[tuple[Any, ...]], lengths: Any
    ) -> tuple[Any, list[tuple[Any, ...]]]:
        """Returns outputs [time, batch, units of all directions], and the final state of each direction."""
        cells = [self._cell() for _ in starts]
        states = [self._to_cell(start) for start in starts]
        if len(cells) == 1:
            outputs, final = tf.nn.dynamic_rnn(
                cells[0], x, lengths, states[0], time_major=True, scope=self._prefixes(layer)[0]
            )
            return outputs, [self._from_cell(final)]
        both, found = tf.nn.bidirectional_dynamic_rnn(
            *cells, x, lengths, *states, time_major=True, scope=_bidirectional(layer)
        )
        return tf.concat(both, 2), [self._from_cell(each) for each in found]

    def _cell(self) -> Any:
        raise NotImplementedError

    def _to_cell(self, state: tuple[Any, ...]) -> Any:
        return state[0]

    def _from_cell(self, state: Any) -> tuple[Any, ...]:
        return (state,)


class CudnnLSTM(_CudnnRNN):
    """Layers of LSTMs: see CudnnCompatibleLSTMCell."""

    _rnn_mode = CUDNN_LSTM
    _cell_name = _LSTM_NAME
    _weights = (('', 'xh', 4),)

    def _cell(self) -> Any:
        if self._type == tf.float64:  # the operation of the other cell does not know it
            return tf.nn.rnn_cell.BasicLSTMCell(
                self._num_units, 0.0, reuse=True, name=_LSTM_NAME, dtype=self._type
            )
        return CudnnCompatibleLSTMCell(self._num_units, reuse=True)

    def _to_cell(self, state: tuple[Any, ...]) -> Any:
        output, memory = state
        return tf.nn.rnn_cell.LSTMStateTuple(memory, output)

    def _from_cell(self, state: Any) -> tuple[Any, ...]:
        return state.h, state.c


class CudnnGRU(_CudnnRNN):
    """Layers of GRUs: see CudnnCompatibleGRUCell."""

    _rnn_mode = CUDNN_GRU
    _cell_name = 'cudnn_compatible_gru_cell'
    _weights = (
        ('gates/', 'xh', 2),
        ('candidate/input_projection/', 'x', 1),
        ('candidate/hidden_projection/', 'h', 1),
    )

    def _cell(self) -> Any:
        return CudnnCompatibleGRUCell(self._num_units, reuse=True)


class _Basic(_CudnnRNN):
    _cell_name = 'basic_rnn_cell'
    _weights = (('', 'xh', 1),)
    _activation: Callable[[Any], Any]

    def _cell(self) -> Any:
        return tf.nn.rnn_cell.BasicRNNCell(
            self._num_units, type(self)._activation, reuse=True, dtype=self._type
        )


class CudnnRNNTanh(_Basic):
    """Layers of tf.nn.rnn_cell.BasicRNNCell, with tanh."""

    _rnn_mode = CUDNN_RNN_TANH
    _activation = staticmethod(tf.tanh)


class CudnnRNNRelu(_Basic):
    """Layers of tf.nn.rnn_cell.BasicRNNCell, with relu."""

    _rnn_mode = CUDNN_RNN_RELU
    _activation = staticmethod(tf.nn.relu)


def _bidirectional(layer: int) -> str:
    return f'stack_bidirectional_rnn/cell_{layer}/bidirectional_rnn'


def _kernel(
    initializer: Any,
    units: int,
    widths: Sequence[int],
    gates: int,
    shape: Any,
    dtype: Any = None,
    **more: Any,
) -> Any:
    """Returns a kernel whose parts are initialized one by one, as in 1.15: their sizes decide their range."""
    rows = [
        tf.concat([initializer([units, width], dtype=dtype) for width in widths], 1) for _ in range(gates)
    ]
    return tf.transpose(tf.concat(rows, 0))


def _bias(initializer: Any, count: int, shape: Any, dtype: Any = None, **more: Any) -> Any:
    """Returns the sum of a bias of the inputs and one of the state, or one of them."""
    return tf.add_n([initializer(shape, dtype=dtype) for _ in range(count)])
