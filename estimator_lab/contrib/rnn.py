"""Networks and cells of ``tf.contrib.rnn`` that tf.nn lacks, with 1.15's variable names and numbers."""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.tf1 import DType, Initializer, Nested, RNNCell, Tensor, VariableScope, tf

_LSTMStateTuple = tf.nn.rnn_cell.LSTMStateTuple


def transpose_batch_time(x: Tensor) -> Tensor:
    """Exchanges the first two axes, batch and time; tensors with fewer axes are returned unchanged."""
    x = tf.convert_to_tensor(x)
    if x.shape.ndims is not None and x.shape.ndims < 2:
        return x
    return tf.transpose(x, tf.concat([[1, 0], tf.range(2, tf.rank(x))], axis=0))


def stack_bidirectional_dynamic_rnn(
    cells_fw: Sequence[RNNCell],
    cells_bw: Sequence[RNNCell],
    inputs: Nested,
    initial_states_fw: Sequence[Nested] | None = None,
    initial_states_bw: Sequence[Nested] | None = None,
    dtype: DType = None,
    sequence_length: Tensor = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: VariableScope = None,
    swap_memory: bool = False,
) -> tuple[Tensor, tuple[Nested, ...], tuple[Nested, ...]]:
    """Runs bidirectional layers; each reads the concatenated outputs of the layer below.

    Returns:
      Outputs [batch, time, forward + backward size]; the final forward and backward states of the layers.

    Raises:
      ValueError: if there are no cells, or the numbers of forward and backward cells differ.
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


class LSTMBlockFusedCell(tf.layers.Layer):
    """An LSTM (Zaremba et al. 2014; peepholes of Gers et al. 2002) in one operation for all steps of a batch.

    Its variables are 1.15's: `kernel` [inputs + units, 4 * units] with the gates in the order input,
    new values, forget, output; `bias` [4 * units]; with peepholes `w_i_diag`, `w_f_diag`, `w_o_diag` [units].
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: DType = None,
        name: str = 'lstm_fused_cell',
    ) -> None:
        super().__init__(_reuse=reuse, dtype=dtype, name=name)
        self.num_units = num_units
        self._forget_bias = forget_bias
        self._cell_clip = -1.0 if cell_clip is None else cell_clip  # the operation reads -1 as no bound
        self._use_peephole = use_peephole

    def build(self, input_shape: Any) -> None:
        """Creates the variables for inputs of shape [time, batch, inputs]."""
        width = tf.TensorShape(input_shape).as_list()[2]
        self._kernel = self.add_weight('kernel', [width + self.num_units, 4 * self.num_units])
        self._bias = self.add_weight('bias', [4 * self.num_units], initializer=tf.zeros_initializer())
        names = ['w_i_diag', 'w_f_diag', 'w_o_diag'] if self._use_peephole else []
        self._peepholes = [self.add_weight(name, [self.num_units]) for name in names]
        super().build(input_shape)

    def call(
        self,
        inputs: Nested,
        initial_state: Nested = None,
        dtype: DType = None,
        sequence_length: Tensor = None,
    ) -> tuple[Tensor, Nested]:
        """Returns outputs [time, batch, units], and the last state of each sequence, an LSTMStateTuple."""
        time, batch = tf.unstack(tf.shape(inputs)[:2])
        if initial_state is None:
            zeros = tf.zeros([batch, self.num_units], dtype or inputs.dtype)
            initial_state = (zeros, zeros)
        longest = time if sequence_length is None else tf.reduce_max(sequence_length)
        unused = tf.zeros([self.num_units], inputs.dtype)
        w_i, w_f, w_o = self._peepholes or [unused] * 3
        found = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.cast(longest, tf.int64),
            x=inputs,
            cs_prev=initial_state[0],
            h_prev=initial_state[1],
            w=self._kernel,
            wci=w_i,
            wcf=w_f,
            wco=w_o,
            b=self._bias,
            forget_bias=self._forget_bias,
            cell_clip=self._cell_clip,
            use_peephole=self._use_peephole,
        )
        states, outputs = found.cs, found.h
        if sequence_length is None:
            return outputs, _LSTMStateTuple(states[-1], outputs[-1])
        # The initial state is put first: it is the last state of an empty sequence.
        where = tf.stack([tf.cast(sequence_length, tf.int32), tf.range(batch)], 1)
        final = [
            tf.gather_nd(tf.concat([first[tf.newaxis], steps], 0), where)
            for first, steps in zip(initial_state, (states, outputs), strict=True)
        ]
        mask = tf.transpose(tf.sequence_mask(sequence_length, time, outputs.dtype))
        return outputs * mask[..., tf.newaxis], _LSTMStateTuple(*final)


class TimeReversedFusedRNN:
    """Runs a fused network from the last step to the first."""

    def __init__(self, cell: RNNCell) -> None:
        self._cell = cell

    def __call__(
        self,
        inputs: Nested,
        initial_state: Nested = None,
        dtype: DType = None,
        sequence_length: Tensor = None,
        scope: VariableScope = None,
    ) -> tuple[Tensor, Nested]:
        """Returns the outputs in the order of the inputs, and the state after the first step."""

        def reverse(x: Tensor) -> Tensor:
            if sequence_length is None:
                return tf.reverse(x, [0])
            return tf.reverse_sequence(x, sequence_length, seq_axis=0, batch_axis=1)

        more = {} if scope is None else {'scope': scope}
        outputs, state = self._cell(
            reverse(inputs), initial_state=initial_state, dtype=dtype, sequence_length=sequence_length, **more
        )
        return reverse(outputs), state


class LayerNormBasicLSTMCell(tf.nn.rnn_cell.RNNCell):
    """An LSTM with layer normalization (Ba et al. 2016) and recurrent dropout (Semeniuta et al. 2016)."""

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: int | None = None,
        activation: Callable[[Tensor], Tensor] = tf.tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Tensor = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._activation = activation
        self._layer_norm = layer_norm
        self._gain_and_shift = norm_gain, norm_shift
        self._keep_prob = dropout_keep_prob
        self._seed = dropout_prob_seed

    @property
    def state_size(self) -> Nested:
        """The sizes of state and output."""
        return _LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self._num_units

    def call(self, inputs: Nested, state: Nested) -> tuple[Nested, Nested]:
        """Returns the output [batch, units] and the next state, of inputs [batch, inputs]."""
        before, output = state
        joined, units = tf.concat([inputs, output], 1), self._num_units
        gates = tf.matmul(joined, tf.get_variable('kernel', [joined.shape.as_list()[1], 4 * units]))
        if not self._layer_norm:
            gates += tf.get_variable('bias', [4 * units])  # not zeros at first, as in 1.15
        enter, new, forget, leave = tf.split(gates, 4, 1)
        enter, new, forget, leave = (
            self._normal(values, scope)
            for values, scope in ((enter, 'input'), (new, 'transform'), (forget, 'forget'), (leave, 'output'))
        )
        new = self._activation(new)
        if not isinstance(self._keep_prob, float) or self._keep_prob < 1:
            new = tf.nn.dropout(new, rate=1 - self._keep_prob, seed=self._seed)
        after = before * tf.sigmoid(forget + self._forget_bias) + tf.sigmoid(enter) * new
        after = self._normal(after, 'state')
        output = self._activation(after) * tf.sigmoid(leave)
        return output, _LSTMStateTuple(after, output)

    def _normal(self, values: Tensor, scope: str) -> Tensor:
        if not self._layer_norm:
            return values
        gain, shift = map(tf.constant_initializer, self._gain_and_shift)
        with tf.variable_scope(scope):
            gamma = tf.get_variable('gamma', [self._num_units], initializer=gain)
            beta = tf.get_variable('beta', [self._num_units], initializer=shift)
        mean, variance = tf.nn.moments(values, [1], keep_dims=True)
        return tf.nn.batch_normalization(values, mean, variance, beta, gamma, 1e-12)


def linear(values: Sequence[Tensor], size: int) -> Tensor:
    """Returns values [batch, n] side by side, projected to [batch, size] by `kernel` and `bias`."""
    joined = tf.concat(values, 1)
    kernel = tf.get_variable('kernel', [joined.shape.as_list()[1], size], joined.dtype)
    bias = tf.get_variable('bias', [size], joined.dtype, tf.zeros_initializer())
    return tf.matmul(joined, kernel) + bias


class _Around(tf.nn.rnn_cell.RNNCell):
    """A cell with the states and outputs of another."""

    def __init__(self, cell: RNNCell, reuse: bool | None = None) -> None:
        super().__init__(_reuse=reuse)
        self._cell = cell

    @property
    def state_size(self) -> Nested:
        return self._cell.state_size

    @property
    def output_size(self) -> Nested:
        return self._cell.output_size

    def zero_state(self, batch_size: int | Tensor, dtype: DType) -> Nested:
        return self._cell.zero_state(batch_size, dtype)


class _Projection(_Around):
    def __init__(
        self, cell: RNNCell, size: int, activation: Callable[[Tensor], Tensor] | None, reuse: bool | None
    ) -> None:
        super().__init__(cell, reuse)
        if size < 1:
            raise ValueError(f'Parameter output_size must be > 0: {size}.')
        self._size = size
        self._activation = activation or (lambda values: values)

    def _projected(self, values: Tensor) -> Tensor:
        return self._activation(linear([values], self._size))


class InputProjectionWrapper(_Projection):
    """Projects the inputs of a cell to `num_proj` values."""

    def __init__(
        self,
        cell: RNNCell,
        num_proj: int,
        activation: Any = None,
        input_size: Any = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, num_proj, activation, reuse)

    def call(self, inputs: Nested, state: Nested) -> tuple[Nested, Nested]:
        """Returns the output and the next state, of inputs [batch, inputs]."""
        return self._cell(self._projected(inputs), state)


class OutputProjectionWrapper(_Projection):
    """Projects the outputs of a cell to `output_size` values.

    Raises:
      ValueError: the size is not positive.
    """

    def __init__(
        self, cell: RNNCell, output_size: int, activation: Any = None, reuse: bool | None = None
    ) -> None:
        super().__init__(cell, output_size, activation, reuse)

    @property
    def output_size(self) -> int:
        """The size of its outputs."""
        return self._size

    def call(self, inputs: Nested, state: Nested) -> tuple[Nested, Nested]:
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
        cell: RNNCell,
        embedding_classes: int,
        embedding_size: int,
        initializer: Initializer = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, reuse)
        if min(embedding_classes, embedding_size) < 1:
            sizes = f'{embedding_classes}, {embedding_size}'
            raise ValueError(f'Both embedding_classes and embedding_size must be > 0: {sizes}.')
        self._shape = [embedding_classes, embedding_size]
        self._initializer = initializer

    def call(self, inputs: Nested, state: Nested) -> tuple[Nested, Nested]:
        """Returns the output and the next state, of symbols [batch] or [batch, 1]."""
        bound = 3**0.5  # whose uniform distribution has variance 1
        initializer = (
            self._initializer
            or tf.get_variable_scope().initializer
            or tf.random_uniform_initializer(-bound, bound)
        )
        dtype = tf.nest.flatten(state)[0].dtype
        table = tf.get_variable('embedding', self._shape, dtype, initializer)
        return self._cell(tf.nn.embedding_lookup(table, tf.reshape(inputs, [-1])), state)
