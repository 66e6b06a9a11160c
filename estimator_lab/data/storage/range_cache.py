"""Parts of files elsewhere that are kept on the local disk, so that later epochs and runs do not fetch them.

A folder for each version of a file holds two sparse files: `data`, with the parts in their places, and
`ranges`, with a row for each block of 512 bytes, in which a member of an archive may begin: the bytes of the
part that begins there, and their checksum. A part is used only if that is right, so that a power loss, or
another process that writes at the same time, does no harm.

Epochs are shuffled, so that all parts are equally likely to be needed next: when the cache is full, nothing
is replaced by parts of the same data. Files that no process has used for an hour make room.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import struct
import threading
import time
import zlib
from pathlib import Path

from estimator_lab.data.cache import cache_folder

DEFAULT_MEGABYTES = 4096

_BLOCK = 512
_ROW = struct.Struct('<II')  # bytes, and their CRC-32
_IDLE_SECONDS = 3600.0
_TOUCHED_EVERY = 600.0


class RangeCache:
    """The parts of all files in one folder; thread-safe.

    Args:
      folder: where they are kept; it may not exist yet.
      most_bytes: of all parts together.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._held: int | None = None
        self._next_removal = 0.0
        self._kept: dict[str, KeptFile] = {}
        self._lock = threading.Lock()

    def file(self, key: str) -> 'KeptFile | None':
        """Returns the kept parts of a version of a file, which `key` stands for; None if that fails."""
        name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        with self._lock:
            if name not in self._kept:
                try:
                    self._kept[name] = KeptFile(self, self._folder / name)
                except OSError:
                    self._most = 0
                    return None
            return self._kept[name]

    def make_room(self, count: int) -> bool:
        """Returns whether `count` more bytes may be kept; removes files that were not used for long."""
        with self._lock:
            if self._held is None:
                self._held = sum(_bytes_in(folder) for folder in self._folders())
            if self._held + count > self._most and count <= self._most and time.time() > self._next_removal:
                self._remove_unused(count)
                self._next_removal = time.time() + _TOUCHED_EVERY
            if self._held + count > self._most:
                return False
            self._held += count
            return True

    def stop(self) -> None:
        """Keeps nothing more: the disk is full."""
        self._most = 0

    def _folders(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return [folder for folder in self._folder.iterdir() if folder.is_dir()]
        return []

    def _remove_unused(self, count: int) -> None:
        aged = sorted((_last_use(folder), folder) for folder in self._folders())
        for used, folder in aged:
            if used > time.time() - _IDLE_SECONDS or (self._held or 0) + count <= self._most:
                break
            if folder.name not in self._kept:
                self._held = (self._held or 0) - _bytes_in(folder)
                shutil.rmtree(folder, ignore_errors=True)


class KeptFile:
    """The kept parts of one file; thread-safe. It holds no memory and no open files, as there may be many.

    Args:
      cache: what it belongs to.
      folder: where they are.

    Raises:
      OSError: the folder can't be used.
    """

    def __init__(self, cache: RangeCache, folder: Path) -> None:
        self._cache = cache
        self._data, self._ranges = folder / 'data', folder / 'ranges'
        folder.mkdir(parents=True, exist_ok=True)
        self._ranges.touch(mode=0o600)
        self._touched = time.time()

    def get(self, offset: int, count: int) -> bytes | None:
        """Returns `count` bytes from `offset` on; None if no part begins there, or it is shorter."""
        with contextlib.suppress(OSError):
            size, checksum = self._part_at(offset)
            if size < count or not count:
                return None
            data = _read(self._data, offset, size)
            if len(data) == size and zlib.crc32(data) == checksum:
                self._touch()
                return data[:count] if count < size else data
        return None

    def put(self, offset: int, data: bytes) -> None:
        """Keeps a part, if it begins with a block and there is room."""
        if offset % _BLOCK or not self._cache.make_room(len(data)):
            return
        try:
            _write(self._data, offset, data)
            _write(self._ranges, offset // _BLOCK * _ROW.size, _ROW.pack(len(data), zlib.crc32(data)))
        except OSError:
            self._cache.stop()

    def _part_at(self, offset: int) -> tuple[int, int]:
        """Returns the bytes and the checksum of the part that begins at `offset`; 0 and 0 for none."""
        row = b'' if offset % _BLOCK else _read(self._ranges, offset // _BLOCK * _ROW.size, _ROW.size)
        return _ROW.unpack(row) if len(row) == _ROW.size else (0, 0)

    def _touch(self) -> None:
        now = time.time()
        if now > self._touched + _TOUCHED_EVERY:
            self._touched = now
            os.utime(self._ranges)


def _read(path: Path, offset: int, count: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return os.pread(descriptor, count, offset)
    finally:
        os.close(descriptor)


def _write(path: Path, offset: int, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if os.pwrite(descriptor, data, offset) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _bytes_in(folder: Path) -> int:
    files = [folder / 'data', folder / 'ranges']
    with contextlib.suppress(OSError):
        return sum(file.stat().st_blocks * 512 for file in files)
    return 0


def _last_use(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return (folder / 'ranges').stat().st_mtime
    return 0.0


_megabytes = DEFAULT_MEGABYTES
_caches: dict[tuple[Path, int], RangeCache] = {}


def keep_on_disk(megabytes: int) -> None:
    """Sets the size of this process's cache; 0 keeps nothing."""
    global _megabytes
    _megabytes = megabytes


def kept_file(key: str) -> KeptFile | None:
    """Returns the kept parts of a version of a file, which `key` stands for; None without a cache."""
    if not _megabytes:
        return None
    place = cache_folder() / 'remote', _megabytes * 2**20
    return _caches.setdefault(place, RangeCache(*place)).file(key)
