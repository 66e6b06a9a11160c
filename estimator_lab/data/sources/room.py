"""Room for remote files and parts of them in a folder that threads and processes fill at once."""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PART = 'part-'
"""Beginning of the names of parts of files, the oldest of which make room at once."""

_IDLE_SECONDS = 3600.0  # after which a file makes room
_COUNTED_SECONDS = 2.0, 60.0  # after which the folder is listed again: a full one, and one with room


@dataclass
class _Held:
    """How many bytes are in a folder, and when they were counted."""

    bytes: int
    counted: float


_lock = threading.RLock()
_held: dict[Path, _Held] = {}
_reserved: dict[str, int] = {}  # bytes of the files that are being fetched, by name


def reserve(kept: Path, count: int, most: int) -> bool:
    """Returns whether a file of `count` bytes may be kept in a folder of `most` bytes, and reserves them.

    Removes files that were not used for long. The folder is listed now and then: other processes use it, too.
    """
    with _lock:
        now, held = time.monotonic(), _held.get(kept.parent)
        if kept.name in _reserved or count > most:
            return False
        wanted = count + sum(_reserved.values())
        is_full = held is not None and held.bytes + wanted > most
        if held is None or now > held.counted + (_COUNTED_SECONDS[0] if is_full else _COUNTED_SECONDS[1]):
            held = _held[kept.parent] = _Held(_make_room(kept.parent, most - wanted), now)
        if held.bytes + wanted > most:
            return False
        _reserved[kept.name] = count
        return True


def release(kept: Path, is_kept: bool) -> None:
    """Ends a reservation: the file is there, or was not fetched."""
    with _lock:
        count = _reserved.pop(kept.name)
        if is_kept:
            _held[kept.parent].bytes += count


def _make_room(folder: Path, most: int) -> int:
    """Removes parts, and files that were not used for long, while there are more than `most` bytes.

    Some more parts go, so that the next ones find room. Returns how many bytes are left.
    """
    files, paths = [], list[Path]()
    with contextlib.suppress(OSError):
        paths += folder.iterdir()
    for path in paths:
        if path.name.lstrip('.').partition('.')[0] not in _reserved:  # nor a part of one
            with contextlib.suppress(OSError):  # it may be gone by now, as other processes remove files, too
                found = path.stat()
                files.append((found.st_mtime, found.st_size, path))
    files.sort()
    held = sum(size for _, size, _ in files)
    goal = most if held <= most else most - most // 10
    for used, size, path in files:
        is_part = path.name.lstrip('.').startswith(PART)
        if held > (goal if is_part else most) and (is_part or used < time.time() - _IDLE_SECONDS):
            with contextlib.suppress(OSError):
                path.unlink()
                held -= size
    return held


def _after_fork() -> None:
    """Gives a forked process a lock that no thread of its parent holds."""
    global _lock
    _lock = threading.RLock()
    _reserved.clear()


os.register_at_fork(after_in_child=_after_fork)
