"""Hyper-parameters: the declared settings of a model's parameter class, set by ``--hparams=name=value,...``.

The plain fields of the class are not hyper-parameters: the data decides them (image shape, vocabulary).
"""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from estimator_lab.base.settings import check_settings, setting, settings_of
from estimator_lab.base.suggestions import unknown
from estimator_lab.errors import FlagError

P = TypeVar('P')

structural = functools.partial(setting, structural=True)
"""Declares a hyper-parameter that decides which variables a checkpoint has, or their shapes."""
_NOUNS = {bool: 'true or false', int: 'a whole number', float: 'a finite number'}


def resolve(params_class: type[P], params: Mapping[str, Any] | None) -> P:
    """Returns the parameters of a model function as an object, with defaults for those not given.

    Args:
      params_class: the model's parameter class.
      params: what Estimator hands to the model function.

    Raises:
      FlagError: for an unknown name (it lists the known ones) or a value that is not allowed.
    """
    params = dict(params or {})
    known = [f.name for f in dataclasses.fields(params_class)]  # type: ignore[arg-type]
    for name in params:
        if name not in known:
            raise FlagError(unknown('Unknown hyper-parameter', name, known))
    resolved = params_class(**params)
    check_settings(resolved, 'Hyper-parameter ')
    return resolved


def parse_hparams(params_class: type, text: str) -> dict[str, Any]:
    """Parses 'name=value,name=value' into typed values.

    Args:
      params_class: the model's parameter class.
      text: as given to --hparams; '' gives {}.

    Raises:
      FlagError: for an unknown name, a value of the wrong type, or a part without '='.
    """
    known = settings_of(params_class)
    values: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in text.split(','))):
        name, equals, value = (p.strip() for p in part.partition('='))
        if not equals:
            raise FlagError(f'--hparams takes name=value,name=value, not {part!r}.')
        if name not in known:
            raise FlagError(unknown('Unknown hyper-parameter', name, known))
        if name in values:
            raise FlagError(f'Hyper-parameter {name} is given twice in --hparams: give it once.')
        values[name] = _typed(name, value, type(known[name].default))
    return values


def describe_hparams(params_class: type) -> str:
    """Returns one line for each hyper-parameter: name, default and meaning."""
    return '\n'.join(f'  {name}={s.default}  {s.help}' for name, s in settings_of(params_class).items())


def sizes(text: str) -> tuple[int, ...]:
    """Returns the sizes of some layers, (500, 250) for '500-250'; () for ''.

    Examples:
        >>> sizes('500-250')
        (500, 250)
        >>> sizes('')
        ()

    Raises:
      ValueError: for anything but positive whole numbers with '-' between them.
    """
    parts = text.split('-') if text else []
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(f'{text!r} is not a list of sizes such as 500-250.')
    return tuple(map(int, parts))


def are_sizes(text: str) -> bool:
    """Returns whether `sizes` accepts the string.

    Examples:
        >>> are_sizes('500-250'), are_sizes('500-0')
        (True, False)
    """
    try:
        sizes(text)
    except ValueError:
        return False
    return True


def some_sizes(text: str) -> bool:
    """Returns whether `sizes` accepts the string, and it is not empty.

    Examples:
        >>> some_sizes('1024'), some_sizes('')
        (True, False)
    """
    return bool(text) and are_sizes(text)


def is_share(value: float) -> bool:
    """Returns whether a value is in [0, 1).

    Examples:
        >>> is_share(0), is_share(0.5), is_share(1)
        (True, True, False)
    """
    return 0 <= value < 1


def not_negative(value: float) -> bool:
    """Returns whether a value is 0 or more.

    Examples:
        >>> not_negative(0), not_negative(-1)
        (True, False)
    """
    return value >= 0


def is_positive(value: float) -> bool:
    """Returns whether a value is above 0.

    Examples:
        >>> is_positive(0.1), is_positive(0)
        (True, False)
    """
    return value > 0


def at_least_1(value: float) -> bool:
    """Returns whether a value is 1 or more.

    Examples:
        >>> at_least_1(1), at_least_1(0)
        (True, False)
    """
    return value >= 1


def _typed(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        choices = {'true': True, '1': True, 'false': False, '0': False}
        if text.lower() in choices:
            return choices[text.lower()]
    else:
        with contextlib.suppress(ValueError):
            value = kind(text)
            if kind is not float or math.isfinite(value):
                return value
    raise FlagError(f'--hparams={name}={text} is not {_NOUNS[kind]}.')
