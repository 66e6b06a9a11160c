"""Shards that are being written: in a hidden folder, which one process locks, until all of them are whole."""

import contextlib
import errno
import fcntl
import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.files import sync, sync_folder
from estimator_lab.base.printable import unescaped

_BLOCK = 512
_TOGETHER = 2**16  # bytes buffered for each shard; there may be a thousand
_HAS_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)  # some network file systems


class Shard:
    """Writes a tar whose bytes depend only on names and data, not on time, owner or machine.

    Args:
      path: of the shard, a new file.

    Raises:
      OSError: it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.images, self.bytes, self.path = 0, 0, path
        self._file = path.open('xb', _TOGETHER)
        self._sum = hashlib.sha256()

    def add(self, name: str, data: bytes) -> None:
        """Appends a member with an escaped name; the shard has the original one."""
        name = unescaped(name)
        info = tarfile.TarInfo(name)  # its own time, owner and mode are 0, 0 and 0644
        info.size = len(data)
        try:
            header = b'' if '\0' in name else info.tobuf(tarfile.USTAR_FORMAT, 'utf-8', 'surrogateescape')
        except ValueError:  # too long for it
            header = b''
        if not header:
            info.pax_headers = {'path': name}
            header = info.tobuf(tarfile.PAX_FORMAT, 'utf-8', 'surrogateescape')
        self._write(header, data, bytes(-len(data) % _BLOCK))
        self.images += 1

    def finish(self) -> dict[str, Any]:
        """Writes the end of the archive, and syncs it; returns its entry in the manifest."""
        self._write(bytes(2 * _BLOCK))
        sync(self._file)
        name, digest = self.path.name, self._sum.hexdigest()
        return {'file': name, 'images': self.images, 'bytes': self.bytes, 'sha256': digest}

    def close(self) -> None:
        """Closes the file as it is."""
        with contextlib.suppress(OSError):  # the disk may be full, as was reported
            self._file.close()

    def _write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._file.write(piece)
            self._sum.update(piece)
            self.bytes += len(piece)


@contextlib.contextmanager
def locked_folder(folder: Path, is_own: Callable[[str], bool]) -> Iterator[None]:
    """Keeps a folder for this process alone; it may hold files of a killed one. At the end, it is removed.

    Args:
      folder: made if necessary.
      is_own: whether a file of that name is one that a packing writes; only these are removed.

    Raises:
      FlagError: another process uses it, or it holds something else.
      OSError: it can't be made.
    """
    while (descriptor := _lock(folder)) is None:  # another process has just removed it
        pass
    try:
        for path in folder.iterdir():
            if not is_own(path.name):
                raise FlagError(f'{path} is not of a packing: move it away, or name another {option.out}.')
        yield
    finally:
        with contextlib.suppress(OSError):
            for path in folder.iterdir():
                if is_own(path.name):
                    path.unlink()
            folder.rmdir()
        os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """Returns the descriptor that holds the lock of a folder, made if necessary; None if it is gone again."""
    busy = f'{option.out}={folder.parent} is in use by another packing'
    with contextlib.ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(descriptor), folder.lstat()):
                return None
        except BlockingIOError as error:
            raise FlagError(f'{busy}: wait until it ends, or name another folder.') from error
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in _HAS_NO_LOCKS:
                raise
            if any(folder.iterdir()):
                raise FlagError(f'{busy}, or by one that was killed: then remove {folder}.') from error
        stack.pop_all()
    return descriptor


def move_out(hidden: Path, out: Path, names: Sequence[str]) -> None:
    """Moves whole files out of their hidden folder: all of them or none, and the last one last.

    Raises:
      OSError: one of them can't be moved.
    """
    try:
        for name in names:
            if name == names[-1]:
                sync_folder(out)
            (hidden / name).rename(out / name)
        sync_folder(out)
    except BaseException:
        for name in names:
            if not (hidden / name).exists():
                (out / name).unlink(missing_ok=True)
        raise
