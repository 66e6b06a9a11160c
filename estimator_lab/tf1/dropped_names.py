"""What Python, NumPy, SciPy and Pillow have dropped since TensorFlow 1, for programs that `run` runs.

A name or module that still exists keeps its meaning, and SciPy and Pillow are imported only by the program.
"""

import base64
import collections
import collections.abc
import fractions
import functools
import inspect
import math
import random
import sys
import time
import unittest
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from estimator_lab.tf1.finder import FINDER, Forwarder, look_up


class ArgSpec(NamedTuple):
    """What `inspect.getargspec` returned."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


def getargspec(function: Callable[..., Any]) -> ArgSpec:
    """Returns the parameters of a function, as Python's function of this name did up to 3.10."""
    return ArgSpec(*inspect.getfullargspec(function)[:4])


def formatargspec(
    args: Sequence[str],
    varargs: str | None = None,
    varkw: str | None = None,
    defaults: Sequence[Any] | None = None,
    kwonlyargs: Sequence[str] = (),
    kwonlydefaults: Mapping[str, Any] | None = None,
    *unused: Any,
) -> str:
    """Returns the text of parameters, such as '(a, b=1, *more)', as Python's function did up to 3.10."""
    given = dict(zip(reversed(args), reversed(defaults or ()), strict=False)) | dict(kwonlydefaults or {})
    by_place, by_name = (
        [f'{name}={given[name]!r}' if name in given else name for name in names]
        for names in (args, kwonlyargs)
    )
    star = [f'*{varargs}'] if varargs else ['*'] if kwonlyargs else []
    return f'({", ".join([*by_place, *star, *by_name, *([f"**{varkw}"] if varkw else [])])})'


class _Cast(dict[Any, Any]):
    """`np.cast[dtype](values)`."""

    def __missing__(self, dtype: Any) -> Callable[[Any], np.ndarray]:
        return lambda values: np.asarray(values).astype(dtype)


def _whole(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _restore_random() -> None:
    """Lets `random` take whole numbers as floats, and samples of sets, as Python 3.9 did."""
    randrange, sample = random.Random.randrange, random.Random.sample

    @functools.wraps(randrange)
    def with_floats(self: Any, *bounds: Any) -> int:
        return randrange(self, *map(_whole, bounds))

    @functools.wraps(sample)
    def of_sets(self: Any, population: Any, *args: Any, **more: Any) -> list[Any]:
        listed = tuple(population) if isinstance(population, collections.abc.Set) else population
        return sample(self, listed, *args, **more)

    for name, method in (('randrange', with_floats), ('sample', of_sets)):
        setattr(random.Random, name, method)
        setattr(random, name, getattr(random.randint.__self__, name))  # type: ignore[attr-defined]


def find_common_type(array_types: Sequence[Any], scalar_types: Sequence[Any]) -> np.dtype | None:
    """Returns the type of operations on arrays and scalars, as NumPy did before 2.0."""
    arrays, scalars = (
        np.result_type(*types) if len(types) else None for types in (array_types, scalar_types)
    )
    if arrays is None or scalars is None:
        return scalars if arrays is None else arrays
    kinds = 'buifcSUVOMm'
    wider = kinds.index(scalars.kind) > kinds.index(arrays.kind)
    return np.promote_types(arrays, scalars) if wider else arrays


_PYTHONS_TYPES = {kind.__name__: kind for kind in (bool, complex, float, int, object, str)}
_SCALARS = {
    **{'float_': np.float64, 'complex_': np.complex128, 'string_': np.bytes_, 'unicode_': np.str_},
    **{'singlecomplex': np.complex64, 'cfloat': np.complex128, 'longfloat': np.longdouble},
    **{'bool8': np.bool_, 'int0': np.intp, 'uint0': np.uintp, 'object0': np.object_},
}
_ASSERTIONS = {
    **{'assert_': 'True', 'assertEquals': 'Equal', 'assertNotEquals': 'NotEqual'},
    **{'assertAlmostEquals': 'AlmostEqual', 'assertNotAlmostEquals': 'NotAlmostEqual'},
    **{'assertRegexpMatches': 'Regex', 'assertNotRegexpMatches': 'NotRegex'},
    'assertRaisesRegexp': 'RaisesRegex',
}
DROPPED: Mapping[Any, Mapping[str, Any]] = {
    base64: {'encodestring': base64.encodebytes, 'decodestring': base64.decodebytes},
    collections: {name: getattr(collections.abc, name) for name in collections.abc.__all__},
    fractions: {'gcd': math.gcd},
    inspect: {'getargspec': getargspec, 'formatargspec': formatargspec},
    time: {'clock': time.perf_counter},
    unittest.TestCase: {old: getattr(unittest.TestCase, f'assert{new}') for old, new in _ASSERTIONS.items()},
    flags.FlagValues: {
        '_parse_flags': lambda self, args=None: self(args or sys.argv)
    },  # up to TensorFlow 1.4
    np: {
        **_PYTHONS_TYPES,
        **_SCALARS,
        **{'long': int, 'unicode': str, 'NaN': np.nan, 'NAN': np.nan},
        **{'Inf': np.inf, 'infty': np.inf, 'Infinity': np.inf, 'PINF': np.inf, 'NINF': -np.inf},
        **{'product': np.prod, 'cumproduct': np.cumprod, 'alltrue': np.all, 'sometrue': np.any},
        **{'round_': np.round, 'mat': np.asmatrix, 'row_stack': np.vstack, 'cast': _Cast()},
        'asscalar': lambda array: array.item(),
        'msort': lambda array: np.sort(array, axis=0),
        'in1d': lambda ar1, ar2, *args, **more: np.isin(np.ravel(ar1), ar2, *args, **more),
        'trapz': getattr(np, 'trapezoid', None),
        'asfarray': lambda a, dtype=np.float64: np.asarray(
            a, dtype if np.issubdtype(dtype, np.inexact) else np.float64
        ),
        'rank': np.ndim,
        'alen': lambda a: len(np.array(a, ndmin=1)),
        **{
            name: value
            for name, value in vars(getattr(np, 'exceptions', np)).items()
            if name.endswith(('Error', 'Warning'))
        },
        'find_common_type': find_common_type,
    },
    np.lib: {'pad': np.pad},
}
"""{module or class: {name: what it meant}}."""
_RENAMED = {
    'reshape': ('newshape', 'shape'),
    **dict.fromkeys(('quantile', 'percentile', 'nanquantile', 'nanpercentile'), ('interpolation', 'method')),
    **dict.fromkeys(('histogram', 'histogram2d', 'histogramdd'), ('normed', 'density')),
}
"""{function of NumPy: (what an argument of it was called, what it is called now)}."""
_OF_SEQUENCES = ('vstack', 'hstack', 'dstack', 'column_stack', 'stack', 'concatenate', 'sum')
"""Functions of NumPy that accepted iterators."""
_MODULES = {
    'imp': 'estimator_lab.tf1.imp_module',
    'scipy.misc': 'estimator_lab.tf1.scipy_misc',
    'scipy.sparse.linalg.eigen': 'scipy.sparse.linalg',
    'scipy.sparse.linalg.eigen.arpack': 'scipy.sparse.linalg',
}
"""{module that may be missing: the module with its names}."""
_OLD_FILTERS = {'ANTIALIAS': 'LANCZOS', 'LINEAR': 'BILINEAR', 'CUBIC': 'BICUBIC'}


def restore_dropped_names() -> None:
    """Adds what is missing, in the whole process."""
    for module, names in DROPPED.items():
        for name, meaning in names.items():
            if name not in vars(module):
                setattr(module, name, meaning)
    if not hasattr(random.Random.sample, '__wrapped__'):
        _restore_random()
    if not hasattr(np.array, '__wrapped__'):
        np.array = _as_before(np.array)
        np.fromstring = _from_bytes_too(np.fromstring)
        for name, (old, new) in _RENAMED.items():
            setattr(np, name, _accepting(old, new, getattr(np, name)))
        for name in _OF_SEQUENCES:
            setattr(np, name, _accepting_iterators(getattr(np, name)))
    for name in _MODULES:
        FINDER.supply(name, _loader_of)
    FINDER.answer('scipy.misc', lambda name: look_up(_MODULES['scipy.misc'], name))
    FINDER.hook('scipy.sparse.linalg.eigen', after=lambda module: vars(module).setdefault('__path__', []))
    FINDER.hook('PIL.Image', after=restore_pillow)
    FINDER.hook('PIL.ImageFont', after=restore_sizes)
    FINDER.hook('PIL.ImageDraw', after=restore_sizes)


def _as_before(array: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `np.array` as it was before NumPy 1.24: rows of different lengths become objects.

    And before 2.0: `copy=False` copies where it must.
    """

    @functools.wraps(array)
    def make(values: Any, *args: Any, **options: Any) -> Any:
        if options.get('copy') is False:
            options['copy'] = None if int(np.__version__.partition('.')[0]) >= 2 else False
        try:
            return array(values, *args, **options)
        except ValueError as error:
            if args or 'dtype' in options or 'inhomogeneous' not in str(error):
                raise
            return array(values, dtype=object, **options)

    return make


def _from_bytes_too(fromstring: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `np.fromstring` that reads bytes, as it did before NumPy 2.3, if it gets no separator."""

    @functools.wraps(fromstring)
    def read(string: Any, dtype: Any = float, count: int = -1, *, sep: str = '', **more: Any) -> Any:
        if sep:
            return fromstring(string, dtype, count, sep=sep, **more)
        data = string.encode('latin-1') if isinstance(string, str) else string
        return np.frombuffer(data, dtype, count).copy()

    return read


def _accepting_iterators(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function whose first argument may be a generator, as before NumPy 1.24."""

    @functools.wraps(function)
    def call(values: Any, *args: Any, **options: Any) -> Any:
        is_iterator = isinstance(values, collections.abc.Iterator | collections.abc.MappingView)
        return function(list(values) if is_iterator else values, *args, **options)

    return call


def _accepting(old: str, new: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that takes an argument by its old name too."""
    if old in inspect.signature(function).parameters:
        return function

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if old in options:
            options[new] = options.pop(old)
        return function(*args, **options)

    return call


def print_numbers_as_before() -> None:
    """Makes NumPy 2 print its numbers as NumPy 1 did: `1.5`, not `np.float64(1.5)`."""
    if int(np.__version__.partition('.')[0]) >= 2:
        np.set_printoptions(legacy='1.25')


def _loader_of(fullname: str) -> Loader | None:
    return Forwarder([_MODULES[fullname]]) if fullname in _MODULES else None


def restore_pillow(module: Any) -> None:
    """Adds the constants that Pillow 10 dropped, and `Image.getdata`, deprecated since 12.1."""
    for old, new in _OLD_FILTERS.items():
        if not hasattr(module, old):
            setattr(module, old, getattr(module.Resampling, new))
    if not hasattr(module.Image, 'getdata'):
        module.Image.getdata = _getdata
    warnings.filterwarnings('ignore', r'.*getdata is deprecated', DeprecationWarning)


def _getdata(self: Any, band: int | None = None) -> Any:
    """Returns the pixels of all bands, or of one."""
    return (self if band is None else self.getchannel(band)).get_flattened_data()


def restore_sizes(module: Any) -> None:
    """Adds the methods of PIL.ImageFont or PIL.ImageDraw that measured text, which Pillow 10 dropped."""
    for kind, methods in _SIZES.items():
        for name, method in methods.items():
            if hasattr(module, kind) and not hasattr(getattr(module, kind), name):
                setattr(getattr(module, kind), name, method)


def _size(self: Any, text: Any, *args: Any, **more: Any) -> tuple[int, int]:
    """Returns the width of a line, and its height from the top of the highest letter, in pixels."""
    left, _, right, bottom = self.getbbox(text, '', *args, **more)
    return right - left, bottom + more.get('stroke_width', 0)


def _size_of_lines(
    self: Any, text: Any, direction: Any = None, spacing: int = 4, *args: Any, **more: Any
) -> tuple[int, int]:
    lines = text.split('\n' if isinstance(text, str) else b'\n')
    height = self.getsize('A', stroke_width=more.get('stroke_width', 0))[1] + spacing
    widths = [self.getsize(line, direction, *args, **more)[0] for line in lines]
    return max(widths), len(lines) * height - spacing


def _drawn_size(
    self: Any, text: Any, font: Any = None, spacing: int = 4, direction: Any = None, *args: Any, **more: Any
) -> tuple[int, int]:
    font = font or self.getfont()
    if ('\n' if isinstance(text, str) else b'\n') in text:
        return _size_of_lines(font, text, direction, spacing, *args, **more)
    return font.getsize(text, direction, *args, **more)


def _turned_size(self: Any, text: Any, *args: Any, **more: Any) -> tuple[int, int]:
    size = self.font.getsize(text, *args, **more)
    return size[::-1] if self.orientation in (2, 4) else size  # Image.ROTATE_90 and ROTATE_270


_SIZES: Mapping[str, Mapping[str, Any]] = {
    'ImageFont': {'getsize': _size},
    'TransposedFont': {'getsize': _turned_size},
    'FreeTypeFont': {
        **{'getsize': _size, 'getsize_multiline': _size_of_lines},
        'getoffset': lambda self, text: self.getbbox(text)[:2],
    },
    'ImageDraw': {'textsize': _drawn_size, 'multiline_textsize': _drawn_size},
}
