"""Helpers of ``tf.contrib.seq2seq``: where a decoder's inputs come from, and how it samples outputs.

A helper has `batch_size`; `initialize()`, which returns (finished, first inputs); `sample(time, outputs,
state)`; and `next_inputs(time, outputs, state, sample_ids)`, which returns (finished, inputs, next state).
"""

from collections.abc import Callable
from typing import Any

from estimator_lab.contrib.rnn import transpose_batch_time
from estimator_lab.tf1 import DType, Nested, Tensor, tf


class Helper:
    """The base class of helpers."""

    batch_size: int | Tensor = None
    sample_ids_shape: Any = tf.TensorShape([])  # without the batch
    sample_ids_dtype: DType = tf.int32

    def sample(self, time: Tensor, outputs: Nested, state: Nested, name: str | None = None) -> Tensor:
        """Returns the classes with the greatest outputs."""
        return tf.argmax(outputs, -1, output_type=tf.int32)


class CustomHelper(Helper):
    """A helper made of functions with the arguments of a helper's methods."""

    def __init__(
        self,
        initialize_fn: Callable[[], tuple[Tensor, Nested]],
        sample_fn: Callable[..., Tensor],
        next_inputs_fn: Callable[..., tuple[Tensor, Nested, Nested]],
        sample_ids_shape: Any = None,
        sample_ids_dtype: DType = None,
    ) -> None:
        self._initialize_fn = initialize_fn
        self._sample_fn = sample_fn
        self._next_inputs_fn = next_inputs_fn
        self.sample_ids_shape = tf.TensorShape(sample_ids_shape or [])
        self.sample_ids_dtype = sample_ids_dtype or tf.int32

    def initialize(self, name: str | None = None) -> tuple[Tensor, Nested]:
        """Returns (finished, first inputs)."""
        finished, inputs = self._initialize_fn()
        self.batch_size = tf.size(finished)
        return finished, inputs

    def sample(self, time: Tensor, outputs: Nested, state: Nested, name: str | None = None) -> Tensor:
        """Returns the samples of outputs."""
        return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(
        self, time: Tensor, outputs: Nested, state: Nested, sample_ids: Tensor, name: str | None = None
    ) -> tuple[Tensor, Nested, Nested]:
        """Returns (finished, next inputs, next state)."""
        return self._next_inputs_fn(time=time, outputs=outputs, state=state, sample_ids=sample_ids)


class TrainingHelper(Helper):
    """Reads the inputs of training, the correct sequences, [batch, time, ...] or nested.

    Raises:
      ValueError: if the lengths are not a vector.
    """

    def __init__(
        self, inputs: Nested, sequence_length: Tensor, time_major: bool = False, name: str | None = None
    ) -> None:
        self.inputs = inputs
        steps = inputs if time_major else tf.nest.map_structure(transpose_batch_time, inputs)
        self._steps = tf.nest.map_structure(_array_of_steps, steps)
        self.sequence_length = tf.convert_to_tensor(sequence_length, name='sequence_length')
        if self.sequence_length.shape.ndims != 1:
            raise ValueError(f'sequence_length must be a vector, not {self.sequence_length.shape}.')
        self._zero_inputs = tf.nest.map_structure(lambda each: tf.zeros_like(each[0]), steps)
        self.batch_size = tf.size(self.sequence_length)

    def initialize(self, name: str | None = None) -> tuple[Tensor, Nested]:
        """Returns (finished, first inputs)."""
        return self._at(0)

    def _at(self, time: Tensor) -> tuple[Tensor, Nested]:
        """Returns which sequences end before a step, and the inputs of the step, zeros after the last one."""
        finished = time >= tf.cast(self.sequence_length, tf.int32)
        inputs = tf.cond(
            tf.reduce_all(finished),
            lambda: self._zero_inputs,
            lambda: tf.nest.map_structure(lambda array: array.read(time), self._steps),
        )
        return finished, inputs

    def next_inputs(
        self, time: Tensor, outputs: Nested, state: Nested, sample_ids: Tensor = None, name: str | None = None
    ) -> tuple[Tensor, Nested, Nested]:
        """Returns (finished, next inputs, state)."""
        return *self._at(time + 1), state


def _array_of_steps(values: Tensor) -> Any:
    # The last step may be read twice.
    array = tf.TensorArray(
        values.dtype, tf.shape(values)[0], element_shape=values.shape[1:], clear_after_read=False
    )
    return array.unstack(values)


def embedding_function(embedding: Tensor | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Returns a function from ids to vectors, given a table or such a function."""
    if callable(embedding):
        return embedding
    return lambda ids: tf.nn.embedding_lookup(embedding, ids)


def start_and_end(start_tokens: Tensor, end_token: Tensor) -> tuple[Tensor, Tensor]:
    """Returns both as int32 tensors, a vector and a scalar; raises ValueError for other shapes."""
    start = tf.convert_to_tensor(start_tokens, tf.int32, name='start_tokens')
    end = tf.convert_to_tensor(end_token, tf.int32, name='end_token')
    if start.shape.ndims != 1:
        raise ValueError('start_tokens must be a vector')
    if end.shape.ndims != 0:
        raise ValueError('end_token must be a scalar')
    return start, end


class GreedyEmbeddingHelper(Helper):
    """Feeds the most probable class back.

    Raises:
      ValueError: if start_tokens is not a vector, or end_token not a scalar.
    """

    def __init__(
        self, embedding: Tensor | Callable[[Tensor], Tensor], start_tokens: Tensor, end_token: Tensor
    ) -> None:
        self._embedding_fn = embedding_function(embedding)
        self._start_tokens, self._end_token = start_and_end(start_tokens, end_token)
        self.batch_size = tf.size(self._start_tokens)
        self._start_inputs = self._embedding_fn(self._start_tokens)

    def initialize(self, name: str | None = None) -> tuple[Tensor, Nested]:
        """Returns (finished, first inputs)."""
        return tf.zeros_like(self._start_tokens, tf.bool), self._start_inputs

    def next_inputs(
        self, time: Tensor, outputs: Nested, state: Nested, sample_ids: Tensor, name: str | None = None
    ) -> tuple[Tensor, Nested, Nested]:
        """Returns (finished, next inputs, state)."""
        finished = tf.equal(sample_ids, self._end_token)
        inputs = tf.cond(
            tf.reduce_all(finished), lambda: self._start_inputs, lambda: self._embedding_fn(sample_ids)
        )
        return finished, inputs, state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """Feeds a sampled class back."""

    def __init__(
        self,
        embedding: Tensor | Callable[[Tensor], Tensor],
        start_tokens: Tensor,
        end_token: Tensor,
        softmax_temperature: Tensor = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._temperature = softmax_temperature
        self._seed = seed

    def sample(self, time: Tensor, outputs: Nested, state: Nested, name: str | None = None) -> Tensor:
        """Returns sampled classes, int32 [batch]."""
        logits = outputs if self._temperature is None else outputs / self._temperature
        return tf.random.categorical(logits, 1, dtype=tf.int32, seed=self._seed)[:, 0]
