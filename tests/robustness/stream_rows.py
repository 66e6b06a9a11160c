"""A command that iterates an `api.stream` to its end and writes the keys and checksums of its examples.

It stands in for a user's program: only errors of this package become sentences.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab import api
from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.settings import setting

_BATCH = 5


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the rows go."""

    out: Path | None = setting(None, 'file of the rows', group='Output')


def main(settings: Settings, line: CommandLine) -> None:
    """Runs the command."""
    try:
        rows = list(_rows(line.arguments))
    except OSError as error:
        raise RuntimeError('not an error that programs are told to expect') from error
    assert settings.out
    settings.out.write_text('\n'.join(rows))


def _rows(paths: list[str]) -> Iterator[str]:
    """Yields the rows of two epochs; within the second one, another stream goes on, as after a restart."""
    stream = api.stream(paths, batch_size=_BATCH, image_shape=(8, 8, 1), seed=3)
    for batch in stream:
        yield from _rows_of(batch)
    second = iter(stream)
    yield from _rows_of(next(second))
    again = api.stream(paths, batch_size=_BATCH, image_shape=(8, 8, 1), seed=3)
    again.load_state_dict(stream.state_dict())
    for batch in again:
        yield from _rows_of(batch)


def _rows_of(batch: Any) -> list[str]:
    pairs = zip(batch.keys, batch.data, strict=True)
    return [f'{key} {zlib.crc32(image.tobytes())}' for key, image in pairs]


COMMAND = Command(main, 'Writes the rows of a stream.', Settings, required=['out'], arguments='ARCHIVE...')
