"""Files and folders of results: written atomically, never over an input or a model."""

import csv
import errno
import fcntl
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from estimator_lab.base.errors import FlagError, LabError
from estimator_lab.base.printable import json_escaped, printable
from estimator_lab.base.progress import warn
from estimator_lab.base.whole_files import sync, sync_folder

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a full disk, an exhausted quota and too large a file."""

# The place of a formula: the start of a text, or after a semicolon, which separates cells where a comma is
# the decimal mark. Characters without width may precede its first character; the last four are full-width.
_WITHOUT_WIDTH = r'\u00ad\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff'
_FORMULA = re.compile(rf'(?:^|(?<=;))(?=[\s{_WITHOUT_WIDTH}]*[=+\-@\uff1d\uff0b\uff0d\uff20])')
# Files that a model_dir needs; reports, tables and pictures in it may be overwritten.
_OF_A_MODEL = re.compile(
    r'checkpoint|experiment\.json|graph\.pbtxt|.*ckpt.*|.*tfevents.*|tokens\.txt'
    r'|(principal_components|style)\.npz'
)
_NUMBER = re.compile(r'[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.ASCII)


@contextmanager
def writing(flag: str, path: Path) -> Iterator[None]:
    """Turns an OSError of the block into an error that names the flag and its value.

    Args:
      flag: the flag that names the path; '' for an argument.
      path: that the block writes to.

    Raises:
      FlagError: the path can't be written.
      LabError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        kind = LabError if error.errno in NO_ROOM else FlagError
        name = f'--{flag}={path}' if flag else path
        raise kind(f'{name} cannot be written: {why_refused(path, error)}.') from error


@contextmanager
def made_folder(flag: str, folder: Path) -> Iterator[None]:
    """Makes a folder for results, so that a bad path fails before the work.

    If the block fails, folders that it made and left empty are removed. Raises as `writing` does.
    """
    with no_empty_folder_left(folder):
        with writing(flag, folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield


@contextmanager
def no_empty_folder_left(folder: Path) -> Iterator[None]:
    """Removes a folder and its parents if the block made them, failed and left them empty."""
    new = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):  # it holds something, or was not made
            for part in new:
                part.rmdir()
        raise


def why_refused(path: Path, error: OSError) -> str:
    """Returns why a file or folder can't be written, as the end of a sentence."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        file = next((part for part in (path, *path.parents) if part.is_file()), None)
        if file:
            return f'{file} is a file, not a folder'
    if isinstance(error, FileExistsError) and path.is_symlink():
        return 'it is a link that leads nowhere'
    if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
        return f'its folder {path.parent} is not there'
    return error.strerror or str(error)


@contextmanager
def written_whole(flag: str, path: Path, keeps_part: bool = True) -> Iterator[Path]:
    """Yields a temporary path; the file is synced and renamed to its own name when the block succeeds.

    If the block fails, an existing file stays. Devices and pipes are written directly.

    Args:
      flag: the flag that names the file.
      path: of the file; the temporary path has the same suffix.
      keeps_part: whether a failure keeps the unfinished file, with a warning.

    Raises:
      FlagError: the path is a folder, or can't be written.
      LabError: the disk is full.
    """
    if path.is_dir():
        raise FlagError(f'--{flag}={path} is a folder: name a file in it, such as {path / "NAME"}.')
    if os.path.lexists(path) and not path.is_file():
        with writing(flag, path):
            yield path
        return
    partial = path.with_name(f'{path.stem}.partial{path.suffix}')
    try:
        with writing(flag, path):
            partial.unlink(missing_ok=True)  # never through a link
            yield partial
            _put(partial, path)
    except BaseException:
        if partial.exists() and not (keeps_part and partial.stat().st_size):
            partial.unlink()
        elif partial.exists():
            warn(f'What was written so far is in {partial}.')
        raise


@contextmanager
def written_together(flag: str, folder: Path) -> Iterator[Path]:
    """Yields a temporary folder, whose files take their places in `folder` when the block succeeds.

    If the block fails, existing files stay, and no new ones appear.

    Args:
      flag: the flag that names the folder.
      folder: an existing folder.

    Raises:
      FlagError: it can't be written.
      LabError: the disk is full.
    """
    partial = folder / '.partial'
    with writing(flag, folder):
        try:
            if partial.exists():  # of a process that was killed
                shutil.rmtree(partial)
            partial.mkdir()
            yield partial
            for path in sorted(partial.iterdir()):
                _put(path, folder / path.name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _put(partial: Path, path: Path) -> None:
    """Renames a finished file, so that not even a power loss leaves a part of it under its name."""
    with partial.open('rb') as file:
        sync(file)
    partial.replace(path)
    sync_folder(path.parent)


def check_outputs(
    outputs: Mapping[str, Path | str | None],
    inputs: Iterable[str],
    model_dir: Path | None = None,
    is_example: Callable[[str], bool] = lambda name: True,
    replaced: Sequence[str] = (),
) -> None:
    """Checks that results overwrite neither inputs nor each other.

    Args:
      outputs: the path of each file by the flag that names it; None or '' for a file that is not written.
      inputs: names of files and folders that are read.
      model_dir: of the model, whose own files must not be overwritten.
      is_example: whether a file of that name in an input folder is read.
      replaced: suffixes of files that may be overwritten; () for any.

    Raises:
      FlagError: they would, or a file exists that must not be overwritten.
    """
    inputs, taken = list(inputs), dict[str, str]()
    for flag, name in outputs.items():
        if not name:
            continue
        path, place = Path(name), os.path.realpath(name)
        if other := taken.get(place):
            raise FlagError(f'--{flag}={name} is the file of --{other} as well: name two.')
        taken[place] = flag
        if read := next((given for given in inputs if _reads(given, path, place, is_example)), None):
            raise FlagError(f'--{flag}={name} is {_named(read, path)}, which is read: name another.')
        if model_dir and _OF_A_MODEL.fullmatch(path.name) and path.exists():
            home = os.path.realpath(model_dir)
            if os.path.commonpath([home, place]) == home:
                raise FlagError(f'--{flag}={name} is a file of the model: name another one for the results.')
        if replaced and path.is_file() and path.suffix.lower() not in replaced:
            raise FlagError(
                f'--{flag}={name} is there already, and what is written anew ends in '
                f'{" or ".join(filter(None, replaced))}: name another file.'
            )


def _reads(given: str, path: Path, place: str, is_example: Callable[[str], bool]) -> bool:
    """Whether an input is the file, or a folder that contains it."""
    try:
        if path.samefile(given):
            return True
        home = os.path.realpath(given) if Path(given).is_dir() else None
        return home is not None and os.path.commonpath([home, place]) == home and is_example(path.name)
    except (OSError, ValueError):  # one of them does not exist
        return False


def _named(given: str, path: Path) -> str:
    return f'in the folder {given!r}' if Path(given).is_dir() and not path.is_dir() else repr(given)


def check_suffix(flag: str, path: Path, suffixes: Sequence[str]) -> None:
    """Checks, before any work, the suffix of a file that will be written, and that its folder exists.

    Args:
      flag: the flag that names it.
      path: of the file.
      suffixes: the allowed ones, in lower case; the path may have upper case.

    Raises:
      FlagError: it has another suffix, is a folder, or its folder does not exist.
    """
    if path.suffix.lower() not in suffixes:
        raise FlagError(f'--{flag}={path} is not a name for a picture: end it in {" or ".join(suffixes)}.')
    if path.is_dir() or not path.parent.is_dir():
        reason = 'it is a folder' if path.is_dir() else 'its folder is not there'
        raise FlagError(f'--{flag}={path} cannot be written: {reason}.')


@contextmanager
def locked(folder: Path, busy: str) -> Iterator[None]:
    """Locks a folder against other processes while the block runs; the lock ends with its process.

    Has no effect on file systems without locks.

    Args:
      folder: an existing folder.
      busy: the message of the FlagError.

    Raises:
      FlagError: another process holds the lock.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FlagError(busy) from error
        except OSError:  # no locks, as on some network file systems
            pass
        yield
    finally:
        os.close(descriptor)


def json_text(value: Any, indent: int | None = None) -> str:
    """Returns strict JSON that can be shown; numbers that are not finite become null."""
    return json_escaped(json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False))


class CsvWriter:
    """Writes CSV that is safe to show on a terminal and to open in a spreadsheet.

    A spreadsheet could evaluate a text that begins with = + - or @ as a formula; where semicolons separate
    cells, also the text after one. An apostrophe is put before it. Numbers, and texts that are numbers, stay
    unchanged.

    Args:
      stream: to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._writer = csv.writer(stream, lineterminator='\n')

    def write(self, row: Iterable[Any]) -> None:
        """Writes a row."""
        self._writer.writerow([cell_of(value) for value in row])


def cell_of(value: Any) -> Any:
    """Returns a value as it is written to a table."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub("'", text)


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table."""
    with path.open('w', encoding='utf-8', newline='') as file:
        writer = CsvWriter(file)
        for row in (head, *rows):
            writer.write(row)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
