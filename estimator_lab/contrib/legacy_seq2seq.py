"""``tf.contrib.legacy_seq2seq``: decoders and losses over Python lists, with one item for each time step.

A list of inputs or outputs has tensors [batch, size]; a list of symbols, targets or weights has tensors
[batch]. A decoder returns (outputs, final state). Its `loop_function(previous output, step)` returns the next
input; only the first of the `decoder_inputs` is then used. Variable names and numbers are as in TensorFlow
1.15.
"""

import copy
from collections.abc import Callable, Sequence

from estimator_lab.contrib.rnn import EmbeddingWrapper, OutputProjectionWrapper, linear
from estimator_lab.tf1 import DType, Nested, RNNCell, Tensor, Variable, VariableScope, tf

_Loop = Callable[[Tensor, int], Tensor]
_Steps = Sequence[Tensor]
_Decoded = tuple[list[Tensor], Nested]


def rnn_decoder(
    decoder_inputs: _Steps,
    initial_state: Nested,
    cell: RNNCell,
    loop_function: _Loop | None = None,
    scope: VariableScope = None,
) -> _Decoded:
    """Runs a cell over the inputs, starting from a state."""
    with tf.variable_scope(scope or 'rnn_decoder'):
        state = initial_state
        outputs: list[Tensor] = []
        for step, value in enumerate(decoder_inputs):
            fed = _fed(loop_function, outputs, step, value)
            if step:
                tf.get_variable_scope().reuse_variables()
            output, state = cell(fed, state)
            outputs.append(output)
    return outputs, state


def _fed(loop_function: _Loop | None, outputs: _Steps, step: int, value: Tensor) -> Tensor:
    """Returns the input of a step: `value`, or what `loop_function` makes of the previous output."""
    if loop_function is None or not step:
        return value
    with tf.variable_scope('loop_function', reuse=True):
        return loop_function(outputs[-1], step)


def basic_rnn_seq2seq(
    encoder_inputs: _Steps,
    decoder_inputs: _Steps,
    cell: RNNCell,
    dtype: DType = tf.float32,
    scope: VariableScope = None,
) -> _Decoded:
    """Decodes from the final state of an encoder: the same cell with other weights."""
    with tf.variable_scope(scope or 'basic_rnn_seq2seq'):
        _, state = tf.nn.static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs: _Steps,
    decoder_inputs: _Steps,
    cell: RNNCell,
    loop_function: _Loop | None = None,
    dtype: DType = tf.float32,
    scope: VariableScope = None,
) -> _Decoded:
    """Encodes and decodes with one cell and its weights."""
    with tf.variable_scope('combined_tied_rnn_seq2seq'):
        scope = scope or 'tied_rnn_seq2seq'
        _, state = tf.nn.static_rnn(cell, encoder_inputs, dtype=dtype, scope=scope)
        tf.get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function, scope)


def embedding_rnn_decoder(
    decoder_inputs: _Steps,
    initial_state: Nested,
    cell: RNNCell,
    num_symbols: int,
    embedding_size: int,
    output_projection: tuple[Tensor, Tensor] | None = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    scope: VariableScope = None,
) -> _Decoded:
    """Decodes symbols, which it embeds; with `feed_previous`, each input is the likeliest previous symbol."""
    with tf.variable_scope(scope or 'embedding_rnn_decoder'):
        table = tf.get_variable('embedding', [num_symbols, embedding_size])
        embedded = [tf.nn.embedding_lookup(table, symbols) for symbols in decoder_inputs]
        loop = _likeliest(table, output_projection, update_embedding_for_previous) if feed_previous else None
        return rnn_decoder(embedded, initial_state, cell, loop)


def _likeliest(table: Variable, output_projection: tuple[Tensor, Tensor] | None, updates: bool) -> _Loop:
    """Returns the loop function that embeds the likeliest symbol of an output."""

    def loop_function(previous: Tensor, _: int) -> Tensor:
        if output_projection is not None:
            previous = tf.nn.xw_plus_b(previous, *output_projection)
        embedded = tf.nn.embedding_lookup(table, tf.argmax(previous, 1))
        return embedded if updates else tf.stop_gradient(embedded)

    return loop_function


def attention_decoder(
    decoder_inputs: _Steps,
    initial_state: Nested,
    attention_states: Tensor,
    cell: RNNCell,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: _Loop | None = None,
    dtype: DType = None,
    scope: VariableScope = None,
    initial_state_attention: bool = False,
) -> _Decoded:
    """Decodes with attention (Vinyals et al. 2015, arXiv 1412.7449, equation 3).

    A step's attention weights the rows h of `attention_states`, [batch, length, size], by softmax(v . tanh(W
    h + U state)). The cell reads a projection of the input and the attention before, at first 0.

    Raises:
      ValueError: if there are no inputs, or the size of `attention_states` is unknown.
    """
    if not decoder_inputs:
        raise ValueError('Must provide at least 1 input to attention decoder.')
    size = attention_states.shape.as_list()[2]
    if size is None:
        raise ValueError(f'Shape[2] of attention_states must be known: {attention_states.shape}')
    with tf.variable_scope(scope or 'attention_decoder', dtype=dtype):
        rows = attention_states[:, :, tf.newaxis]  # [batch, length, 1, size]
        heads = []
        for head in range(num_heads):
            kernel = tf.get_variable(f'AttnW_{head}', [1, 1, size, size])
            features = tf.nn.conv2d(rows, kernel, [1, 1, 1, 1], 'SAME')
            heads.append((features, tf.get_variable(f'AttnV_{head}', [size])))

        def attend(state: Nested) -> list[Tensor]:
            query, found = tf.concat(tf.nest.flatten(state), 1), []
            for head, (features, v) in enumerate(heads):
                with tf.variable_scope(f'Attention_{head}'):
                    y = linear([query], size)[:, tf.newaxis, tf.newaxis]
                    scores = tf.reduce_sum(v * tf.tanh(features + y), [2, 3])
                    shares = tf.nn.softmax(scores)[:, :, tf.newaxis, tf.newaxis]
                    found.append(tf.reduce_sum(shares * rows, [1, 2]))
            return found

        state = initial_state
        outputs: list[Tensor] = []
        zeros = tf.zeros([tf.shape(decoder_inputs[0])[0], size], attention_states.dtype)
        attended = attend(state) if initial_state_attention else [zeros] * num_heads
        for step, value in enumerate(decoder_inputs):
            if step:
                tf.get_variable_scope().reuse_variables()
            fed = _fed(loop_function, outputs, step, value)
            output, state = cell(linear([fed, *attended], fed.shape.as_list()[1]), state)
            with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
                attended = attend(state)
            with tf.variable_scope('AttnOutputProjection'):
                outputs.append(linear([output, *attended], output_size or cell.output_size))
    return outputs, state


def embedding_attention_decoder(
    decoder_inputs: _Steps,
    initial_state: Nested,
    attention_states: Tensor,
    cell: RNNCell,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: tuple[Tensor, Tensor] | None = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    dtype: DType = None,
    scope: VariableScope = None,
    initial_state_attention: bool = False,
) -> _Decoded:
    """Decodes symbols, as `embedding_rnn_decoder`, with attention, as `attention_decoder`."""
    with tf.variable_scope(scope or 'embedding_attention_decoder', dtype=dtype):
        table = tf.get_variable('embedding', [num_symbols, embedding_size])
        loop = _likeliest(table, output_projection, update_embedding_for_previous) if feed_previous else None
        return attention_decoder(
            [tf.nn.embedding_lookup(table, symbols) for symbols in decoder_inputs],
            initial_state,
            attention_states,
            cell,
            output_size,
            num_heads,
            loop,
            initial_state_attention=initial_state_attention,
        )


def embedding_rnn_seq2seq(
    encoder_inputs: _Steps,
    decoder_inputs: _Steps,
    cell: RNNCell,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: tuple[Tensor, Tensor] | None = None,
    feed_previous: bool | Tensor = False,
    dtype: DType = None,
    scope: VariableScope = None,
) -> _Decoded:
    """Encodes symbols, and decodes symbols from the final state; `feed_previous` may be a bool tensor.

    Outputs are [batch, num_decoder_symbols], or the cell's own if there is an `output_projection`.
    """
    with tf.variable_scope(scope or 'embedding_rnn_seq2seq', dtype=dtype) as opened:
        encoder = EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        _, state = tf.nn.static_rnn(encoder, encoder_inputs, dtype=opened.dtype)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)

        def decode(feeds: bool, updates: bool) -> _Decoded:
            return embedding_rnn_decoder(
                *(decoder_inputs, state, cell, num_decoder_symbols, embedding_size),
                *(output_projection, feeds, updates),
            )

        return _decoded(decode, feed_previous)


def embedding_attention_seq2seq(
    encoder_inputs: _Steps,
    decoder_inputs: _Steps,
    cell: RNNCell,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_projection: tuple[Tensor, Tensor] | None = None,
    feed_previous: bool | Tensor = False,
    dtype: DType = None,
    scope: VariableScope = None,
    initial_state_attention: bool = False,
) -> _Decoded:
    """Encodes and decodes as `embedding_rnn_seq2seq`, with attention to the outputs of the encoder."""
    with tf.variable_scope(scope or 'embedding_attention_seq2seq', dtype=dtype) as opened:
        encoder = EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        outputs, state = tf.nn.static_rnn(encoder, encoder_inputs, dtype=opened.dtype)
        attended = tf.stack([tf.reshape(each, [-1, cell.output_size]) for each in outputs], 1)
        size = None
        if output_projection is None:
            cell, size = OutputProjectionWrapper(cell, num_decoder_symbols), num_decoder_symbols

        def decode(feeds: bool, updates: bool) -> _Decoded:
            return embedding_attention_decoder(
                *(decoder_inputs, state, attended, cell, num_decoder_symbols, embedding_size, num_heads),
                *(size, output_projection, feeds, updates),
                initial_state_attention=initial_state_attention,
            )

        return _decoded(decode, feed_previous)


def _decoded(decode: Callable[[bool, bool], _Decoded], feed_previous: bool | Tensor) -> _Decoded:
    """Decodes with or without feeding the previous symbol, or with both and a choice in the graph."""
    if isinstance(feed_previous, bool):
        return decode(feed_previous, True)
    found: list[_Decoded] = []
    # Both are built here, not in the branches: layers keep the tensors of the branch that made them.
    for feeds in (True, False):
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            found.append(decode(feeds, False))
    flat = tf.cond(feed_previous, lambda: tf.nest.flatten(found[0]), lambda: tf.nest.flatten(found[1]))
    return tf.nest.pack_sequence_as(found[0], flat)


def sequence_loss_by_example(
    logits: _Steps,
    targets: _Steps,
    weights: _Steps,
    average_across_timesteps: bool = True,
    softmax_loss_function: Callable[..., Tensor] | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns the weighted cross-entropy of each sequence, [batch], by logits [batch, symbols] of each step.

    Raises:
      ValueError: if the three have different lengths.
    """
    if not len(logits) == len(targets) == len(weights):
        lengths = f'{len(logits)}, {len(weights)}, {len(targets)}'
        raise ValueError(f'Lengths of logits, weights, and targets must be the same {lengths}.')
    function = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
    with tf.name_scope(name, 'sequence_loss_by_example', [*logits, *targets, *weights]):
        steps = zip(logits, [tf.reshape(each, [-1]) for each in targets], weights, strict=True)
        losses = tf.add_n([function(labels=target, logits=row) * weight for row, target, weight in steps])
        # All weights may be 0.
        return losses / (tf.add_n(weights) + 1e-12) if average_across_timesteps else losses


def sequence_loss(
    logits: _Steps,
    targets: _Steps,
    weights: _Steps,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Callable[..., Tensor] | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns the sum of `sequence_loss_by_example`, or its mean over the batch."""
    with tf.name_scope(name, 'sequence_loss', [*logits, *targets, *weights]):
        losses = sequence_loss_by_example(
            logits, targets, weights, average_across_timesteps, softmax_loss_function
        )
        total = tf.reduce_sum(losses)
        return total / tf.cast(tf.shape(targets[0])[0], total.dtype) if average_across_batch else total
