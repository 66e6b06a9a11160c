"""``CudnnLSTM`` of ``tf.contrib.cudnn_rnn`` on any device, made of cells.

In 1.15 a layer has one variable in cuDNN's layout, and saves its content as the variables of the cells. Here
these are the variables, so a checkpoint of 1.15 loads; slots of optimizers do not.
"""

import functools
from typing import Any

from estimator_lab.contrib.rnn import stack_bidirectional_dynamic_rnn
from estimator_lab.tf1 import Initializer, Nested, RNNCell, Tensor, tf


def CudnnCompatibleLSTMCell(  # noqa: N802 - a class in 1.15
    num_units: int, reuse: bool | None = None, kernel_initializer: Initializer = None
) -> RNNCell:
    """Returns the cell of CudnnLSTM: an LSTM without a bias added to the forget gate."""
    return tf.nn.rnn_cell.LSTMCell(
        num_units,
        forget_bias=0.0,
        initializer=kernel_initializer,
        reuse=reuse,
        name='cudnn_compatible_lstm_cell',
    )


class CudnnLSTM:
    """Layers of LSTMs, in one direction or both.

    Raises:
      ValueError: for another direction or input_mode.
    """

    def __init__(
        self,
        num_layers: int,
        num_units: int,
        input_mode: str = 'linear_input',
        direction: str = 'unidirectional',
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Initializer = None,
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
            [CudnnCompatibleLSTMCell(num_units, kernel_initializer=start) for _ in range(num_layers)]
            for _ in range(self.num_dirs)
        ]

    def state_shape(self, batch_size: int | Tensor) -> tuple[list[Any], list[Any]]:
        """Returns the shapes of the parts of the state, (output, memory)."""
        shape = [self.num_layers * self.num_dirs, batch_size, self.num_units]
        return shape, list(shape)

    def __call__(
        self,
        inputs: Nested,
        initial_state: tuple[Tensor, Tensor] | None = None,
        sequence_lengths: Tensor = None,
        time_major: bool = True,
        training: Any = True,
    ) -> tuple[Any, tuple[Any, Any]]:
        """Returns outputs [time, batch, units of all directions], and the final state, of `state_shape`."""
        x = tf.convert_to_tensor(inputs)
        given: list[Any] = []
        if initial_state is not None:
            pairs = zip(*map(tf.unstack, initial_state), strict=True)
            given = [tf.nn.rnn_cell.LSTMStateTuple(memory, output) for output, memory in pairs]
        ways = self._cells
        if self._dropout:
            keep = 1 - self._dropout * tf.cast(training, x.dtype)
            drop = functools.partial(tf.nn.rnn_cell.DropoutWrapper, input_keep_prob=keep, seed=self._seed)
            ways = [[first, *map(drop, others)] for first, *others in ways]
        more = {'dtype': x.dtype, 'sequence_length': sequence_lengths, 'time_major': time_major}
        with tf.variable_scope(self._scope, 'cudnn_lstm') as self._scope:
            if self.num_dirs == 1:
                stack = tf.nn.rnn_cell.MultiRNNCell(ways[0])
                outputs, final = tf.nn.dynamic_rnn(stack, x, initial_state=tuple(given) or None, **more)
            else:
                forward, backward = ways
                outputs, *both = stack_bidirectional_dynamic_rnn(
                    forward, backward, x, given[::2] or None, given[1::2] or None, **more
                )
                final = [state for pair in zip(*both, strict=True) for state in pair]
        return outputs, (tf.stack([each.h for each in final]), tf.stack([each.c for each in final]))
