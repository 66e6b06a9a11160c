"""``BeamSearchDecoder`` of ``tf.contrib.seq2seq``, and what belongs to it: `tile_batch` and `gather_tree`."""

from collections.abc import Callable
from typing import Any, NamedTuple

from estimator_lab.contrib.decoding import Decoder
from estimator_lab.contrib.decoding_helpers import embedding_function, start_and_end
from estimator_lab.tf1 import DType, Nested, RNNCell, Tensor, tf


class BeamSearchDecoderState(NamedTuple):
    """The state of the cell, [batch, beam, ...], and of the beams, [batch, beam]; lengths are int64."""

    cell_state: Nested
    log_probs: Tensor
    finished: Tensor
    lengths: Tensor


class BeamSearchDecoderOutput(NamedTuple):
    """Outputs of a step, [batch, beam]; the scores are log-probabilities with the length penalty."""

    scores: Tensor
    predicted_ids: Tensor
    parent_ids: Tensor


class FinalBeamSearchDecoderOutput(NamedTuple):
    """The sequences [time, batch, beam], the best beam first, and the outputs of all steps."""

    predicted_ids: Tensor
    beam_search_decoder_output: BeamSearchDecoderOutput


class BeamSearchDecoder(Decoder):
    """Keeps the most probable sequences at each step.

    The memory of an AttentionWrapper and the initial states are tiled with `tile_batch` first.

    Raises:
      ValueError: if start_tokens is not a vector, end_token not a scalar, or there is a coverage penalty.
    """

    tracks_own_finished = True

    def __init__(
        self,
        cell: RNNCell,
        embedding: Tensor | Callable[[Tensor], Tensor],
        start_tokens: Tensor,
        end_token: Tensor,
        initial_state: Nested,
        beam_width: int,
        output_layer: Any = None,
        length_penalty_weight: float = 0.0,
        coverage_penalty_weight: float = 0.0,
        reorder_tensor_arrays: bool = True,
    ) -> None:
        if coverage_penalty_weight:
            raise ValueError('coverage_penalty_weight is not supported: leave it out.')
        self._cell = cell
        self._output_layer = output_layer
        self._embedding_fn = embedding_function(embedding)
        self._start_tokens, self._end_token = start_and_end(start_tokens, end_token)
        self.batch_size = tf.get_static_value(tf.size(self._start_tokens)) or tf.size(self._start_tokens)
        self._beams = beam_width
        self._length_penalty = length_penalty_weight
        self._state = _map_rows(self._split, initial_state)
        tokens = tf.tile(self._start_tokens[:, None], [1, beam_width])
        self._start_inputs = self._embedding_fn(tokens)

    @property
    def output_size(self) -> BeamSearchDecoderOutput:
        """The number of beams, for each output."""
        return BeamSearchDecoderOutput(*[tf.TensorShape([self._beams])] * 3)

    @property
    def output_dtype(self) -> BeamSearchDecoderOutput:
        """The types of the outputs."""
        return BeamSearchDecoderOutput(self._dtype, tf.int32, tf.int32)

    @property
    def _dtype(self) -> DType:
        return tf.nest.flatten(self._state)[0].dtype

    def _split(self, value: Tensor) -> Tensor:
        """Reshapes [batch * beam, ...] to [batch, beam, ...]."""
        return tf.reshape(value, tf.concat([[self.batch_size, self._beams], tf.shape(value)[1:]], 0))

    def _merge(self, value: Tensor) -> Tensor:
        """Reshapes [batch, beam, ...] to [batch * beam, ...]."""
        return tf.reshape(value, tf.concat([[self.batch_size * self._beams], tf.shape(value)[2:]], 0))

    def initialize(self, name: str | None = None) -> tuple[Tensor, Nested, BeamSearchDecoderState]:
        """Returns (finished, first inputs, first state); only the first beam of each sequence is alive."""
        first = tf.zeros([self.batch_size], tf.int32)
        finished = tf.one_hot(first, self._beams, on_value=False, off_value=True, dtype=tf.bool)
        low = tf.constant(float('-inf'), self._dtype)
        state = BeamSearchDecoderState(
            cell_state=self._state,
            log_probs=tf.one_hot(first, self._beams, tf.zeros([], self._dtype), low, dtype=self._dtype),
            finished=finished,
            lengths=tf.zeros([self.batch_size, self._beams], tf.int64),
        )
        return finished, self._start_inputs, state

    def step(
        self, time: Tensor, inputs: Nested, state: BeamSearchDecoderState, name: str | None = None
    ) -> tuple[BeamSearchDecoderOutput, BeamSearchDecoderState, Nested, Tensor]:
        """Returns (outputs, next state, next inputs, finished)."""
        with tf.name_scope(name, 'BeamSearchDecoderStep', (time, inputs)):
            merged = _map_rows(self._merge, (inputs, state.cell_state))
            outputs, cell_state = _map_rows(self._split, self._cell(*merged))
            logits = outputs if self._output_layer is None else self._output_layer(outputs)
            found, after = self._search(logits, cell_state, state)
            inputs = tf.cond(
                tf.reduce_all(after.finished),
                lambda: self._start_inputs,
                lambda: self._embedding_fn(found.predicted_ids),
            )
        return found, after, inputs, after.finished

    def _search(
        self, logits: Tensor, cell_state: Nested, state: BeamSearchDecoderState
    ) -> tuple[BeamSearchDecoderOutput, BeamSearchDecoderState]:
        """Returns the best continuations of all beams."""
        classes = tf.compat.dimension_value(logits.shape[-1]) or tf.shape(logits)[-1]
        is_end = tf.one_hot(self._end_token, classes, on_value=True, off_value=False, dtype=tf.bool)
        # A finished beam continues with the end token only.
        only_end = tf.where(is_end, tf.zeros([classes], logits.dtype), tf.fill([classes], logits.dtype.min))
        ended = state.finished[:, :, None]
        step = tf.compat.v2.where(ended, only_end, tf.nn.log_softmax(logits))
        total = state.log_probs[:, :, None] + step
        # As in 1.15, the end token itself does not count.
        longer = tf.cast(tf.logical_and(~is_end, ~ended), tf.int64)
        scores = self._scores(total, state.lengths[:, :, None] + longer)
        best, where = tf.nn.top_k(tf.reshape(scores, [self.batch_size, -1]), self._beams)
        ids, parents = where % classes, where // classes

        def of_parents(value: Tensor) -> Tensor:
            return tf.gather(value, parents, batch_dims=1)

        was_finished = of_parents(state.finished)
        after = BeamSearchDecoderState(
            cell_state=_map_rows(of_parents, cell_state),
            log_probs=tf.gather(tf.reshape(total, [self.batch_size, -1]), where, batch_dims=1),
            finished=tf.logical_or(was_finished, tf.equal(ids, self._end_token)),
            lengths=of_parents(state.lengths) + tf.cast(~was_finished, tf.int64),
        )
        return BeamSearchDecoderOutput(best, ids, parents), after

    def _scores(self, log_probs: Tensor, lengths: Tensor) -> Tensor:
        """Returns log-probabilities [batch, beam, classes] with the length penalty."""
        if not self._length_penalty:
            return log_probs
        penalty = ((5.0 + tf.cast(lengths, tf.float32)) / 6.0) ** self._length_penalty
        return log_probs / tf.cast(penalty, log_probs.dtype)

    def finalize(
        self, outputs: BeamSearchDecoderOutput, final_state: BeamSearchDecoderState, sequence_lengths: Tensor
    ) -> tuple[FinalBeamSearchDecoderOutput, BeamSearchDecoderState]:
        """Returns the sequences that end in each beam, and the final state."""
        longest = tf.cast(tf.reduce_max(final_state.lengths, 1), tf.int32)
        ids = gather_tree(outputs.predicted_ids, outputs.parent_ids, longest, self._end_token)
        return FinalBeamSearchDecoderOutput(ids, outputs), final_state


def _map_rows(function: Callable[[Tensor], Tensor], values: Nested) -> Nested:
    """Applies a function to all tensors of a nest but scalars and TensorArrays, which have no batch."""
    return tf.nest.map_structure(
        lambda each: each if isinstance(each, tf.TensorArray) or each.shape.ndims == 0 else function(each),
        values,
    )


def gather_tree(
    step_ids: Tensor,
    parent_ids: Tensor,
    max_sequence_lengths: Tensor,
    end_token: Tensor,
    name: str | None = None,
) -> Tensor:
    """Returns the sequences that end in each beam, int32 [time, batch, beam]: it follows the parents back."""
    with tf.name_scope(name, 'gather_tree', [step_ids, parent_ids]):
        step_ids, parent_ids = tf.convert_to_tensor(step_ids), tf.convert_to_tensor(parent_ids)
        end = tf.cast(end_token, step_ids.dtype)
        steps, width = tf.shape(step_ids)[0], tf.shape(step_ids)[2]
        inside = tf.range(steps)[:, None] < tf.convert_to_tensor(max_sequence_lengths)[None]

        def back(before: Tensor, now: Tensor) -> Tensor:
            """Returns the beams of a step, and the ids there."""
            parents, _ = before
            ids, above, is_inside = now
            is_inside = tf.broadcast_to(is_inside[:, None], tf.shape(parents))
            chosen = tf.where(is_inside, tf.gather(ids, parents, batch_dims=1), tf.fill(tf.shape(ids), end))
            return tf.where(is_inside, tf.gather(above, parents, batch_dims=1), parents), chosen

        own = tf.broadcast_to(tf.range(width, dtype=parent_ids.dtype), tf.shape(step_ids)[1:])
        start = own, tf.zeros_like(step_ids[0])
        _, found = tf.scan(back, (step_ids, parent_ids, inside), start, reverse=True)
        ends = tf.cast(tf.equal(found, end), tf.int32)
        is_after = tf.cumsum(ends, axis=0, exclusive=True) > 0
        found = tf.where(is_after, tf.fill(tf.shape(found), end), found)
        found.set_shape(step_ids.shape)
        return found


def tile_batch(t: Nested, multiplier: int | Tensor, name: str | None = None) -> Nested:
    """Returns [batch * multiplier, ...]: each entry of a batch `multiplier` times in a row.

    Raises:
      ValueError: if a number of axes is unknown, or 0.
    """

    def repeated(value: Tensor) -> Tensor:
        value = tf.convert_to_tensor(value, name='t')
        if not value.shape.ndims:
            raise ValueError('t must have statically known rank, and at least one axis.')
        found = tf.repeat(value, multiplier, axis=0)
        rows, copies = tf.compat.dimension_value(value.shape[0]), tf.get_static_value(multiplier)
        known = rows * int(copies) if rows is not None and copies is not None else None
        found.set_shape(tf.TensorShape([known]).concatenate(value.shape[1:]))
        return found

    with tf.name_scope(name, 'tile_batch', [*tf.nest.flatten(t), multiplier]):
        return tf.nest.map_structure(repeated, t)
