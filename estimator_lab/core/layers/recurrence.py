"""Recurrent cells over whole sequences, with gradients written by hand.

`tf.nn.dynamic_rnn` differentiates its loop operation by operation: each step back has another product for the
gradient of the kernel, and reads a copy of every operation's input. Here, the forward loop keeps only the
gates, the backward loop has one product per step for each of the cell's products, and the gradient of the
kernel is one product over all steps.

The rows of a kernel are those of the input x, then those of the state h. Time is the first axis. The initial
state is 0.
"""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from estimator_lab.tf1 import Tensor, Variable, tf

Step = Callable[[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]
"""(values of the arrays at this step, states) -> (outputs, next states)."""

StepBack = Callable[[Tensor, list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]
"""(gradient by h, values of the arrays, gradients by the other states) -> (outputs, gradients by the states
before the step)."""


OWN, DYNAMIC, UNROLLED = 'own', 'dynamic_rnn', 'unrolled'
LOOPS = (OWN, DYNAMIC, UNROLLED)
"""Implementations of the loop over the steps: this module's, `tf.nn.dynamic_rnn`, and no loop at all."""


@dataclasses.dataclass(frozen=True)
class Cell(abc.ABC):
    """The base class of cells that run over a sequence; all calls of a cell share its variables.

    Their names and shapes are TensorFlow's: `kernel` and `bias`, for a GRU `gates/kernel` ..., in a scope
    with the cell's name.

    Args:
      units: units of the state h.
      forget_bias: constant added to an LSTM's forget gate.
      loop: one of `LOOPS`. Only OWN has a gradient written by hand. UNROLLED repeats the operations for each
        step, for formats without loops over arrays.
      in_halves: whether both halves of a batch run in parallel: one step is too little work to split over two
        processor cores, and two loops use both.
    """

    units: int
    forget_bias: float = 1.0
    loop: str = OWN
    in_halves: bool = False

    scope: ClassVar[str]
    gates: ClassVar[tuple[str, ...]] = ()
    states: ClassVar[int] = 1

    def __call__(
        self, sequence: Tensor, probe: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor], Variable]:
        """Returns the states h and the gates by name, float32 [steps, batch, units] each, and the kernel.

        Args:
          sequence: float32 [steps, batch, values].
          probe: float32 [steps, batch, units] or None; it does not change the result, but its gradient is the
            gradient by the state h after each step, including the effect of h on later steps; that of an
            LSTM's c is not included.
        """
        with tf.variable_scope(self.scope, reuse=tf.AUTO_REUSE):
            variables = self._variables(sequence.shape.as_list()[2])
        if self.loop == UNROLLED:
            states, *gates = self._unrolled(variables, sequence)
            return states, dict(zip(self.gates, gates, strict=True)), variables[0]
        if self.loop == DYNAMIC:
            scope = tf.get_variable_scope()
            theirs = self._tensorflows()
            states, _ = tf.nn.dynamic_rnn(theirs, sequence, dtype=tf.float32, time_major=True, scope=scope)
            return states, {}, variables[0]
        half = tf.shape(sequence)[1] // 2
        parts = [slice(None, half), slice(half, None)] if self.in_halves else [slice(None)]
        made = [
            self._run(variables, sequence[:, part], None if probe is None else probe[:, part])
            for part in parts
        ]
        states, *gates = [tf.concat(halves, axis=1) for halves in zip(*made, strict=True)]
        return states, dict(zip(self.gates, gates, strict=True)), variables[0]

    def _run(self, variables: Sequence[Variable], inputs: Tensor, probe: Tensor | None) -> list[Tensor]:
        """Returns the states and the gates in the order of their names, [steps, batch, units] each."""
        steps, kept = inputs.shape.as_list()[0], []

        def stacked(arrays: Sequence[Any], widths: Sequence[int]) -> list[Tensor]:
            return [
                tf.ensure_shape(array.stack(), [steps, None, width])
                for array, width in zip(arrays, widths, strict=True)
            ]

        @tf.custom_gradient
        def run(inputs: Tensor, *given: Tensor) -> tuple[Tensor, Any]:
            weights, probes = given[: len(variables)], given[len(variables) :]
            zeros = [tf.zeros([tf.shape(inputs)[1], self.units])] * self.states
            made = _over_time(self._forward(weights), [_array(inputs)], zeros, self._widths)
            kept.extend(made)
            (h,) = stacked(made[:1], [self.units])

            def gradient(by_h: Tensor) -> tuple[Tensor, ...]:
                step_back = self._backward(weights)

                def step(now: list[Tensor], later: list[Tensor]) -> Any:
                    by_state = now[0] + later[0]
                    outputs, earlier = step_back(by_state, now[1:], later[1:])
                    return [*outputs, *(by_state for _ in probes)], earlier

                widths = [*self._back_widths, *(self.units for _ in probes)]
                arrays = [_array(by_h), *self._read(made)]
                found = stacked(_over_time(step, arrays, zeros, widths, backwards=True), widths)
                by_sums, by_probes = found[: len(self._back_widths)], found[len(self._back_widths) :]
                return *self._by_weights(inputs, h, weights, by_sums), *by_probes

            return h, gradient

        h = run(inputs, *variables, *([] if probe is None else [probe]))
        others = [tf.stop_gradient(values) for values in stacked(kept[1:], self._widths[1:])]
        return [h, *self._gate_values(others)]

    def _unrolled(self, variables: Sequence[Variable], inputs: Tensor) -> list[Tensor]:
        """Returns the same as `_run`, without a loop."""
        step = self._forward(variables)
        states = [tf.zeros([tf.shape(inputs)[1], self.units])] * self.states
        made = []
        for values in tf.unstack(inputs):
            outputs, states = step([values], states)
            made.append(outputs)
        h, *others = [tf.stack(outputs) for outputs in zip(*made, strict=True)]
        return [h, *self._gate_values(others)]

    @abc.abstractmethod
    def _variables(self, values: int) -> list[Variable]:
        """Returns kernel and bias for inputs of some values; for a GRU those of the gates come first."""

    @abc.abstractmethod
    def _tensorflows(self) -> Any:
        """Returns the cell of `tf.nn.rnn_cell`, which reuses the variables."""

    @property
    def _widths(self) -> list[int]:
        """Widths of the outputs of a step, the first of which is h."""
        return [self.units]

    @property
    def _back_widths(self) -> list[int]:
        """Widths of the outputs of a step back."""
        return [self.units]

    @abc.abstractmethod
    def _forward(self, weights: Sequence[Tensor]) -> Step:
        """Returns the step over the inputs; the first state is h."""

    def _read(self, made: Sequence[Any]) -> list[Any]:
        """Returns the arrays that a step back reads, from those of the forward loop."""
        return list(made)

    @abc.abstractmethod
    def _backward(self, weights: Sequence[Tensor]) -> StepBack:
        """Returns the step back."""

    def _by_weights(
        self, inputs: Tensor, states: Tensor, weights: Sequence[Tensor], by_sums: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Returns the gradients by the inputs and the weights, from the outputs of the steps back."""
        return by_affine(inputs, states, weights[0], by_sums[0])

    def _gate_values(self, others: Sequence[Tensor]) -> list[Tensor]:
        """Returns the gates from the outputs of all steps other than h."""
        return []


class Before:
    """An array shifted by one step: reads the previous step's value, and 0 at the first step."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def read(self, at: Tensor) -> Tensor:
        """Returns the value before that of a step."""
        # tf.cond would take longer than a product with 0.
        values = self._array.read(tf.maximum(at - 1, 0))
        return tf.cast(at > 0, tf.float32) * values


def _over_time(
    step: Step,
    arrays: Sequence[Any],
    states: Sequence[Tensor],
    widths: Sequence[int],
    backwards: bool = False,
) -> list[Any]:
    """Runs a step over arrays; returns its outputs as TensorArrays of float32 [batch, width].

    Args:
      step: the step.
      arrays: arrays of float32 [batch, values]; the first has the number of steps.
      states: the initial states, float32 [batch, units] each.
      widths: widths of the outputs.
      backwards: whether to run from the last step to the first.
    """
    count = arrays[0].size()
    with tf.name_scope('backwards' if backwards else 'over_time'):
        made = [
            tf.TensorArray(tf.float32, count, element_shape=[None, width], clear_after_read=False)
            for width in widths
        ]

        def body(number: Tensor, states: list[Tensor], made: list[Any]) -> Any:
            at = count - 1 - number if backwards else number
            outputs, states = step([array.read(at) for array in arrays], states)
            written = [array.write(at, value) for array, value in zip(made, outputs, strict=True)]
            return number + 1, states, written

        *_, made = tf.while_loop(lambda number, *_: number < count, body, [0, list(states), made])
        return list(made)


def _array(values: Tensor) -> Any:
    """Returns the steps of a sequence [steps, batch, values] as a TensorArray."""
    return tf.TensorArray(tf.float32, values.shape.as_list()[0], clear_after_read=False).unstack(values)


def affine(inputs: Tensor, state: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Returns [x, h] W + b for one step."""
    return tf.nn.bias_add(tf.matmul(tf.concat([inputs, state], axis=1), kernel), bias)


def by_affine(
    inputs: Tensor, states: Tensor, kernel: Tensor, by_sums: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the gradients by x, W and b over all steps.

    Args:
      inputs: x, float32 [steps, batch, values].
      states: h after each step, [steps, batch, units].
      kernel: W.
      by_sums: the gradient by [x, h] W + b, [steps, batch, width].
    """
    steps, _, values = inputs.shape.as_list()
    # b is the weight of an additional input of 1.
    with_one = tf.pad(inputs, [[0, 0], [0, 0], [0, 1]], constant_values=1.0)
    by_values = tf.matmul(_rows(with_one), _rows(by_sums), transpose_a=True)
    by_state = tf.matmul(_rows(states[:-1]), _rows(by_sums[1:]), transpose_a=True)
    by_kernel = tf.concat([by_values[:-1], by_state], axis=0)
    by_inputs = tf.matmul(_rows(by_sums), tf.transpose(kernel[:values]))
    return tf.reshape(by_inputs, [steps, -1, values]), by_kernel, by_values[-1]


def _rows(values: Tensor) -> Tensor:
    """Returns [steps, batch, values] as [steps * batch, values]."""
    return tf.reshape(values, [-1, values.shape.as_list()[2]])


def of_state(kernel: Tensor, units: int) -> Tensor:
    """Returns the state's rows of a kernel, transposed once rather than in each product."""
    return tf.transpose(kernel[-units:])
