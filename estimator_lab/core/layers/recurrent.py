"""Recurrent layers: a sequence -> their outputs at each step and at the last one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from estimator_lab.core.layers.elementwise import dropout
from estimator_lab.core.layers.recurrence import OWN, Cell
from estimator_lab.core.layers.rnn_cells import CELLS
from estimator_lab.core.layers.sequences import Outputs
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.core.step.noise import Noise
from estimator_lab.tf1 import Tensor, tf

DILATED = 'dilated_gru'
"""Name of the cell of a dilated recurrent network."""


class _Direction(NamedTuple):
    """A cell and the order in which it reads a sequence [steps, batch, units].

    Attributes:
      name: name of the endpoint.
      scope: scope of the cell's variables.
      cell: the cell.
      reorder: sequence -> the sequence that the cell reads.
      restore: (states of that sequence, steps, batch) -> states in the order of the first.
    """

    name: str
    scope: str
    cell: Cell
    reorder: Callable[[Tensor], Tensor] = lambda values: values
    restore: Callable[[Tensor, int, Tensor], Tensor] = lambda values, steps, batch: values


class RecurrentLayers:
    """Layers of one kind of cell, in one or both directions, or dilated.

    The names of the variables are those of `tf.nn.dynamic_rnn` with one cell, `rnn/lstm_cell/kernel`, or a
    MultiRNNCell, `rnn/multi_rnn_cell/cell_0/lstm_cell/kernel`; for both directions, those of
    `bidirectional_dynamic_rnn` and `stack_bidirectional_dynamic_rnn`.

    Layer n of DILATED is a GRU that reads its own state 2^(n-1) steps ago (Chang et al. 2017, 'Dilated
    recurrent neural networks'). Steps that are 2^(n-1) apart form sequences of their own, which run in
    parallel as examples of one batch (figure 2), so that the loop of a wider layer has fewer steps. Its
    variables are `dilated_rnn/cell_N/gru_cell/...`, N = n - 1.

    Args:
      cell: one of `CELLS`, or DILATED.
      sizes: units of each layer, in one direction.
      bidirectional: whether each layer reads in both directions and returns twice as many values.
      dropout_rate: share of the values between two layers that is dropped in training, the same at all steps
        (Gal and Ghahramani 2016).
      forget_bias: see `Cell`.
      loop: see `Cell`.
    """

    def __init__(
        self,
        cell: str,
        sizes: Sequence[int],
        bidirectional: bool = False,
        dropout_rate: float = 0.0,
        forget_bias: float = 1.0,
        loop: str = OWN,
    ) -> None:
        self._dropout_rate = dropout_rate
        self._probes = loop == OWN
        several = len(sizes) > 1
        self._layers: list[list[_Direction]] = []
        for number, units in enumerate(sizes):
            name = f'rnn_{number + 1}'
            if cell == DILATED:
                gru = CELLS['gru'](units, loop=loop)
                self._layers.append([_dilated(name, f'dilated_rnn/cell_{number}', gru, 2**number)])
                continue
            # Two directions are two loops already.
            made = CELLS[cell](units, forget_bias, loop, in_halves=not bidirectional)
            if bidirectional:
                stack = f'stack_bidirectional_rnn/cell_{number}/' if several else ''
                scope = f'{stack}bidirectional_rnn'
                back = _Direction(f'{name}_backwards', f'{scope}/bw', made, _reversed, _reversed)
                self._layers.append([_Direction(name, f'{scope}/fw', made), back])
            else:
                scope = f'rnn/multi_rnn_cell/cell_{number}' if several else 'rnn'
                self._layers.append([_Direction(name, scope, made)])

    def __call__(self, sequence: Tensor, noise: Noise | None = None, probing: bool = False) -> Outputs:
        """Returns the output of the layers, with the endpoints rnn_1, rnn_1_input_gate, ...

        Args:
          sequence: float32 [batch, steps, values].
          noise: draws what is dropped; None drops nothing.
          probing: whether the endpoints get probes for gradients by the states, which costs memory.
        """
        values, endpoints, last = _swapped(sequence), {}, None
        steps, batch = sequence.shape.as_list()[1], tf.shape(sequence)[0]
        for number, directions in enumerate(self._layers):
            if number:
                units = values.shape.as_list()[2]
                values = dropout(values, self._dropout_rate, noise, tf.stack([1, batch, units]))
            found = []
            for name, scope, cell, reorder, restore in directions:
                with tf.name_scope(name), tf.variable_scope(scope):
                    probe = tf.zeros([batch, steps, cell.units]) if probing and self._probes else None
                    ordered = None if probe is None else reorder(_swapped(probe))
                    states, gates, kernel = cell(reorder(values), ordered)
                    found.append(restore(states, steps, batch))
                    endpoints[name] = Endpoint(_swapped(found[-1]), kernel, probe)
                    for gate, each in gates.items():
                        endpoints[f'{name}_{gate}'] = Endpoint(_swapped(restore(each, steps, batch)))
            values = tf.concat(found, axis=2) if len(found) > 1 else found[0]
            # The backward direction ends at the first step.
            ends = [states[end] for states, end in zip(found, (-1, 0), strict=False)]
            last = tf.concat(ends, axis=1) if len(ends) > 1 else ends[0]
        return Outputs(_swapped(values), last, endpoints)


def _swapped(values: Tensor) -> Tensor:
    """Swaps the first two axes: [batch, steps, ...] and [steps, batch, ...]."""
    return tf.transpose(values, [1, 0, 2])


def _reversed(values: Tensor, *_: object) -> Tensor:
    return tf.reverse(values, [0])


def _dilated(name: str, scope: str, cell: Cell, dilation: int) -> _Direction:
    """Returns a cell that reads [steps, batch, ...] as [steps / dilation, dilation * batch, ...]."""

    def side_by_side(values: Tensor) -> Tensor:
        steps, _, units = values.shape.as_list()
        rounds = -(-steps // dilation)
        values = tf.pad(values, [[0, rounds * dilation - steps], [0, 0], [0, 0]])
        return tf.reshape(values, [rounds, dilation * tf.shape(values)[1], units])

    def in_a_row(values: Tensor, steps: int, batch: Tensor) -> Tensor:
        units = values.shape.as_list()[2]
        return tf.ensure_shape(tf.reshape(values, [-1, batch, units])[:steps], [steps, None, units])

    return _Direction(name, scope, cell, side_by_side, in_a_row)
