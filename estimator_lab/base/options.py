"""Command-line flags made from declared settings, and settings read back from flags."""

from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from estimator_lab.base.settings import settings_of, types_of

S = TypeVar('S')
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    tuple: flags.DEFINE_list,
}


def define_flags(settings_class: type, flag_values: flags.FlagValues) -> None:
    """Defines a flag for each setting of a class."""
    for name, kind in types_of(settings_class).items():
        declared = settings_of(settings_class)[name]
        default, more = declared.default, {'flag_values': flag_values}
        if declared.choices or kind not in _DEFINE:
            default = None if default is None else str(default)
        if declared.choices:
            flags.DEFINE_enum(name, default, [*map(str, declared.choices)], declared.help, **more)
            continue
        if kind in (int, float):
            more |= {'lower_bound': declared.lower, 'upper_bound': declared.upper}
        _DEFINE.get(kind, flags.DEFINE_string)(name, default, declared.help, **more)


def read_flags(settings_class: type[S], flag_values: Any) -> S:
    """Returns the settings that the flags of a command line say."""
    return settings_class(
        **{name: _value(kind, flag_values[name].value) for name, kind in types_of(settings_class).items()}
    )


def _value(kind: type, value: Any) -> Any:
    """Returns a flag's value as the setting has it: a path, a number chosen from a list, a tuple."""
    return None if value is None or (value == '' and kind is Path) else kind(value)
