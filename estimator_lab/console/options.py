"""Settings declared once: a dataclass field holds what its flag, the help page and checks are made from."""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

S = TypeVar('S')
_DECLARED = 'option'


@dataclasses.dataclass(frozen=True)
class Option:
    """What is declared of a setting.

    Attributes:
      help: one line for the help page.
      group: the title under which it stands there.
      choices: the values that are allowed; () for all of its type.
      lower: its smallest value.
      upper: its largest value.
    """

    help: str
    group: str
    choices: Sequence[Any] = ()
    lower: float | None = None
    upper: float | None = None


def option(default: Any, group: str, help_text: str, **limits: Any) -> Any:
    """Returns a dataclass field for a setting; its annotation is the flag's type.

    Args:
      default: its default.
      group: see `Option`.
      help_text: see `Option`.
      **limits: choices, lower and upper of `Option`.
    """
    return dataclasses.field(default=default, metadata={_DECLARED: Option(help_text, group, **limits)})


def options_of(settings_class: type) -> dict[str, Option]:
    """Returns what is declared of a class's settings, by name."""
    fields = dataclasses.fields(settings_class)
    return {field.name: field.metadata[_DECLARED] for field in fields if _DECLARED in field.metadata}


def groups_of(settings_class: type) -> dict[str, list[str]]:
    """Returns the names of a class's settings by the titles under which the help page shows them."""
    groups: dict[str, list[str]] = {}
    for name, declared in options_of(settings_class).items():
        groups.setdefault(declared.group, []).append(name)
    return groups


def define_flags(settings_class: type, flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines a flag for each setting of a class."""
    hints = typing.get_type_hints(settings_class)
    for field in dataclasses.fields(settings_class):
        if _DECLARED in field.metadata:
            _define(field.name, hints[field.name], field.default, field.metadata[_DECLARED], flag_values)


def read_flags(settings_class: type[S], flag_values: Any = flags.FLAGS, **changes: Any) -> S:
    """Returns the settings that the flags of a command line say.

    Args:
      settings_class: whose flags were defined.
      flag_values: the flags.
      **changes: settings that are other than their flags.
    """
    hints = typing.get_type_hints(settings_class)
    names = [name for name in options_of(settings_class) if name not in changes]
    given = {name: _value(hints[name], flag_values[name].value) for name in names}
    return settings_class(**given, **changes)


def _define(name: str, hint: Any, default: Any, declared: Option, flag_values: flags.FlagValues) -> None:
    kind, _ = _plain(hint)
    shown = {'flag_values': flag_values}
    bounds: Mapping[str, Any] = {'lower_bound': declared.lower, 'upper_bound': declared.upper}
    if declared.choices:
        choices = list(map(str, declared.choices))
        flags.DEFINE_enum(name, None if default is None else str(default), choices, declared.help, **shown)
    elif kind is bool:
        flags.DEFINE_bool(name, default, declared.help, **shown)
    elif kind is int:
        flags.DEFINE_integer(name, default, declared.help, **bounds, **shown)
    elif kind is float:
        flags.DEFINE_float(name, default, declared.help, **bounds, **shown)
    elif kind is tuple:
        flags.DEFINE_list(name, list(default), declared.help, **shown)
    else:
        flags.DEFINE_string(name, None if default is None else str(default), declared.help, **shown)


def _value(hint: Any, value: Any) -> Any:
    """Returns a flag's value as the setting has it: a path, a number chosen from a list, a tuple."""
    kind, optional = _plain(hint)
    if value is None or (value == '' and kind is Path and optional):
        return None
    return kind(value)


def _plain(hint: Any) -> tuple[type, bool]:
    """Returns a setting's type, and whether it may be None."""
    optional = isinstance(hint, types.UnionType)
    if optional:
        (hint,) = (one for one in typing.get_args(hint) if one is not type(None))
    # A list flag's values; a setting takes any sequence of texts.
    return (tuple if typing.get_origin(hint) is Sequence else hint), optional
