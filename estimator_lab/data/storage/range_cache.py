"""Parts of files elsewhere that are kept on the local disk, so that later epochs and runs do not fetch them.

A folder for each version of a file holds `data`, a sparse file with the parts in their places, and `ranges`,
a row for each part with its checksum. A part is used only if its checksum is right, so that a power loss, or
another process that writes at the same time, does no harm.

Epochs are shuffled, so that all parts are equally likely to be needed next: when the cache is full, nothing
is replaced by parts of the same data. Files that no process has used for an hour make room.
"""

import contextlib
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

_ROW = struct.Struct('<QIII')  # offset, bytes, their CRC-32, and that of the row
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
            if self._held + count > self._most and count <= self._most:
                self._remove_unused(count)
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
    """The kept parts of one file; thread-safe.

    Args:
      cache: what it belongs to.
      folder: where they are.

    Raises:
      OSError: the folder can't be used.
    """

    def __init__(self, cache: RangeCache, folder: Path) -> None:
        self._cache = cache
        folder.mkdir(parents=True, exist_ok=True)
        self._ranges = folder / 'ranges'
        self._data = os.open(folder / 'data', os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self._parts = _parts_in(self._ranges)
        self._rows = os.open(self._ranges, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        self._touched = 0.0
        self._touch()

    def get(self, offset: int, count: int) -> bytes | None:
        """Returns `count` bytes from `offset` on; None if no part begins there, or it is shorter."""
        size, checksum = self._parts.get(offset, (0, 0))
        if size < count:
            return None
        self._touch()
        with contextlib.suppress(OSError):
            data = os.pread(self._data, size, offset)
            if len(data) == size and zlib.crc32(data) == checksum:
                return data[:count] if count < size else data
        self._parts.pop(offset, None)
        return None

    def put(self, offset: int, data: bytes) -> None:
        """Keeps a part, if there is room."""
        if self._parts.get(offset, (0, 0))[0] >= len(data) or not self._cache.make_room(len(data)):
            return
        checksum = zlib.crc32(data)
        row = struct.pack('<QII', offset, len(data), checksum)
        try:
            if os.pwrite(self._data, data, offset) == len(data):
                os.write(self._rows, row + struct.pack('<I', zlib.crc32(row)))
                self._parts[offset] = len(data), checksum
        except OSError:
            self._cache.stop()

    def _touch(self) -> None:
        now = time.time()
        if now > self._touched + _TOUCHED_EVERY:
            self._touched = now
            with contextlib.suppress(OSError):
                os.utime(self._ranges)

    def __del__(self) -> None:
        for name in ('_data', '_rows'):
            if (descriptor := getattr(self, name, -1)) >= 0:
                os.close(descriptor)


def _parts_in(path: Path) -> dict[int, tuple[int, int]]:
    """Returns (bytes, checksum) by offset; rows that are damaged are left out."""
    parts: dict[int, tuple[int, int]] = {}
    with contextlib.suppress(FileNotFoundError):
        rows = path.read_bytes()
        for start in range(0, len(rows) - _ROW.size + 1, _ROW.size):
            offset, count, checksum, of_row = _ROW.unpack_from(rows, start)
            if zlib.crc32(rows[start : start + _ROW.size - 4]) == of_row:
                parts[offset] = count, checksum
    return parts


def _bytes_in(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return (folder / 'data').stat().st_blocks * 512
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
