"""Writes docs/commands.md: what each command says of itself and its flags.

    python tools/commands_page.py

A test compares the page with the commands.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from estimator_lab.__main__ import COMMANDS
from estimator_lab.models.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs/commands.md'

_HEAD = """# Commands and flags

Made by `python tools/commands_page.py` from what the commands themselves say. `--flagfile=FILE` reads flags
from a file, one a line. `python -m estimator_lab` lists the commands; where the package is installed,
`estimator_lab train` is `python -m estimator_lab.train`, and `eval "$(estimator_lab --completion)"` makes
bash complete commands and flags.
"""


def page(output_of: Callable[[str, list[str]], str]) -> str:
    """Returns the page.

    Args:
      output_of: runs a module with some flags, and returns what it prints.
    """
    sections = [_HEAD]
    for name in COMMANDS:
        module = f'estimator_lab.{name}'
        sections.append(_section(f'`{module}`', output_of(module, ['--help'])))
    for name in MODELS:
        printed = output_of('estimator_lab.train', [f'--model={name}', '--hparams=help'])
        sections.append(_section(f'Hyper-parameters of `--model={name}`', printed))
    return '\n'.join(sections)


def _section(title: str, printed: str) -> str:
    return f'## {title}\n\n```text\n{printed.rstrip()}\n```\n'


def _in_a_process(module: str, arguments: list[str]) -> str:
    command = [sys.executable, '-m', module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == '__main__':
    PAGE.write_text(page(_in_a_process), encoding='utf-8')
