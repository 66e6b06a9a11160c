"""Cells of ``tf.contrib.rnn`` that tf.nn.rnn_cell lacks, with 1.15's variable names and numbers."""

from collections.abc import Callable
from typing import Any

from estimator_lab.tf1 import tf

_Cell: Any = tf.nn.rnn_cell.RNNCell
_StateTuple = tf.nn.rnn_cell.LSTMStateTuple
_ZEROS = tf.zeros_initializer()


class CellOfUnits(_Cell):
    """A cell whose state has the size of its output, `num_units`, as that of a GRU."""

    _num_units: int

    @property
    def state_size(self) -> int:
        """The size of the state."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self._num_units


class _LSTMCell(CellOfUnits):
    """A cell whose state is (state, output), each of the size of its output."""

    @property
    def state_size(self) -> Any:
        """The sizes of state and output."""
        return _StateTuple(self._num_units, self._num_units)


class LSTMBlockCell(_LSTMCell):
    """An LSTM whose step is one operation: see `tf.contrib.rnn.LSTMBlockFusedCell` for its variables.

    Args:
      num_units: size of state and output.
      forget_bias: bias added to the forget gate.
      cell_clip: bound of the state's magnitude; None for no bound.
      use_peephole: whether the gates read the state.
      dtype: type of the variables.
      reuse: whether the variables exist already.
      name: scope of the variables.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: bool | None = None,
        name: str = 'lstm_cell',
    ) -> None:
        super().__init__(_reuse=reuse, dtype=dtype, name=name)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._cell_clip = -1.0 if cell_clip is None else cell_clip  # the operation reads -1 as no bound
        self._use_peephole = use_peephole

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output [batch, units] and the next state, of inputs [batch, inputs]."""
        width, units = _width(inputs), self._num_units
        kernel = tf.get_variable('kernel', [width + units, 4 * units])
        bias = tf.get_variable('bias', [4 * units], initializer=tf.zeros_initializer())
        if self._use_peephole:
            peepholes = [tf.get_variable(name, [units]) for name in ('w_i_diag', 'w_f_diag', 'w_o_diag')]
        else:
            peepholes = [tf.zeros([units], inputs.dtype)] * 3
        found = tf.raw_ops.LSTMBlockCell(
            x=inputs,
            cs_prev=state[0],
            h_prev=state[1],
            w=kernel,
            wci=peepholes[0],
            wcf=peepholes[1],
            wco=peepholes[2],
            b=bias,
            forget_bias=self._forget_bias,
            cell_clip=self._cell_clip,
            use_peephole=self._use_peephole,
        )
        return found.h, _StateTuple(found.cs, found.h)


class GRUBlockCellV2(CellOfUnits):
    """A GRU (Cho et al. 2014) whose step is one operation, with the variables of tf.nn.rnn_cell.GRUCell.

    Args:
      num_units: size of state and output.
      cell_size: the same; its older name.
      reuse: whether the variables exist already.
      name: scope of the variables.

    Raises:
      ValueError: if not exactly one size is given.
    """

    _names = ('gates/kernel', 'gates/bias', 'candidate/kernel', 'candidate/bias')

    def __init__(
        self,
        num_units: int | None = None,
        cell_size: int | None = None,
        reuse: bool | None = None,
        name: str = 'gru_cell',
    ) -> None:
        super().__init__(_reuse=reuse, name=name)
        if (cell_size is None) == (num_units is None):
            raise ValueError('Exactly one of num_units or cell_size must be provided.')
        self._num_units = num_units or cell_size or 0

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output [batch, units] twice, as the next state too, of inputs [batch, inputs]."""
        rows, units = _width(inputs) + self._num_units, self._num_units
        gates, gates_bias, candidate, candidate_bias = self._names
        ones, zeros = tf.ones_initializer(), tf.zeros_initializer()
        found = tf.raw_ops.GRUBlockCell(
            x=inputs,
            h_prev=state,
            w_ru=tf.get_variable(gates, [rows, 2 * units]),
            b_ru=tf.get_variable(gates_bias, [2 * units], initializer=ones),
            w_c=tf.get_variable(candidate, [rows, units]),
            b_c=tf.get_variable(candidate_bias, [units], initializer=zeros),
        )
        return found.h, found.h


class GRUBlockCell(GRUBlockCellV2):
    """A GRUBlockCellV2 with other variable names: `w_ru`, `b_ru`, `w_c` and `b_c`."""

    _names = ('w_ru', 'b_ru', 'w_c', 'b_c')


class LayerNormBasicLSTMCell(_LSTMCell):
    """An LSTM with layer normalization (Ba et al. 2016) and recurrent dropout (Semeniuta et al. 2016).

    Args:
      num_units: size of state and output.
      forget_bias: bias added to the forget gate.
      input_size: unused, as in 1.15.
      activation: activation of new values and states.
      layer_norm: whether to normalise.
      norm_gain: initial scale.
      norm_shift: initial offset.
      dropout_keep_prob: probability with which new values are kept, a number or a tensor.
      dropout_prob_seed: seed of the dropout.
      reuse: whether the variables exist already.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: int | None = None,
        activation: Callable[[Any], Any] = tf.tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
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

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output [batch, units] and the next state, of inputs [batch, inputs]."""
        before, output = state
        # 1.15 does not initialise these biases with zeros.
        gates = linear([inputs, output], 4 * self._num_units, None, has_bias=not self._layer_norm)
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
        return output, _StateTuple(after, output)

    def _normal(self, values: Any, scope: str) -> Any:
        if not self._layer_norm:
            return values
        gain, shift = map(tf.constant_initializer, self._gain_and_shift)
        with tf.variable_scope(scope):
            gamma = tf.get_variable('gamma', [self._num_units], initializer=gain)
            beta = tf.get_variable('beta', [self._num_units], initializer=shift)
        mean, variance = tf.nn.moments(values, [1], keep_dims=True)
        return tf.nn.batch_normalization(values, mean, variance, beta, gamma, 1e-12)


class AttentionCellWrapper(_Cell):
    """Adds attention over the last outputs to a cell: Bahdanau, Cho and Bengio (2014).

    Args:
      cell: the cell.
      attn_length: number of outputs that are kept.
      attn_size: size of the attention; the cell's output size by default.
      attn_vec_size: size of the hidden layer of the attention; attn_size by default.
      input_size: size of the projected input; that of the input by default.
      state_is_tuple: whether states are tuples; otherwise they are concatenated.
      reuse: whether the variables exist already.

    Raises:
      ValueError: if attn_length is not positive.
    """

    def __init__(
        self,
        cell: Any,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        if attn_length <= 0:
            raise ValueError(f'attn_length should be greater than zero, got {attn_length}')
        self._cell = cell
        self._length = attn_length
        self._size: int = attn_size or cell.output_size
        self._hidden: int = attn_vec_size or self._size
        self._input_size = input_size
        self._state_is_tuple = state_is_tuple

    @property
    def state_size(self) -> Any:
        """The sizes of the cell's state, the attention and the kept outputs."""
        sizes = (self._cell.state_size, self._size, self._size * self._length)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self._size

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the output [batch, attn_size] and the next state, of inputs [batch, inputs]."""
        if not self._state_is_tuple:
            state = tf.split(state, list(self._parts()), 1)
        inner, attention, kept = state
        kept = tf.reshape(kept, [-1, self._length, self._size])
        projected = linear([inputs, attention], self._input_size or _width(inputs))
        output, inner = self._cell(projected, inner)
        query = tf.concat(tf.nest.flatten(inner), 1)
        attention = self._attention(query, kept)
        with tf.variable_scope('attn_output_projection'):
            output = linear([output, attention], self._size)
        kept = tf.concat([kept[:, 1:], output[:, None]], 1)
        after = (inner, attention, tf.reshape(kept, [-1, self._length * self._size]))
        return output, after if self._state_is_tuple else tf.concat(after, 1)

    def _parts(self) -> tuple[int, int, int]:
        return self._cell.state_size, self._size, self._size * self._length

    def _attention(self, query: Any, kept: Any) -> Any:
        with tf.variable_scope('attention'):
            kernel = tf.get_variable('attn_w', [1, 1, self._size, self._hidden])
            vector = tf.get_variable('attn_v', [self._hidden])
            features = tf.tensordot(kept, kernel[0, 0], [[2], [0]])
            scores = tf.reduce_sum(vector * tf.tanh(features + linear([query], self._hidden)[:, None]), 2)
            return tf.reduce_sum(tf.nn.softmax(scores)[:, :, None] * kept, 1)


@tf.RegisterGradient('LSTMBlockCell')
def _gradient_of_lstm(operation: Any, *gradients: Any) -> list[Any]:
    """The kernel gives the gradients of the gates; TensorFlow 2 lacks those of the weights."""
    x, state, output, kernel, *peepholes, bias = operation.inputs
    i, cs, f, o, ci, co, _ = operation.outputs
    found = tf.raw_ops.LSTMBlockCellGrad(
        x=x,
        cs_prev=state,
        h_prev=output,
        w=kernel,
        wci=peepholes[0],
        wcf=peepholes[1],
        wco=peepholes[2],
        b=bias,
        i=i,
        cs=cs,
        f=f,
        o=o,
        ci=ci,
        co=co,
        cs_grad=gradients[1],
        h_grad=gradients[6],
        use_peephole=operation.get_attr('use_peephole'),
    )
    of_inputs = tf.matmul(found.dicfo, kernel, transpose_b=True)
    of_x, of_output = of_inputs[:, : _width(x)], of_inputs[:, _width(x) :]
    of_kernel = tf.matmul(tf.concat([x, output], 1), found.dicfo, transpose_a=True)
    of_peepholes = [found.wci_grad, found.wcf_grad, found.wco_grad]
    return [of_x, found.cs_prev_grad, of_output, of_kernel, *of_peepholes, tf.reduce_sum(found.dicfo, 0)]


@tf.RegisterGradient('GRUBlockCell')
def _gradient_of_gru(operation: Any, *gradients: Any) -> list[Any]:
    """The same for the GRU."""
    x, state, gates, candidate, gates_bias, candidate_bias = operation.inputs
    r, u, c, _ = operation.outputs
    found = tf.raw_ops.GRUBlockCellGrad(
        x=x,
        h_prev=state,
        w_ru=gates,
        w_c=candidate,
        b_ru=gates_bias,
        b_c=candidate_bias,
        r=r,
        u=u,
        c=c,
        d_h=gradients[3],
    )
    of_gates = tf.matmul(tf.concat([x, state], 1), found.d_r_bar_u_bar, transpose_a=True)
    of_candidate = tf.matmul(tf.concat([x, state * r], 1), found.d_c_bar, transpose_a=True)
    of_biases = [tf.reduce_sum(found.d_r_bar_u_bar, 0), tf.reduce_sum(found.d_c_bar, 0)]
    return [found.d_x, found.d_h_prev, of_gates, of_candidate, *of_biases]


def _width(inputs: Any) -> int:
    size = tf.compat.dimension_value(inputs.shape[-1])
    if size is None:
        raise ValueError(f'Expecting the last axis of the inputs {inputs.shape} to be known.')
    return int(size)


def linear(values: list[Any], size: int, bias_initializer: Any = _ZEROS, has_bias: bool = True) -> Any:
    """Returns concatenated values times `kernel`, plus `bias`, both in the current scope."""
    joined = tf.concat(values, 1)
    found = tf.matmul(joined, tf.get_variable('kernel', [_width(joined), size]))
    if not has_bias:
        return found
    return found + tf.get_variable('bias', [size], initializer=bias_initializer)
