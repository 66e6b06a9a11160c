"""A model's layers, their outputs and parameters, as a table."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from estimator_lab.base.printable import padded
from estimator_lab.core.endpoints import published, variables_of
from estimator_lab.tf1 import Graph, tf

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


def layer_sizes(graph: Graph, counted: Iterable[Any]) -> list[LayerSize]:
    """Returns the layers of the network in a graph, from the input to the output; only endpoints have shapes.

    A layer has the variables that its output depends on, and the outputs of preceding layers do not.
    `counted` are the variables that count.
    """
    trainable = {variable.op.name for variable in tf.trainable_variables()}
    sizes = {
        variable.op.name: math.prod(length or 1 for length in variable.shape.as_list())
        for variable in counted
        if variable.op.name != tf.GraphKeys.GLOBAL_STEP
    }

    def size(name: str, shape: str, variables: Iterable[str]) -> LayerSize:
        counts = [0, 0]
        for variable in variables:
            counts[variable not in trainable] += sizes.pop(variable)
        return LayerSize(name, shape, *counts)

    layers, endpoints = [], published(graph)
    for name, variables in variables_of(endpoints).items():
        shape = 'x'.join('?' if n is None else str(n) for n in endpoints[name].shape.as_list()[1:])
        others = {variable for variable in sizes if _scope(variable) == name}  # such as visible biases
        layers.append(size(name, shape, {v.op.name for v in variables} & sizes.keys() | others))
    scopes: dict[str, list[str]] = {}
    for variable in sizes:
        scopes.setdefault(_scope(variable), []).append(variable)
    return [*layers, *(size(scope, '', variables) for scope, variables in scopes.items())]


def summary_lines(layers: Sequence[LayerSize], note: str = '') -> Iterator[str]:
    """Yields the lines of a table of the layers, and their sums."""
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


def _scope(variable: str) -> str:
    return variable.rpartition('/')[0]
