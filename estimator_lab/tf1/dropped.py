"""Names that Python and NumPy have dropped since TensorFlow 1, for programs that `run` runs."""

import collections
import collections.abc
import inspect
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np


class ArgSpec(NamedTuple):
    """What `inspect.getargspec` returned."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


def getargspec(function: Callable[..., Any]) -> ArgSpec:
    """Returns the parameters of a function, as Python's function of this name did up to 3.10."""
    return ArgSpec(*inspect.getfullargspec(function)[:4])


_PYTHONS_TYPES = {kind.__name__: kind for kind in (bool, complex, float, int, object, str)}
_SCALARS = {'float_': np.float64, 'complex_': np.complex128, 'string_': np.bytes_, 'unicode_': np.str_}
DROPPED: Mapping[ModuleType, Mapping[str, Any]] = {
    collections: {name: getattr(collections.abc, name) for name in collections.abc.__all__},
    inspect: {'getargspec': getargspec},
    time: {'clock': time.perf_counter},
    np: {
        **_PYTHONS_TYPES,
        **_SCALARS,
        **{'long': int, 'unicode': str, 'NaN': np.nan, 'Inf': np.inf, 'product': np.prod},
    },
}
"""{module: {name: what it meant}}."""


def restore_dropped_names() -> None:
    """Adds the names that these modules lack; one that still exists keeps its meaning.

    NumPy 2 then also prints its numbers as NumPy 1 did: `1.5`, not `np.float64(1.5)`.
    """
    for module, names in DROPPED.items():
        for name, meaning in names.items():
            if name not in vars(module):
                setattr(module, name, meaning)
    if int(np.__version__.partition('.')[0]) >= 2:
        np.set_printoptions(legacy='1.25')
