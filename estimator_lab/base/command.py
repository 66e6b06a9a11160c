"""Commands: settings read from flags, grouped help, errors in one sentence, exit statuses."""

import io
import math
import os
import platform
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from absl import flags

from estimator_lab.base.errors import FlagError, LabError, option
from estimator_lab.base.files import at_home, why_unread
from estimator_lab.base.flags import check_values_given, define_flags, parse_error, read_flags
from estimator_lab.base.interrupts import ended_by_signals, interrupted_status, leave
from estimator_lab.base.process import announce_import, hide_optional_packages
from estimator_lab.base.progress import (
    check_said,
    doing,
    open_closed_streams,
    say,
    say_lines,
    showing_tasks,
    warn,
)
from estimator_lab.base.settings import check_given, settings_of
from estimator_lab.base.version import __version__

_WIDTH = 26
_HELP = re.compile(r'(-h|-\?|--?help(short|full)?(=.*)?)')
_VERSION = re.compile(r'--?version(=.*)?')
_LISTS = ('hparams',)  # flags with several values in one string


class CommandLine(NamedTuple):
    """What a command line holds besides the values of the flags.

    Attributes:
      arguments: the arguments that are not flags.
      words: the flags that were given, as they would be written, '--size=3', by name.
    """

    arguments: list[str]
    words: Mapping[str, str] = MappingProxyType({})

    @property
    def given(self) -> frozenset[str]:
        """The names of the flags that were given."""
        return frozenset(self.words)


@dataclass(frozen=True)
class NoSettings:
    """The settings of a command without flags."""


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
      main: does the work, given the settings and the rest of the command line; returns the exit status, or
        None for 0.
      usage: first lines of --help.
      settings: dataclass whose declared settings are the flags.
      required: flags without which the command does not run.
      arguments: what the arguments are, such as 'ARCHIVE...' for at least one, or '[IMAGE...]' for any
        number; '' for none.
      prints_rows: whether standard output is for data rather than for sentences.
    """

    main: Callable[[Any, CommandLine], int | None]
    usage: str
    settings: type = NoSettings
    required: Sequence[str] = ()
    arguments: str = ''
    prints_rows: bool = False

    def run(self) -> NoReturn:
        """Parses `sys.argv`, runs `main` and exits.

        The status is 0, 1 for bad data, 2 for bad flags, 130 after Ctrl-C, and 143 after SIGTERM.
        """
        try:
            with ended_by_signals() as stopped:
                status = self._run(stopped)
                if stopped.is_set():
                    leave(status or 0)
        except KeyboardInterrupt:  # a second signal
            leave(interrupted_status())
        sys.exit(status)

    def run_and_leave(self) -> NoReturn:
        """Runs the command and ends the process, without the seconds that unloading TensorFlow takes."""
        try:
            self.run()
        except SystemExit as ended:
            leave(ended.code if isinstance(ended.code, int) else 0)

    def _run(self, stopped: threading.Event) -> int | None:
        open_closed_streams()
        announce_import(partial(doing, 'loading TensorFlow', plain=True))
        hide_optional_packages()
        for stream in (sys.stdout, sys.stderr):  # escape what the terminal's encoding lacks
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors='backslashreplace')
        try:
            if any(map(_HELP.fullmatch, sys.argv[1:])):
                say_lines(self.help_text())
                return 0
            if any(map(_VERSION.fullmatch, sys.argv[1:])):
                say(versions())
                return 0
            settings, line = self.parse(sys.argv)
            with showing_tasks(self.prints_rows or getattr(settings, 'json', False)):
                status = self.main(settings, line)
            check_said()
            return status
        except (Exception, KeyboardInterrupt) as error:
            if not isinstance(error, LabError | MemoryError | OSError | KeyboardInterrupt):
                if stopped.is_set():  # native code that a signal interrupts, such as an import, raises others
                    error = KeyboardInterrupt()
                elif not isinstance(error, ImportError):
                    raise
            sentence, status = sentence_and_status(error)
            warn(f'error: {sentence}')
            return status

    def help_text(self) -> str:
        """Returns the help page: usage, then the flags by group, with their defaults and meaning."""
        values, lines = self._flags(), [self.usage.rstrip()]
        groups: dict[str, list[str]] = {}
        for name, declared in settings_of(self.settings).items():
            groups.setdefault(declared.group, []).append(name)
        for title, names in groups.items():
            lines += ['', f'{title}:']
            for name in names:
                flag = values[name]
                value = '' if flag.boolean else f'={flag.default_as_str or "..."}'.replace("'", '')
                text = f'  --{name}{value}'
                lines.append(f'{text:<{_WIDTH}} {flag.help}')
        return '\n'.join(lines)

    def parse(self, argv: Sequence[str]) -> tuple[Any, CommandLine]:
        """Returns the settings and the rest of a command line, whose first part is the program's name.

        Raises:
          FlagError: a flag is unknown, missing, empty or wrong; an argument is missing, empty or unexpected.
        """
        check_values_given(argv[1:], self.settings)
        values = self._flags()
        try:
            arguments = list(map(at_home, values(list(argv))[1:]))
        except (OSError, UnicodeError) as error:
            raise FlagError(f'{option.flagfile} cannot be read: {why_unread(error)}.') from error
        except flags.Error as error:
            known = list(settings_of(self.settings))
            raise FlagError(parse_error(str(error), known, self.arguments)) from error
        if arguments and not self.arguments:
            raise FlagError(f'Unexpected argument {arguments[0]!r}, see --help.')
        if self.arguments and not arguments and not self.arguments.startswith('['):
            raise FlagError(f'{self.arguments} is missing, see --help.')
        if '' in arguments:
            raise FlagError('An argument is empty: leave it out, or name a file or a folder.')
        for name in values:
            _check(values[name])
        for name in self.required:
            if not values[name].value:
                raise FlagError(f'{option(name)} is missing, see --help.')
        given = [name for name in settings_of(self.settings) if values[name].present]
        words = {name: values[name].serialize() for name in given}
        return read_flags(self.settings, values), CommandLine(arguments, words)

    def _flags(self) -> Any:
        values = flags.FlagValues()
        define_flags(self.settings, values)
        return values


def python() -> str:
    """Returns the shell word that starts this Python: 'python' if that is the same one, else its path."""
    found = shutil.which('python')
    if found and Path(found).parent == Path(sys.executable).parent:
        return 'python'
    relative = os.path.relpath(sys.executable)
    return shlex.quote(sys.executable if relative.startswith('..') else relative)


def tensorboard(logdir: Path) -> str:
    """Returns the shell command that shows a folder in the TensorBoard of this Python."""
    name = 'tensorboard' if python() == 'python' else f'{python()} -m tensorboard.main'
    return f'{name} --logdir={shlex.quote(str(logdir))}'


def versions() -> str:
    """Returns the versions of this package, TensorFlow and Python."""
    try:
        tensorflow = f'TensorFlow {version("tensorflow")}'
    except PackageNotFoundError:
        tensorflow = 'no TensorFlow'
    return f'estimator_lab {__version__}, {tensorflow}, Python {platform.python_version()}'


def sentence_and_status(error: BaseException) -> tuple[str, int]:
    """Returns how an error is reported: a sentence and the exit status."""
    if isinstance(error, LabError):
        return error.sentence, error.exit_status
    if isinstance(error, MemoryError):
        return f'This machine does not have enough memory{f" ({error})" if str(error) else ""}.', 1
    if isinstance(error, OSError):
        where = f'{error.filename!r} cannot be used' if error.filename else 'The system reports an error'
        return f'{where}: {error.strerror or error}.', 1
    if isinstance(error, KeyboardInterrupt):
        return 'Stopped.', interrupted_status()
    return ' '.join(str(error).split()), 1


def _check(flag: Any) -> None:
    """Checks a flag's value, and puts the user's home folder in place of '~/'.

    Raises:
      FlagError: it is empty; its number is not finite; a list is given twice, and the last would win.
    """
    if flag.present:
        check_given(**{flag.name: flag.value})
    if isinstance(flag.value, float) and not math.isfinite(flag.value):
        raise FlagError(f'{option(flag.name)}={flag.value} is not a finite number.')
    if flag.present > 1 and (flag.name in _LISTS or isinstance(flag.value, list)):
        raise FlagError(
            f'{option(flag.name)} is given {flag.present} times: give it once, with commas between the '
            'values.'
        )
    if isinstance(flag.value, str):  # shells do this at the beginning of a word, but not after '='
        flag.value = at_home(flag.value)
    elif isinstance(flag.value, list):
        flag.value = list(map(at_home, flag.value))
