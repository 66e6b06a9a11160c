"""What the commands share: short grouped help, exit statuses, and errors in one sentence."""

import io
import logging
import math
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from estimator_lab.console.progress import check_said, open_closed_streams, say, say_lines, warn
from estimator_lab.console.regular_files import why_unread
from estimator_lab.errors import LabError
from estimator_lab.process import hide_import_messages

_LOG = logging.getLogger('estimator_lab')
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
_WIDTH = 26
_HOME = '~/'
_ADDING = ('hparams',)  # beside those that are lists


def help_text(usage: str, groups: Mapping[str, Sequence[str]], flag_values: Any = flags.FLAGS) -> str:
    """Returns the help page: usage, then each group's flags with defaults and meaning."""
    lines = [usage.rstrip()]
    for title, names in groups.items():
        lines += ['', f'{title}:']
        for name in names:
            flag = flag_values[name]
            value = '' if flag.boolean else f'={flag.default_as_str or "..."}'.replace("'", '')
            text = f'  --{name}{value}'
            lines.append(f'{text:<{_WIDTH}} {flag.help}')
    return '\n'.join(lines)


def python() -> str:
    """Returns what a person types to start this very Python: 'python', or its path where that is another."""
    found = shutil.which('python')
    if found and Path(found).parent == Path(sys.executable).parent:
        return 'python'
    relative = os.path.relpath(sys.executable)
    return shlex.quote(sys.executable if relative.startswith('..') else relative)


def tensorboard(logdir: Path) -> str:
    """Returns the command that shows a folder in TensorBoard, run by this Python's own copy."""
    name = 'tensorboard' if python() == 'python' else f'{python()} -m tensorboard.main'
    return f'{name} --logdir={shlex.quote(str(logdir))}'


def run(
    main: Callable[..., int | None],
    usage: str,
    groups: Mapping[str, Sequence[str]],
    arguments: str = '',
    flag_values: Any = flags.FLAGS,
    hint: str = '',
) -> None:
    """Parses the command line, runs `main`, and exits: 0, 1 for bad data, 2 for bad flags.

    Args:
      main: does the work after the flags are parsed; returns an exit status, None for 0.
      usage: first lines of --help.
      groups: flag names by the title under which --help shows them.
      arguments: what the arguments are that are no flags, such as 'ARCHIVE...', of which there has to be
        one, or '[IMAGE...]', of which there need be none: `main` gets the list of them.
      flag_values: the command's flags.
      hint: a sentence that follows the error for an unknown flag that resembles no other.
    """
    open_closed_streams()
    if not _LOG.handlers:
        _LOG.addHandler(_Warnings())
    hide_import_messages()
    if any(
        argument in ('--help', '-h', '-help', '--helpshort', '--helpfull', '-?') for argument in sys.argv[1:]
    ):
        say_lines(help_text(usage, groups, flag_values))
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):  # a line in letters that it does not know is better than none
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    try:
        rest = [_at_home(argument) for argument in flag_values(sys.argv)[1:]]
    except flags.UnrecognizedFlagError as error:
        words = _parse_error(str(error))
        _fail(words if 'did you mean' in words else f'{words} {hint}'.rstrip(), 2)
    except (OSError, UnicodeError) as error:  # of a --flagfile
        _fail(f'{_flagfile()} cannot be read: {why_unread(error)}.', 2)
    except flags.CantOpenFlagFileError as error:
        cause = error.__context__
        _fail(f'{_flagfile()} cannot be read: {why_unread(cause) if cause else error}.', 2)
    except flags.Error as error:
        _fail(_parse_error(str(error)), 2)
    if rest and not arguments:
        _fail(f'Unexpected argument {rest[0]!r}; all arguments are flags, see --help.', 2)
    if arguments and not rest and not arguments.startswith('['):
        _fail(f'{arguments} is missing, see --help.', 2)
    _check_values(flag_values)
    _expand_home(flag_values)
    try:
        status = main(rest) if arguments else main()
        check_said()
        sys.exit(status)
    except LabError as error:
        _fail(str(error), error.exit_status)
    except ImportError as error:
        _fail(' '.join(str(error).split()), 1)
    except MemoryError as error:
        _fail(f'This machine has not enough memory for that{f" ({error})" if str(error) else ""}.', 1)
    except OSError as error:
        where = f'{error.filename!r} cannot be used' if error.filename else 'The system refuses'
        _fail(f'{where}: {error.strerror or error}.', 1)
    except KeyboardInterrupt:
        _fail('Stopped.', INTERRUPTED)


class _Warnings(logging.Handler):
    """Prints the warnings of `core` and `models`, which do not use the console themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f'Warning: {record.getMessage()}')


def _parse_error(words: str) -> str:
    """Returns the sentence for absl's words of a flag."""
    words = words.removeprefix('ERROR:: ').removeprefix('flag ').rstrip('.')
    if unknown := re.match(r"Unknown command line flag '(.*?)'(?:\. Did you mean: (.*?) \?)?$", words):
        near = [f'--{name.strip()}' for name in (unknown[2] or '').split(',') if name.strip()]
        hint = f'did you mean {" or ".join(near)}? ' if near else ''
        return f'There is no flag --{unknown[1]}; {hint}--help lists all.'
    found = re.match(
        r'(--\w+=.*?): (invalid literal for int|could not convert string to float)', words, re.DOTALL
    )
    if found:
        return f'{found[1]} is no {"whole " if "int" in found[2] else ""}number.'
    if ": ('Non-boolean" in words:
        return f'{words.partition(": (")[0]} is neither true nor false.'
    return f'{words}; --help lists the flags.'


def _flagfile() -> str:
    """Returns the --flagfile as it was given."""
    given = [argument for argument in sys.argv[1:] if argument.lstrip('-').startswith('flagfile')]
    return given[-1] if given and '=' in given[-1] else '--flagfile'


def _check_values(flag_values: Any) -> None:
    """Ends the command at a number that none can be computed with, and at a flag that would get lost.

    A flag given twice takes its last value; for flags whose values add up, that would drop the others.
    """
    for name in flag_values:
        flag = flag_values[name]
        if isinstance(flag.value, float) and not math.isfinite(flag.value):
            _fail(f'--{name}={flag.value} is no finite number.', 2)
        if flag.present > 1 and (name in _ADDING or isinstance(flag.value, list)):
            _fail(f'--{name} is given {flag.present} times: give it once, with commas between the values.', 2)


def _expand_home(flag_values: Any) -> None:
    """Puts the user's own folder for a '~/' that begins a flag's value, as no shell does behind '='."""
    for name in flag_values:
        flag = flag_values[name]
        if isinstance(flag.value, str) and flag.value.startswith(_HOME):
            flag.value = _at_home(flag.value)
        elif isinstance(flag.value, list):
            flag.value = [_at_home(value) if isinstance(value, str) else value for value in flag.value]


def _at_home(text: str) -> str:
    return os.path.expanduser(text) if text.startswith(_HOME) else text  # noqa: PTH111 - a glob keeps its end


def _fail(sentence: str, status: int) -> None:
    warn(f'error: {sentence}')
    sys.exit(status)
