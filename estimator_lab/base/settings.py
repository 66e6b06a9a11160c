"""Settings declared once: a dataclass field carries the default, the help text and the allowed values.

Flags of commands, hyper-parameters of models and settings of second-order optimizers are all such fields.
"""

import dataclasses
import math
import operator
import os
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.json_input import shown
from estimator_lab.base.suggestions import unknown

S = TypeVar('S')
_DECLARED = 'setting'
_KINDS: dict[type, tuple[Any, str]] = {
    bool: (bool, 'True or False'),
    int: (Integral, 'a whole number'),
    float: (Real, 'a finite number'),
    str: ((str, os.PathLike), 'a text'),
    Path: ((str, os.PathLike), 'a path'),
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """The declaration of one setting.

    Attributes:
      default: its default value.
      help: one line: its meaning, without the allowed values that the other attributes state.
      group: heading that the help page shows it under.
      choices: the allowed values; () for any.
      lower: smallest allowed value.
      upper: largest allowed value.
      above: a limit that the value must exceed.
      below: a limit that the value must stay below.
      pattern: regular expression that a text must match as a whole; '' for any.
      structural: whether it decides which variables a checkpoint holds, or their shapes.
      of_training: whether a structural one belongs to how a network is trained, and not to the network.
      used_if: returns whether it has an effect, given all settings; None for always.
      recorded: whether a run records its value, to compare it with other starts and runs.
      of_order: whether it decides which examples a step sees.
      of_one_run: whether it suits one run only, so that the command suggested for the next one lacks it.
      of_command: whether it is a flag only, and not a setting of programs.
      is_size: whether it is a text such as '8M', for which programs may give a whole number, of bytes.
      type: its annotation, without None; tuple for a sequence of paths. `settings_of` fills it in.
    """

    default: Any
    help: str
    group: str = ''
    choices: Sequence[Any] = ()
    lower: float | None = None
    upper: float | None = None
    above: float | None = None
    below: float | None = None
    pattern: str = ''
    structural: bool = False
    of_training: bool = False
    used_if: Callable[[Any], bool] | None = None
    recorded: bool = False
    of_order: bool = False
    of_one_run: bool = False
    of_command: bool = False
    is_size: bool = False
    type: Any = None

    def checked(self, name: str, value: Any, what: str = '') -> Any:
        """Returns a value from Python in the setting's type: a whole number may become a float.

        `what` precedes the name in errors, with a space at its end.

        Raises:
          FlagError: it is of another type, or not allowed; the message names the setting.
        """
        if value is None and self.default is None:
            return None
        if self.type is tuple:
            several = [value] if isinstance(value, str | os.PathLike) else value
            if not are_paths(several):
                raise FlagError(f'{what}{name}={shown(value)} must be a path, or several in a list.')
            return tuple(map(os.fspath, several))
        if self.is_size and type(value) is int:
            value = str(value)
        accepted, noun = _KINDS[self.type]
        fits = isinstance(value, accepted) and (self.type is bool or not isinstance(value, bool))
        if not fits or (self.type is float and not math.isfinite(value)):
            meant = self._meant(value) if self.type is str else ''
            raise FlagError(f'{what}{name}={shown(value)} must be {noun}{meant}.')
        if problem := self.problem(value):
            raise FlagError(f'{what}{name}={shown(value)} {problem}.')
        return os.fspath(value) if self.type is str else self.type(value)

    def _meant(self, value: Any) -> str:
        """Returns how this setting writes numbers, to end a sentence: ", '16-8'" for [16, 8]; else ''."""
        text = '-'.join(map(str, value if isinstance(value, list | tuple) else [value]))
        return f', {text!r}' if self.pattern and not self.problem(text) else ''

    def problem(self, value: Any) -> str:
        """Returns what is wrong with a value of the right type: 'must be 1 or more'; '' if it is allowed."""
        if self.choices and value not in self.choices:
            return f'must be one of {", ".join(map(repr, self.choices))}'
        for words, is_within in self._bounds():
            if not is_within(value):
                return f'must be {words}'
        if self.pattern and not re.fullmatch(self.pattern, value):
            return f'must be like {self.default!r}'
        return ''

    def allowed(self) -> str:
        """Returns the allowed values in words, '1 or more' or 'one of a, b'; '' for any."""
        if self.choices:
            return f'one of {", ".join(map(str, self.choices))}'
        return ', '.join(words for words, _ in self._bounds())

    def _bounds(self) -> Iterator[tuple[str, Callable[[Any], bool]]]:
        """Yields each bound in words, and the function that compares the bound with a value."""
        for bound, words, compare in (
            (self.above, 'above {}', operator.lt),
            (self.lower, '{} or more', operator.le),
            (self.below, 'below {}', operator.gt),
            (self.upper, '{} or less', operator.ge),
        ):
            if bound is not None:
                yield words.format(bound), partial(compare, bound)


def setting(default: Any, help_text: str, **declared: Any) -> Any:
    """Returns a dataclass field that declares a `Setting`; its annotation is the setting's type.

    Args:
      default: its default value.
      help_text: one line: its meaning.
      **declared: further attributes of the `Setting`.

    Examples:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Params:
        ...     units: int = setting(64, 'units of the layer', lower=1)
        >>> settings_of(Params)['units'].allowed()
        '1 or more'
        >>> settings_from(Params, {'units': 0})
        Traceback (most recent call last):
        estimator_lab.base.errors.FlagError: units=0 must be 1 or more.
    """
    return dataclasses.field(default=default, metadata={_DECLARED: Setting(default, help_text, **declared)})


def _settings_of(settings_class: type) -> Mapping[str, Setting]:
    hints = typing.get_type_hints(settings_class)
    return {
        field.name: dataclasses.replace(field.metadata[_DECLARED], type=_plain(hints[field.name]))
        for field in dataclasses.fields(settings_class)
        if _DECLARED in field.metadata
    }


settings_of: Callable[[type], Mapping[str, Setting]] = cache(_settings_of)
"""Returns the settings that a dataclass declares, by name; its plain fields are left out."""


def keywords_of(settings_class: type) -> Mapping[str, Setting]:
    """Returns the settings that a program can give, by name: all but flags of the command alone."""
    return {name: setting for name, setting in settings_of(settings_class).items() if not setting.of_command}


def _plain(hint: Any) -> type:
    if isinstance(hint, types.UnionType):
        (hint,) = (one for one in typing.get_args(hint) if one is not type(None))
    return tuple if typing.get_origin(hint) is Sequence else hint


def settings_in_use(settings: Any) -> dict[str, Any]:
    """Returns the values of the settings that have an effect, by name."""
    declared = settings_of(type(settings)).items()
    return {
        name: getattr(settings, name)
        for name, setting in declared
        if setting.used_if is None or setting.used_if(settings)
    }


def settings_from(settings_class: type[S], values: Mapping[str, Any]) -> S:
    """Returns settings with some values from Python, checked as the flags of a command line are.

    One path stands for a sequence of one, None for a setting without a value.

    Raises:
      FlagError: for an unknown name (it lists the known ones), or a value that is not allowed.
    """
    declared = keywords_of(settings_class)
    for name in values:
        if name not in declared:
            raise FlagError(unknown('Unknown setting', name, declared))
        check_given(**{name: values[name]})
    return settings_class(**{name: declared[name].checked(name, value) for name, value in values.items()})


def check_given(**values: Any) -> None:
    """Raises FlagError for the first setting that is given, but empty, as an unset variable leaves it."""
    for name, value in values.items():
        several = value if isinstance(value, list | tuple) else [value]
        if not several or any(isinstance(one, str) and not one for one in several):
            raise FlagError(f'{option(name)} is given without a value: leave it out, or give one.')


def path_from(name: str, value: Any) -> Path:
    """Returns a path from a program, a text or a Path; raises FlagError for anything else, and for ''."""
    check_given(**{name: value})
    return Setting(Path(), 'a path', type=Path).checked(name, value)


def are_paths(values: Any) -> bool:
    """Returns whether a value from Python is a sequence of paths; one path is none."""
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        return False
    return all(isinstance(value, str | os.PathLike) for value in values)


def settings_that_are(settings_class: type, attribute: str) -> list[str]:
    """Returns the names of the settings with an attribute of `Setting`, such as 'recorded', set to True."""
    return [name for name, setting in settings_of(settings_class).items() if getattr(setting, attribute)]


def check_settings(settings: Any, what: str = '') -> dict[str, Any]:
    """Returns the values of all settings by name, in the declared types: a whole number may become a float.

    `what` precedes a name in errors, with a space at its end.

    Raises:
      FlagError: for a value of another type or one that is not allowed; it names the setting.
    """
    return {
        name: declared.checked(name, getattr(settings, name), what)
        for name, declared in settings_of(type(settings)).items()
    }
