"""The page of the site with the --help of each command and the hyper-parameters of each model."""

import subprocess
import sys

from estimator_lab.__main__ import COMMANDS
from estimator_lab.core.registry import MODELS

_LOADING = 'loading TensorFlow'

_HEAD = """# Commands and flags

The `--help` of each command, and the hyper-parameters of each model.

- `python -m estimator_lab` lists the commands.
- Each command has `--help` and `--version`.
- `--flagfile=FILE` reads flags from a file, one per line.
- In an installed package, `estimator_lab train` is the same as `python -m estimator_lab.train`.
"""


def page() -> str:
    """Returns the page."""
    sections = [_HEAD]
    for name in COMMANDS:
        module = f'estimator_lab.{name}'
        sections.append(_section(f'`{module}`', _output_of(module, '--help')))
    for name in MODELS:
        printed = _output_of('estimator_lab.train', f'--model={name}', '--hparams=help')
        sections.append(_section(f'Hyper-parameters of `--model={name}`', printed))
    return '\n'.join(sections)


def _section(title: str, printed: str) -> str:
    lines = [line for line in printed.rstrip().split('\n') if line != _LOADING]
    return '\n'.join([f'## {title}', '', '```text', *lines, '```', ''])


def _output_of(module: str, *arguments: str) -> str:
    command = [sys.executable, '-m', module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
