"""Settings declared once: a dataclass field carries the default, the help text and the allowed values.

Flags of commands, hyper-parameters of models and settings of second-order optimizers are all such fields.
"""

import dataclasses
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

from estimator_lab.base.suggestions import unknown
from estimator_lab.errors import FlagError

S = TypeVar('S')
_DECLARED = 'setting'
_KINDS: dict[type, tuple[Any, str]] = {
    bool: (bool, 'True or False'),
    int: (Integral, 'a whole number'),
    float: (Real, 'a number'),
    str: ((str, os.PathLike), 'a text'),
    Path: ((str, os.PathLike), 'a path'),
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """The declaration of one setting.

    Attributes:
      default: its default value.
      help: one line: its meaning and the allowed values.
      valid: returns whether a value is allowed; None allows every value of the type.
      group: heading that the help page shows it under.
      choices: the allowed values; () for any.
      lower: smallest allowed value.
      upper: largest allowed value.
      structural: whether it decides which variables a checkpoint holds, or their shapes.
      used_if: returns whether it has an effect, given all settings; None for always.
    """

    default: Any
    help: str
    valid: Callable[[Any], bool] | None = None
    group: str = ''
    choices: Sequence[Any] = ()
    lower: float | None = None
    upper: float | None = None
    structural: bool = False
    used_if: Callable[[Any], bool] | None = None


def setting(default: Any, help_text: str, valid: Callable[[Any], bool] | None = None, **declared: Any) -> Any:
    """Returns a dataclass field that declares a `Setting`; its annotation is the setting's type.

    Args:
      default: its default value.
      help_text: one line: its meaning and the allowed values.
      valid: returns whether a value is allowed; None allows every value of the type.
      **declared: further attributes of the `Setting`.

    Examples:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Params:
        ...     units: int = setting(64, 'units of the layer, at least 1', lambda value: value >= 1)
        >>> settings_of(Params)['units'].help
        'units of the layer, at least 1'
        >>> settings_from(Params, {'units': 0})
        Traceback (most recent call last):
        estimator_lab.errors.FlagError: units=0 is not allowed: units of the layer, at least 1.
    """
    metadata = {_DECLARED: Setting(default, help_text, valid, **declared)}
    return dataclasses.field(default=default, metadata=metadata)


def settings_of(settings_class: type) -> dict[str, Setting]:
    """Returns the settings that a dataclass declares, by name; its plain fields are left out."""
    fields = dataclasses.fields(settings_class)
    return {field.name: field.metadata[_DECLARED] for field in fields if _DECLARED in field.metadata}


def settings_in_use(settings: Any) -> dict[str, Any]:
    """Returns the values of the settings that have an effect, by name.

    Args:
      settings: an instance of a dataclass with declared settings.
    """
    declared = settings_of(type(settings)).items()
    return {
        name: getattr(settings, name)
        for name, setting in declared
        if setting.used_if is None or setting.used_if(settings)
    }


def types_of(settings_class: type) -> dict[str, type]:
    """Returns the types of declared settings by name: without their None, and tuple for a sequence."""
    hints = typing.get_type_hints(settings_class)
    return {name: _plain(hints[name]) for name in settings_of(settings_class)}


def settings_from(settings_class: type[S], values: Mapping[str, Any]) -> S:
    """Returns settings with some values from Python, checked as the flags of a command line are.

    Args:
      settings_class: a dataclass with declared settings.
      values: by name. One path stands for a sequence of one; None for a setting without a value.

    Raises:
      FlagError: for an unknown name (it lists the known ones), or a value that is not allowed.
    """
    declared, kinds = settings_of(settings_class), types_of(settings_class)
    for name in values:
        if name not in declared:
            raise FlagError(unknown('Unknown setting', name, declared))
    made = settings_class(
        **{name: _checked(name, v, kinds[name], declared[name]) for name, v in values.items()}
    )
    check_settings(made)
    return made


def structural_settings(settings_class: type) -> dict[str, Any]:
    """Returns the defaults of the structural settings, which a checkpoint is bound to, by name."""
    declared = settings_of(settings_class).items()
    return {name: setting.default for name, setting in declared if setting.structural}


def check_settings(settings: Any, what: str = '') -> None:
    """Raises FlagError for a value that is not allowed; it names the setting and the allowed values.

    Args:
      settings: an instance of a dataclass with declared settings.
      what: words that precede the name, with a space at the end.
    """
    for name, declared in settings_of(type(settings)).items():
        value = getattr(settings, name)
        if declared.valid and not declared.valid(value):
            raise FlagError(f'{what}{name}={value} is not allowed: {declared.help}.')


def _plain(hint: Any) -> type:
    if isinstance(hint, types.UnionType):
        (hint,) = (one for one in typing.get_args(hint) if one is not type(None))
    return tuple if typing.get_origin(hint) is Sequence else hint


def _checked(name: str, value: Any, kind: type, declared: Setting) -> Any:
    """Returns a value as the setting has it, or raises FlagError."""
    if value is None and declared.default is None:
        return None
    if kind is tuple:
        several = [value] if isinstance(value, str | os.PathLike) else value
        if not isinstance(several, Sequence) or isinstance(several, bytes):
            raise FlagError(f'{name}={value!r} must be a path, or several in a list.')
        return tuple(_checked(name, one, str, declared) for one in several)
    accepted, noun = _KINDS[kind]
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise FlagError(f'{name}={value!r} must be {noun}.')
    if declared.choices and value not in declared.choices:
        raise FlagError(f'{name}={value!r} must be one of {", ".join(map(repr, declared.choices))}.')
    if declared.lower is not None and not value >= declared.lower:
        raise FlagError(f'{name}={value!r} must be {declared.lower} or more.')
    if declared.upper is not None and not value <= declared.upper:
        raise FlagError(f'{name}={value!r} must be {declared.upper} or less.')
    return os.fspath(value) if kind is str else kind(value)
