"""Matches a network's variables with the tensors of a weight file, before any of them is read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from estimator_lab.base.json_input import shown
from estimator_lab.core.model import AnyModel
from estimator_lab.data.examples.kind import Reader
from estimator_lab.data.input.input_fns import placeholder_features
from estimator_lab.runs.weights.files import WeightFile
from estimator_lab.runs.weights.layouts import Layout, PublishedTensor
from estimator_lab.tf1 import tf

_DTYPE = 'float32'
_NAMED = 3


def match(file: WeightFile, layouts: Sequence[Layout], network: str) -> tuple[str, dict[str, np.ndarray]]:
    """Finds the weights of a network in a file; reads them once all are known to be there and to fit.

    Errors describe the network by `network`.

    Returns:
      (whose names it uses, for messages; the values of the variables by name, float32.)

    Raises:
      OSError: a tensor can't be read.
      ValueError: it holds another network's weights, or some that are not finite; the message names the
        tensor.
    """
    for layout in layouts:
        tensors = {variable: _tensor_of(file, source) for variable, source in layout.sources.items()}
        if any(tensors.values()):
            for variable, name in tensors.items():
                if name:
                    _check_fit(file, name, layout.sources[variable])
            for name in file.tensors:
                if layout.layers.fullmatch(name) and name not in tensors.values():
                    raise ValueError(f'it holds {shown(name)}, for which this network has no place')
            _check_complete(tensors, network)
            values = {v: _read(file, name, layout.sources[v]) for v, name in tensors.items()}
            return layout.whose, values
    wanted = next(iter(layouts[0].sources), 'anything')
    there = ', '.join(shown(name) for name in list(file.tensors)[:_NAMED]) or 'nothing'
    raise ValueError(f'it holds {there}, but no {wanted} by any name that is known')


def _tensor_of(file: WeightFile, source: PublishedTensor) -> str:
    """Returns the name of a source's tensor; '' for none."""
    names = [name for name in file.tensors if source.names.fullmatch(name)]
    if len(names) > 1:
        raise ValueError(f'{shown(names[0])} and {shown(names[1])} are the same weights twice')
    return names[0] if names else ''


def _check_fit(file: WeightFile, tensor: str, source: PublishedTensor) -> None:
    shape, dtype = file.tensors[tensor]
    if shape != source.shape:
        raise ValueError(f'{shown(tensor)} is {_sides(shape)} there and {_sides(source.shape)} here')
    if dtype != _DTYPE:
        raise ValueError(f'{shown(tensor)} is of type {dtype}, not {_DTYPE}')


def _check_complete(tensors: dict[str, str], network: str) -> None:
    """Raises ValueError for a variable without a tensor: the file lacks its layer, or stops below it."""
    names = list(tensors.values())
    for place, (variable, name) in enumerate(tensors.items()):
        if not name:
            later = [*filter(None, names[place:])]
            why = f'but has {later[-1]}' if later else f'which {network} has'
            raise ValueError(f'it lacks {variable}, {why}')


def _read(file: WeightFile, tensor: str, source: PublishedTensor) -> np.ndarray:
    values = np.ascontiguousarray(source.convert(file.read(tensor)), np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f'{shown(tensor)} holds values that are not finite')
    return values


def _sides(shape: Sequence[int]) -> str:
    return 'x'.join(map(str, shape)) or 'a number'


def shapes_of_variables(
    model: AnyModel, params: Any, reader: Reader, trainable: bool = False
) -> dict[str, list[int]]:
    """Returns the shapes of a network's variables, or the trainable ones, in the order of their creation."""
    with tf.Graph().as_default():
        features = placeholder_features(reader)
        model.model_fn(features, None, tf.estimator.ModeKeys.PREDICT, vars(params))
        variables = tf.trainable_variables() if trainable else tf.global_variables()
        return {v.op.name: v.shape.as_list() for v in variables if v.op.name != tf.GraphKeys.GLOBAL_STEP}


def dependent_variables(model: AnyModel, params: Any, reader: Reader, name: str) -> set[str]:
    """Returns the names of the variables whose size depends on the number of texts in a parameter.

    The parameter, `name`, is 'vocabulary', 'tokens' or 'styles'.
    """
    of_two, of_three = shapes_with_texts(model, params, reader, name)
    return {variable for variable in of_two if of_two[variable] != of_three[variable]}


def shapes_with_texts(model: AnyModel, params: Any, reader: Reader, name: str) -> list[dict[str, list[int]]]:
    """Returns the shapes of a network's variables with two and with three texts in a parameter."""
    return [
        shapes_of_variables(model, replace(params, **{name: texts}), reader)
        for texts in (('a', 'b'), ('a', 'b', 'c'))
    ]
