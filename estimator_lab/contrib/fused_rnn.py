"""The fused recurrent networks of ``tf.contrib.rnn``: one op for all steps, on time-major input."""

from typing import Any

from estimator_lab.tf1 import tf

_LSTMStateTuple = tf.nn.rnn_cell.LSTMStateTuple


class LSTMBlockFusedCell(tf.layers.Layer):
    """An LSTM (Zaremba et al. 2014, with the peepholes of Gers et al. 2002) over all steps of a batch.

    Variables are those of 1.15: `kernel` [inputs + units, 4 * units], its gates in the order input, new
    values, forget, output; `bias` [4 * units]; with peepholes `w_i_diag`, `w_f_diag` and `w_o_diag` [units].

    Args:
      num_units: size of state and output.
      forget_bias: added to the forget gate.
      cell_clip: bound of the state's magnitude; None for none.
      use_peephole: whether the gates see the state.
      reuse: whether the variables exist already.
      dtype: of the variables.
      name: of their scope.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: Any = None,
        name: str = 'lstm_fused_cell',
    ) -> None:
        super().__init__(_reuse=reuse, dtype=dtype, name=name)
        self.num_units = num_units
        self._forget_bias = forget_bias
        self._cell_clip = -1.0 if cell_clip is None else cell_clip  # the op takes -1 for none
        self._use_peephole = use_peephole

    def build(self, input_shape: Any) -> None:
        width = tf.TensorShape(input_shape).as_list()[2]
        self._kernel = self.add_weight('kernel', [width + self.num_units, 4 * self.num_units])
        self._bias = self.add_weight('bias', [4 * self.num_units], initializer=tf.zeros_initializer())
        names = ['w_i_diag', 'w_f_diag', 'w_o_diag'] if self._use_peephole else []
        self._peepholes = [self.add_weight(name, [self.num_units]) for name in names]
        super().build(input_shape)

    def call(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None
    ) -> tuple[Any, Any]:
        """Runs all steps.

        Args:
          inputs: float [time, batch, inputs].
          initial_state: (state, output), each [batch, units]; zeros by default.
          dtype: of the zeros; that of the inputs by default.
          sequence_length: integers [batch]; outputs are 0 from there on.

        Returns:
          Outputs [time, batch, units], and the state after the last step of each sequence, an LSTMStateTuple.
        """
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
        # One row of the initial state ahead, which is the last of a sequence of no steps.
        where = tf.stack([tf.cast(sequence_length, tf.int32), tf.range(batch)], 1)
        final = [
            tf.gather_nd(tf.concat([first[tf.newaxis], steps], 0), where)
            for first, steps in zip(initial_state, (states, outputs), strict=True)
        ]
        mask = tf.transpose(tf.sequence_mask(sequence_length, time, outputs.dtype))
        return outputs * mask[..., tf.newaxis], _LSTMStateTuple(*final)


class TimeReversedFusedRNN:
    """Runs a fused network from the last step to the first.

    Args:
      cell: the network, such as an LSTMBlockFusedCell.
    """

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        """Returns outputs, in the order of the inputs, and the state after the first step; see the cell."""

        def reverse(x: Any) -> Any:
            if sequence_length is None:
                return tf.reverse(x, [0])
            return tf.reverse_sequence(x, sequence_length, seq_axis=0, batch_axis=1)

        more = {} if scope is None else {'scope': scope}
        outputs, state = self._cell(
            reverse(inputs),
            initial_state=initial_state,
            dtype=dtype,
            sequence_length=sequence_length,
            **more,
        )
        return reverse(outputs), state
