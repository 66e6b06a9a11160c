"""Commands: settings read from flags, grouped help, errors in one sentence, exit statuses."""

import contextlib
import io
import logging
import math
import os
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from absl import flags

from estimator_lab.base.interrupts import INTERRUPTED, ended_by_signals, leave
from estimator_lab.base.process import hide_import_messages
from estimator_lab.base.regular_files import why_unread
from estimator_lab.base.settings import settings_of
from estimator_lab.console.activity import doing, shown_activity
from estimator_lab.console.options import define_flags, groups_of, read_flags
from estimator_lab.console.progress import check_said, open_closed_streams, say, say_lines, warn
from estimator_lab.errors import FlagError, LabError

_WIDTH = 26
_HOME = '~/'
_HELP = {'--help', '-h', '-help', '--helpshort', '--helpfull', '-?'}
_LOG = logging.getLogger('estimator_lab')
_LISTS = ('hparams',)  # flags with several values in one string


class CommandLine(NamedTuple):
    """What a command line holds besides the values of the flags.

    Attributes:
      arguments: the arguments that are not flags.
      given: the names of the flags that were given.
    """

    arguments: list[str]
    given: frozenset[str]


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
      aliases: further names of flags, and the flags they stand for.
      arguments: what the arguments are, such as 'ARCHIVE...' for at least one, or '[IMAGE...]' for any
        number; '' for none.
      prints_rows: whether standard output is for data rather than for sentences.
      hint: a sentence that follows the error for an unknown flag that resembles no other.
    """

    main: Callable[[Any, CommandLine], int | None]
    usage: str
    settings: type = NoSettings
    required: Sequence[str] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    arguments: str = ''
    prints_rows: bool = False
    hint: str = ''

    def run(self) -> NoReturn:
        """Parses `sys.argv`, runs `main` and exits: 0, 1 for bad data, 2 for bad flags, 130 after Ctrl-C."""
        try:
            with ended_by_signals() as stopped:
                status = self._run(stopped)
                if stopped.is_set():
                    leave(status or 0)
        except KeyboardInterrupt:  # a second signal
            leave(INTERRUPTED)
        sys.exit(status)

    def run_and_leave(self) -> NoReturn:
        """Runs the command and ends the process, without the seconds that unloading TensorFlow takes."""
        try:
            self.run()
        except SystemExit as ended:
            leave(ended.code if isinstance(ended.code, int) else 0)

    def _run(self, stopped: threading.Event) -> int | None:
        open_closed_streams()
        hide_import_messages(_loading)
        if not _LOG.handlers:
            _LOG.addHandler(_Warnings())
        for stream in (sys.stdout, sys.stderr):  # escape what the terminal's encoding lacks
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors='backslashreplace')
        try:
            if _HELP.intersection(sys.argv[1:]):
                say_lines(self.help_text())
                return 0
            settings, line = self.parse(sys.argv)
            with shown_activity(self.prints_rows or getattr(settings, 'json', False)):
                status = self.main(settings, line)
            check_said()
            return status
        except (Exception, KeyboardInterrupt) as error:
            if not isinstance(error, LabError | MemoryError | OSError | KeyboardInterrupt):
                if stopped.is_set():  # native code that a signal interrupts, such as an import, raises others
                    error = KeyboardInterrupt()
                elif not isinstance(error, ImportError):
                    raise
            sentence, status = self._sentence_and_status(error)
            warn(f'error: {sentence}')
            return status

    def help_text(self) -> str:
        """Returns the help page: usage, then the flags by group, with their defaults and meaning."""
        values, lines = self._flags(), [self.usage.rstrip()]
        for title, names in groups_of(self.settings).items():
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
          FlagError: a flag is unknown, missing or has a wrong value; an argument is missing or unexpected.
        """
        values = self._flags()
        try:
            arguments = [_at_home(argument) for argument in values(list(argv))[1:]]
        except (OSError, UnicodeError, flags.CantOpenFlagFileError) as error:
            cause = error.__context__ if isinstance(error, flags.Error) else error
            raise FlagError(f'{_flagfile(argv)} cannot be read: {why_unread(cause or error)}.') from error
        except flags.Error as error:
            raise FlagError(_parse_error(str(error), self.hint)) from error
        if arguments and not self.arguments:
            raise FlagError(f'Unexpected argument {arguments[0]!r}; all arguments are flags, see --help.')
        if self.arguments and not arguments and not self.arguments.startswith('['):
            raise FlagError(f'{self.arguments} is missing, see --help.')
        for name in values:
            _check(values[name])
        for name in self.required:
            if not values[name].value:
                raise FlagError(f'--{name} is missing, see --help.')
        given = frozenset(name for name in values if values[name].present)
        return read_flags(self.settings, values), CommandLine(arguments, given)

    def _sentence_and_status(self, error: BaseException) -> tuple[str, int]:
        """Returns how an error is reported: a sentence and the exit status."""
        if isinstance(error, LabError):
            remedies = [text for flag, text in error.remedies.items() if flag in settings_of(self.settings)]
            return ' '.join([str(error), *remedies]), error.exit_status
        if isinstance(error, MemoryError):
            return f'This machine does not have enough memory{f" ({error})" if str(error) else ""}.', 1
        if isinstance(error, OSError):
            where = f'{error.filename!r} cannot be used' if error.filename else 'The system reports an error'
            return f'{where}: {error.strerror or error}.', 1
        if isinstance(error, KeyboardInterrupt):
            return 'Stopped.', INTERRUPTED
        return ' '.join(str(error).split()), 1

    def _flags(self) -> Any:
        values = flags.FlagValues()
        define_flags(self.settings, values)
        for alias, name in self.aliases.items():
            flags.DEFINE_alias(alias, name, flag_values=values)
        return values


class _Warnings(logging.Handler):
    """Prints the warnings of `core` and `models`, which do not use the console themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a warning."""
        say(f'Warning: {record.getMessage()}')


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """Shows that TensorFlow is being imported."""
    doing('loading TensorFlow', plain=True)
    yield
    doing('starting')


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


def _parse_error(words: str, hint: str) -> str:
    """Returns the sentence for absl's message about a flag; a hint follows if it resembles no other."""
    words = words.removeprefix('ERROR:: ').removeprefix('flag ').rstrip('.')
    if unknown := re.match(r"Unknown command line flag '(.*?)'(?:\. Did you mean: (.*?) \?)?$", words):
        near = [f'--{name.strip()}' for name in (unknown[2] or '').split(',') if name.strip()]
        if near:
            return f'There is no flag --{unknown[1]}; did you mean {" or ".join(near)}? --help lists all.'
        return f'There is no flag --{unknown[1]}; --help lists all. {hint}'.rstrip()
    found = re.match(
        r'(--\w+=.*?): (invalid literal for int|could not convert string to float)', words, re.DOTALL
    )
    if found:
        return f'{found[1]} is not a {"whole " if "int" in found[2] else ""}number.'
    if ": ('Non-boolean" in words:
        return f'{words.partition(": (")[0]} is neither true nor false.'
    return f'{words}; --help lists the flags.'


def _flagfile(argv: Sequence[str]) -> str:
    """Returns the --flagfile as it was given."""
    given = [argument for argument in argv[1:] if argument.lstrip('-').startswith('flagfile')]
    return given[-1] if given and '=' in given[-1] else '--flagfile'


def _check(flag: Any) -> None:
    """Checks a flag's value, and puts the user's home folder in place of '~/'.

    Raises:
      FlagError: the number is not finite, or a flag with several values is given twice: the last would win.
    """
    if isinstance(flag.value, float) and not math.isfinite(flag.value):
        raise FlagError(f'--{flag.name}={flag.value} is not a finite number.')
    if flag.present > 1 and (flag.name in _LISTS or isinstance(flag.value, list)):
        raise FlagError(
            f'--{flag.name} is given {flag.present} times: give it once, with commas between the values.'
        )
    if isinstance(flag.value, str):
        flag.value = _at_home(flag.value)
    elif isinstance(flag.value, list):
        flag.value = [_at_home(value) for value in flag.value]


def _at_home(text: str) -> str:
    # Shells do this at the beginning of a word, but not after '='.
    return os.path.expanduser(text) if text.startswith(_HOME) else text  # noqa: PTH111 - keeps a '/' at the end
