"""A folder of shards: uncompressed archives, and a manifest that says what they hold and how they sum up."""

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.console.json_input import MOST_BYTES, as_object, read_json, shown
from estimator_lab.console.outputs import json_text
from estimator_lab.console.printable import unescaped
from estimator_lab.console.regular_files import open_regular
from estimator_lab.data.tar.headers import BLOCK
from estimator_lab.errors import DataError

MANIFEST = 'manifest.json'
FORMAT = 'estimator_lab shards 1'

_SHARD = re.compile(r'shard-\d{5,9}-of-\d{5,9}\.tar', re.ASCII)
_SHA256 = re.compile(r'[0-9a-f]{64}')
_CHUNK = 2**20
_BETWEEN_ENTRIES = 32  # bytes of line feeds and indents

MOST_LABELS = MOST_BYTES // 2
"""Bytes of a manifest's labels."""
MOST_SKIPPED = MOST_BYTES // 8
"""Bytes of what it lists of the images that were left out."""


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
      unlisted: how many more images were left out, of which there are too many to list.
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
    unlisted: int = 0

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
    name = unescaped(name)  # a member of a shard is called as it was
    info = tarfile.TarInfo(name)  # its own time, owner and mode are 0, 0 and 0644
    info.size = size
    try:
        if '\0' not in name:
            return info.tobuf(tarfile.USTAR_FORMAT, 'utf-8', 'surrogateescape')
    except ValueError:  # too long for it
        pass
    info.pax_headers = {'path': name}
    return info.tobuf(tarfile.PAX_FORMAT, 'utf-8', 'surrogateescape')


def shard_name(number: int, count: int) -> str:
    """Returns the file name of shard `number`, from 0, of `count`."""
    return f'shard-{number:05}-of-{count:05}.tar'


def is_shard_name(name: str) -> bool:
    """Whether a file of that name may be a shard."""
    return bool(_SHARD.fullmatch(name))


def shards_in(folder: Path) -> list[str]:
    """Returns the sorted names of the files in a folder that have a shard's name."""
    return sorted(path.name for path in folder.iterdir() if is_shard_name(path.name))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes a manifest, down to the disk.

    Raises:
      OSError: it can't be written.
      DataError: it would be larger than `read_manifest` takes.
    """
    fields = {**manifest._asdict(), 'shards': [shard._asdict() for shard in manifest.shards]}
    if not manifest.unlisted:  # versions from before there was this number know no such field
        del fields['unlisted']
    text = f'{json_text(fields, 1)}\n'.encode()
    if len(text) > MOST_BYTES:
        raise DataError(f'{path.name} would have {len(text):,} bytes, {MOST_BYTES:,} are allowed.')
    with path.open('wb') as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


class Listing:
    """Adds up what a manifest will list, so that an end without one is not met after all the work.

    Args:
      most: bytes that it may take.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    def fits(self, entry: Any) -> bool:
        """Whether there is room for one more entry, which then is taken."""
        size = len(json_text(entry).encode()) + _BETWEEN_ENTRIES
        if size > self._left:
            return False
        self._left -= size
        return True


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest, of at most `MOST_BYTES`.

    The names in it are those of shards, which lie beside it; its counts are not negative, and add up.

    Raises:
      DataError: there is none, or it can't be understood.
    """
    try:
        manifest = as_object(read_json(path, MOST_BYTES), Manifest)
        _check_sums(manifest)
    except FileNotFoundError as error:
        raise DataError(f'There is no file {str(path)!r}: {path.parent} holds no finished shards.') from error
    except (OSError, ValueError) as error:
        raise DataError(f'{path} cannot be read as a manifest of shards: {error}.') from error
    if manifest.format != FORMAT:
        raise DataError(f'{path} has the format {shown(manifest.format)}, not {FORMAT!r}.')
    return manifest


def _check_sums(manifest: Manifest) -> None:
    if manifest.unlisted < 0:
        raise ValueError(f'its unlisted is {manifest.unlisted}')
    names = set()
    for shard in manifest.shards:
        if not is_shard_name(shard.file):
            raise ValueError(f'it names the shard {shown(shard.file)}, which is no shard-NUMBER-of-COUNT.tar')
        if shard.file in names:
            raise ValueError(f'it names {shard.file} twice')
        if not _SHA256.fullmatch(shard.sha256):
            raise ValueError(f'the sha256 of {shard.file} is {shown(shard.sha256)}')
        if shard.images < 0 or shard.bytes < 0:
            raise ValueError(f'{shard.file} has {shard.images} images in {shard.bytes} bytes')
        names.add(shard.file)
    for whole, parts in (
        ('shards', [s.images for s in manifest.shards]),
        ('labels', manifest.labels.values()),
    ):
        if min(parts, default=0) < 0 or sum(parts) != manifest.images:
            raise ValueError(
                f'the images of its {whole} do not add up to the {manifest.images} that it claims'
            )


def verify(folder: Path, progress: Callable[[str, float], None]) -> Manifest:
    """Reads all shards of a folder and compares them with its manifest, which it returns.

    Nothing outside the folder is read: a link in the place of a shard is none.

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
        for count in check_shard(folder / shard.file, shard):
            done += count
            progress(f'{done / 1e6:,.0f} MB', done / manifest.bytes)
    return manifest


def check_shard(path: Path, shard: PackedShard) -> Iterator[int]:
    """Yields the bytes of each piece of a shard that was read, and makes sure that it is as it was written.

    Raises:
      DataError: it is not, or it is not there.
    """
    total = hashlib.sha256()
    try:
        with open_regular(path, follow_links=False) as file:
            size = os.fstat(file.fileno()).st_size
            if size != shard.bytes:
                raise DataError(f'{path} has {size:,} bytes, the manifest says {shard.bytes:,}.')
            while piece := file.read(_CHUNK):
                total.update(piece)
                yield len(piece)
    except FileNotFoundError as error:
        raise DataError(f'{path} is in the manifest, but is not there.') from error
    except OSError as error:
        raise DataError(f'{path} cannot be read: {error.strerror}.') from error
    except ValueError as error:
        raise DataError(f'{path} is no shard: {error}.') from error
    if total.hexdigest() != shard.sha256:
        raise DataError(f'{path} is not as it was written: its SHA-256 differs from the one in the manifest.')
