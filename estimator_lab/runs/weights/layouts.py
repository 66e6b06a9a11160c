"""The names that files of weights use for a network's variables."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

Shapes = Mapping[str, Sequence[int]]
"""Of variables, by name, in the order of the network."""


class PublishedTensor(NamedTuple):
    """Where a variable's values are in a file of weights.

    Attributes:
      names: of the tensor in the file.
      shape: of the tensor.
      convert: its values -> the variable's.
    """

    names: re.Pattern[str]
    shape: tuple[int, ...]
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray


class Layout(NamedTuple):
    """How a file names the weights of a network.

    Attributes:
      whose: names they are, for sentences.
      sources: by the names of the variables, in the order of the network.
      layers: names of all tensors of such a file that belong to layers of the kind; one of them that is not a
        source belongs to a larger network.
    """

    whose: str
    sources: Mapping[str, PublishedTensor]
    layers: re.Pattern[str] = re.compile(r'(?!)')


def own_names(variables: Shapes) -> Layout:
    """Returns the layout of a checkpoint that names its variables as the network does."""
    return Layout(
        "the network's own names",
        {
            name: PublishedTensor(re.compile(re.escape(name)), tuple(shape))
            for name, shape in variables.items()
        },
    )
