"""Reads untrusted JSON: sizes are limited, and types are checked."""

import inspect
import json
import math
import re
import reprlib
from collections.abc import Hashable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np

from estimator_lab.base.files import read_regular

T = TypeVar('T')

MOST_BYTES = 64 * 2**20
"""Largest file; Python objects need about twenty times as much memory."""

_DEEPEST = 32
_MOST_DIGITS = 100
_SHOWN = 80
_ITEMS = _SHOWN // 3  # an item of a list takes three letters or more
_EXCERPT = reprlib.Repr()  # quick and short also for a list of 60,000 arrays
_EXCERPT.maxlevel = _DEEPEST
_EXCERPT.maxlist = _EXCERPT.maxtuple = _EXCERPT.maxdict = _EXCERPT.maxset = _ITEMS
_EXCERPT.maxstring = _EXCERPT.maxlong = _EXCERPT.maxother = 3 * _SHOWN
_KINDS = {str: 'a text', int: 'a whole number of at most 63 bits', float: 'a number', bool: 'true or false'}


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """Returns the value in a JSON file.

    Raises:
      OSError: it can't be read.
      ValueError: it is not a regular file, larger than `most_bytes`, or rejected by `parse_json`.
    """
    return parse_json(read_regular(path, most_bytes))


def parse_json(text: str | bytes) -> Any:
    """Returns the value of JSON in UTF-8: dict, list, str, int up to 100 digits, finite float, bool or None.

    Raises:
      ValueError: it is not JSON, holds another number, a lone surrogate or a name twice in one object, or is
        nested more than 32 deep.
    """
    decoded = text.decode() if isinstance(text, bytes) else text
    try:
        value = json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_no_number,
        )
    except RecursionError as error:
        raise ValueError(f'it is nested more than {_DEEPEST} deep') from error
    _check(value)
    return value


def as_object(value: Any, kind: type[T], name: str = '') -> T:
    """Converts parsed JSON to a dataclass or named tuple.

    Args:
      value: the JSON object, a dict of the fields by name; fields with a default may be missing.
      kind: the class; its annotations may be str, int, float, bool, Any, further such classes, and list,
        tuple and dict of these.
      name: of the value, for errors.

    Raises:
      ValueError: a field is missing, unknown or of another type.
    """
    if not isinstance(value, dict):
        raise ValueError(f'{_its(name)} is {shown(value)}, not an object')
    fields, kinds = _fields_of(cast(Hashable, kind))
    if unknown := sorted(value.keys() - fields.keys()):
        raise ValueError(f'{_its(name)} has an unknown field {shown(unknown[0])}')
    for field, parameter in fields.items():
        if parameter.default is parameter.empty and field not in value:
            raise ValueError(f'{_its(name)} has no field {field!r}')
    prefix = f'{name}.' if name else ''
    return kind(**{field: as_type(inner, kinds[field], f'{prefix}{field}') for field, inner in value.items()})


def as_type(value: Any, kind: Any, name: str) -> Any:
    """Converts parsed JSON, or a value of a program, to a type, see `as_object`.

    An int is accepted as a float, a number of NumPy as Python's, and a tuple as a list.

    Raises:
      ValueError: it is of another type.
    """
    outer, inner = get_origin(kind), get_args(kind)
    if isinstance(value, np.generic):
        value = value.item()
    if kind is Any:
        return value
    if outer is dict and isinstance(value, dict):
        return {key: as_type(item, inner[1], f'{name}[{shown(key)}]') for key, item in value.items()}
    if outer in (list, tuple) and isinstance(value, list | tuple):
        kinds = inner if outer is tuple and inner[-1] is not ... else inner[:1] * len(value)
        if len(kinds) == len(value):
            pairs = enumerate(zip(value, kinds, strict=True))
            return outer(as_type(item, each, f'{name}[{n}]') for n, (item, each) in pairs)
    if outer is None and kind not in _KINDS and inspect.isclass(kind) and not isinstance(value, kind):
        return as_object(value, kind, name)
    if type(value) is kind and (kind is not int or abs(value) < 2**63):
        return value
    if kind is float and type(value) is int:
        return value
    expected = _KINDS.get(kind) or ('an object' if outer is dict else f'a list for {kind}')
    raise ValueError(f'its {name} is {shown(value)}, not {expected}')


def shown(value: Any) -> str:
    """Returns a value as messages quote it: on one line, printable, at most 80 characters."""
    return shortened(re.sub(r'\s*\n\s*', ' ', _EXCERPT.repr(value)))


def shortened(text: str) -> str:
    """Returns a text of at most 80 characters.

    Examples:
        >>> shortened('crop'), len(shortened('c' * 100))
        ('crop', 80)
    """
    return text if len(text) <= _SHOWN else f'{text[: _SHOWN - 3]}...'


@cache
def _fields_of(kind: Hashable) -> tuple[dict[str, inspect.Parameter], dict[str, Any]]:
    return dict(inspect.signature(cast(type, kind)).parameters), get_type_hints(kind)


def _its(name: str) -> str:
    return f'its {name}' if name else 'it'


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f'it has the name {shown(name)} twice in one object')
        fields[name] = value
    return fields


def _whole(text: str) -> int:
    if len(text.lstrip('-')) > _MOST_DIGITS:
        raise ValueError(f'it holds a whole number of more than {_MOST_DIGITS} digits')
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f'it holds the number {text[:_SHOWN]}, which is too large')
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f'it holds {text}, which is not a number')


def _check(value: Any, depth: int = 1) -> None:
    """Raises ValueError for a value that is nested too deep, or a text with half of a surrogate pair."""
    if depth > _DEEPEST:
        raise ValueError(f'it is nested more than {_DEEPEST} deep')
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f'its text {shown(value)} holds half of a surrogate pair') from error
    elif isinstance(value, list | dict):
        for inner in value if isinstance(value, list) else chain(value, value.values()):
            _check(inner, depth + 1)
