"""What the commands share: short grouped help, exit statuses, and errors in one sentence."""

import io
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from estimator_lab.console.progress import check_said, say_lines, warn
from estimator_lab.errors import LabError

INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
_WIDTH = 26


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
) -> None:
    """Parses the command line, runs `main`, and exits: 0, 1 for bad data, 2 for bad flags.

    Args:
      main: does the work after the flags are parsed; returns an exit status, None for 0.
      usage: first lines of --help.
      groups: flag names by the title under which --help shows them.
      arguments: what the arguments are that are no flags, such as 'ARCHIVE...', of which there has to be
        one, or '[IMAGE...]', of which there need be none: `main` gets the list of them.
      flag_values: the command's flags.
    """
    if any(argument in ('--help', '-h', '-help', '--helpshort') for argument in sys.argv[1:]):
        say_lines(help_text(usage, groups, flag_values))
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):  # a line in letters that it does not know is better than none
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    try:
        rest = flag_values(sys.argv)[1:]
    except flags.Error as error:
        _fail(str(error).rstrip('.') + '; --help lists the flags.', 2)
    if rest and not arguments:
        _fail(f'Unexpected argument {rest[0]!r}; all arguments are flags, see --help.', 2)
    if arguments and not rest and not arguments.startswith('['):
        _fail(f'{arguments} is missing, see --help.', 2)
    try:
        status = main(rest) if arguments else main()
        check_said()
        sys.exit(status)
    except LabError as error:
        _fail(str(error), error.exit_status)
    except ImportError as error:
        _fail(' '.join(str(error).split()), 1)
    except KeyboardInterrupt:
        _fail('Stopped.', INTERRUPTED)


def _fail(sentence: str, status: int) -> None:
    warn(f'error: {sentence}')
    sys.exit(status)
