"""The loss as a function of the weights, taken from the graph that the model has built."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.flat import Layout
from estimator_lab.optimizers.second_order.subgraph import Subgraph, ancestors
from estimator_lab.tf1 import tf

_DTYPES = ('float32', 'float64')


class Iterate(NamedTuple):
    """Weights, a vector [size], with the loss there, a scalar, and its gradient [size]."""

    weights: Any
    loss: Any
    gradient: Any


class _Read(NamedTuple):
    """A tensor that depends on one variable alone, as a function of the variable's value."""

    tensor: Any
    variable: int
    of: Callable[[Any], Any]


class Objective:
    """A loss and the variables that it depends on, as one vector.

    The loss at other weights is computed by a copy of what lies between the variables and the loss
    (`Subgraph`), so that it is the loss of the same batch, with the same random draws.

    Args:
      loss: a scalar of the variables' dtype.
      variables: those that learn; others keep their values. Those that the loss does not depend on are left.

    Raises:
      FlagError: for variables of several dtypes or of one that is neither float32 nor float64, for a shape
        that is not known, for a variable that is read inside a loop or a function, and for what `Subgraph`
        refuses; each by name.
      ValueError: if the loss depends on none of the variables, as `tf.train.Optimizer` raises it.
    """

    def __init__(self, loss: Any, variables: Sequence[Any]) -> None:
        before = {op.name for op in ancestors([loss])}
        read = [(variable, _reads(variable, before)) for variable in variables]
        used = [(variable, reads) for variable, reads in read if reads]
        if not used:
            raise ValueError(f'The loss {loss.name!r} depends on none of the variables.')
        self.variables = [variable for variable, _ in used]
        self.dtype = _common_dtype(loss, self.variables)
        self.layout = Layout([_shape(variable) for variable in self.variables])
        self._loss = loss
        self._reads = [
            _Read(tensor, number, of) for number, (_, reads) in enumerate(used) for tensor, of in reads
        ]
        self.sources = [read.tensor for read in self._reads]
        self._subgraph = Subgraph(self.sources, [loss])

    @property
    def operations(self) -> list[Any]:
        """The operations between the variables and the loss, in the graph's order."""
        return self._subgraph.operations

    @property
    def loss(self) -> Any:
        """The loss of the graph as it stands."""
        return self._loss

    def contains(self, tensor: Any) -> bool:
        """Whether a tensor lies between the variables and the loss; what reads a variable does."""
        return self._subgraph.contains(tensor) or any(tensor is source for source in self.sources)

    def here(self) -> Iterate:
        """Returns the graph's own weights, loss and gradient; it costs no copy of the network."""
        gradients = tf.gradients(self._loss, [_source(variable) for variable in self.variables])
        dense = [
            tf.zeros(shape, self.dtype) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, shape in zip(gradients, self.layout.shapes, strict=True)
        ]
        weights = [variable.read_value() for variable in self.variables]
        return Iterate(self.layout.flatten(weights), self._loss, self.layout.flatten(dense))

    def loss_at(self, weights: Any) -> Any:
        """Returns the loss at other weights, a vector [size]."""
        loss = self._subgraph.at(self.values_of(weights))[0]
        loss.set_shape([])
        return loss

    def at(self, weights: Any) -> Iterate:
        """Returns other weights, a vector [size], with the loss and its gradient there."""
        loss = self.loss_at(weights)
        return Iterate(weights, loss, tf.gradients(loss, weights)[0])

    def values_of(self, weights: Any) -> list[Any]:
        """Returns what stands in the place of each of `sources` at other weights."""
        values = self.layout.unflatten(weights)
        return [read.of(values[read.variable]) for read in self._reads]

    def assign(self, weights: Any) -> Any:
        """Returns the operation that gives the variables new values, of a vector [size]."""
        values = self.layout.unflatten(weights)
        return tf.group(*(tf.assign(v, value) for v, value in zip(self.variables, values, strict=True)))


def _source(variable: Any) -> Any:
    """Returns the tensor that everything that reads a variable starts from: its handle, or a reference."""
    return variable.handle if _is_resource(variable) else variable.op.outputs[0]


def _is_resource(variable: Any) -> bool:
    return hasattr(variable, 'handle')


def _reads(variable: Any, before: set[str]) -> list[tuple[Any, Callable[[Any], Any]]]:
    """Returns the tensors through which a loss reads a variable, as functions of its value.

    Args:
      variable: of either kind.
      before: names of the operations that compute the loss.
    """
    source = _source(variable)
    consumers = [op for op in source.consumers() if op.name in before]
    if not _is_resource(variable):
        # What takes the reference itself gets the value in its place.
        return [(source, lambda value: value)] if consumers else []
    return [(op.outputs[0], _read_of(op, variable)) for op in consumers if op.type != 'VariableShape']


def _read_of(op: Any, variable: Any) -> Callable[[Any], Any]:
    """Returns what an operation makes of a resource variable's value."""
    if op.type == 'ReadVariableOp':
        return lambda value: value
    if op.type == 'ResourceGather':
        batch_dims = op.get_attr('batch_dims')
        return lambda value: tf.gather(value, op.inputs[1], batch_dims=batch_dims)
    if op.type == 'ResourceGatherNd':
        return lambda value: tf.gather_nd(value, op.inputs[1])
    raise FlagError(
        f'The variable {variable.op.name!r} is read inside {op.name!r} ({op.type}), a loop or a function: '
        'read it before, with tf.identity, so that the loss can be computed at other weights.'
    )


def _common_dtype(loss: Any, variables: Sequence[Any]) -> Any:
    names = {variable.dtype.base_dtype.name for variable in variables} | {loss.dtype.base_dtype.name}
    if len(names) > 1 or not names <= set(_DTYPES):
        raise FlagError(
            f'Second-order optimizers take a loss and weights of one dtype, {" or ".join(_DTYPES)}, not '
            f'{", ".join(sorted(names))}: a line search needs its digits.'
        )
    return loss.dtype.base_dtype


def _shape(variable: Any) -> list[int]:
    if not variable.shape.is_fully_defined():
        raise FlagError(f'The variable {variable.op.name!r} has no fixed shape, {variable.shape}.')
    return variable.shape.as_list()
