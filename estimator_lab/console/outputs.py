"""Folders and files that a user names for results."""

import csv
import fcntl
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from estimator_lab.errors import FlagError

_NAME_LENGTH = 100


@contextmanager
def writing(flag: str, path: Path) -> Iterator[None]:
    """Turns an OSError of the block into a FlagError that names the flag and its value."""
    try:
        yield
    except OSError as error:
        raise FlagError(f'--{flag}={path} cannot be written: {error.strerror or error}.') from error


@contextmanager
def locked(folder: Path, busy: str) -> Iterator[None]:
    """Keeps other processes out of a folder while the block runs; the lock ends with its process.

    Where a file system knows no locks, nobody is kept out.

    Args:
      folder: is there.
      busy: the sentence for whom it keeps out.

    Raises:
      FlagError: another process has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FlagError(busy) from error
        except OSError:  # such as on some network's
            pass
        yield
    finally:
        os.close(descriptor)


def json_text(value: Any, indent: int | None = None) -> str:
    """Returns strict JSON: a number that is not finite, for which it has no word, is null."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table."""
    with path.open('w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(head)
        writer.writerows(rows)


def safe_name(name: str) -> str:
    """Returns a name that is one file's name anywhere: the end of it, other characters replaced."""
    return re.sub(r'[^\w.-]+', '_', name, flags=re.ASCII)[-_NAME_LENGTH:].strip('._') or '_'


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
