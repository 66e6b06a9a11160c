"""Cells of ``tf.contrib.rnn`` that project the input or the output of another cell."""

from collections.abc import Callable
from typing import Any

from estimator_lab.contrib.rnn_cells import linear
from estimator_lab.tf1 import tf

_Cell: Any = tf.nn.rnn_cell.RNNCell


class _Projection(_Cell):
    """A cell with the state of another one, and a linear layer, whose variables are `kernel` and `bias`."""

    def __init__(self, cell: Any, size: int, activation: Callable[[Any], Any] | None, reuse: Any) -> None:
        super().__init__(_reuse=reuse)
        self._cell = cell
        self._size = size
        self._activation = activation or tf.identity

    @property
    def state_size(self) -> Any:
        """The size of the cell's state."""
        return self._cell.state_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns the cell's state of zeros."""
        return self._cell.zero_state(batch_size, dtype)

    def _project(self, tensor: Any) -> Any:
        return self._activation(linear([tensor], self._size))


class OutputProjectionWrapper(_Projection):
    """Projects each output of a cell to another size.

    Args:
      cell: the cell.
      output_size: the size of the output.
      activation: function of the projected output; none by default.
      reuse: whether the variables exist already.

    Raises:
      ValueError: if output_size is not positive.
    """

    def __init__(
        self,
        cell: Any,
        output_size: int,
        activation: Callable[[Any], Any] | None = None,
        reuse: bool | None = None,
    ) -> None:
        if output_size < 1:
            raise ValueError(f'Parameter output_size must be > 0: {output_size}.')
        super().__init__(cell, output_size, activation, reuse)

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self._size

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output [batch, output_size] and the cell's next state."""
        output, after = self._cell(inputs, state)
        return self._project(output), after


class InputProjectionWrapper(_Projection):
    """Projects each input of a cell to another size.

    Args:
      cell: the cell.
      num_proj: the size of the projected input.
      activation: function of the projected input; none by default.
      input_size: ignored, as in 1.15.
      reuse: whether the variables exist already.
    """

    def __init__(
        self,
        cell: Any,
        num_proj: int,
        activation: Callable[[Any], Any] | None = None,
        input_size: int | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, num_proj, activation, reuse)

    @property
    def output_size(self) -> Any:
        """The size of the cell's output."""
        return self._cell.output_size

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the cell's output and next state, of inputs [batch, any]."""
        return self._cell(self._project(inputs), state)
