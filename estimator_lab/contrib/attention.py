"""Attention of ``tf.contrib.seq2seq``: the mechanisms, the cell that attends, and its state."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.tf1 import DType, Nested, RNNCell, Tensor, tf


class AttentionMechanism:
    """The base class of mechanisms.

    Attributes:
      memory_layer: the layer that turns values into keys.
      values: the memory [batch, time, ...], with zeros after the end of each sequence.
      keys: [batch, time, units].
      batch_size: of the memory.
      alignments_size, state_size: the number of steps of the memory.
    """

    query_layer: Any = None

    def __init__(
        self,
        num_units: int,
        memory: Tensor,
        memory_sequence_length: Tensor = None,
        probability_fn: Callable[[Tensor], Tensor] | None = None,
        score_mask_value: Tensor = None,
        dtype: DType = None,
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

    def initial_alignments(self, batch_size: int | Tensor, dtype: DType) -> Tensor:
        """Returns zeros [batch, time]."""
        return tf.zeros([batch_size, self.alignments_size], dtype)

    def initial_state(self, batch_size: int | Tensor, dtype: DType) -> Nested:
        """Returns the first state."""
        return self.initial_alignments(batch_size, dtype)

    def _alignments(self, score: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the alignments [batch, time] of scores, twice: they are also the next state."""
        if self._lengths is not None:
            mask = tf.sequence_mask(self._lengths, tf.shape(score)[1])
            score = tf.where(mask, score, tf.fill(tf.shape(score), tf.cast(self._masked_score, score.dtype)))
        found = self._probability_fn(score)
        return found, found


def _dense(units: int, name: str, dtype: DType) -> Tensor:
    return tf.layers.Dense(units, use_bias=False, name=name, dtype=dtype or tf.float32)


class LuongAttention(AttentionMechanism):
    """Multiplicative attention: Luong, Pham and Manning (2015)."""

    def __init__(
        self,
        num_units: int,
        memory: Tensor,
        memory_sequence_length: Tensor = None,
        scale: bool = False,
        *args: Any,
        **more: Any,
    ) -> None:
        self._scale = scale
        super().__init__(num_units, memory, memory_sequence_length, *args, **more)

    def __call__(self, query: Tensor, state: Nested) -> tuple[Tensor, Tensor]:
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
        memory: Tensor,
        memory_sequence_length: Tensor = None,
        normalize: bool = False,
        *args: Any,
        **more: Any,
    ) -> None:
        self._normalize = normalize
        super().__init__(num_units, memory, memory_sequence_length, *args, **more)
        self.query_layer = _dense(num_units, 'query_layer', more.get('dtype'))

    def __call__(self, query: Tensor, state: Nested) -> tuple[Tensor, Tensor]:
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


class AttentionWrapperState(NamedTuple):
    """The state of an AttentionWrapper; the last three have a tuple for several mechanisms."""

    cell_state: Nested
    attention: Tensor  # [batch, size]
    time: Tensor  # the number of steps, int32 scalar
    alignments: Tensor  # [batch, memory time]
    alignment_history: Any  # a TensorArray of the alignments of all steps, or ()
    attention_state: Nested

    def clone(self, **kwargs: Any) -> 'AttentionWrapperState':
        """Returns the state with other values for some fields."""
        return self._replace(**kwargs)


class AttentionWrapper(tf.nn.rnn_cell.RNNCell):
    """A cell that attends to one or more memories after each step.

    Raises:
      ValueError: if the numbers of mechanisms and sizes differ.
    """

    def __init__(
        self,
        cell: RNNCell,
        attention_mechanism: Any,
        attention_layer_size: Any = None,
        alignment_history: bool = False,
        cell_input_fn: Callable[[Tensor, Tensor], Tensor] | None = None,
        output_attention: bool = True,
        initial_cell_state: Nested = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self._is_multi = isinstance(attention_mechanism, list | tuple)
        self._mechanisms = attention_mechanism if self._is_multi else [attention_mechanism]
        sizes = attention_layer_size
        if not isinstance(sizes, list | tuple):
            sizes = [None] * len(self._mechanisms) if sizes is None else [sizes]
        sizes = [size and tf.Dimension(size).value for size in sizes]  # which takes 8.0 for 8
        if len(sizes) != len(self._mechanisms):
            raise ValueError(
                'If provided, attention_layer_size must contain one per attention_mechanism, saw: '
                f'{len(sizes)} vs {len(self._mechanisms)}'
            )
        self._layers = [
            tf.layers.Dense(size, use_bias=False, name='attention_layer') if size else None for size in sizes
        ]
        widths = [int(tf.compat.dimension_value(each.values.shape[-1])) for each in self._mechanisms]
        self._size = sum(size or width for size, width in zip(sizes, widths, strict=True))
        self._cell = cell
        self._keeps_history = alignment_history
        self._cell_input_fn = cell_input_fn or (lambda inputs, attention: tf.concat([inputs, attention], -1))
        self._output_attention = output_attention
        self._initial_cell_state = initial_cell_state

    def _one_or_tuple(self, values: Sequence[Nested]) -> Nested:
        return tuple(values) if self._is_multi else values[0]

    def _listed(self, values: Nested) -> Sequence[Nested]:
        return values if self._is_multi else [values]

    @property
    def output_size(self) -> Nested:
        """The size of the attention, or of the cell's output."""
        return self._size if self._output_attention else self._cell.output_size

    @property
    def state_size(self) -> AttentionWrapperState:
        """The sizes of the parts of the state."""
        lengths = [mechanism.alignments_size for mechanism in self._mechanisms]
        return AttentionWrapperState(
            cell_state=self._cell.state_size,
            attention=self._size,
            time=tf.TensorShape([]),
            alignments=self._one_or_tuple(lengths),
            alignment_history=self._one_or_tuple(
                [length if self._keeps_history else () for length in lengths]
            ),
            attention_state=self._one_or_tuple([mechanism.state_size for mechanism in self._mechanisms]),
        )

    def zero_state(self, batch_size: int | Tensor, dtype: DType) -> AttentionWrapperState:
        """Returns the first state; `batch_size` must equal the memories'."""
        with tf.name_scope(f'{type(self).__name__}ZeroState'):
            state = self._initial_cell_state
            if state is None:
                state = self._cell.get_initial_state(batch_size=batch_size, dtype=dtype)
            checks = [
                tf.debugging.assert_equal(
                    tf.cast(batch_size, tf.int32),
                    tf.cast(mechanism.batch_size, tf.int32),
                    message='Non-matching batch sizes between the memory (encoder output) and the requested '
                    'batch size. Are you using the BeamSearchDecoder? You may need to tile your initial '
                    'state and memories via tf.contrib.seq2seq.tile_batch.',
                )
                for mechanism in self._mechanisms
            ]
            with tf.control_dependencies(checks):
                state = tf.nest.map_structure(tf.identity, state)
            alignments = [each.initial_alignments(batch_size, dtype) for each in self._mechanisms]
            return AttentionWrapperState(
                cell_state=state,
                attention=tf.zeros([batch_size, self._size], dtype),
                time=tf.zeros([], tf.int32),
                alignments=self._one_or_tuple(alignments),
                alignment_history=self._one_or_tuple([self._history(each) for each in alignments]),
                attention_state=self._one_or_tuple(
                    [each.initial_state(batch_size, dtype) for each in self._mechanisms]
                ),
            )

    def _history(self, alignments: Tensor) -> Tensor:
        if not self._keeps_history:
            return ()
        return tf.TensorArray(alignments.dtype, 0, dynamic_size=True, element_shape=alignments.shape)

    def call(self, inputs: Nested, state: AttentionWrapperState) -> tuple[Tensor, AttentionWrapperState]:
        """Runs the cell, then attends; returns the attention, or the cell's output, and the next state.

        Raises:
          TypeError: if the state is not an AttentionWrapperState.
        """
        if not isinstance(state, AttentionWrapperState):
            raise TypeError(
                'Expected state to be instance of AttentionWrapperState. '
                f'Received type {type(state)} instead.'
            )
        cell_output, cell_state = self._cell(self._cell_input_fn(inputs, state.attention), state.cell_state)
        attentions, alignments, states = [], [], []
        states_before = self._listed(state.attention_state)
        for mechanism, layer, before in zip(self._mechanisms, self._layers, states_before, strict=True):
            weights, next_state = mechanism(cell_output, state=before)
            context = tf.matmul(weights[:, None], mechanism.values)[:, 0]
            attentions.append(layer(tf.concat([cell_output, context], 1)) if layer else context)
            alignments.append(weights)
            states.append(next_state)
        history = self._listed(state.alignment_history)
        if self._keeps_history:
            history = [array.write(state.time, each) for array, each in zip(history, alignments, strict=True)]
        attention = tf.concat(attentions, 1)
        after = AttentionWrapperState(
            cell_state=cell_state,
            attention=attention,
            time=state.time + 1,
            alignments=self._one_or_tuple(alignments),
            alignment_history=self._one_or_tuple(history),
            attention_state=self._one_or_tuple(states),
        )
        return (attention if self._output_attention else cell_output), after
