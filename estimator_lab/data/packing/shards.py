"""A folder of shards: uncompressed archives, and a manifest of their contents and checksums."""

import hashlib
import io
import os
import re
import tarfile
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.base.json_input import MOST_BYTES, as_object, read_json, shown
from estimator_lab.base.printable import unescaped
from estimator_lab.base.regular_files import open_regular
from estimator_lab.base.settings import setting
from estimator_lab.base.whole_files import sync
from estimator_lab.console.outputs import json_text
from estimator_lab.data.tar.headers import BLOCK
from estimator_lab.errors import DataError

MANIFEST = 'manifest.json'
FORMAT = 'estimator_lab shards 1'

_SHARD = re.compile(r'shard-\d{5,9}-of-\d{5,9}\.tar', re.ASCII)
_SHA256 = re.compile(r'[0-9a-f]{64}')
_CHUNK = 2**20
_BETWEEN_ENTRIES = 32  # bytes of line feeds and indents

MOST_LABELS = MOST_BYTES // 2
"""Limit in bytes for the labels in a manifest."""
MOST_SKIPPED = MOST_BYTES // 8
"""Limit in bytes for the list of skipped images in a manifest."""


@dataclass(frozen=True)
class PackSettings:
    """How archives are packed; `image_size` None copies all bytes without decoding them."""

    shards: int = setting(None, 'number to write', group='Shards', lower=1, upper=10_000)
    image_size: int | None = setting(
        None,
        'scale larger images down to this shorter side, in pixels',
        group='Images',
        lower=1,
        upper=65_535,
    )
    quality: int = setting(90, 'of the JPEGs that --image_size writes', group='Images', lower=1, upper=100)
    seed: int = setting(1, 'of the order; the same seed gives the same bytes', group='Shards')
    max_bad_fraction: float = setting(
        0.01, 'share of images that may be left out', group='Images', lower=0, upper=1
    )
    use_damaged: bool = setting(
        False, 'use damaged archives up to the damage, with a warning', group='Images'
    )


class PackedShard(NamedTuple):
    """The entry of one shard in the manifest; `bytes` includes headers."""

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
      images: number in all shards.
      labels: number of images by label, sorted.
      shards: the files.
      skipped: the images that were left out: archive, member, offset and reason of each.
      damage: of each damaged archive, where and why.
      unlisted: number of images that were left out but are too many to list.
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
    """Writes a tar whose bytes depend only on names and data, not on time, owner or machine.

    Args:
      path: of the new file.
      buffering: bytes held before they are written.
    """

    def __init__(self, path: Path, buffering: int) -> None:
        self.path = path
        self._bytes = 0
        self._ends: array[int] = array('Q')
        self._sum = hashlib.sha256()
        self._raw = io.FileIO(path, 'w')
        self._file = io.BufferedWriter(self._raw, buffering)

    @property
    def images(self) -> int:
        """Number of members so far."""
        return len(self._ends)

    def span(self, row: int) -> tuple[int, int]:
        """Returns where a member's header begins and its padding ends."""
        return self._ends[row - 1] if row else 0, self._ends[row]

    def add(self, *pieces: bytes) -> None:
        """Appends a member: its header (`member_header`) and its data, or what is in the span of another tar.

        Raises:
          OSError: it can't be written.
        """
        for piece in pieces:
            self._write(piece)
        self._write(bytes(-self._bytes % BLOCK))
        self._ends.append(self._bytes)

    def finish(self) -> None:
        """Writes the end of the archive, syncs it to disk and closes it.

        Raises:
          OSError: it can't be written.
        """
        self._write(bytes(2 * BLOCK))
        sync(self._file)
        self._file.close()

    def close(self) -> None:
        """Closes the file as it is; does nothing after `finish`."""
        self._raw.close()  # without flushing, as the disk may be full

    def shard(self) -> PackedShard:
        """Returns its entry in the manifest."""
        return PackedShard(self.path.name, self.images, self._bytes, self._sum.hexdigest())

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._sum.update(data)
        self._bytes += len(data)


def member_header(name: str, size: int) -> bytes:
    """Returns the header of a member with an escaped name; the shard has the original one."""
    name = unescaped(name)
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


def shards_glob(count: int) -> str:
    """Returns a glob that matches the file names of `count` shards that were written together."""
    return f'shard-*-of-{count:05}.tar'


def is_shard_name(name: str) -> bool:
    """Whether a file of that name may be a shard."""
    return bool(_SHARD.fullmatch(name))


def shards_in(folder: Path) -> list[str]:
    """Returns the names of shards in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir() if is_shard_name(path.name))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes a manifest and syncs it to disk.

    Raises:
      OSError: it can't be written.
      DataError: it would be larger than `read_manifest` allows.
    """
    fields = {**manifest._asdict(), 'shards': [shard._asdict() for shard in manifest.shards]}
    if not manifest.unlisted:  # older versions reject an unknown field
        del fields['unlisted']
    text = f'{json_text(fields, 1)}\n'.encode()
    if len(text) > MOST_BYTES:
        raise DataError(f'{path.name} would have {len(text):,} bytes, {MOST_BYTES:,} are allowed.')
    with path.open('wb') as file:
        file.write(text)
        sync(file)


class Listing:
    """Adds up the size of a list in a manifest in advance, so that it does not fail after all the work.

    Args:
      most: bytes of the list.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    def fits(self, entry: Any) -> bool:
        """Adds an entry if there is room; returns whether there was."""
        size = len(json_text(entry).encode()) + _BETWEEN_ENTRIES
        if size > self._left:
            return False
        self._left -= size
        return True


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest, of at most `MOST_BYTES`.

    Its names are checked to be those of shards in the same folder, its counts to be valid and to add up.

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
            raise ValueError(
                f'it names the shard {shown(shard.file)}, which is not shard-NUMBER-of-COUNT.tar'
            )
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
    """Reads all shards of a folder, compares them with its manifest, and returns that.

    Nothing outside the folder is read: a link is not accepted as a shard.

    Args:
      folder: holds shards and manifest.
      progress: called with the megabytes so far, as text, and the share of all bytes that was read.

    Raises:
      DataError: for the first shard that is missing, unknown or changed.
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
    """Yields the size of each piece of a shard as it is read, and checks that the shard is unchanged.

    Raises:
      DataError: it is changed, or missing.
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
        raise DataError(f'{path} is in the manifest, but missing.') from error
    except OSError as error:
        raise DataError(f'{path} cannot be read: {error.strerror}.') from error
    except ValueError as error:
        raise DataError(f'{path} is not a shard: {error}.') from error
    if total.hexdigest() != shard.sha256:
        raise DataError(f'{path} has changed: its SHA-256 differs from the one in the manifest.')
