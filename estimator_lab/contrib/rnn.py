"""What ``tf.contrib.rnn`` has beside the cells, which are tf.nn.rnn_cell's."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.tf1 import tf


def transpose_batch_time(x: Any) -> Any:
    """Returns [time, batch, ...] as [batch, time, ...], and the other way; less than two axes as they are."""
    x = tf.convert_to_tensor(x)
    if x.shape.ndims is not None and x.shape.ndims < 2:
        return x
    return tf.transpose(x, tf.concat([[1, 0], tf.range(2, tf.rank(x))], axis=0))


def stack_bidirectional_dynamic_rnn(
    cells_fw: Sequence[Any],
    cells_bw: Sequence[Any],
    inputs: Any,
    initial_states_fw: Sequence[Any] | None = None,
    initial_states_bw: Sequence[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
    swap_memory: bool = False,
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """Runs bidirectional layers, each on both outputs of the one below, side by side.

    Args:
      cells_fw: one cell for each layer.
      cells_bw: as many.
      inputs: float [batch, time, ...].
      initial_states_fw: one for each layer.
      initial_states_bw: one for each layer.
      dtype: where there are no initial states.
      sequence_length: int [batch].
      parallel_iterations: as in tf.nn.dynamic_rnn.
      time_major: whether inputs and outputs are [time, batch, ...].
      scope: of the variables, 'stack_bidirectional_rnn' by default.
      swap_memory: as in tf.nn.dynamic_rnn.

    Returns:
      Outputs [batch, time, both sizes]; the final states of the layers, forward and backward.

    Raises:
      ValueError: if there are no cells, or not as many of both.
    """
    if not cells_fw or len(cells_fw) != len(cells_bw):
        raise ValueError('Forward and Backward cells must be of the same number, at least one.')
    states_fw, states_bw = [], []
    with tf.variable_scope(scope or 'stack_bidirectional_rnn'):
        for layer, (forward, backward) in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with tf.variable_scope(f'cell_{layer}'):
                outputs, (state_fw, state_bw) = tf.nn.bidirectional_dynamic_rnn(
                    forward,
                    backward,
                    inputs,
                    sequence_length,
                    initial_states_fw[layer] if initial_states_fw else None,
                    initial_states_bw[layer] if initial_states_bw else None,
                    dtype,
                    parallel_iterations,
                    swap_memory,
                    time_major,
                )
                inputs = tf.concat(outputs, 2)
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return inputs, tuple(states_fw), tuple(states_bw)
