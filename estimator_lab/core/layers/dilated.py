"""A stack of dilated recurrent layers: each skips twice as many steps as the one below.

Chang et al. 2017, 'Dilated recurrent neural networks': the state of layer l at step t depends on its input
and its state 2^(l-1) steps before. What lies 2^(l-1) steps apart is a sequence of its own; these are run side
by side, as examples of one batch (figure 2 of the paper), so that the loop has fewer steps the wider it is.
"""

from collections.abc import Sequence

from estimator_lab.core.endpoints import Endpoint
from estimator_lab.core.layers.outputs import Outputs
from estimator_lab.core.layers.recurrent import GRU, Cell, drop_steps, time_first
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Tensor, tf


class DilatedLayers:
    """Dilated layers of GRUs; layer number n has the variables `dilated_rnn/cell_N/gru_cell/...`, N = n - 1.

    Args:
      sizes: units of each layer; layer number n skips 2^(n-1) steps.
      dropout_rate: share of the values between two layers that is dropped in training, the same at all steps.
      own_gradient: see `core.layers.recurrent.Cell`.
    """

    def __init__(self, sizes: Sequence[int], dropout_rate: float = 0.0, own_gradient: bool = True) -> None:
        self._dropout_rate = dropout_rate
        self._sizes = sizes
        self._probes = own_gradient
        self._cells = [Cell(GRU, units, own_gradient=own_gradient) for units in sizes]

    def __call__(self, sequence: Tensor, noise: Noise | None = None, probing: bool = False) -> Outputs:
        """Returns what the layers give, and the endpoints rnn_1, rnn_1_update_gate and so on.

        Args:
          sequence: float32 [batch, steps, values].
          noise: decides what is dropped; None drops nothing.
          probing: whether gradients by the states will be asked for; it costs memory.
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
    """Returns [steps, batch, ...] as [steps / dilation, dilation * batch, ...], with zeros at its end."""
    steps, _, units = values.shape.as_list()
    rounds = -(-steps // dilation)
    values = tf.pad(values, [[0, rounds * dilation - steps], [0, 0], [0, 0]])
    return tf.reshape(values, [rounds, dilation * tf.shape(values)[1], units])


def _in_a_row(values: Tensor, steps: int, batch: Tensor) -> Tensor:
    """Returns what `_side_by_side` has folded as it was, [steps, batch, ...]."""
    units = values.shape.as_list()[2]
    return tf.ensure_shape(tf.reshape(values, [-1, batch, units])[:steps], [steps, None, units])
