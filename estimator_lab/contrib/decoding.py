"""Decoders of ``tf.contrib.seq2seq``: the loop over steps, the basic decoder, and the loss."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from estimator_lab.contrib.rnn import transpose_batch_time
from estimator_lab.tf1 import DType, Nested, RNNCell, Tensor, VariableScope, tf


class Decoder:
    """The base class of decoders: `dynamic_decode` calls `initialize`, then `step` until all are finished.

    `initialize()` returns (finished, first inputs, first state); `step(time, inputs, state)` returns
    (outputs, next state, next inputs, finished). `batch_size`, and the nested structures `output_size` and
    `output_dtype`, describe the outputs of a step.
    """

    initialize: Callable[..., Any]
    step: Callable[..., Any]
    batch_size: Any
    output_size: Nested
    output_dtype: Nested
    tracks_own_finished = False
    """Whether `finished` may become false again, as beams change places."""

    def finalize(
        self, outputs: Nested, final_state: Nested, sequence_lengths: Tensor
    ) -> tuple[Nested, Nested]:
        """Returns the final outputs and state, given the outputs of all steps, time first."""
        return outputs, final_state


def dynamic_decode(
    decoder: Any,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: Tensor = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: VariableScope = None,
) -> tuple[Tensor, Nested, Nested]:
    """Runs a decoder to the end of all sequences; returns outputs, final state and lengths, int32 [batch].

    Raises:
      TypeError: if `decoder` is not a Decoder.
    """
    if not isinstance(decoder, Decoder):
        raise TypeError(f'Expected decoder to be type Decoder, but saw: {type(decoder)}')
    with tf.variable_scope(scope, 'decoder') as variables:
        if not tf.executing_eagerly() and variables.caching_device is None:
            variables.set_caching_device(lambda operation: operation.device)
        finished, inputs, state = decoder.initialize()
        batch = decoder.batch_size
        length = tf.get_static_value(batch) if tf.is_tensor(batch) else batch

        def array_of(dtype: DType, size: Any) -> Any:
            shape = tf.TensorShape([length]).concatenate(size)
            return tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=shape)

        arrays = tf.nest.map_structure(array_of, decoder.output_dtype, decoder.output_size)
        _, arrays, state, _, _, lengths = tf.while_loop(
            lambda time, arrays, state, inputs, finished, lengths: tf.logical_not(tf.reduce_all(finished)),
            functools.partial(_step, decoder, impute_finished),
            (tf.constant(0), arrays, state, inputs, finished, tf.zeros_like(finished, tf.int32)),
            parallel_iterations=parallel_iterations,
            swap_memory=swap_memory,
            maximum_iterations=maximum_iterations,
        )
        outputs = tf.nest.map_structure(lambda array: array.stack(), arrays)
        outputs, state = decoder.finalize(outputs, state, lengths)
        if not output_time_major:
            outputs = tf.nest.map_structure(transpose_batch_time, outputs)
    return outputs, state, lengths


def _step(
    decoder: Any,
    impute: bool,
    time: Tensor,
    arrays: Any,
    state: Nested,
    inputs: Nested,
    finished: Tensor,
    lengths: Tensor,
) -> tuple[Any, ...]:
    """Returns time, arrays, state, inputs, finished and lengths after a step of the decoder."""
    outputs, after, next_inputs, now_finished = decoder.step(time, inputs, state)
    if not decoder.tracks_own_finished:
        now_finished = tf.logical_or(now_finished, finished)
    lengths = tf.where(finished, lengths, tf.fill(tf.shape(lengths), time + 1))
    tf.nest.assert_same_structure(state, after)
    if impute:
        outputs = tf.nest.map_structure(lambda new: tf.where(finished, tf.zeros_like(new), new), outputs)
        after = tf.nest.map_structure(lambda new, old: _kept(finished, new, old), after, state)
    arrays = tf.nest.map_structure(lambda array, new: array.write(time, new), arrays, outputs)
    return time + 1, arrays, after, next_inputs, now_finished, lengths


def _kept(finished: Tensor, new: Tensor, old: Tensor) -> Nested:
    """Returns the old state of finished sequences; scalars and arrays have no batch."""
    if isinstance(old, tf.TensorArray):
        return new
    new.set_shape(old.shape)
    return new if new.shape.ndims == 0 else tf.where(finished, old, new)


class BasicDecoderOutput(NamedTuple):
    """The outputs of the cell, or of the output layer, and what the helper sampled from them."""

    rnn_output: Tensor
    sample_id: Tensor


class BasicDecoder(Decoder):
    """A decoder that samples with a helper."""

    def __init__(self, cell: RNNCell, helper: Any, initial_state: Nested, output_layer: Any = None) -> None:
        if output_layer is not None and not hasattr(output_layer, 'compute_output_shape'):
            raise TypeError(f'output_layer must be a Layer, received: {type(output_layer)}')
        self._cell = cell
        self._helper = helper
        self._initial_state = initial_state
        self._output_layer = output_layer

    @property
    def batch_size(self) -> Any:
        """The batch size of the helper."""
        return self._helper.batch_size

    @property
    def output_size(self) -> BasicDecoderOutput:
        """The sizes of outputs and samples."""
        size = self._cell.output_size
        if self._output_layer is not None:
            shape = tf.TensorShape([None]).concatenate(size)
            size = tf.TensorShape(self._output_layer.compute_output_shape(shape))[1:]
        return BasicDecoderOutput(size, self._helper.sample_ids_shape)

    @property
    def output_dtype(self) -> BasicDecoderOutput:
        """The types of outputs and samples."""
        dtype = tf.nest.flatten(self._initial_state)[0].dtype
        of_outputs = tf.nest.map_structure(lambda size: dtype, self.output_size.rnn_output)
        return BasicDecoderOutput(of_outputs, self._helper.sample_ids_dtype)

    def initialize(self, name: str | None = None) -> tuple[Tensor, Nested, Nested]:
        """Returns (finished, first inputs, first state)."""
        finished, inputs = self._helper.initialize()
        return finished, inputs, self._initial_state

    def step(
        self, time: Tensor, inputs: Nested, state: Nested, name: str | None = None
    ) -> tuple[Nested, Nested, Nested, Tensor]:
        """Returns (outputs, next state, next inputs, finished)."""
        with tf.name_scope(name, 'BasicDecoderStep', (time, inputs)):
            outputs, state = self._cell(inputs, state)
            if self._output_layer is not None:
                outputs = self._output_layer(outputs)
            ids = self._helper.sample(time=time, outputs=outputs, state=state)
            finished, inputs, state = self._helper.next_inputs(
                time=time, outputs=outputs, state=state, sample_ids=ids
            )
        return BasicDecoderOutput(outputs, ids), state, inputs, finished


def sequence_loss(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    *,
    softmax_loss_function: Callable[..., Tensor] | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns the weighted cross-entropy of targets [batch, time] under logits [batch, time, classes].

    The axes over which it is not averaged remain.
    """
    with tf.name_scope(name, 'sequence_loss', [logits, targets, weights]):
        shape = tf.shape(logits)
        flat, labels = tf.reshape(logits, [-1, shape[2]]), tf.reshape(targets, [-1])
        function = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
        losses = tf.reshape(function(labels=labels, logits=flat), shape[:2])
        losses.set_shape(logits.shape[:2])
        losses *= weights
        averages = (average_across_batch, average_across_timesteps)
        axes = [axis for axis, is_averaged in enumerate(averages) if is_averaged]
        if not axes:
            return losses
        return tf.reduce_sum(losses, axes) / (tf.reduce_sum(weights, axes) + 1e-12)  # all may be 0
