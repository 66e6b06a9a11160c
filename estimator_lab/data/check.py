"""``python -m estimator_lab.data.check``: what archives hold, and what is wrong with it, in one pass."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.base.settings import setting
from estimator_lab.console.command import Command, CommandLine
from estimator_lab.console.outputs import json_text
from estimator_lab.console.progress import Progress, say, say_lines, say_rows, warn
from estimator_lab.errors import DataError

_USAGE = """Reads archives and folders once, and says what they hold and what is wrong with them.

  python -m estimator_lab.data.check faces.tar
  python -m estimator_lab.data.check train.tar test.tar --json > faces.json
  python -m estimator_lab.data.check 'shards/*.tar' --quick

It counts labels, decodes each image, and finds duplicates by name and by content, also between archives,
bad images, truncated ends, and the memory that the input of training needs. The exit status is 1 if an
archive is damaged or holds no examples."""

_NAMED = 3
_LABELS_NAMED = 8


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is checked, and the settings of training for which memory is estimated."""

    json: bool = setting(False, 'print one JSON object instead of a text', group='Check')
    quick: bool = setting(
        False, 'read headers only: no bad images, duplicates by content or pixels', group='Check'
    )
    labels: Path | None = setting(
        None, "table with a name and a label in each line; default: images' folders", group='Check'
    )
    image_size: int = setting(128, 'side in pixels', group='Memory of training', lower=1, upper=8000)
    channels: int = setting(1, '1 for grey, 3 for colour', group='Memory of training', choices=(1, 3))
    batch_size: int = setting(32, 'examples in a step', group='Memory of training', lower=1, upper=10_000_000)
    shuffle_buffer: int = setting(
        10_000, 'encoded images held to shuffle a stream', group='Memory of training', lower=1
    )
    decoded_cache: int = setting(
        256, 'megabytes of decoded images to keep, if all fit', group='Memory of training', lower=0
    )


def main(settings: Settings, line: CommandLine) -> None:
    """Runs the command."""
    from estimator_lab.data.checking import Checker, as_json
    from estimator_lab.data.kinds import kind_of
    from estimator_lab.data.label_table import read_label_table
    from estimator_lab.data.tar.sources import expand_archives

    archives = expand_archives(line.arguments, warn)
    table = read_label_table(settings.labels) if settings.labels else None
    found = []
    with closing(Progress('Checking', sys.stderr)) as progress:
        checker = Checker(settings.quick, progress)
        for archive in archives:
            kind = kind_of(archive)
            found.append(checker.read(archive, kind.with_labels(table)))
            if not settings.json:
                say(_first_line(found[-1], kind))
                say_rows(_rows(found[-1], kind, checker))
        copies = checker.copies()
    memory = _memory(settings, archives, found, checker.name_bytes)
    if settings.json:
        everything = {
            'archives': found,
            'examples': len(checker),
            'bad_examples': checker.bad,
            'duplicate_names': checker.duplicate_names,
            'copies': copies,
            'input_memory': memory,
        }
        say_lines(json_text(as_json(everything), 1))
    else:
        say_rows(_rows_of_all(settings, copies, memory))
    unusable = [contents.damage for contents in found if contents.damage]
    if unusable:
        several = f'{len(unusable)} of {len(found)} archives are damaged or empty: ' if len(found) > 1 else ''
        raise DataError(f'{several}{unusable[0]}')


def _first_line(contents: Any, kind: Any) -> str:
    if not contents.examples:
        return f'{contents.archive}: no {kind.noun}'
    size, counted = contents.bytes / 1e6, _counted(contents.examples, kind)
    return f'{contents.archive}: {counted} in {size:,.1f} MB; bytes: {_spread(contents.sizes)}'


def _rows(contents: Any, kind: Any, checker: Any) -> Iterator[tuple[str, str]]:
    """Yields titles and texts about one archive."""
    labelled = sorted(((count, text) for text, count in contents.labels.items() if text), reverse=True)
    if labelled:
        listed = ', '.join(f'{text} {count:,}' for count, text in labelled[:_LABELS_NAMED])
        more = f' and {len(labelled) - _LABELS_NAMED:,} more' if len(labelled) > _LABELS_NAMED else ''
        yield 'Labels', f'{len(labelled):,}: {listed}{more}'
    if missing := contents.labels.get(''):
        yield 'Without label', _counted(missing, kind)
    for name, spread in contents.dimensions.items():
        yield name.capitalize(), _spread(spread)
    if contents.bad:
        yield 'Bad', f'{_counted(contents.bad, kind)} ({contents.bad / contents.examples:.2%})'
        mine = [bad for bad in checker.bad if bad.archive == contents.archive]
        yield from (('', f'{bad.place}: {bad.reason}') for bad in mine[:_NAMED])
    if contents.same_names:
        names = ', '.join(checker.duplicate_names[-contents.same_names :][:_NAMED])
        yield 'Same names', f'{_counted(contents.same_names, kind)} with the name of an earlier one: {names}'
    yield from (('Note', note) for note in contents.notes)
    if contents.damage:
        yield 'Damage', contents.damage


def _rows_of_all(settings: Settings, copies: Any, memory: Any) -> Iterator[tuple[str, str]]:
    """Yields titles and texts about all archives together."""
    if copies and copies.examples:
        text = f'{copies.examples:,} with the bytes of an earlier example'
        if copies.in_other_archives:
            text += f', {copies.in_other_archives:,} of them in another archive'
        if copies.with_other_labels:
            text += f', {copies.with_other_labels:,} with another label'
        yield 'Copies', text
        yield from (('', ' = '.join(group[:_NAMED])) for group in copies.groups[:_NAMED])
    if memory:
        parts = ', '.join(
            f'{name.replace("_", " ")} {count / 1e6:,.1f}'
            for name, count in memory._asdict().items()
            if count
        )
        size = f'{settings.image_size}x{settings.image_size}x{settings.channels}'
        yield 'Memory', f'{sum(memory) / 1e6:,.1f} MB for the input of training at {size}: {parts} MB'
        yield '', 'The network and its gradients take their own.'


def _counted(count: int, kind: Any) -> str:
    return f'{count:,} {kind.name if count == 1 else kind.noun}'


def _spread(spread: Any) -> str:
    if spread.least == spread.most:
        return f'{spread.least:,}'
    return f'{spread.least:,} to {spread.most:,}, median {spread.median:,}'


def _memory(settings: Settings, archives: Sequence[str], found: Sequence[Any], name_bytes: int) -> Any:
    """Returns the memory of training's input; None for data other than images."""
    from estimator_lab.data.input_memory import Data, input_memory
    from estimator_lab.data.kinds import KINDS
    from estimator_lab.data.members import is_folder
    from estimator_lab.data.tar.sources import is_pipe
    from estimator_lab.data.tar.stream import is_compressed

    if not all(KINDS[contents.kind].has_pixels for contents in found):
        return None
    streams = (
        is_pipe(archive) or (not is_folder(archive) and is_compressed(archive))
        for archive, contents in zip(archives, found, strict=True)
        if contents.examples
    )
    sides = [[spread.most for spread in contents.dimensions.values()] for contents in found]
    data = Data(
        examples=sum(contents.examples for contents in found),
        bytes=sum(contents.bytes for contents in found),
        name_bytes=name_bytes,
        most_pixels=max((width * height for width, height, *_ in filter(None, sides)), default=0),
        random_access=not any(streams),
    )
    shape = (settings.image_size, settings.image_size, settings.channels)
    return input_memory(data, shape, settings.batch_size, settings.shuffle_buffer, settings.decoded_cache)


COMMAND = Command(main, _USAGE, Settings, arguments='ARCHIVE|FOLDER...')

if __name__ == '__main__':
    COMMAND.run()
