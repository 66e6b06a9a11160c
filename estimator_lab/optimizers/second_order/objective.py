"""The loss as a function of one vector of weights, derived from the graph of any model."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers.second_order.subgraph import Subgraph, ancestors
from estimator_lab.tf1 import DType, Operation, Tensor, Variable, tf

_DTYPES = ('float32', 'float64')
_ROUNDING = 4  # units in the last place of the loss


class Iterate(NamedTuple):
    """Weights, a vector [size]; the loss at these weights, a scalar; its gradient, [size]."""

    weights: Tensor
    loss: Tensor
    gradient: Tensor


class Objective:
    """A loss as a function of its variables, laid out one after the other in one vector [size].

    The loss at other weights is computed by a copy of the graph between the variables and the loss
    (`Subgraph`), for the same batch and the same random draws. Variables that it does not depend on are
    ignored.

    Attributes:
      loss: a scalar of the variables' dtype.
      variables: the variables that the loss depends on.
      shapes: their shapes.
      size: the number of their values.
      dtype: their dtype, float32 or float64.
      sources: the tensors through which the loss reads the variables.
      operations: the operations between the variables and the loss, in the graph's order.

    Raises:
      FlagError: for variables of several dtypes or of one other than float32 and float64, for an unknown
        shape, for a variable that is read inside a loop or a function, and for what `Subgraph` rejects.
      ValueError: if the loss depends on none of the variables, as in `tf.train.Optimizer`.
    """

    def __init__(self, loss: Tensor, variables: Sequence[Variable]) -> None:
        before = {op.name for op in ancestors([loss])}
        read = [(variable, _reads(variable, before)) for variable in variables]
        used = [(variable, reads) for variable, reads in read if reads]
        if not used:
            raise ValueError(f'The loss {loss.name!r} depends on none of the variables.')
        self.loss = loss
        self.variables = [variable for variable, _ in used]
        self.dtype = _common_dtype(loss, self.variables)
        self.shapes = [_shape(variable) for variable in self.variables]
        self._sizes = [math.prod(shape) for shape in self.shapes]
        self.size = sum(self._sizes)
        # Each source with the number of the variable that it reads, as a function of the variable's value.
        self._reads = [(number, *read) for number, (_, reads) in enumerate(used) for read in reads]
        self.sources = [tensor for _, tensor, _ in self._reads]
        self._subgraph = Subgraph(self.sources, [loss])
        self.operations = self._subgraph.operations

    def contains(self, tensor: Tensor) -> bool:
        """Returns whether a tensor is between the variables and the loss, or reads a variable."""
        return self._subgraph.contains(tensor) or any(tensor is source for source in self.sources)

    def here(self) -> Iterate:
        """Returns the graph's own weights, loss and gradient, without a copy of the network."""
        gradients = tf.gradients(self.loss, [_source(variable) for variable in self.variables])
        dense = [
            tf.zeros(shape, self.dtype) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, shape in zip(gradients, self.shapes, strict=True)
        ]
        weights = [variable.read_value() for variable in self.variables]
        return Iterate(flatten(weights), self.loss, flatten(dense))

    def loss_at(self, weights: Tensor) -> Tensor:
        """Returns the loss, a scalar, at other weights [size]."""
        loss = self._subgraph.at(self.values_of(weights))[0]
        loss.set_shape([])
        return loss

    def at(self, weights: Tensor) -> Iterate:
        """Returns other weights [size] with the loss and its gradient there."""
        loss = self.loss_at(weights)
        return Iterate(weights, loss, tf.gradients(loss, weights)[0])

    def values_of(self, weights: Tensor) -> list[Tensor]:
        """Returns the values of `sources` at other weights [size]."""
        values = self._unflatten(weights)
        return [of(values[number]) for number, _, of in self._reads]

    def assign(self, weights: Tensor) -> Operation:
        """Returns the operation that assigns a vector [size] to the variables."""
        values = self._unflatten(weights)
        return tf.group(*(tf.assign(v, value) for v, value in zip(self.variables, values, strict=True)))

    def _unflatten(self, vector: Tensor) -> list[Tensor]:
        parts = tf.split(vector, self._sizes)
        return [tf.reshape(part, shape) for part, shape in zip(parts, self.shapes, strict=True)]


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """Returns tensors as one vector."""
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def dot(one: Tensor, other: Tensor) -> Tensor:
    """Returns the inner product of two vectors, a scalar."""
    return tf.reduce_sum(one * other)


def norm(vector: Tensor) -> Tensor:
    """Returns the Euclidean length of a vector, a scalar."""
    return tf.sqrt(dot(vector, vector))


def rounding(loss: Tensor) -> Tensor:
    """Returns by how much a loss, a scalar, may differ by rounding alone."""
    return _ROUNDING * epsilon(loss.dtype) * tf.abs(loss)


def epsilon(dtype: DType) -> float:
    """Returns the distance from 1 to the next number of a dtype: 1.2e-7 for float32."""
    return float(np.finfo(tf.as_dtype(dtype).as_numpy_dtype).eps)


def choose(condition: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Returns one of two structures of tensors without copying it."""
    return tf.cond(condition, lambda: one, lambda: other)


def _is_resource(variable: Variable) -> bool:
    return hasattr(variable, 'handle')


def _source(variable: Variable) -> Tensor:
    """Returns the tensor through which a variable is read: its handle, or a reference."""
    return variable.handle if _is_resource(variable) else variable.op.outputs[0]


def _reads(variable: Variable, before: set[str]) -> list[tuple[Operation, Callable[[Tensor], Tensor]]]:
    """Returns the tensors by which the operations named in `before` read a variable, as functions of it."""
    source = _source(variable)
    consumers = [op for op in source.consumers() if op.name in before]
    if not _is_resource(variable):
        # The value replaces the reference itself.
        return [(source, lambda value: value)] if consumers else []
    return [(op.outputs[0], _read_of(op, variable)) for op in consumers if op.type != 'VariableShape']


def _read_of(op: Operation, variable: Variable) -> Callable[[Tensor], Tensor]:
    """Returns the result of an operation that reads a resource variable, as a function of its value."""
    if op.type == 'ReadVariableOp':
        return lambda value: value
    if op.type == 'ResourceGather':
        batch_dims = op.get_attr('batch_dims')
        return lambda value: tf.gather(value, op.inputs[1], batch_dims=batch_dims)
    if op.type == 'ResourceGatherNd':
        return lambda value: tf.gather_nd(value, op.inputs[1])
    raise FlagError(
        f'The variable {variable.op.name!r} is read inside {op.name!r} ({op.type}), a loop or a function: '
        'read it outside, with tf.identity, so that the loss can be computed at other weights.'
    )


def _common_dtype(loss: Tensor, variables: Sequence[Variable]) -> DType:
    names = {variable.dtype.base_dtype.name for variable in variables} | {loss.dtype.base_dtype.name}
    if len(names) > 1 or not names <= set(_DTYPES):
        raise FlagError(
            f'Second-order optimizers need a loss and weights of one dtype, {" or ".join(_DTYPES)}, not '
            f'{", ".join(sorted(names))}: a line search needs its digits.'
        )
    return loss.dtype.base_dtype


def _shape(variable: Variable) -> tuple[int, ...]:
    if not variable.shape.is_fully_defined():
        raise FlagError(f'The variable {variable.op.name!r} has no fixed shape, {variable.shape}.')
    return tuple(variable.shape.as_list())
