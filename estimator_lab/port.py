"""``python -m estimator_lab.port PROGRAM.py...``: finds what stops a TensorFlow 1 program from running."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.base.settings import setting
from estimator_lab.base.whole_files import whole_file
from estimator_lab.console.command import Command, CommandLine
from estimator_lab.console.outputs import json_text, why_refused
from estimator_lab.console.progress import say_lines, warn
from estimator_lab.errors import DataError, FlagError

_USAGE = """Reads programs written for TensorFlow 1 and lists what will not run unchanged, with fixes.

  python -m estimator_lab.port train.py model.py
  python -m estimator_lab.port my_project
  python -m estimator_lab.port my_project --diff
  python -m estimator_lab.port my_project --write
  python -m estimator_lab.port --explain="module 'tensorflow' has no attribute 'estimator'"

Each reason is listed once, the most frequent first, with the line that fixes it and its places as FILE:LINE.
For a folder, all programs below it are read. No program is run, so problems that only appear at run time,
such as in imported packages, are not found. Nothing is changed without --write.

--explain prints the cause and the remedy of an error message. It reads no program."""
_TRACEBACK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the findings are printed, and whether the programs are changed."""

    json: bool = setting(False, 'print JSON with all places instead of text', group='Output')
    diff: bool = setting(
        False, 'print the changes that can be made automatically, as a diff', group='Changes'
    )
    write: bool = setting(False, 'print that diff, then make the changes', group='Changes')
    explain: str = setting(
        '',
        'print cause and remedy of an error message or a traceback; - reads it from standard input',
        group='Messages',
    )


def main(settings: Settings, line: CommandLine) -> None:
    """Runs the command."""
    if 'explain' in line.given:
        _explain(settings, line)
        return
    if not line.arguments:
        raise FlagError('PROGRAM... is missing, see --help.')
    if settings.json and (settings.diff or settings.write):
        raise FlagError('--json prints findings only: leave out --diff and --write.')
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
    if settings.diff or settings.write:
        _change(sources, settings.write)
        return
    found = findings(sources)
    if settings.json:
        places = [
            {'file': each.file, 'line': each.line, 'text': each.text, **each.rule._asdict()} for each in found
        ]
        say_lines(json_text(places, 1))
    else:
        say_lines(report(found, len(sources)))


def _explain(settings: Settings, line: CommandLine) -> None:
    """Prints the answer to an error message."""
    from estimator_lab.porting.answers.catalogue import find, written

    if line.arguments or len(line.given) > 1:
        raise FlagError(
            '--explain needs no programs and no other flags: put quotes around the whole message, or write '
            '--explain=- and paste it.'
        )
    text = settings.explain
    if text == '-':
        text = sys.stdin.buffer.read(_TRACEBACK_BYTES).decode('utf-8', 'replace')
    answer = find(text)
    if answer is None:
        raise DataError(
            'There is no answer to this message. docs/messages lists those with one, and '
            '`python -m estimator_lab.port PROGRAM.py` finds what stops a program from running.'
        )
    say_lines(written(answer))


def _programs(argument: str) -> Iterator[str]:
    path = Path(argument)
    if not path.is_dir():
        yield argument
        return
    below = sorted(str(each) for each in path.rglob('*.py') if each.is_file())
    if not below:
        raise DataError(f'{argument} has no programs in it: no file ends in .py.')
    yield from below


def _change(sources: list, writes: bool) -> None:
    """Shows the mechanical changes as a diff, makes them if requested, and lists what is left."""
    from estimator_lab.porting.edits import change
    from estimator_lab.porting.findings import count, listed, matches, placed

    changes = [change(source, found) for source, found in matches(sources)]
    changed = [each for each in changes if each.diff]
    for each in changed:
        say_lines(each.diff.rstrip('\n'))
    if writes:
        for each in changed:
            _write(Path(each.source.tree.file).resolve(), each.data)
    left = [finding for each in changes for finding in placed(each.source, each.left)]
    files = count(len(changed), 'file')
    done = f'Changed {files}.' if writes else f'--write would change {files}.'
    rest = (
        f'{count(len(left), "place")} left to change by hand:'
        if left
        else 'Nothing is left to change by hand.'
    )
    say_lines('\n'.join([f'{done} {rest}', *listed(left)]))


def _write(path: Path, data: bytes) -> None:
    try:
        with whole_file(path) as file:
            file.write(data)
            with contextlib.suppress(OSError):
                shutil.copymode(path, file.name)
    except OSError as error:
        raise DataError(f'{path} cannot be written: {why_refused(path, error)}.') from error


COMMAND = Command(main, _USAGE, Settings, arguments='[PROGRAM...]', prints_rows=True)

if __name__ == '__main__':
    COMMAND.run_and_leave()
