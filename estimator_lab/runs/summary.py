"""A model's layers, their outputs and parameters, as a table."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from estimator_lab.base.printable import padded
from estimator_lab.core.model.endpoints import LOGITS, published
from estimator_lab.tf1 import Tensor, tf

_VARIABLES = ('VarHandleOp', 'VariableV2')
_NAME, _SHAPE, _NUMBER = 28, 16, 14
_MOST_LAYERS = 60


class LayerSize(NamedTuple):
    """The size of a layer.

    Attributes:
      name: of its endpoint, or the scope of variables without one.
      shape: of its output for one example, such as '28x28x32'; '' for none.
      parameters: numbers in its trainable variables.
      others: numbers in its other variables, such as moving averages.
    """

    name: str
    shape: str
    parameters: int
    others: int


def layer_sizes(graph: Any) -> list[LayerSize]:
    """Returns the layers of a network, whose graph is that of PREDICT, from the input to the output."""
    trained, others = Counter[str](), Counter[str]()
    trainable = {id(variable) for variable in tf.trainable_variables()}
    for variable in tf.global_variables():
        if variable.op.name != tf.GraphKeys.GLOBAL_STEP:
            counter = trained if id(variable) in trainable else others
            counter[_scope(variable.op.name)] += math.prod(length or 1 for length in variable.shape.as_list())
    sizes = []
    for name, endpoint in published(graph).items():
        weights = endpoint.values if endpoint.kernel is None and name == LOGITS else endpoint.kernel
        scope = '' if weights is None else _scope(_variable_of(weights))
        shape = 'x'.join('?' if n is None else str(n) for n in endpoint.values.shape.as_list()[1:])
        sizes.append(LayerSize(name, shape, trained.pop(scope, 0), others.pop(scope, 0)))
    scopes = dict.fromkeys([*trained, *others])
    return [*sizes, *(LayerSize(scope, '', trained[scope], others[scope]) for scope in scopes)]


def summary_lines(layers: Sequence[LayerSize], note: str = '') -> Iterator[str]:
    """Yields the lines of a table of the layers, and their sums.

    Args:
      layers: from the input to the output.
      note: follows the sums.
    """
    yield f'{"Layer":<{_NAME}} {"output":<{_SHAPE}} {"parameters":>{_NUMBER}}'
    for layer in layers[:_MOST_LAYERS]:
        count = f'{layer.parameters:,}' if layer.parameters else '-'
        yield f'{padded(layer.name or "-", _NAME)} {padded(layer.shape, _SHAPE)} {count:>{_NUMBER}}'
    if len(layers) > _MOST_LAYERS:
        yield f'... and {len(layers) - _MOST_LAYERS} more'
    others = _sum(layer.others for layer in layers)
    more = f', and {others} other values' if others != '0' else ''
    yield f'{"All":<{_NAME}} {_sum(layer.parameters for layer in layers)} parameters{more}{note}'


def _sum(counts: Iterable[int]) -> str:
    return f'{sum(counts):,}'


def _scope(name: str) -> str:
    return name.rpartition('/')[0]


def _variable_of(tensor: Tensor) -> str:
    """Returns the name of the variable that a tensor is read or computed from, the last one; '' for none."""
    waiting, seen = [tensor.op], set()
    while waiting:
        op = waiting.pop(0)
        if op.type in _VARIABLES:
            return op.name
        if op.name not in seen:
            seen.add(op.name)
            waiting += [source.op for source in op.inputs]
    return ''
