"""Recurrent layers: a sequence -> their outputs at each step and at the last one."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.core.layers import recurrence
from estimator_lab.core.layers.elementwise import dropout
from estimator_lab.core.layers.sequences import Outputs
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.core.step.noise import Noise
from estimator_lab.tf1 import Tensor, Variable, tf

TANH, IRNN, LSTM, GRU = 'tanh', 'irnn', 'lstm', 'gru'
CELLS = (TANH, IRNN, LSTM, GRU)
"""Names of cells, as in hyper-parameters."""

_SCOPES = {TANH: 'basic_rnn_cell', IRNN: 'basic_rnn_cell', LSTM: 'lstm_cell', GRU: 'gru_cell'}
_GATES = {
    LSTM: ('input_gate', 'candidate', 'forget_gate', 'output_gate'),
    GRU: ('reset_gate', 'update_gate', 'candidate'),
}
_NEAR_ZERO = 0.001


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of `tf.nn.rnn_cell` that runs over a sequence; all calls share its variables.

    Their names and shapes are TensorFlow's: `kernel` and `bias`, for a GRU `gates/kernel` ..., in a scope
    with the cell's name.

    Args:
      name: one of `CELLS`. 'irnn' is a plain ReLU cell; its initial recurrent weights are the identity, its
        initial input weights near 0 (Le et al. 2015, section 2).
      units: units of the state.
      forget_bias: constant added to an LSTM's forget gate.
      own_gradient: whether `core.layers.recurrence` runs it; otherwise `tf.nn.dynamic_rnn`.
      in_halves: whether both halves of a batch run in parallel, see `recurrence.in_halves`.
    """

    name: str
    units: int
    forget_bias: float = 1.0
    own_gradient: bool = True
    in_halves: bool = False

    def __call__(
        self, sequence: Tensor, probe: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor], Variable]:
        """Returns the states h and the gates by name, float32 [steps, batch, units] each, and the kernel.

        Args:
          sequence: float32 [steps, batch, values].
          probe: see `recurrence.plain`.
        """
        with tf.variable_scope(_SCOPES[self.name], reuse=tf.AUTO_REUSE):
            variables = self._variables(sequence.shape.as_list()[2])
        if not self.own_gradient:
            states, _ = tf.nn.dynamic_rnn(
                self._tensorflows(),
                sequence,
                dtype=tf.float32,
                time_major=True,
                scope=tf.get_variable_scope(),
            )
            return states, {}, variables[0]
        run = functools.partial(self._run, variables)
        states, *gates = (recurrence.in_halves(run) if self.in_halves else run)(sequence, probe)
        return states, dict(zip(_GATES.get(self.name, ()), gates, strict=True)), variables[0]

    def _run(self, variables: Sequence[Variable], sequence: Tensor, probe: Tensor | None) -> list[Tensor]:
        """Returns the states and the gates in the order of their names."""
        if self.name == GRU:
            states, gates, candidate = recurrence.gru(sequence, probe, *variables)
            return [states, *tf.split(gates, 2, axis=2), candidate]
        kernel, bias = variables
        if self.name == LSTM:
            states, _, gates = recurrence.lstm(sequence, probe, kernel, bias, self.forget_bias)
            return [states, *tf.split(gates, 4, axis=2)]
        return [recurrence.plain(sequence, probe, kernel, bias, *_PLAIN[self.name])]

    def _variables(self, values: int) -> list[Variable]:
        """Returns kernel and bias; for a GRU those of the gates, then those of the candidate."""
        units = self.units
        zeros, ones = tf.zeros_initializer(), tf.ones_initializer()
        if self.name == GRU:
            with tf.variable_scope('gates'):
                gates = _kernel_and_bias(values + units, 2 * units, bias=ones)
            with tf.variable_scope('candidate'):
                return [*gates, *_kernel_and_bias(values + units, units, bias=zeros)]
        if self.name == IRNN:
            return _kernel_and_bias(values + units, units, zeros, _identity_below(values))
        return _kernel_and_bias(values + units, (4 if self.name == LSTM else 1) * units, zeros)

    def _tensorflows(self) -> Any:
        """Returns the cell of `tf.nn.rnn_cell`, which reuses the variables."""
        cells = tf.nn.rnn_cell
        if self.name == LSTM:
            return cells.LSTMCell(self.units, forget_bias=self.forget_bias, reuse=True)
        if self.name == GRU:
            return cells.GRUCell(self.units, reuse=True)
        return cells.BasicRNNCell(self.units, _PLAIN[self.name][0], reuse=True)


_PLAIN: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    TANH: (tf.tanh, recurrence.by_tanh),
    IRNN: (tf.nn.relu, recurrence.by_relu),
}


class RecurrentLayers:
    """Layers of one kind of cell, in one or both directions.

    The names of the variables are those of `tf.nn.dynamic_rnn` with one cell, `rnn/lstm_cell/kernel`, or a
    MultiRNNCell, `rnn/multi_rnn_cell/cell_0/lstm_cell/kernel`; for both directions, those of
    `bidirectional_dynamic_rnn` and `stack_bidirectional_dynamic_rnn`.

    Args:
      cell: one of `CELLS`.
      sizes: units of each layer, in one direction.
      bidirectional: whether each layer reads in both directions and returns twice as many values.
      dropout_rate: share of the values between two layers that is dropped in training, the same at all steps
        (Gal and Ghahramani 2016).
      forget_bias: see `Cell`.
      own_gradient: see `Cell`.
    """

    def __init__(
        self,
        cell: str,
        sizes: Sequence[int],
        bidirectional: bool = False,
        dropout_rate: float = 0.0,
        forget_bias: float = 1.0,
        own_gradient: bool = True,
    ) -> None:
        self._dropout_rate = dropout_rate
        self._bidirectional = bidirectional
        self._sizes = sizes
        self._probes = own_gradient
        self._layers = [
            # Two directions are two loops already.
            [
                Cell(cell, units, forget_bias, own_gradient, not bidirectional)
                for _ in range(1 + bidirectional)
            ]
            for units in sizes
        ]

    def __call__(self, sequence: Tensor, noise: Noise | None = None, probing: bool = False) -> Outputs:
        """Returns the output of the layers, with the endpoints rnn_1, rnn_1_input_gate, ...

        Args:
          sequence: float32 [batch, steps, values].
          noise: draws what is dropped; None drops nothing.
          probing: whether the endpoints get probes for gradients by the states, which costs memory.
        """
        values, endpoints, last = time_first(sequence), {}, None
        for number, cells in enumerate(self._layers):
            if number:
                values = drop_steps(values, self._dropout_rate, noise)
            names = [f'rnn_{number + 1}', f'rnn_{number + 1}_backwards']
            found = []
            for backwards, cell in enumerate(cells):
                name = names[backwards]
                with tf.name_scope(name):
                    states, more = self._run(cell, number, bool(backwards), values, name, probing)
                endpoints.update(more)
                found.append(states)
            values = tf.concat(found, axis=2) if self._bidirectional else found[0]
            # The backward direction ends at the first step.
            ends = [states[0 if backwards else -1] for backwards, states in enumerate(found)]
            last = tf.concat(ends, axis=1) if self._bidirectional else ends[0]
        return Outputs(time_first(values), last, endpoints)

    def _run(
        self, cell: Cell, number: int, backwards: bool, values: Tensor, name: str, probing: bool
    ) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns the states of one layer in one direction, [steps, batch, units], and its endpoints."""
        steps, units = values.shape.as_list()[0], self._sizes[number]
        batch = tf.shape(values)[1]
        probe = tf.zeros([batch, steps, units]) if probing and self._probes else None
        if backwards:
            values = tf.reverse(values, [0])
        with tf.variable_scope(self._scope(number, backwards)):
            own = None if probe is None else _turned(time_first(probe), backwards)
            states, gates, kernel = cell(values, own)
        states, gates = _turned(states, backwards), {key: _turned(g, backwards) for key, g in gates.items()}
        endpoints = {name: Endpoint(time_first(states), kernel, probe)}
        endpoints.update({f'{name}_{gate}': Endpoint(time_first(v)) for gate, v in gates.items()})
        return states, endpoints

    def _scope(self, number: int, backwards: bool) -> str:
        several = len(self._layers) > 1
        if self._bidirectional:
            stack = f'stack_bidirectional_rnn/cell_{number}/' if several else ''
            return f'{stack}bidirectional_rnn/{"bw" if backwards else "fw"}'
        return f'rnn/multi_rnn_cell/cell_{number}' if several else 'rnn'


def time_first(values: Tensor) -> Tensor:
    """Swaps the first two axes: [batch, steps, ...] and [steps, batch, ...]."""
    return tf.transpose(values, [1, 0, 2])


def drop_steps(values: Tensor, rate: float, noise: Noise | None) -> Tensor:
    """Applies dropout to a sequence [steps, batch, units], the same at all steps."""
    _, batch, units = tf.unstack(tf.shape(values))
    return dropout(values, rate, noise, tf.stack([1, batch, units]))


def _turned(values: Tensor, backwards: bool) -> Tensor:
    return tf.reverse(values, [0]) if backwards else values


def _kernel_and_bias(inputs: int, units: int, bias: Any, kernel: Any = None) -> list[Variable]:
    """Returns the two variables; by default, the kernel has the initializer of `tf.nn.rnn_cell`."""
    return [
        tf.get_variable('kernel', [inputs, units], initializer=kernel or tf.glorot_uniform_initializer()),
        tf.get_variable('bias', [units], initializer=bias),
    ]


def _identity_below(values: int) -> Callable[..., Tensor]:
    """Returns the initializer of an IRNN's kernel: near 0 for the input, the identity for the state."""

    def initial(shape: Sequence[int], dtype: Any = None, partition_info: Any = None) -> Tensor:
        units = int(shape[1])
        small = tf.random_normal_initializer(stddev=_NEAR_ZERO)([values, units], dtype=tf.float32)
        return tf.concat([small, tf.eye(units)], axis=0)

    return initial


class DilatedLayers:
    """A stack of dilated GRU layers: layer n reads its own state 2^(n-1) steps ago (Chang et al. 2017).

    Steps that are 2^(n-1) apart form sequences of their own, which run in parallel as examples of one batch
    (figure 2 of 'Dilated recurrent neural networks'), so that the loop of a wider layer has fewer steps.
    Layer n has the variables `dilated_rnn/cell_N/gru_cell/...`, N = n - 1.

    Args:
      sizes: units of each layer.
      dropout_rate: share of the values between two layers that is dropped in training, the same at all steps.
      own_gradient: see `Cell`.
    """

    def __init__(self, sizes: Sequence[int], dropout_rate: float = 0.0, own_gradient: bool = True) -> None:
        self._dropout_rate = dropout_rate
        self._sizes = sizes
        self._probes = own_gradient
        self._cells = [Cell(GRU, units, own_gradient=own_gradient) for units in sizes]

    def __call__(self, sequence: Tensor, noise: Noise | None = None, probing: bool = False) -> Outputs:
        """Returns the output of the layers, with the endpoints rnn_1, rnn_1_update_gate, ...

        Args:
          sequence: float32 [batch, steps, values].
          noise: draws what is dropped; None drops nothing.
          probing: whether the endpoints get probes for gradients by the states, which costs memory.
        """
        values, endpoints = time_first(sequence), {}
        steps, batch = sequence.shape.as_list()[1], tf.shape(sequence)[0]
        for number, (units, cell) in enumerate(zip(self._sizes, self._cells, strict=True)):
            if number:
                values = drop_steps(values, self._dropout_rate, noise)
            dilation = 2**number
            probe = tf.zeros([batch, steps, units]) if probing and self._probes else None
            own = None if probe is None else _side_by_side(time_first(probe), dilation)
            with tf.variable_scope(f'dilated_rnn/cell_{number}'):
                states, gates, kernel = cell(_side_by_side(values, dilation), own)
            values = _in_a_row(states, steps, batch)
            name = f'rnn_{number + 1}'
            endpoints[name] = Endpoint(time_first(values), kernel, probe)
            for gate, found in gates.items():
                endpoints[f'{name}_{gate}'] = Endpoint(time_first(_in_a_row(found, steps, batch)))
        return Outputs(time_first(values), values[-1], endpoints)


def _side_by_side(values: Tensor, dilation: int) -> Tensor:
    """Reshapes [steps, batch, ...], padded with zeros, to [steps / dilation, dilation * batch, ...]."""
    steps, _, units = values.shape.as_list()
    rounds = -(-steps // dilation)
    values = tf.pad(values, [[0, rounds * dilation - steps], [0, 0], [0, 0]])
    return tf.reshape(values, [rounds, dilation * tf.shape(values)[1], units])


def _in_a_row(values: Tensor, steps: int, batch: Tensor) -> Tensor:
    """Undoes `_side_by_side`: returns [steps, batch, ...]."""
    units = values.shape.as_list()[2]
    return tf.ensure_shape(tf.reshape(values, [-1, batch, units])[:steps], [steps, None, units])
