"""Attention mechanisms of ``tf.contrib.seq2seq``."""

from typing import Any

import numpy as np

from estimator_lab.tf1 import tf


class AttentionMechanism:
    """The base class of mechanisms.

    Attributes:
      memory_layer: the layer that turns values into keys.
      values: the memory [batch, time, ...], with zeros after the end of each sequence.
      keys: [batch, time, units].
      batch_size: that of the memory.
      alignments_size, state_size: the number of steps of the memory.
    """

    query_layer: Any = None

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        probability_fn: Any = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        self._num_units = num_units
        self.memory_layer = _dense(num_units, 'memory_layer', dtype)
        self._lengths = memory_sequence_length
        with tf.name_scope('AttentionMechanismInit'):
            memory = tf.convert_to_tensor(memory)
            if self._lengths is not None:
                mask = tf.sequence_mask(self._lengths, tf.shape(memory)[1], memory.dtype)
                more = tf.ones([tf.rank(memory) - 2], tf.int32)
                memory *= tf.reshape(mask, tf.concat([tf.shape(mask), more], 0))
            self.values = memory
            self.keys = self.memory_layer(memory)
        self._probability_fn = probability_fn or tf.nn.softmax
        self._masked_score = -np.inf if score_mask_value is None else score_mask_value
        self.batch_size = tf.compat.dimension_value(self.keys.shape[0]) or tf.shape(self.keys)[0]
        self.alignments_size = tf.compat.dimension_value(self.keys.shape[1]) or tf.shape(self.keys)[1]
        self.state_size = self.alignments_size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """Returns zeros [batch, time]."""
        return tf.zeros([batch_size, self.alignments_size], dtype)

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


class LuongAttention(AttentionMechanism):
    """Multiplicative attention: Luong, Pham and Manning (2015)."""

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        *args: Any,
        **more: Any,
    ) -> None:
        self._scale = scale
        super().__init__(num_units, memory, memory_sequence_length, *args, **more)

    def __call__(self, query: Any, state: Any) -> tuple[Any, Any]:
        """Returns the alignments [batch, time] of a query [batch, units], and the next state.

        Raises:
          ValueError: if the sizes of query and keys differ.
        """
        with tf.variable_scope(None, 'luong_attention', [query]):
            sizes = [tf.compat.dimension_value(each.shape[-1]) for each in (query, self.keys)]
            if sizes[0] != sizes[1]:
                raise ValueError(
                    f'Incompatible sizes: the query has {sizes[0]} units, and the keys {sizes[1]}.'
                )
            score = tf.matmul(query[:, None], self.keys, transpose_b=True)[:, 0]
            if self._scale:
                score *= tf.get_variable('attention_g', [], query.dtype, tf.ones_initializer())
            return self._alignments(score)


class BahdanauAttention(AttentionMechanism):
    """Additive attention: Bahdanau, Cho and Bengio (2014)."""

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        *args: Any,
        **more: Any,
    ) -> None:
        self._normalize = normalize
        super().__init__(num_units, memory, memory_sequence_length, *args, **more)
        self.query_layer = _dense(num_units, 'query_layer', more.get('dtype'))

    def __call__(self, query: Any, state: Any) -> tuple[Any, Any]:
        """Returns the alignments [batch, time] of a query [batch, ...], and the next state."""
        with tf.variable_scope(None, 'bahdanau_attention', [query]):
            hidden = self.keys + self.query_layer(query)[:, None]
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
