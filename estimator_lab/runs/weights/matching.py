"""Matches a network's variables with the tensors of a weight file, before any of them is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from estimator_lab.base.json_input import shown
from estimator_lab.core.model import AnyModel
from estimator_lab.data.examples.kind import Reader
from estimator_lab.data.input.input_fns import placeholder_features
from estimator_lab.models.published import Layout, Source
from estimator_lab.runs.weights.files import WeightFile
from estimator_lab.tf1 import tf

_DTYPE = 'float32'
_NAMED = 3


@dataclass(frozen=True)
class Matched:
    """Variables and their tensors.

    Attributes:
      whose: which names the file uses, for messages.
      taken: (variable, name of its tensor, its source), in the order of the network.
      lacking: variables that the file does not have; all of them follow the last one taken.
    """

    whose: str
    taken: Sequence[tuple[str, str, Source]]
    lacking: Sequence[str]

    def values(self, file: WeightFile) -> Iterator[tuple[str, np.ndarray]]:
        """Yields (variable, values), float32.

        Raises:
          OSError, ValueError: they can't be read, or are not finite.
        """
        for variable, tensor, source in self.taken:
            values = np.ascontiguousarray(source.convert(file.read(tensor)), np.float32)
            if not np.isfinite(values).all():
                raise ValueError(f'{shown(tensor)} holds values that are not finite')
            yield variable, values


def match(file: WeightFile, layouts: Sequence[Layout]) -> Matched:
    """Finds the weights of a network in a file.

    The last layers may be missing; everything else must exist, with the right shape.

    Raises:
      ValueError: it holds another network's weights; the message names the tensor.
    """
    for layout in layouts:
        tensors = {variable: _tensor_of(file, source) for variable, source in layout.sources.items()}
        taken = [(variable, name, layout.sources[variable]) for variable, name in tensors.items() if name]
        if taken:
            for _, name, source in taken:
                _check_fit(file, name, source)
            for name in file.tensors:
                if layout.layers.fullmatch(name) and name not in tensors.values():
                    raise ValueError(f'it holds {shown(name)}, for which this network has no place')
            return Matched(layout.whose, taken, _lacking(tensors))
    wanted = next(iter(layouts[0].sources), 'anything')
    there = ', '.join(shown(name) for name in list(file.tensors)[:_NAMED]) or 'nothing'
    raise ValueError(f'it holds {there}, but no {wanted} by any name that is known')


def _tensor_of(file: WeightFile, source: Source) -> str:
    """Returns the name of a source's tensor; '' for none."""
    names = [name for name in file.tensors if source.names.fullmatch(name)]
    if len(names) > 1:
        raise ValueError(f'{shown(names[0])} and {shown(names[1])} are the same weights twice')
    return names[0] if names else ''


def _check_fit(file: WeightFile, tensor: str, source: Source) -> None:
    shape, dtype = file.tensors[tensor]
    if shape != source.shape:
        raise ValueError(f'{shown(tensor)} is {_sides(shape)} there and {_sides(source.shape)} here')
    if dtype != _DTYPE:
        raise ValueError(f'{shown(tensor)} is of type {dtype}, not {_DTYPE}')


def _lacking(tensors: dict[str, str]) -> list[str]:
    """Returns the variables without a tensor, all of which must follow the last one that has one."""
    variables = list(tensors)
    last = max(place for place, variable in enumerate(variables) if tensors[variable])
    for variable in variables[:last]:
        if not tensors[variable]:
            raise ValueError(f'it lacks {variable}, but has {tensors[variables[last]]}')
    return variables[last + 1 :]


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
