"""``python -m estimator_lab``: lists the commands, or runs the one that is named."""

import ast
import difflib
import importlib
import sys
from pathlib import Path
from typing import NoReturn

from estimator_lab.base.command import python, versions
from estimator_lab.base.interrupts import leave
from estimator_lab.base.progress import open_closed_streams, say, say_lines, warn

COMMANDS = (
    *('train', 'evaluate', 'predict', 'inspect', 'export', 'dream', 'report'),
    *('data.demo', 'data.pack', 'data.check', 'data.tar_index', 'import_weights', 'port', 'run'),
)
"""The modules of the package that are commands, in the order in which users need them."""


def main() -> int:
    """Runs the command line; returns the exit status, 2 for an unknown command."""
    open_closed_streams()
    name, *rest = sys.argv[1:] or ['--help']
    if name in COMMANDS:
        sys.argv[1:] = rest
        importlib.import_module(f'estimator_lab.{name}').COMMAND.run()
    elif name in ('--help', '-h', 'help'):
        say_lines(_help())
    elif name == '--version':
        say(versions())
    else:
        warn(f'error: {_unknown(name)}')
        return 2
    return 0


def program() -> NoReturn:
    """Runs the command line and ends the process."""
    try:
        status = main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    leave(status)


def _help() -> str:
    commands = '\n'.join(f'  {name:<16} {_summary(name)}' for name in COMMANDS)
    return f"""The TF1 Estimator, training the classic networks from image archives.

  {python()} -m estimator_lab COMMAND --help

Commands:
{commands}

Flags:
  --version        prints the versions of this package, TensorFlow and Python"""


def _summary(name: str) -> str:
    """Returns the summary of a command: the first line of its module's docstring, without the name."""
    # Read rather than imported, which would take longer.
    source = Path(__file__).parent.joinpath(*name.split('.')).with_suffix('.py').read_text(encoding='utf-8')
    text = ast.get_docstring(ast.parse(source)) or ''
    return text.splitlines()[0].partition(': ')[2].rstrip('.')


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f'did you mean {near[0]}?' if near else f'known are: {", ".join(COMMANDS)}.'
    return f'There is no command {name!r}; {hint}'


if __name__ == '__main__':
    program()
