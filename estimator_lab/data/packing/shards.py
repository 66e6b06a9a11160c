"""A folder of shards: uncompressed archives, and a manifest that says what they hold and how they sum up."""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.data.tar.headers import BLOCK
from estimator_lab.errors import DataError

MANIFEST = 'manifest.json'
FORMAT = 'estimator_lab shards 1'

_SHARD = re.compile(r'shard-\d{5,}-of-\d{5,}\.tar')
_CHUNK = 2**20


class PackedShard(NamedTuple):
    """What the manifest says of one shard; `bytes` are the archive's, headers included."""

    file: str
    images: int
    bytes: int
    sha256: str


class Manifest(NamedTuple):
    """The contents of manifest.json.

    Attributes:
      format: of this file.
      version: of the package that wrote it.
      sources: the archives that were packed.
      settings: how they were packed, by flag.
      images: how many there are in all shards.
      labels: how many images each label has, by label in sorted order.
      shards: the files.
      skipped: the images that were left out: archive, member, offset and reason of each.
      damage: for each archive that broke off, where and why.
    """

    format: str
    version: str
    sources: list[str]
    settings: dict[str, Any]
    images: int
    labels: dict[str, int]
    shards: list[PackedShard]
    skipped: list[dict[str, Any]]
    damage: list[str]

    @property
    def bytes(self) -> int:
        """Bytes of all shards."""
        return sum(shard.bytes for shard in self.shards)


class TarWriter:
    """Writes a tar whose bytes depend on names and data alone: no time, no owner, no machine.

    Args:
      path: of the new file.
      buffering: bytes held before they are written.
    """

    def __init__(self, path: Path, buffering: int) -> None:
        self.path = path
        self.images = 0
        self._bytes = 0
        self._sum = hashlib.sha256()
        self._raw = io.FileIO(path, 'w')
        self._file = io.BufferedWriter(self._raw, buffering)

    def add(self, name: str, data: bytes) -> None:
        """Appends a member.

        Raises:
          OSError: it can't be written.
        """
        self._write(_header(name, len(data)))
        self._write(data)
        self._write(bytes(-len(data) % BLOCK))
        self.images += 1

    def finish(self) -> None:
        """Writes the end of the archive, down to the disk, and closes it.

        Raises:
          OSError: it can't be written.
        """
        self._write(bytes(2 * BLOCK))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Closes the file as it is; does nothing after `finish`."""
        self._raw.close()  # what is buffered may not fit on the disk, and nobody wants it

    def shard(self) -> PackedShard:
        """Returns what the manifest says of it."""
        return PackedShard(self.path.name, self.images, self._bytes, self._sum.hexdigest())

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._sum.update(data)
        self._bytes += len(data)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)  # its own time, owner and mode are 0, 0 and 0644
    info.size = size
    try:
        if '\0' not in name:
            return info.tobuf(tarfile.USTAR_FORMAT, 'utf-8', 'strict')
    except ValueError:  # too long for it
        pass
    info.pax_headers = {'path': name}
    return info.tobuf(tarfile.PAX_FORMAT, 'utf-8', 'strict')


def shard_name(number: int, count: int) -> str:
    """Returns the file name of shard `number`, from 0, of `count`."""
    return f'shard-{number:05}-of-{count:05}.tar'


def shards_in(folder: Path) -> list[str]:
    """Returns the sorted names of the files in a folder that have a shard's name."""
    return sorted(path.name for path in folder.iterdir() if _SHARD.fullmatch(path.name))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes a manifest, down to the disk.

    Raises:
      OSError: it can't be written.
    """
    fields = {**manifest._asdict(), 'shards': [shard._asdict() for shard in manifest.shards]}
    with path.open('w', encoding='utf-8') as file:
        json.dump(fields, file, indent=1, ensure_ascii=False)
        file.write('\n')
        file.flush()
        os.fsync(file.fileno())


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest.

    Raises:
      DataError: there is none, or it can't be understood.
    """
    try:
        fields = json.loads(path.read_text(encoding='utf-8'))
        manifest = Manifest(**{**fields, 'shards': [PackedShard(**shard) for shard in fields['shards']]})
    except FileNotFoundError as error:
        raise DataError(f'There is no file {str(path)!r}: {path.parent} holds no finished shards.') from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f'{path} cannot be read as a manifest of shards: {error}.') from error
    if manifest.format != FORMAT:
        raise DataError(f'{path} has the format {manifest.format!r}, not {FORMAT!r}.')
    return manifest


def verify(folder: Path, progress: Callable[[str, float], None]) -> Manifest:
    """Reads all shards of a folder and compares them with its manifest, which it returns.

    Args:
      folder: holds shards and manifest.
      progress: called with what was done and the share of the bytes that lies behind.

    Raises:
      DataError: for the first shard that is missing, too many, or not as it was written.
    """
    manifest = read_manifest(folder / MANIFEST)
    if unknown := set(shards_in(folder)) - {shard.file for shard in manifest.shards}:
        raise DataError(f'{folder / min(unknown)} is not in {folder / MANIFEST}.')
    done = 0
    for shard in manifest.shards:
        for count in _check(folder / shard.file, shard):
            done += count
            progress(f'{done / 1e6:,.0f} MB', done / manifest.bytes)
    return manifest


def _check(path: Path, shard: PackedShard) -> Iterator[int]:
    """Yields the bytes of each piece that was read."""
    total = hashlib.sha256()
    try:
        size = path.stat().st_size
        if size != shard.bytes:
            raise DataError(f'{path} has {size:,} bytes, the manifest says {shard.bytes:,}.')
        with path.open('rb', buffering=0) as file:
            while piece := file.read(_CHUNK):
                total.update(piece)
                yield len(piece)
    except FileNotFoundError as error:
        raise DataError(f'{path} is in the manifest, but is not there.') from error
    except OSError as error:
        raise DataError(f'{path} cannot be read: {error.strerror}.') from error
    if total.hexdigest() != shard.sha256:
        raise DataError(f'{path} is not as it was written: its SHA-256 differs from the one in the manifest.')
