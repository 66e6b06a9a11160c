"""``python -m estimator_lab.port PROGRAM.py...``: finds what stops a TensorFlow 1 program from running."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.base.settings import setting
from estimator_lab.console.command import Command, CommandLine
from estimator_lab.console.outputs import json_text
from estimator_lab.console.progress import say_lines, warn
from estimator_lab.errors import DataError

_USAGE = """Reads programs written for TensorFlow 1 and lists what will not run unchanged, with fixes.

  python -m estimator_lab.port train.py model.py
  python -m estimator_lab.port my_project

Each reason is listed once, the most frequent first, with the line that fixes it and its places as FILE:LINE.
For a folder, all programs below it are read. Nothing is changed and no program is run, so problems that
only appear at run time, such as in imported packages, are not found."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the findings are printed."""

    json: bool = setting(False, 'print JSON with all places instead of text', group='Output')


def main(settings: Settings, line: CommandLine) -> None:
    """Runs the command."""
    from estimator_lab.porting.findings import findings, report
    from estimator_lab.porting.source import read

    sources = []
    for argument in line.arguments:
        for file in _programs(argument):
            try:
                sources.append(read(file))
            except DataError as error:
                if file == argument:
                    raise
                warn(f'Skipped: {error}')
    found = findings(sources)
    if settings.json:
        places = [
            {'file': each.file, 'line': each.line, 'text': each.text, **each.rule._asdict()} for each in found
        ]
        say_lines(json_text(places, 1))
    else:
        say_lines(report(found, len(sources)))


def _programs(argument: str) -> Iterator[str]:
    path = Path(argument)
    if not path.is_dir():
        yield argument
        return
    below = sorted(str(each) for each in path.rglob('*.py') if each.is_file())
    if not below:
        raise DataError(f'{argument} has no programs in it: no file ends in .py.')
    yield from below


COMMAND = Command(main, _USAGE, Settings, arguments='PROGRAM...')

if __name__ == '__main__':
    COMMAND.run_and_leave()
