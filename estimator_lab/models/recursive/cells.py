"""The cells of recursive networks: a node's state from its children's states.

A cell has two parts, so that `tree` can compute the gradient by hand: `linear`, one matrix product, has all
the weights; `pointwise` has none and is cheap.
"""

import dataclasses
from collections.abc import Callable, Sequence

from estimator_lab.tf1 import Initializer, Tensor, tf

_FORGET_BIAS = 1.0  # keeps the memory of deep nodes at the start of training


@dataclasses.dataclass(frozen=True)
class TreeCell:
    """h = tanh(W [h_1; h_2] + b): Socher et al. 2011, 'Parsing natural scenes ...', equation 3.

    It is also the base class of the other cells. All calls of a cell share its variables.
    """

    units: int
    arity: int

    @property
    def width(self) -> int:
        """Number of values of a state; the first `units` are the output."""
        return self.units

    @property
    def linear_size(self) -> int:
        """Number of values that `linear` returns for a node."""
        return self.units

    def leaf(self, inputs: Tensor) -> Tensor:
        """Returns the states of leaves, float32 [n, width], from inputs, float32 [n, inputs]."""
        return tf.tanh(_affine('leaf', inputs, self.units))

    def weights(self) -> list[Tensor]:
        """Returns the weights of inner nodes in the order of `linear`: [arity * units, linear_size] and b."""
        return [_kernel('node', self.arity * self.units, self.linear_size), self._bias()]

    def linear(self, weights: Sequence[Tensor], children: Tensor) -> Tensor:
        """Returns float32 [n, linear_size] from the children's states, float32 [n, arity, width]."""
        kernel, bias = weights
        return tf.matmul(self._joined(children), kernel) + bias

    def pointwise(self, values: Tensor, children: Tensor) -> Tensor:
        """Returns states, float32 [n, width], from the result of `linear` and the children's states."""
        del children
        return tf.tanh(values)

    def __call__(self, children: Tensor) -> Tensor:
        """Returns states of nodes, float32 [n, width], from their children's, float32 [n, arity, width]."""
        return self.pointwise(self.linear(self.weights(), children), children)

    def hidden(self, states: Tensor) -> Tensor:
        """Returns the outputs of nodes, float32 [..., units], from their states."""
        return states[..., : self.units]

    def _joined(self, children: Tensor) -> Tensor:
        """Returns the children's outputs, concatenated, float32 [n, arity * units]."""
        return tf.reshape(self.hidden(children), [-1, self.arity * self.units])

    def _bias(self) -> Tensor:
        return _bias('node', self.units)


class TensorCell(TreeCell):
    """h = tanh(x'Vx + Wx + b), x = [h_1; h_2]: Socher et al. 2013, 'Recursive deep models', section 4.3."""

    def weights(self) -> list[Tensor]:
        """Returns W, b and V [arity * units, arity * units, units]."""
        inputs = self.arity * self.units
        initial = tf.random_uniform_initializer(-1 / (2 * inputs), 1 / (2 * inputs))
        return [*super().weights(), _variable('node/tensor', [inputs, inputs, self.units], initial)]

    def linear(self, weights: Sequence[Tensor], children: Tensor) -> Tensor:
        """Returns x'Vx + Wx + b."""
        *plain, tensor = weights
        inputs = self.arity * self.units
        joined = self._joined(children)
        halfway = tf.matmul(joined, tf.reshape(tensor, [inputs, inputs * self.units]))
        quadratic = tf.matmul(joined[:, tf.newaxis], tf.reshape(halfway, [-1, inputs, self.units]))
        return super().linear(plain, children) + quadratic[:, 0]


class TreeLstmCell(TreeCell):
    """The N-ary TreeLSTM, with weights for each child's position: Tai et al. 2015, equations 9 to 14.

    With two children, it is their binary (constituency) TreeLSTM.
    """

    @property
    def width(self) -> int:
        """A state is h, followed by c."""
        return 2 * self.units

    @property
    def linear_size(self) -> int:
        """Input gate, output gate, update, and a forget gate for each child."""
        return (3 + self.arity) * self.units

    def leaf(self, inputs: Tensor) -> Tensor:
        """Returns the states of nodes with an input and without children."""
        gates, update = tf.split(_affine('leaf', inputs, 3 * self.units), [2 * self.units, self.units], 1)
        into, out = tf.split(tf.sigmoid(gates), 2, 1)
        return self._state(into * tf.tanh(update), out)

    def pointwise(self, values: Tensor, children: Tensor) -> Tensor:
        """Returns h and c."""
        gates, update = tf.split(values, [(2 + self.arity) * self.units, self.units], 1)
        into, out, *forget = tf.split(tf.sigmoid(gates), 2 + self.arity, 1)
        cell = into * tf.tanh(update)
        for place, gate in enumerate(forget):
            cell += gate * children[:, place, self.units :]
        return self._state(cell, out)

    def _bias(self) -> Tensor:
        """Returns the biases of the input gate, the output gate, the forget gates and the update."""
        forget = range(2, 2 + self.arity)
        blocks = [[_FORGET_BIAS if n in forget else 0.0] * self.units for n in range(3 + self.arity)]
        initial = tf.constant_initializer([value for block in blocks for value in block])
        return _variable('node/bias', [self.linear_size], initial)

    def _state(self, cell: Tensor, out: Tensor) -> Tensor:
        return tf.concat([out * tf.tanh(cell), cell], 1)


class ChildSumCell(TreeLstmCell):
    """The child-sum TreeLSTM, which ignores the children's order: Tai et al. 2015, equations 2 to 8."""

    def weights(self) -> list[Tensor]:
        """Returns the kernel [units, 3 * units], that of the forget gates [units, units], and the bias."""
        return [
            _kernel('node', self.units, 3 * self.units),
            _kernel('forget', self.units, self.units),
            self._bias(),
        ]

    def linear(self, weights: Sequence[Tensor], children: Tensor) -> Tensor:
        """Returns the gates and the update before their activations."""
        kernel, forget, bias = weights
        outputs = self.hidden(children)
        into_out, update = tf.split(
            tf.matmul(tf.reduce_sum(outputs, 1), kernel), [2 * self.units, self.units], 1
        )
        kept = tf.matmul(tf.reshape(outputs, [-1, self.units]), forget)
        kept = tf.reshape(kept, [-1, self.arity * self.units])
        return tf.concat([into_out, kept, update], 1) + bias


CELLS: dict[str, Callable[[int, int], TreeCell]] = {
    'plain': TreeCell,
    'rntn': TensorCell,
    'child_sum_lstm': ChildSumCell,
    'lstm': TreeLstmCell,
}
"""Name of a cell, as in hyper-parameters -> (units, arity) -> a new cell."""


def _affine(name: str, inputs: Tensor, units: int) -> Tensor:
    return tf.matmul(inputs, _kernel(name, inputs.shape.as_list()[1], units)) + _bias(name, units)


def _kernel(name: str, inputs: int, units: int) -> Tensor:
    return _variable(f'{name}/kernel', [inputs, units], tf.glorot_uniform_initializer())


def _bias(name: str, units: int) -> Tensor:
    return _variable(f'{name}/bias', [units], tf.zeros_initializer())


def _variable(name: str, shape: Sequence[int], initializer: Initializer) -> Tensor:
    with tf.variable_scope('tree', reuse=tf.AUTO_REUSE):
        return tf.get_variable(name, shape, initializer=initializer)
