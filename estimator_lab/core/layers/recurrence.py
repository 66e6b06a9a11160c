"""The recurrences of `tf.nn.rnn_cell`'s cells, with a gradient of their own.

`tf.nn.dynamic_rnn` differentiates its loop operation by operation, so that the way back adds a product for
the gradient of the kernel at each step. Here the way forward keeps the gates; what does not depend on later
steps is worked out from them for all steps at once; the loop back is one product a step and a few operations
around it; and the gradient of the kernel is one product over all steps.

The functions compute what the cell of that name computes, of variables of the same shapes: a kernel has the
rows of the input above those of the state. Time comes first. The state begins as 0.
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
    slope: Callable[[Tensor], Tensor],
) -> Tensor:
    """Returns h = activation([x, h] W + b) of each step, as `tf.nn.rnn_cell.BasicRNNCell` (Elman 1990).

    Args:
      inputs: x, float32 [steps, batch, values].
      probe: float32 [steps, batch, units], which changes nothing: the gradient by it is that by the state h
        behind each step, with all that h does to later ones. None for none.
      kernel: W, float32 [values + units, units].
      bias: b, float32 [units].
      activation: of the state.
      slope: its derivative as a function of its value.

    Returns:
      float32 [steps, batch, units].
    """
    units = bias.shape[0]

    @tf.custom_gradient
    def run(inputs: Tensor, kernel: Tensor, bias: Tensor, *probe: Tensor) -> tuple[Tensor, Any]:
        def step(now: list[Tensor], state: list[Tensor]) -> Any:
            after = activation(_affine(now[0], state[0], kernel, bias))
            return [after], [after]

        (states,) = _over_time(step, [inputs], [_zeros(inputs, units)], [units])

        def gradient(by_states: Tensor) -> tuple[Tensor, ...]:
            back = _of_state(kernel, units)

            def step(now: list[Tensor], later: list[Tensor]) -> Any:
                by_output, slope_now = now
                by_sum = (by_output + later[0]) * slope_now
                return [by_sum], [tf.matmul(by_sum, back, transpose_b=True)]

            (by_sums,) = _over_time(
                step, [by_states, slope(states)], [_zeros(inputs, units)], [units], backwards=True
            )
            by_inputs, by_kernel, by_bias = _by_affine(inputs, _earlier(states), kernel, by_sums)
            by_probe = [by_states + _later(_times(by_sums, back)) for _ in probe]
            return by_inputs, by_kernel, by_bias, *by_probe

        return states, gradient

    return run(inputs, kernel, bias, *_given(probe))


def lstm(
    inputs: Tensor, probe: Tensor | None, kernel: Tensor, bias: Tensor, forget_bias: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns what `tf.nn.rnn_cell.LSTMCell` makes of a sequence (Gers et al. 2000).

    i, j, f, o = [x, h] W + b;  c = sigmoid(f + forget_bias) c + sigmoid(i) tanh(j);  h = sigmoid(o) tanh(c).

    Args:
      inputs: x, float32 [steps, batch, values].
      probe: as in `plain`, of h; what c does to later steps by itself is not in its gradient.
      kernel: W, float32 [values + units, 4 * units].
      bias: b, float32 [4 * units].
      forget_bias: of the forget gate.

    Returns:
      (h, c, gates): float32 [steps, batch, units] twice, and [steps, batch, 4 * units]: the gates i, j, f, o
      behind their sigmoid or tanh. No gradient leads back through c and gates.
    """
    units = bias.shape[0] // 4

    @tf.custom_gradient
    def run(inputs: Tensor, kernel: Tensor, bias: Tensor, *probe: Tensor) -> tuple[Any, Any]:
        shifted = bias + tf.constant([0.0] * 2 * units + [forget_bias] * units + [0.0] * units)

        def step(now: list[Tensor], state: list[Tensor]) -> Any:
            c, h = state
            i, j, f, o = tf.split(_affine(now[0], h, kernel, shifted), 4, axis=1)
            i, j, f, o = tf.sigmoid(i), tf.tanh(j), tf.sigmoid(f), tf.sigmoid(o)
            c = f * c + i * j
            h = o * tf.tanh(c)
            return [h, c, tf.concat([i, j, f, o], axis=1)], [c, h]

        zeros = _zeros(inputs, units)
        h, c, gates = _over_time(step, [inputs], [zeros, zeros], [units, units, 4 * units])

        def gradient(by_h: Tensor, *unused: Tensor) -> tuple[Tensor, ...]:
            back = _of_state(kernel, units)
            by_cell, by_gates, f = _lstm_factors(c, gates)

            def step(now: list[Tensor], later: list[Tensor]) -> Any:
                by_output, by_cell, by_gates, f = now
                by_c, by_h = later
                by_h += by_output
                by_c += by_h * by_cell
                by_sum = tf.concat([by_c, by_c, by_c, by_h], axis=1) * by_gates
                return [by_sum], [by_c * f, tf.matmul(by_sum, back, transpose_b=True)]

            (by_sums,) = _over_time(
                step, [by_h, by_cell, by_gates, f], [zeros, zeros], [4 * units], backwards=True
            )
            by_inputs, by_kernel, by_bias = _by_affine(inputs, _earlier(h), kernel, by_sums)
            by_probe = [by_h + _later(_times(by_sums, back)) for _ in probe]
            return by_inputs, by_kernel, by_bias, *by_probe

        return (h, c, gates), gradient

    h, c, gates = run(inputs, kernel, bias, *_given(probe))
    return h, c, gates


def _lstm_factors(c: Tensor, gates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns dh / dc; the derivatives of c, c, c and h by the sums behind i, j, f and o; and f."""
    i, j, f, o = tf.split(gates, 4, axis=2)
    squashed = tf.tanh(c)
    by_gates = [j * i * (1 - i), i * (1 - tf.square(j)), _earlier(c) * f * (1 - f), squashed * o * (1 - o)]
    return o * (1 - tf.square(squashed)), tf.concat(by_gates, axis=2), f


def gru(
    inputs: Tensor,
    probe: Tensor | None,
    gate_kernel: Tensor,
    gate_bias: Tensor,
    candidate_kernel: Tensor,
    candidate_bias: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns what `tf.nn.rnn_cell.GRUCell` makes of a sequence (Cho et al. 2014).

    r, u = sigmoid([x, h] W + b);  j = tanh([x, r h] V + d);  h = u h + (1 - u) j.

    Args:
      inputs: x, float32 [steps, batch, values].
      probe: as in `plain`.
      gate_kernel: W, float32 [values + units, 2 * units].
      gate_bias: b, float32 [2 * units].
      candidate_kernel: V, float32 [values + units, units].
      candidate_bias: d, float32 [units].

    Returns:
      (h, gates, candidates): float32 [steps, batch, units]; [steps, batch, 2 * units], r and u behind their
      sigmoid; and j. No gradient leads back through the last two.
    """
    units = candidate_bias.shape[0]

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
        h, gates, candidates = _over_time(step, [inputs], [zeros], [units, 2 * units, units])

        def gradient(by_h: Tensor, *unused: Tensor) -> tuple[Tensor, ...]:
            gate_back, back = _of_state(gate_kernel, units), _of_state(kernel, units)
            r, u = tf.split(gates, 2, axis=2)
            before = _earlier(h)
            by_r, by_u = before * r * (1 - r), (before - candidates) * u * (1 - u)
            by_j = (1 - u) * (1 - tf.square(candidates))

            def step(now: list[Tensor], later: list[Tensor]) -> Any:
                by_output, r, u, by_r, by_u, by_j = now
                by_h = by_output + later[0]
                by_candidate = by_h * by_j
                by_reset = tf.matmul(by_candidate, back, transpose_b=True)
                by_gate = tf.concat([by_reset * by_r, by_h * by_u], axis=1)
                earlier = by_h * u + by_reset * r + tf.matmul(by_gate, gate_back, transpose_b=True)
                return [by_gate, by_candidate, by_h], [earlier]

            by_gates, by_candidates, by_states = _over_time(
                step,
                [by_h, r, u, by_r, by_u, by_j],
                [zeros],
                [2 * units, units, units],
                backwards=True,
            )
            by_inputs, by_gate_kernel, by_gate_bias = _by_affine(inputs, before, gate_kernel, by_gates)
            more, by_kernel, by_bias = _by_affine(inputs, r * before, kernel, by_candidates)
            by_probe = [by_states for _ in probe]
            return by_inputs + more, by_gate_kernel, by_gate_bias, by_kernel, by_bias, *by_probe

        return (h, gates, candidates), gradient

    h, gates, candidates = run(
        inputs, gate_kernel, gate_bias, candidate_kernel, candidate_bias, *_given(probe)
    )
    return h, gates, candidates


def _over_time(
    step: Step,
    sequences: Sequence[Tensor],
    state: Sequence[Tensor],
    widths: Sequence[int],
    backwards: bool = False,
) -> list[Tensor]:
    """Runs a step over sequences; returns what it gave, float32 [steps, batch, width] each.

    Args:
      step: (values of the sequences at this step, state) -> (what it gives, next state).
      sequences: float32 [steps, batch, values]; how many steps is known when the graph is built.
      state: the first, float32 [batch, units] each.
      widths: of what a step gives.
      backwards: from the last step to the first.
    """
    count = sequences[0].shape[0]
    with tf.name_scope('backwards' if backwards else 'over_time'):
        arrays = [tf.TensorArray(tf.float32, count).unstack(sequence) for sequence in sequences]
        made = [tf.TensorArray(tf.float32, count, element_shape=[None, width]) for width in widths]

        def body(number: Tensor, state: list[Tensor], made: list[Any]) -> Any:
            at = count - 1 - number if backwards else number
            given, state = step([array.read(at) for array in arrays], state)
            return (
                number + 1,
                state,
                [array.write(at, value) for array, value in zip(made, given, strict=True)],
            )

        *_, made = tf.while_loop(
            lambda number, *_: number < count, body, [0, list(state), made], maximum_iterations=count
        )
        stacked = [array.stack() for array in made]
        return [
            tf.ensure_shape(values, [count, None, width])
            for values, width in zip(stacked, widths, strict=True)
        ]


def _given(probe: Tensor | None) -> list[Tensor]:
    return [] if probe is None else [probe]


def _affine(inputs: Tensor, state: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Returns [x, h] W + b of one step."""
    return tf.nn.bias_add(tf.matmul(tf.concat([inputs, state], axis=1), kernel), bias)


def _by_affine(
    inputs: Tensor, before: Tensor, kernel: Tensor, by_sums: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the gradients by x, W and b of all steps.

    Args:
      inputs: x, float32 [steps, batch, values].
      before: h that went into each step, [steps, batch, units].
      kernel: W.
      by_sums: the gradient by [x, h] W + b, [steps, batch, width].
    """
    values = inputs.shape[2]
    by_kernel = [tf.matmul(_rows(part), _rows(by_sums), transpose_a=True) for part in (inputs, before)]
    return (
        _times(by_sums, kernel[:values]),
        tf.concat(by_kernel, axis=0),
        tf.reduce_sum(by_sums, axis=[0, 1]),
    )


def _times(by_sums: Tensor, kernel: Tensor) -> Tensor:
    """Returns the gradient by what a kernel was multiplied with, of all steps."""
    steps, units = by_sums.shape[0], kernel.shape[0]
    return tf.reshape(tf.matmul(_rows(by_sums), kernel, transpose_b=True), [steps, -1, units])


def _rows(values: Tensor) -> Tensor:
    """Returns [steps, batch, values] as [steps * batch, values]."""
    return tf.reshape(values, [-1, values.shape[2]])


def _of_state(kernel: Tensor, units: int) -> Tensor:
    """Returns the rows of a kernel that belong to the state."""
    return kernel[-units:]


def _earlier(values: Tensor) -> Tensor:
    """Returns what was there one step before, 0 before the first."""
    return tf.concat([tf.zeros_like(values[:1]), values[:-1]], axis=0)


def _later(values: Tensor) -> Tensor:
    """Returns what will be there one step later, 0 behind the last."""
    return tf.concat([values[1:], tf.zeros_like(values[:1])], axis=0)


def _zeros(inputs: Tensor, units: int) -> Tensor:
    """Returns the first state."""
    return tf.zeros([tf.shape(inputs)[1], units])
