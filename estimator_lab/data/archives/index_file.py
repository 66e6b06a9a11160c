"""The file of an index: one line of JSON, a row of 36 bytes for each example, and the names.

It may be untrusted: it is used only if its checksum is right and its contents are possible. The checksum is
not a signature: a forged index may name examples differently, with the labels of those names. Each read
compares the beginning of the example with its checksum, so that only bytes of members are ever used.

It is next to its archive, or in the user's cache folder.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from estimator_lab.base.files import open_regular, whole_file
from estimator_lab.base.json_input import as_object, parse_json
from estimator_lab.base.printable import is_clean
from estimator_lab.base.urls import unsigned
from estimator_lab.data.sources import remote
from estimator_lab.data.sources.files import cache_folder
from estimator_lab.data.sources.source import Source

FORMAT = 'estimator_lab index 5'
SUFFIX = '.index'
ROW = np.dtype(
    [
        ('offset', '<u8'),  # of the first byte of the example's headers
        ('size', '<u8'),  # of its data
        ('name_end', '<u8'),  # in the concatenated names
        ('headers', '<u4'),  # bytes from there to its data
        ('checksum', '<u4'),  # of its first bytes
        ('label', '<u4'),  # number of its label
    ]
)

_ALIGN = 64
_LONGEST_LINE = 2**26
_LARGEST = 2**62
_MOST_HEADERS = 2**21
_CONTINUES = 0b10  # the first bits of a byte within a UTF-8 character


class Header(NamedTuple):
    """The line of JSON.

    Attributes:
      format: FORMAT.
      size: of the archive, in bytes.
      members: number of rows.
      name_bytes: bytes of all names.
      damage: where the archive is damaged, as a sentence; '' for a whole one.
      notes: what else is unusual about it, in words that follow its name.
      labels: in the order of their first members.
      kind: name of the kind of examples that its members are.
      labels_from: '' for folders, FROM_SIDECARS for files next to members, else the fingerprint of a table.
      instead: what an archive without examples holds, to end a sentence.
      checksum: CRC-32 of rows, names and this line with 0 in its place.
    """

    format: str
    size: int
    members: int
    name_bytes: int
    damage: str
    notes: list[str]
    labels: list[str]
    kind: str
    labels_from: str = ''
    instead: str = ''
    checksum: int = 0


class IndexContents(NamedTuple):
    """The contents of an index: `rows` of type ROW, `names` in UTF-8."""

    header: Header
    rows: np.ndarray
    names: memoryview | bytes


def write_index_file(path: Path, contents: IndexContents) -> None:
    """Writes an index, which appears whole or not at all, also after a power loss.

    Raises:
      OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(_encoded(contents.header._replace(checksum=_checksum(contents))))
        file.write(contents.rows.view(np.uint8).data)
        file.write(contents.names)


def read_index_file(path: Path) -> IndexContents | None:
    """Returns the contents of an index; None if there is none, or they are impossible."""
    try:
        with open_regular(path) as file:
            line = file.readline(_LONGEST_LINE)
            header = as_object(parse_json(line), Header)
            size = os.fstat(file.fileno()).st_size
            names_start = len(line) + header.members * ROW.itemsize
            if min(header.members, header.name_bytes) < 0 or names_start + header.name_bytes != size:
                return None
            # Not mapped: if another program shortened the file, the process would end by a signal.
            file.seek(0)
            whole = memoryview(file.read(size))
        if len(whole) != size:
            return None
        rows = np.frombuffer(whole[len(line) : names_start], ROW)
        contents = IndexContents(header, rows, whole[names_start:])
        return contents if _is_possible(contents) else None
    except (OSError, ValueError):
        return None


def path_next_to(source: Source) -> Path | None:
    """Returns the path of an index next to its archive; None for a URL."""
    return None if source.is_remote else Path(f'{source.url}{SUFFIX}')


def path_in_cache(source: Source, fields: Sequence[str] = ()) -> Path:
    """Returns the path in the cache folder of the index of an archive as it is now."""
    stamp = source.stamp()
    place = unsigned(source.url) if source.is_remote else str(Path(source.url).resolve())
    key = '\0'.join([place, f'{stamp.size}', stamp.version, *fields])
    return cache_folder() / 'index' / f'{hashlib.sha256(os.fsencode(key)).hexdigest()[:32]}{SUFFIX}'


def copied_index(source: Source) -> Path | None:
    """Returns the path of a copy in the cache of the index next to a remote archive; None for no index."""
    place, mark, query = source.url.partition('?')
    try:
        file = remote.RemoteFile(f'{place}{SUFFIX}{mark}{query}')
        file.fetch()
    except OSError:
        return None
    return file.local


def _is_possible(contents: IndexContents) -> bool:
    """Whether the checksum is right, and places, names and labels are within their bounds."""
    header, rows, names = contents
    if header.format != FORMAT or header.checksum != _checksum(contents):
        return False
    if not all(map(is_clean, (header.damage, header.instead, *header.notes, *header.labels))):
        return False
    if not len(rows):
        return not len(names)
    offsets, ends = rows['offset'], rows['name_end']
    if max(offsets.max(), rows['size'].max()) > _LARGEST or rows['headers'].max() > _MOST_HEADERS:
        return False
    if not (offsets[1:] > offsets[:-1]).all() or rows['label'].max() >= len(header.labels):
        return False
    if not ((ends[1:] > ends[:-1]).all() and ends[0] > 0 and ends[-1] == len(names)):
        return False
    begins = np.frombuffer(names, np.uint8)[ends[:-1]]
    return is_clean(str(names, 'utf-8')) and bool((begins >> 6 != _CONTINUES).all())


def _encoded(header: Header) -> bytes:
    """Returns the line of JSON, padded so that the following rows are aligned."""
    text = json.dumps(header._asdict()).encode()
    return text + b' ' * (-(len(text) + 1) % _ALIGN) + b'\n'


def _checksum(contents: IndexContents) -> int:
    total = zlib.crc32(_encoded(contents.header._replace(checksum=0)))
    return zlib.crc32(contents.names, zlib.crc32(contents.rows.view(np.uint8).data, total))
