"""Cells of ``tf.contrib.rnn`` around another cell: projections and embeddings, with 1.15's variable names."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.tf1 import tf


def linear(values: Sequence[Any], size: int) -> Any:
    """Returns values [batch, n] side by side, projected to [batch, size] by `kernel` and `bias`."""
    joined = tf.concat(values, 1)
    kernel = tf.get_variable('kernel', [joined.shape.as_list()[1], size], joined.dtype)
    bias = tf.get_variable('bias', [size], joined.dtype, tf.zeros_initializer())
    return tf.matmul(joined, kernel) + bias


class _Around(tf.nn.rnn_cell.RNNCell):
    """A cell with the states and outputs of another."""

    def __init__(self, cell: Any, reuse: bool | None = None) -> None:
        super().__init__(_reuse=reuse)
        self._cell = cell

    @property
    def state_size(self) -> Any:
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        return self._cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        return self._cell.zero_state(batch_size, dtype)


class _Projection(_Around):
    def __init__(
        self, cell: Any, size: int, activation: Callable[[Any], Any] | None, reuse: bool | None
    ) -> None:
        super().__init__(cell, reuse)
        if size < 1:
            raise ValueError(f'Parameter output_size must be > 0: {size}.')
        self._size = size
        self._activation = activation or (lambda values: values)

    def _projected(self, values: Any) -> Any:
        return self._activation(linear([values], self._size))


class InputProjectionWrapper(_Projection):
    """Projects the inputs of a cell to `num_proj` values."""

    def __init__(
        self, cell: Any, num_proj: int, activation: Any = None, input_size: Any = None, reuse: Any = None
    ) -> None:
        super().__init__(cell, num_proj, activation, reuse)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output and the next state, of inputs [batch, inputs]."""
        return self._cell(self._projected(inputs), state)


class OutputProjectionWrapper(_Projection):
    """Projects the outputs of a cell to `output_size` values.

    Raises:
      ValueError: the size is not positive.
    """

    def __init__(self, cell: Any, output_size: int, activation: Any = None, reuse: Any = None) -> None:
        super().__init__(cell, output_size, activation, reuse)

    @property
    def output_size(self) -> int:
        """The size of its outputs."""
        return self._size

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output [batch, output_size] and the next state, of inputs [batch, inputs]."""
        output, state = self._cell(inputs, state)
        return self._projected(output), state


class EmbeddingWrapper(_Around):
    """Embeds the symbols [batch] that are a cell's inputs.

    Raises:
      ValueError: a size is not positive.
    """

    def __init__(
        self,
        cell: Any,
        embedding_classes: int,
        embedding_size: int,
        initializer: Any = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, reuse)
        if min(embedding_classes, embedding_size) < 1:
            sizes = f'{embedding_classes}, {embedding_size}'
            raise ValueError(f'Both embedding_classes and embedding_size must be > 0: {sizes}.')
        self._shape = [embedding_classes, embedding_size]
        self._initializer = initializer

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output and the next state, of symbols [batch] or [batch, 1]."""
        bound = math.sqrt(3)  # whose uniform distribution has variance 1
        initializer = (
            self._initializer
            or tf.get_variable_scope().initializer
            or tf.random_uniform_initializer(-bound, bound)
        )
        dtype = tf.nest.flatten(state)[0].dtype
        table = tf.get_variable('embedding', self._shape, dtype, initializer)
        return self._cell(tf.nn.embedding_lookup(table, tf.reshape(inputs, [-1])), state)
