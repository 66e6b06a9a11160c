"""Command-line flags: made from declared settings, read back into them, and what absl says of wrong ones."""

import itertools
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from absl import flags

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.settings import settings_of
from estimator_lab.base.suggestions import EXAMPLES, HPARAMS, REMARKS, suggested

S = TypeVar('S')
_UNKNOWN = re.compile(r"Unknown command line flag '(.*?)'(?:\. Did you mean: .*)?$")
_NO_NUMBER = re.compile(
    r'(--\w+=.*?): (invalid literal for int|could not convert string to float)', re.DOTALL
)
_LIST_OF_HPARAMS = 'hparams'
_HINT = ' Hyper-parameters are given as --hparams=NAME=VALUE,...; train --hparams=help lists them.'
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    tuple: flags.DEFINE_list,
}


def define_flags(settings_class: type, flag_values: flags.FlagValues) -> None:
    """Defines a flag for each setting of a class."""
    for name, declared in settings_of(settings_class).items():
        kind, default, more = declared.type, declared.default, {'flag_values': flag_values}
        if declared.choices or kind not in _DEFINE:
            default = None if default is None else str(default)
        if declared.choices:
            flags.DEFINE_enum(name, default, [*map(str, declared.choices)], declared.help, **more)
            continue
        if kind in (int, float):
            more |= {'lower_bound': declared.lower, 'upper_bound': declared.upper}
        _DEFINE.get(kind, flags.DEFINE_string)(name, default, declared.help, **more)


def read_flags(settings_class: type[S], flag_values: Any) -> S:
    """Returns the settings that the flags of a command line say, in their types: paths, numbers, tuples."""
    given = {name: flag_values[name].value for name in settings_of(settings_class)}
    types = {name: declared.type for name, declared in settings_of(settings_class).items()}
    return settings_class(**{name: types[name](value) for name, value in given.items() if value is not None})


def check_values_given(words: Sequence[str], settings_class: type) -> None:
    """Raises FlagError for a flag without a value, which absl would give the flag that follows it."""
    declared = settings_of(settings_class)
    for word, following in itertools.pairwise(words):
        name, other = word.removeprefix('--'), following.removeprefix('--').partition('=')[0]
        takes_value = word.startswith('--') and name in declared and declared[name].type is not bool
        if takes_value and following.startswith('--') and {other, other.removeprefix('no')} & declared.keys():
            raise FlagError(f'{option(name)} is given without a value: leave it out, or give one.')


def parse_error(words: str, known: Sequence[str], arguments: str) -> str:
    """Returns the sentence for absl's message about a flag of a command.

    `known` are its flags, `arguments` what its arguments are, '' for none.
    """
    words = words.removeprefix('ERROR:: ').removeprefix('flag ').rstrip('.')
    if unknown := _UNKNOWN.match(words):
        return _unknown_flag(unknown[1], known, arguments)
    if found := _NO_NUMBER.match(words):
        return f'{found[1]} is not a {"whole " if "int" in found[2] else ""}number.'
    if ": ('Non-boolean" in words:
        return f'{words.partition(": (")[0]} is neither true nor false.'
    return f'{words}; --help lists the flags.'


def _unknown_flag(name: str, known: Sequence[str], arguments: str) -> str:
    if name in REMARKS:
        return f'There is no flag --{name}: {REMARKS[name]}. --help lists all.'
    if name in EXAMPLES and arguments and not {*EXAMPLES} & {*known}:
        return f'There is no flag --{name}: give {arguments} without a flag. --help lists all.'
    others, hint = (HPARAMS, _HINT) if _LIST_OF_HPARAMS in known else ((), '')
    near = [
        f'--{suggestion}' if suggestion in known else f'--{_LIST_OF_HPARAMS}={suggestion}=...'
        for suggestion in suggested(name, [*known, *others])
    ]
    if near:
        return f'There is no flag --{name}; did you mean {" or ".join(near)}? --help lists all.'
    return f'There is no flag --{name}; --help lists all.{hint}'
