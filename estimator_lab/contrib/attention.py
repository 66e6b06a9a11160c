"""Attention mechanisms of ``tf.contrib.seq2seq``."""

from collections.abc import Callable
from typing import Any

import numpy as np

from estimator_lab.tf1 import tf


class AttentionMechanism:
    """The base class of all mechanisms."""

    @property
    def alignments_size(self) -> Any:
        """The number of steps of the memory."""
        raise NotImplementedError

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        raise NotImplementedError


class _Mechanism(AttentionMechanism):
    """Keys, values and the mask of a memory.

    Args:
      num_units: size of keys.
      memory: float [batch, time, ...].
      lengths: integers [batch]; later steps get no attention.
      probability_fn: function from masked scores [batch, time] to alignments, softmax by default.
      score_mask_value: score of the later steps; -infinity by default.
      dtype: type of the variables.
      custom_key_value_fn: function from (keys, values) to others.
    """

    _scope: str

    def __init__(
        self,
        num_units: int,
        memory: Any,
        lengths: Any,
        probability_fn: Callable[[Any], Any] | None,
        score_mask_value: Any,
        dtype: Any,
        custom_key_value_fn: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    ) -> None:
        self._num_units = num_units
        self._memory_layer = _dense(num_units, 'memory_layer', dtype)
        with tf.name_scope('AttentionMechanismInit'):
            memory = tf.nest.map_structure(tf.convert_to_tensor, memory)
            self._lengths = None if lengths is None else tf.convert_to_tensor(lengths)
            if self._lengths is not None:
                mask = tf.sequence_mask(self._lengths, tf.shape(memory)[1], memory.dtype)
                more = tf.ones([tf.rank(memory) - 2], tf.int32)
                memory *= tf.reshape(mask, tf.concat([tf.shape(mask), more], 0))
            self._values = memory
            self._keys = self._memory_layer(memory)
            if custom_key_value_fn is not None:
                self._keys, self._values = custom_key_value_fn(self._keys, self._values)
        self._probability_fn = probability_fn or tf.nn.softmax
        self._masked_score = -np.inf if score_mask_value is None else score_mask_value
        static = tf.compat.dimension_value(self._keys.shape[0])
        self._batch_size = tf.shape(self._keys)[0] if static is None else static
        self._size = tf.compat.dimension_value(self._keys.shape[1]) or tf.shape(self._keys)[1]

    @property
    def memory_layer(self) -> Any:
        """The layer that turns values into keys."""
        return self._memory_layer

    @property
    def query_layer(self) -> Any:
        """The layer of the query, or None."""
        return None

    @property
    def values(self) -> Any:
        """The memory [batch, time, ...], with zeros after the end of each sequence."""
        return self._values

    @property
    def keys(self) -> Any:
        """The keys [batch, time, units]."""
        return self._keys

    @property
    def batch_size(self) -> Any:
        """The batch size of the memory."""
        return self._batch_size

    @property
    def alignments_size(self) -> Any:
        """The number of steps of the memory."""
        return self._size

    @property
    def state_size(self) -> Any:
        """The size of the state, which is the alignments."""
        return self._size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """Returns zeros [batch, time]."""
        return tf.zeros([batch_size, self._size], dtype)

    def initial_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns the first state."""
        return self.initial_alignments(batch_size, dtype)

    def _alignments(self, score: Any) -> tuple[Any, Any]:
        """Returns the alignments [batch, time] of scores, twice: they are also the next state."""
        if self._lengths is not None:
            mask = tf.sequence_mask(self._lengths, tf.shape(score)[1])
            score = tf.where(mask, score, tf.fill(tf.shape(score), tf.cast(self._masked_score, score.dtype)))
        found = self._probability_fn(score)
        return found, found


def _dense(units: int, name: str, dtype: Any) -> Any:
    return tf.layers.Dense(units, use_bias=False, name=name, dtype=dtype or tf.float32)


class LuongAttention(_Mechanism):
    """Multiplicative attention: Luong, Pham and Manning (2015).

    Args:
      num_units: size of keys, which is the size of queries.
      memory: float [batch, time, ...].
      memory_sequence_length: integers [batch].
      scale: whether scores are multiplied by a variable.
      probability_fn: function from scores to alignments, softmax by default.
      score_mask_value: score of steps after the end of a sequence.
      dtype: type of the variables.
      custom_key_value_fn: function from (keys, values) to others.
      name: name of the operations.
    """

    _scope = 'luong_attention'

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        probability_fn: Callable[[Any], Any] | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        name: str = 'LuongAttention',
    ) -> None:
        self._scale = scale
        super().__init__(
            num_units,
            memory,
            memory_sequence_length,
            probability_fn,
            score_mask_value,
            dtype,
            custom_key_value_fn,
        )

    def __call__(self, query: Any, state: Any) -> tuple[Any, Any]:
        """Returns the alignments [batch, time] of a query [batch, units], and the next state.

        Raises:
          ValueError: if the sizes of query and keys differ.
        """
        with tf.variable_scope(None, self._scope, [query]):
            sizes = [tf.compat.dimension_value(each.shape[-1]) for each in (query, self._keys)]
            if sizes[0] != sizes[1]:
                raise ValueError(
                    'Incompatible or unknown inner dimensions between query and keys.  Query '
                    f'({query.name}) has units: {sizes[0]}.  Keys ({self._keys.name}) have units: {sizes[1]}.'
                )
            score = tf.matmul(query[:, None], self._keys, transpose_b=True)[:, 0]
            if self._scale:
                score *= tf.get_variable('attention_g', [], query.dtype, tf.ones_initializer())
            return self._alignments(score)


class BahdanauAttention(_Mechanism):
    """Additive attention: Bahdanau, Cho and Bengio (2014).

    Args:
      num_units: size of keys and of the projected query.
      memory: float [batch, time, ...].
      memory_sequence_length: integers [batch].
      normalize: whether the vector of the scores is normalised (Salimans and Kingma 2016).
      probability_fn: function from scores to alignments, softmax by default.
      score_mask_value: score of steps after the end of a sequence.
      dtype: type of the variables.
      custom_key_value_fn: function from (keys, values) to others.
      name: name of the operations.
    """

    _scope = 'bahdanau_attention'

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        probability_fn: Callable[[Any], Any] | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        name: str = 'BahdanauAttention',
    ) -> None:
        self._normalize = normalize
        self._query_layer = _dense(num_units, 'query_layer', dtype)
        super().__init__(
            num_units,
            memory,
            memory_sequence_length,
            probability_fn,
            score_mask_value,
            dtype,
            custom_key_value_fn,
        )

    @property
    def query_layer(self) -> Any:
        """The layer of the query."""
        return self._query_layer

    def __call__(self, query: Any, state: Any) -> tuple[Any, Any]:
        """Returns the alignments [batch, time] of a query [batch, ...], and the next state."""
        with tf.variable_scope(None, self._scope, [query]):
            hidden = self._keys + self._query_layer(query)[:, None]
            vector = tf.get_variable('attention_v', [self._num_units], query.dtype)
            if self._normalize:
                gain = tf.constant_initializer(np.sqrt(1.0 / self._num_units))
                scale = tf.get_variable('attention_g', [], query.dtype, gain)
                hidden += tf.get_variable(
                    'attention_b', [self._num_units], query.dtype, tf.zeros_initializer()
                )
                vector = scale * vector * tf.rsqrt(tf.reduce_sum(tf.square(vector)))
            score = tf.reduce_sum(vector * tf.tanh(hidden), 2)
            return self._alignments(score)


def hardmax(logits: Any, name: str | None = None) -> Any:
    """Returns the one-hot maximum of each row of [batch, depth]."""
    with tf.name_scope(name, 'Hardmax', [logits]):
        logits = tf.convert_to_tensor(logits, name='logits')
        depth = tf.compat.dimension_value(logits.shape[-1]) or tf.shape(logits)[-1]
        return tf.one_hot(tf.argmax(logits, -1), depth, dtype=logits.dtype)
