"""Matches a network's variables with the tensors of a weight file, before any of them is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from estimator_lab.base.json_input import shown
from estimator_lab.models.published import Layout, Source
from estimator_lab.runs.weights.files import WeightFile

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
        found = {variable: _name_of(file, source) for variable, source in layout.sources.items()}
        taken = [(variable, tensor, layout.sources[variable]) for variable, tensor in found.items() if tensor]
        if taken:
            for _, tensor, source in taken:
                _check(file, tensor, source)
            _check_no_other(file, layout, {tensor for _, tensor, _ in taken})
            return Matched(layout.whose, taken, _lacking(found))
    wanted = next(iter(layouts[0].sources), 'anything')
    there = ', '.join(shown(name) for name in list(file.tensors)[:_NAMED]) or 'nothing'
    raise ValueError(f'it holds {there}, but no {wanted} by any name that is known')


def _name_of(file: WeightFile, source: Source) -> str:
    """Returns the name of a source's tensor; '' for none."""
    names = [name for name in file.tensors if source.names.fullmatch(name)]
    if len(names) > 1:
        raise ValueError(f'{shown(names[0])} and {shown(names[1])} are the same weights twice')
    return names[0] if names else ''


def _check(file: WeightFile, tensor: str, source: Source) -> None:
    shape, dtype = file.tensors[tensor]
    if shape != source.shape:
        raise ValueError(f'{shown(tensor)} is {_sides(shape)} there and {_sides(source.shape)} here')
    if dtype != _DTYPE:
        raise ValueError(f'{shown(tensor)} is of type {dtype}, not {_DTYPE}')


def _check_no_other(file: WeightFile, layout: Layout, taken: set[str]) -> None:
    for name in file.tensors:
        if layout.layers.fullmatch(name) and name not in taken:
            raise ValueError(f'it holds {shown(name)}, for which this network has no place')


def _lacking(found: dict[str, str]) -> list[str]:
    names = list(found)
    last = max(names.index(variable) for variable, tensor in found.items() if tensor)
    for variable in names[:last]:
        if not found[variable]:
            raise ValueError(f'it lacks {variable}, but has {found[names[last]]}')
    return names[last + 1 :]


def _sides(shape: Sequence[int]) -> str:
    return 'x'.join(map(str, shape)) or 'a number'
