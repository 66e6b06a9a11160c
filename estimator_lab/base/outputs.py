"""Files and folders of results: written atomically, never over an input or a model."""

import errno
import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from estimator_lab.base.errors import FlagError, LabError, option
from estimator_lab.base.files import listed, move_whole, whole_file

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a full disk, an exhausted quota and too large a file."""

# Files that a model_dir needs; reports, tables and pictures in it may be overwritten.
_OF_A_MODEL = re.compile(
    r'checkpoint|experiment\.json|graph\.pbtxt|.*ckpt.*|.*tfevents.*|tokens\.txt'
    r'|(principal_components|style)\.npz'
)

_RESULTS = 'confusion.png', 'worst.png', 'embeddings_sprite.png'
"""Pictures that evaluations write, which may be in a folder for results."""


@contextmanager
def writing(flag: str, path: Path) -> Iterator[None]:
    """Turns an OSError of the block into an error that names the flag and its value.

    `flag` is '' for an argument.

    Raises:
      FlagError: the path can't be written.
      LabError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        kind = LabError if error.errno in NO_ROOM else FlagError
        name = f'{option(flag)}={path}' if flag else path
        raise kind(f'{name} cannot be written: {why_refused(path, error)}.') from error


@contextmanager
def made_folder(flag: str, folder: Path) -> Iterator[None]:
    """Makes a folder for results, so that a bad path fails before the work.

    If the block fails, folders that it made and left empty are removed. Raises as `writing` does.
    """
    new = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        with writing(flag, folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):  # it holds something, or was not made
            for part in new:
                part.rmdir()
        raise


def why_refused(path: Path, error: OSError) -> str:
    """Returns why a file or folder can't be written, as the end of a sentence."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        file = next((part for part in (path, *path.parents) if part.exists() and not part.is_dir()), None)
        if file:
            return f'{file} is a file, not a folder'
    if isinstance(error, FileExistsError) and path.is_symlink():
        return 'it is a link that leads nowhere'
    if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
        return f'its folder {path.parent} is not there'
    return error.strerror or str(error)


@contextmanager
def written(
    flag: str, path: Path, is_typed: bool = True, keep: Callable[[Path], None] = lambda partial: None
) -> Iterator[BinaryIO]:
    """Yields a `whole_file` of results; an existing file is replaced only by a complete one.

    Devices and pipes are written directly if the user has typed their path, such as /dev/stdout. One that is
    found under a name of ours, or through a link in a folder of someone else, is replaced by a file.

    Raises:
      FlagError: the path is a folder, or can't be written.
      LabError: the disk is full.
    """
    if path.is_dir():
        raise FlagError(f'{option(flag)}={path} is a folder: name a file in it, such as {path / "NAME"}.')
    with writing(flag, path):
        to_device = is_typed and _is_device(path)
        with path.open('wb') if to_device else whole_file(path, keep=keep) as file:
            yield file


def _is_device(path: Path) -> bool:
    """Whether a path is a device or pipe; a link to one counts if it is the system's, as /dev/stdout is."""
    if path.is_symlink() and not path.absolute().is_relative_to('/dev'):
        return False
    return path.exists() and not path.is_file()


@contextmanager
def written_folder(flag: str, folder: Path) -> Iterator[Path]:
    """Yields a hidden folder in a new or existing one, into which its files are moved if the block succeeds.

    Raises as `writing` does.
    """
    with writing(flag, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix='.', dir=folder, ignore_cleanup_errors=True) as hidden:
            yield Path(hidden)
            for path in listed(Path(hidden)):  # only now that all are written
                move_whole(path, folder / path.name)


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
            raise FlagError(f'{option(flag)}={name} is the file of {option(other)} as well: name two.')
        taken[place] = flag
        if read := next((given for given in inputs if _reads(given, path, place, is_example)), None):
            raise FlagError(f'{option(flag)}={name} is {_named(read, path)}, which is read: name another.')
        if model_dir and _OF_A_MODEL.fullmatch(path.name) and path.exists() and _is_in(place, model_dir):
            raise FlagError(
                f'{option(flag)}={name} is a file of the model: name another one for the results.'
            )
        if replaced and path.is_file() and path.suffix.lower() not in replaced:
            raise FlagError(
                f'{option(flag)}={name} is there already, and what is written anew ends in '
                f'{" or ".join(filter(None, replaced))}: name another file.'
            )


def check_folder(
    flag: str,
    folder: Path,
    inputs: Iterable[str],
    is_example: Callable[[str], bool],
    model_dir: Path | None = None,
) -> None:
    """Checks that a folder for results does not hold examples, with which they would be read the next time.

    Args:
      flag: that names the folder.
      folder: for the results.
      inputs: names of files and folders that are read now.
      is_example: whether a file of that name, in the folder or one of its subfolders, is an example.
      model_dir: of the model, in which results may be; None for none.

    Raises:
      FlagError: it is one.
      DataError: it can't be listed.
    """
    place = os.path.realpath(folder)
    if read := next((given for given in inputs if Path(given).is_dir() and _is_in(place, given)), None):
        raise FlagError(f'{option(flag)}={folder} is in the folder {read!r}, which is read: name another.')
    for path in () if model_dir and _is_in(place, model_dir) else listed(folder):
        for file in (path, *listed(path)):
            if is_example(file.name) and file.name not in _RESULTS:
                raise FlagError(
                    f'{option(flag)}={folder} holds examples, such as {file}, with which the results would '
                    'be read: name another folder.'
                )


def _reads(given: str, path: Path, place: str, is_example: Callable[[str], bool]) -> bool:
    """Whether an input is the file, or a folder that contains it."""
    try:
        if path.samefile(given):
            return True
    except (OSError, ValueError):  # one of them does not exist
        return False
    return Path(given).is_dir() and _is_in(place, given) and is_example(path.name)


def _is_in(place: str, folder: Path | str) -> bool:
    return Path(place).is_relative_to(os.path.realpath(folder))


def _named(given: str, path: Path) -> str:
    return f'in the folder {given!r}' if Path(given).is_dir() and not path.is_dir() else repr(given)


def check_suffix(flag: str, path: Path, suffixes: Sequence[str]) -> None:
    """Checks, before any work, the suffix of a file that will be written, and that its folder exists.

    Raises:
      FlagError: it has another suffix, or its folder does not exist.
    """
    if path.suffix.lower() not in suffixes:
        raise FlagError(
            f'{option(flag)}={path} is not a name for a picture: end it in {" or ".join(suffixes)}.'
        )
    if not path.parent.is_dir():
        raise FlagError(f'{option(flag)}={path} cannot be written: its folder is not there.')


@contextmanager
def locked(folder: Path, busy: str) -> Iterator[None]:
    """Locks a folder against other processes while the block runs; the lock ends with its process.

    Has no effect on file systems without locks.

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
