"""Shards that are being written: hidden until they are whole, and continued by the same command."""

import contextlib
import hashlib
import os
import tarfile
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from estimator_lab.base.files import move_whole, sync, whole_file
from estimator_lab.base.json_input import as_object, read_json
from estimator_lab.base.printable import json_text, unescaped

_BLOCK = 512
_UNFINISHED = '.unfinished'
_PIECE = 2**20
_TOGETHER = 2**16  # bytes that are written at once
_MOST_WAITING = 2**19  # bytes of each shard, of which there may be a thousand


def unfinished(path: Path) -> Path:
    """Returns the hidden name under which a file is written, which no glob of shards matches."""
    return path.with_name(f'.{path.name}{_UNFINISHED}')


@dataclass(frozen=True)
class Skipped:
    """A bad image that was left out."""

    archive: str
    member: str
    offset: int
    reason: str


@dataclass
class Done:
    """How far shards are written: stored now and then, so that the same command goes on from there.

    Attributes:
      of: identifies the packing: the settings and the sources as they are now; [] if that is unknown.
      seen: images of the sources, good and bad, that are done.
      labels: number of images by label.
      skipped: the bad ones, as in the manifest.
      bytes: of each shard.
      images: in each shard.
    """

    of: list[Any]
    seen: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    images: list[int] = field(default_factory=list)


class Shard:
    """Writes a tar whose bytes depend only on names and data, not on time, owner or machine.

    Args:
      path: of the finished shard.
      thread: writes it, and sums it up, while another one prepares more; neither needs Python's lock.
      kept: bytes that are kept of an unfinished one.
      images: in these bytes.

    Raises:
      OSError: it can't be written; ValueError: it has fewer bytes.
    """

    def __init__(self, path: Path, thread: Executor, kept: int = 0, images: int = 0) -> None:
        self.images, self.path, self.bytes = images, path, kept
        self._thread, self._written = thread, thread.submit(lambda: None)
        self._pieces: list[bytes] = []
        self._begun = kept  # bytes
        self._sum = hashlib.sha256()
        hidden = unfinished(path)
        if not kept:
            hidden.unlink(missing_ok=True)  # which may be a link
        descriptor = os.open(
            hidden, os.O_RDWR | os.O_NOFOLLOW | (0 if kept else os.O_CREAT | os.O_EXCL), 0o666
        )
        self._file = os.fdopen(descriptor, 'r+b')
        while left := kept - self._file.tell():
            data = self._file.read(min(left, _PIECE))
            if not data:
                self._file.close()
                raise ValueError(f'{hidden} is shorter than it was')
            self._sum.update(data)
        self._file.truncate(kept)

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
        self._add(header, data, bytes(-len(data) % _BLOCK))
        self.images += 1

    def finish(self) -> dict[str, Any]:
        """Writes the end of the archive, and syncs it; returns its entry in the manifest."""
        self._add(bytes(2 * _BLOCK))
        self.sync()
        names = ('file', 'images', 'bytes', 'sha256')
        values = (self.path.name, self.images, self.bytes, self._sum.hexdigest())
        return dict(zip(names, values, strict=True))

    def sync(self) -> None:
        """Writes what is buffered to disk."""
        self._begin()
        self._written.result()
        sync(self._file)

    def show(self) -> None:
        """Gives the finished shard its name."""
        move_whole(unfinished(self.path), self.path)

    def close(self) -> None:
        """Closes the file as it is."""
        with contextlib.suppress(OSError):  # the disk may be full, as was reported
            self._file.close()

    def _add(self, *pieces: bytes) -> None:
        self._pieces += pieces
        self.bytes += sum(map(len, pieces))
        waiting = self.bytes - self._begun
        if waiting >= _TOGETHER:
            self._begin()
        if waiting > _MOST_WAITING:
            self._written.result()

    def _begin(self) -> None:
        self._written.result()  # raises an error of the thread
        self._written = self._thread.submit(self._write, self._pieces)
        self._pieces, self._begun = [], self.bytes

    def _write(self, pieces: list[bytes]) -> None:
        data = b''.join(pieces)
        self._file.write(data)
        self._sum.update(data)


class Shards:
    """The shards of a packing, and how far they are.

    Attributes:
      shards: in order.
      progress: of all of them, as it is stored.
      is_stored: whether it is.
    """

    def __init__(self, shards: Sequence[Shard], progress: Done, path: Path, thread: Executor) -> None:
        self.shards, self.progress, self._path, self._thread = shards, progress, path, thread
        self.is_stored = progress.seen > 0

    @classmethod
    def opened(cls, paths: Sequence[Path], stored: Path, begun: Done) -> 'Shards':
        """Returns the shards that a file `stored` describes if they are those of `begun`; else new ones.

        Raises:
          OSError: they can't be written.
        """
        opened, thread = list[Shard](), ThreadPoolExecutor(1)
        try:
            found = as_object(read_json(stored), Done)
            if begun.of and found.of == begun.of and len(found.bytes) == len(found.images) == len(paths):
                for path, size, images in zip(paths, found.bytes, found.images, strict=True):
                    opened.append(Shard(path, thread, size, images))
                return cls(opened, found, stored, thread)
        except (OSError, ValueError):  # there are none, or not all of them
            for shard in opened:
                shard.close()
        stored.unlink(missing_ok=True)
        return cls([Shard(path, thread) for path in paths], begun, stored, thread)

    def store(self) -> None:
        """Syncs the shards, and stores their progress.

        Raises:
          OSError: that fails.
        """
        for shard in self.shards:
            shard.sync()
        self.progress.bytes = [shard.bytes for shard in self.shards]
        self.progress.images = [shard.images for shard in self.shards]
        with whole_file(self._path) as file:
            file.write(json_text(asdict(self.progress)).encode())
        self.is_stored = True

    def close(self) -> None:
        """Closes them as they are."""
        self._thread.shutdown(cancel_futures=True)
        for shard in self.shards:
            shard.close()
