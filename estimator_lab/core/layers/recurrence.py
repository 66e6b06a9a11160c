"""The recurrences of `tf.nn.rnn_cell`'s cells, with gradients written by hand.

`tf.nn.dynamic_rnn` differentiates its loop operation by operation: each step back has another product for the
gradient of the kernel, and reads a copy of every operation's input. Here, the forward loop keeps only the
gates, the backward loop has one product per step for each of the cell's products, and the gradient of the
kernel is one product over all steps.

The functions compute the same as the cells of these names, with variables of the same shapes: the rows of a
kernel are those of the input, then those of the state. Time is the first axis. The initial state is 0.
"""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.tf1 import Tensor, tf

Step = Callable[[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]


def plain(
    inputs: Tensor,
    probe: Tensor | None,
    kernel: Tensor,
    bias: Tensor,
    activation: Callable[[Tensor], Tensor],
    back_through: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Returns h = activation([x, h] W + b) for each step, as `tf.nn.rnn_cell.BasicRNNCell` (Elman 1990).

    Args:
      inputs: x, float32 [steps, batch, values].
      probe: float32 [steps, batch, units] or None; it does not change the result, but its gradient is the
        gradient by the state h after each step, including the effect of h on later steps.
      kernel: W, float32 [values + units, units].
      bias: b, float32 [units].
      activation: activation of the state.
      back_through: its gradient: (its value, the gradient by its value) -> the gradient by its argument.

    Returns:
      float32 [steps, batch, units].
    """
    steps, units = inputs.shape.as_list()[0], bias.shape.as_list()[0]

    @tf.custom_gradient
    def run(inputs: Tensor, kernel: Tensor, bias: Tensor, *probe: Tensor) -> tuple[Tensor, Any]:
        def step(now: list[Tensor], state: list[Tensor]) -> Any:
            after = activation(_affine(now[0], state[0], kernel, bias))
            return [after], [after]

        (made,) = _over_time(step, [_array(inputs)], [_zeros(inputs, units)], [units])
        states = _stacked(made, steps, units)

        def gradient(by_states: Tensor) -> tuple[Tensor, ...]:
            back = _of_state(kernel, units)

            def step(now: list[Tensor], later: list[Tensor]) -> Any:
                by_output, state = now
                by_sum = back_through(state, by_output + later[0])
                return [by_sum], [tf.matmul(by_sum, back)]

            arrays = [_array(by_states), made]
            (found,) = _over_time(step, arrays, [_zeros(inputs, units)], [units], backwards=True)
            by_sums = _stacked(found, steps, units)
            by_inputs, by_kernel, by_bias = _by_affine(inputs, states, kernel, by_sums)
            by_probe = [by_states + _later(_times(by_sums, back)) for _ in probe]
            return by_inputs, by_kernel, by_bias, *by_probe

        return states, gradient

    return run(inputs, kernel, bias, *_given(probe))


def lstm(
    inputs: Tensor, probe: Tensor | None, kernel: Tensor, bias: Tensor, forget_bias: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs `tf.nn.rnn_cell.LSTMCell` over a sequence (Gers et al. 2000).

    i, j, f, o = [x, h] W + b;  c = sigmoid(f + forget_bias) c + sigmoid(i) tanh(j);  h = sigmoid(o) tanh(c).

    Args:
      inputs: x, float32 [steps, batch, values].
      probe: as in `plain`, for h; its gradient does not include the effect of c on later steps.
      kernel: W, float32 [values + units, 4 * units].
      bias: b, float32 [4 * units].
      forget_bias: constant added to the forget gate.

    Returns:
      (h, c, gates): float32 [steps, batch, units] twice, and [steps, batch, 4 * units]: the gates i, j, f, o
      after their sigmoid or tanh. c and the gates have no gradient.
    """
    steps, units = inputs.shape.as_list()[0], bias.shape.as_list()[0] // 4
    kept: list[Any] = []

    @tf.custom_gradient
    def run(inputs: Tensor, kernel: Tensor, bias: Tensor, *probe: Tensor) -> tuple[Any, Any]:
        # With tanh(j) = 2 sigmoid(2 j) - 1, all gates are one sigmoid.
        twice = tf.constant([1.0] * units + [2.0] * units + [1.0] * 2 * units)
        scaled = kernel * twice
        shifted = (bias + tf.constant([0.0] * 2 * units + [forget_bias] * units + [0.0] * units)) * twice

        def step(now: list[Tensor], state: list[Tensor]) -> Any:
            c, h = state
            gates = tf.sigmoid(_affine(now[0], h, scaled, shifted))
            i, half_j, f, o = tf.split(gates, 4, axis=1)
            c = f * c + i * (2 * half_j - 1)
            h = o * tf.tanh(c)
            return [h, c, gates], [c, h]

        zeros = _zeros(inputs, units)
        of_h, of_c, of_gates = _over_time(step, [_array(inputs)], [zeros, zeros], [units, units, 4 * units])
        kept.extend([of_c, of_gates])
        h = _stacked(of_h, steps, units)

        def gradient(by_h: Tensor) -> tuple[Tensor, ...]:
            back = _of_state(kernel, units)

            def step(now: list[Tensor], later: list[Tensor]) -> Any:
                by_output, gates, c, c_before = now
                by_c, by_h = later
                i, half_j, f, o = tf.split(gates, 4, axis=1)
                squashed = tf.tanh(c)
                by_h += by_output
                by_o = by_h * squashed
                by_c += by_tanh(squashed, by_h * o)
                # The derivative of sigmoid s is s (1 - s), that of tanh(j) by sigmoid(2 j) 4 s (1 - s).
                by_gates = tf.concat([by_c * (2 * half_j - 1), 4 * by_c * i, by_c * c_before, by_o], axis=1)
                by_sum = _by_sigmoid(gates, by_gates)
                return [by_sum], [by_c * f, tf.matmul(by_sum, back)]

            arrays = [_array(by_h), of_gates, of_c, _Before(of_c)]
            (found,) = _over_time(step, arrays, [zeros, zeros], [4 * units], backwards=True)
            by_sums = _stacked(found, steps, 4 * units)
            by_inputs, by_kernel, by_bias = _by_affine(inputs, h, kernel, by_sums)
            by_probe = [by_h + _later(_times(by_sums, back)) for _ in probe]
            return by_inputs, by_kernel, by_bias, *by_probe

        return h, gradient

    h = run(inputs, kernel, bias, *_given(probe))
    of_c, of_gates = kept
    c = _stacked(of_c, steps, units)
    i, half_j, f, o = tf.split(_stacked(of_gates, steps, 4 * units), 4, axis=2)
    return h, *map(tf.stop_gradient, (c, tf.concat([i, 2 * half_j - 1, f, o], axis=2)))


def gru(
    inputs: Tensor,
    probe: Tensor | None,
    gate_kernel: Tensor,
    gate_bias: Tensor,
    candidate_kernel: Tensor,
    candidate_bias: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs `tf.nn.rnn_cell.GRUCell` over a sequence (Cho et al. 2014).

    r, u = sigmoid([x, h] W + b);  j = tanh([x, r h] V + d);  h = u h + (1 - u) j.

    Args:
      inputs: x, float32 [steps, batch, values].
      probe: as in `plain`.
      gate_kernel: W, float32 [values + units, 2 * units].
      gate_bias: b, float32 [2 * units].
      candidate_kernel: V, float32 [values + units, units].
      candidate_bias: d, float32 [units].

    Returns:
      (h, gates, candidates): float32 [steps, batch, units]; r and u after their sigmoid, [steps, batch, 2 *
      units]; j, [steps, batch, units]. The last two have no gradient.
    """
    steps, units = inputs.shape.as_list()[0], candidate_bias.shape.as_list()[0]
    kept: list[Any] = []

    @tf.custom_gradient
    def run(
        inputs: Tensor, gate_kernel: Tensor, gate_bias: Tensor, kernel: Tensor, bias: Tensor, *probe: Tensor
    ) -> tuple[Any, Any]:
        def step(now: list[Tensor], state: list[Tensor]) -> Any:
            (h,) = state
            gates = tf.sigmoid(_affine(now[0], h, gate_kernel, gate_bias))
            r, u = tf.split(gates, 2, axis=1)
            j = tf.tanh(_affine(now[0], r * h, kernel, bias))
            h = j + u * (h - j)
            return [h, gates, j], [h]

        zeros = _zeros(inputs, units)
        of_h, of_gates, of_candidates = _over_time(step, [_array(inputs)], [zeros], [units, 2 * units, units])
        kept.extend([of_gates, of_candidates])
        h = _stacked(of_h, steps, units)

        def gradient(by_h: Tensor) -> tuple[Tensor, ...]:
            gate_back, back = _of_state(gate_kernel, units), _of_state(kernel, units)

            def step(now: list[Tensor], later: list[Tensor]) -> Any:
                by_output, gates, j, before = now
                r, u = tf.split(gates, 2, axis=1)
                by_h = by_output + later[0]
                by_candidate = by_tanh(j, by_h * (1 - u))
                by_reset = tf.matmul(by_candidate, back)
                by_gate = _by_sigmoid(gates, tf.concat([by_reset * before, by_h * (before - j)], axis=1))
                earlier = by_h * u + by_reset * r + tf.matmul(by_gate, gate_back)
                return [by_gate, by_candidate, r * before, by_h], [earlier]

            arrays = [_array(by_h), of_gates, of_candidates, _Before(of_h)]
            widths = [2 * units, units, units, units]
            found = _over_time(step, arrays, [zeros], widths, backwards=True)
            by_gates, by_candidates, seen, by_states = (
                _stacked(array, steps, width) for array, width in zip(found, widths, strict=True)
            )
            by_inputs, by_gate_kernel, by_gate_bias = _by_affine(inputs, h, gate_kernel, by_gates)
            # `seen` has r h, which the candidate of step t reads, at t; `_by_affine` expects it at t - 1.
            more, by_kernel, by_bias = _by_affine(inputs, _later(seen), kernel, by_candidates)
            by_probe = [by_states for _ in probe]
            return by_inputs + more, by_gate_kernel, by_gate_bias, by_kernel, by_bias, *by_probe

        return h, gradient

    h = run(inputs, gate_kernel, gate_bias, candidate_kernel, candidate_bias, *_given(probe))
    of_gates, of_candidates = kept
    gates, candidates = _stacked(of_gates, steps, 2 * units), _stacked(of_candidates, steps, units)
    return h, *map(tf.stop_gradient, (gates, candidates))


def in_halves(run: Callable[..., list[Tensor]]) -> Callable[..., list[Tensor]]:
    """Returns a recurrence that runs over both halves of a batch in parallel.

    One step is too little work to split over two processor cores; two loops use both.

    Args:
      run: (x, probe) -> results, float32 [steps, batch, ...] each; arguments as for `plain`.
    """

    def both(inputs: Tensor, probe: Tensor | None) -> list[Tensor]:
        half = tf.shape(inputs)[1] // 2
        made = [
            run(inputs[:, part], None if probe is None else probe[:, part])
            for part in (slice(None, half), slice(half, None))
        ]
        return [tf.concat(halves, axis=1) for halves in zip(*made, strict=True)]

    return both


def by_tanh(value: Tensor, gradient: Tensor) -> Tensor:
    """Returns the gradient by the argument of a tanh: (1 - value^2) gradient, in one operation."""
    return tf.raw_ops.TanhGrad(y=value, dy=gradient)


def by_relu(value: Tensor, gradient: Tensor) -> Tensor:
    """Returns the gradient by the argument of a ReLU."""
    return tf.raw_ops.ReluGrad(gradients=gradient, features=value)


def _by_sigmoid(value: Tensor, gradient: Tensor) -> Tensor:
    """Returns the gradient by the argument of a sigmoid: value (1 - value) gradient, in one operation."""
    return tf.raw_ops.SigmoidGrad(y=value, dy=gradient)


class _Before:
    """An array shifted by one step: reads the previous step's value, and 0 at the first step."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def read(self, at: Tensor) -> Tensor:
        # tf.cond would take longer than a product with 0.
        values = self._array.read(tf.maximum(at - 1, 0))
        return tf.cast(at > 0, tf.float32) * values


def _over_time(
    step: Step,
    arrays: Sequence[Any],
    state: Sequence[Tensor],
    widths: Sequence[int],
    backwards: bool = False,
) -> list[Any]:
    """Runs a step over arrays; returns its outputs as TensorArrays of float32 [batch, width].

    Args:
      step: (values of the arrays at this step, state) -> (outputs, next state).
      arrays: arrays of float32 [batch, values]; the first has the number of steps.
      state: the initial state, float32 [batch, units] each.
      widths: widths of the outputs.
      backwards: whether to run from the last step to the first.
    """
    count = arrays[0].size()
    with tf.name_scope('backwards' if backwards else 'over_time'):
        made = [
            tf.TensorArray(tf.float32, count, element_shape=[None, width], clear_after_read=False)
            for width in widths
        ]

        def body(number: Tensor, state: list[Tensor], made: list[Any]) -> Any:
            at = count - 1 - number if backwards else number
            outputs, state = step([array.read(at) for array in arrays], state)
            written = [array.write(at, value) for array, value in zip(made, outputs, strict=True)]
            return number + 1, state, written

        *_, made = tf.while_loop(lambda number, *_: number < count, body, [0, list(state), made])
        return list(made)


def _array(values: Tensor) -> Any:
    """Returns the steps of a sequence [steps, batch, values] as a TensorArray."""
    return tf.TensorArray(tf.float32, values.shape.as_list()[0], clear_after_read=False).unstack(values)


def _stacked(array: Any, steps: int, width: int) -> Tensor:
    """Returns a TensorArray's values, float32 [steps, batch, width]."""
    return tf.ensure_shape(array.stack(), [steps, None, width])


def _given(probe: Tensor | None) -> list[Tensor]:
    return [] if probe is None else [probe]


def _affine(inputs: Tensor, state: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Returns [x, h] W + b for one step."""
    return tf.nn.bias_add(tf.matmul(tf.concat([inputs, state], axis=1), kernel), bias)


def _by_affine(
    inputs: Tensor, states: Tensor, kernel: Tensor, by_sums: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the gradients by x, W and b over all steps.

    Args:
      inputs: x, float32 [steps, batch, values].
      states: h after each step, [steps, batch, units].
      kernel: W.
      by_sums: the gradient by [x, h] W + b, [steps, batch, width].
    """
    values = inputs.shape.as_list()[2]
    # b is the weight of an additional input of 1.
    with_one = tf.pad(inputs, [[0, 0], [0, 0], [0, 1]], constant_values=1.0)
    by_values = tf.matmul(_rows(with_one), _rows(by_sums), transpose_a=True)
    by_state = tf.matmul(_rows(states[:-1]), _rows(by_sums[1:]), transpose_a=True)
    by_kernel = tf.concat([by_values[:-1], by_state], axis=0)
    return _times(by_sums, tf.transpose(kernel[:values])), by_kernel, by_values[-1]


def _times(by_sums: Tensor, back: Tensor) -> Tensor:
    """Returns the gradient by the left factor of a product with a kernel, for all steps.

    Args:
      by_sums: the gradient by the product, [steps, batch, width].
      back: the transposed kernel, [width, values].
    """
    steps, values = by_sums.shape.as_list()[0], back.shape.as_list()[1]
    return tf.reshape(tf.matmul(_rows(by_sums), back), [steps, -1, values])


def _rows(values: Tensor) -> Tensor:
    """Returns [steps, batch, values] as [steps * batch, values]."""
    return tf.reshape(values, [-1, values.shape.as_list()[2]])


def _of_state(kernel: Tensor, units: int) -> Tensor:
    """Returns the state's rows of a kernel, transposed once rather than in each product."""
    return tf.transpose(kernel[-units:])


def _later(values: Tensor) -> Tensor:
    """Returns the next step's values, and 0 at the last step."""
    return tf.concat([values[1:], tf.zeros_like(values[:1])], axis=0)


def _zeros(inputs: Tensor, units: int) -> Tensor:
    """Returns the initial state."""
    return tf.zeros([tf.shape(inputs)[1], units])
