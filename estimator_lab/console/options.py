"""Command-line flags made from declared settings, and settings read back from flags."""

import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from estimator_lab.base.settings import Setting, settings_of

S = TypeVar('S')


def groups_of(settings_class: type) -> dict[str, list[str]]:
    """Returns the names of a class's settings by the heading that the help page shows them under."""
    groups: dict[str, list[str]] = {}
    for name, declared in settings_of(settings_class).items():
        groups.setdefault(declared.group, []).append(name)
    return groups


def define_flags(settings_class: type, flag_values: flags.FlagValues) -> None:
    """Defines a flag for each setting of a class."""
    hints = typing.get_type_hints(settings_class)
    for name, declared in settings_of(settings_class).items():
        _define(name, hints[name], declared, flag_values)


def read_flags(settings_class: type[S], flag_values: Any) -> S:
    """Returns the settings that the flags of a command line say."""
    hints = typing.get_type_hints(settings_class)
    return settings_class(
        **{name: _value(hints[name], flag_values[name].value) for name in settings_of(settings_class)}
    )


def _define(name: str, hint: Any, declared: Setting, flag_values: flags.FlagValues) -> None:
    kind = _plain(hint)
    default, text = declared.default, declared.help
    bounds: dict[str, Any] = {'lower_bound': declared.lower, 'upper_bound': declared.upper}
    if declared.choices:
        choices = list(map(str, declared.choices))
        default = None if default is None else str(default)
        flags.DEFINE_enum(name, default, choices, text, flag_values=flag_values)
    elif kind is bool:
        flags.DEFINE_bool(name, default, text, flag_values=flag_values)
    elif kind is int:
        flags.DEFINE_integer(name, default, text, flag_values=flag_values, **bounds)
    elif kind is float:
        flags.DEFINE_float(name, default, text, flag_values=flag_values, **bounds)
    elif kind is tuple:
        flags.DEFINE_list(name, list(default), text, flag_values=flag_values)
    else:
        flags.DEFINE_string(name, None if default is None else str(default), text, flag_values=flag_values)


def _value(hint: Any, value: Any) -> Any:
    """Returns a flag's value as the setting has it: a path, a number chosen from a list, a tuple."""
    kind = _plain(hint)
    return None if value is None or (value == '' and kind is Path) else kind(value)


def _plain(hint: Any) -> type:
    """Returns a setting's type without its None; tuple for a sequence."""
    if isinstance(hint, types.UnionType):
        (hint,) = (one for one in typing.get_args(hint) if one is not type(None))
    return tuple if typing.get_origin(hint) is Sequence else hint
