"""The file of an index: one line of JSON, a row of 36 bytes for each member, and the names.

It may be untrusted, next to an untrusted archive, or damaged: it is used only if its checksum is right and
its contents are possible. They are checked in chunks, so that this takes no memory. The checksum is not a
signature: a forged index may name members differently, with the labels of those names, or cut them short.
"""

import json
import mmap
import os
import resource
import weakref
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from estimator_lab.base.json_input import as_object, parse_json
from estimator_lab.base.printable import is_clean
from estimator_lab.base.regular_files import open_regular
from estimator_lab.base.whole_files import whole_file
from estimator_lab.data.labels import label_of
from estimator_lab.data.tar.headers import BLOCK
from estimator_lab.data.tar.sources import Stamp

FORMAT = 'estimator_lab index 4'
NOT_IN_ONE_PIECE = 0
"""As the bytes of headers: the member is read by `member_at`, not by its row."""
NO_HEADERS = 2**32 - 1
"""As the bytes of headers: a line of a text, whose checksum is that of its own first bytes."""
MOST_HEADER_BYTES = 2**20
"""Limit for a member that is read by its row."""
ROW = np.dtype(
    [
        ('offset', '<u8'),  # of the member's first header block
        ('size', '<u8'),  # of its data
        ('name_end', '<u8'),  # in the concatenated names
        ('headers', '<u4'),  # bytes from its first header block to its data
        ('checksum', '<u4'),  # Adler-32 of that block, or of the beginning of a line
        ('label', '<u4'),  # number of its label
    ]
)

_ALIGN = 64
_LONGEST_LINE = 2**26
_SMALL = 2**20  # bytes, below which a file is read: each mapping keeps a descriptor
_MOST_MAPPED = 64
_CHUNK = 2**15  # members that are checked at once
_LONGEST_PLAIN = 128
_LARGEST = 2**62
_MOST_SENTENCES = 100
_LONGEST_SENTENCE = 2**16  # a path may have 4,096 bytes, each of which may be printed as four letters
_CONTINUES = 0b10  # the first bits of a byte within a UTF-8 character

_mapped: 'weakref.WeakSet[mmap.mmap]' = weakref.WeakSet()


class Header(NamedTuple):
    """The line of JSON.

    Attributes:
      format: FORMAT.
      size: of the archive, in bytes.
      mtime_ns: modification time of the archive.
      members: number of rows.
      name_bytes: bytes of all names.
      random_access: whether members can be read by their rows.
      damage: where the archive is damaged, as a sentence; '' for a whole one.
      notes: what else is unusual about it, a sentence each.
      labels: in the order of their first members.
      kind: name of the kind of examples that its members are.
      sample: checksum of some bytes of the archive, see `sources.sample_of`; 0 if not taken.
      labels_from: '' for folders, FROM_SIDECARS for files next to members, else the fingerprint of a table.
      others: what an archive without examples holds instead, to end a sentence.
      checksum: CRC-32 of rows, names and this line with 0 in its place.
    """

    format: str
    size: int
    mtime_ns: int
    members: int
    name_bytes: int
    random_access: bool
    damage: str
    notes: list[str]
    labels: list[str]
    kind: str
    sample: int
    labels_from: str = ''
    others: str = ''
    checksum: int = 0


class Contents(NamedTuple):
    """The contents of an index: `rows` of type ROW, `names` in UTF-8."""

    header: Header
    rows: np.ndarray
    names: memoryview


def write_index_file(path: Path, contents: Contents) -> Contents:
    """Writes an index, which appears whole or not at all, also after a power loss.

    Returns:
      The contents with their checksum.

    Raises:
      OSError: it can't be written.
    """
    rows, names = contents.rows.view(np.uint8).data, contents.names
    header = contents.header._replace(checksum=_checksum(contents))
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(_encoded(header))
        file.write(rows)
        file.write(names)
    return contents._replace(header=header)


def read_index_file(path: Path, stamp: Stamp) -> Contents | None:
    """Returns the contents of an index; None if there is none that fits an archive with that stamp."""
    try:
        with open_regular(path) as file:
            contents = _read(file)
            if contents.header[:3] != (FORMAT, *stamp):
                return None
            _check(contents)
            return contents
    except (OSError, ValueError):
        return None


def _read(file: BinaryIO) -> Contents:
    line = file.readline(_LONGEST_LINE)
    header = as_object(parse_json(line), Header)
    size = os.fstat(file.fileno()).st_size
    names_start = len(line) + header.members * ROW.itemsize
    if min(header.members, header.name_bytes) < 0 or names_start + header.name_bytes != size:
        raise ValueError(f'it has {size} bytes')
    whole = memoryview(_load(file, size))
    return Contents(header, np.frombuffer(whole[len(line) : names_start], ROW), whole[names_start:])


def _load(file: BinaryIO, size: int) -> 'bytes | mmap.mmap':
    if size < _SMALL or len(_mapped) >= share_of_limit(8, _MOST_MAPPED, 0):
        file.seek(0)
        return file.read(size)
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _mapped.add(mapped)
    return mapped


def _encoded(header: Header) -> bytes:
    """Returns the line of JSON, padded so that the following rows are aligned."""
    text = json.dumps(header._asdict()).encode()
    return text + b' ' * (-(len(text) + 1) % _ALIGN) + b'\n'


def _checksum(contents: Contents) -> int:
    total = zlib.crc32(_encoded(contents.header._replace(checksum=0)))
    return zlib.crc32(contents.names, zlib.crc32(contents.rows.view(np.uint8).data, total))


def _check(contents: Contents) -> None:
    """Raises ValueError if the contents are impossible."""
    header, rows, names = contents
    _demand(header.checksum == _checksum(contents), 'its checksum is wrong')
    sentences = (header.damage, header.others, header.labels_from, *header.notes)
    _demand(len(sentences) <= _MOST_SENTENCES, 'it has too many notes')
    _demand(max(map(len, sentences)) <= _LONGEST_SENTENCE, 'it has a note that is too long')
    labels = _Labels(header.labels, is_in_names=not header.labels_from)
    for start in range(0, len(rows), _CHUNK):
        _check_places(header, rows[max(start - 1, 0) : start + _CHUNK])
        chunk = rows[start : start + _CHUNK]
        first = rows['name_end'][start - 1 : start] if start else [0]
        ends = np.append(first, chunk['name_end']).astype(np.int64)
        text = _check_names(names, ends)
        labels.check(chunk['label'].astype(np.int64), text, ends - ends[0])
    _demand(labels.seen == len(header.labels), 'it has labels without members')
    _demand(int(rows['name_end'][-1] if len(rows) else 0) == len(names), 'its names are too long')


def _check_places(header: Header, chunk: np.ndarray) -> None:
    """Checks that members follow each other within the archive and do not overlap."""
    for column in ('offset', 'size', 'name_end'):
        _demand((chunk[column] < _LARGEST).all(), f'its {column} is too large')
    offsets, sizes = chunk['offset'].astype(np.int64), chunk['size'].astype(np.int64)
    _demand((offsets[1:] > offsets[:-1]).all(), 'its members are out of order')
    if not header.random_access:
        return
    headers = np.where(chunk['headers'] == NO_HEADERS, 0, chunk['headers']).astype(np.int64)
    in_one_piece = chunk['headers'] != NOT_IN_ONE_PIECE
    _demand(
        (headers % BLOCK == 0).all() and (headers <= MOST_HEADER_BYTES).all(), 'its header sizes are wrong'
    )
    ends = offsets + np.where(in_one_piece, headers + sizes, BLOCK)
    _demand((ends <= header.size).all(), 'a member is outside the archive')
    _demand((ends[:-1] <= offsets[1:]).all(), 'two members overlap')


def _check_names(names: memoryview, ends: np.ndarray) -> np.ndarray:
    """Checks that names are not empty, that each is UTF-8 by itself, and that it can be printed.

    Args:
      names: of all members.
      ends: int64 [n + 1], the limits of n names.

    Returns:
      The bytes of these, uint8.
    """
    _demand((ends[1:] > ends[:-1]).all() and ends[-1] <= len(names), 'its names are out of order')
    part = names[ends[0] : ends[-1]]
    _demand(is_clean(str(part, 'utf-8')), 'a name cannot be printed')
    text = np.frombuffer(part, np.uint8)
    _demand((text[ends[:-1] - ends[0]] >> 6 != _CONTINUES).all(), 'a name begins within a character')
    return text


class _Labels:
    """Checks that labels are numbered in the order of their first members, and agree with members' names.

    Args:
      labels: by number.
      is_in_names: whether names hold the labels; else these come from elsewhere, and are only counted.

    Attributes:
      seen: how many labels have occurred.
    """

    def __init__(self, labels: list[str], is_in_names: bool) -> None:
        self._is_in_names = is_in_names
        encoded = [label.encode() for label in labels]
        self._labels = labels
        self._lengths = np.array([len(label) for label in encoded], np.int64)
        self._are_plain = np.array([_is_plain(label) for label in labels], bool)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._text = np.frombuffer(b''.join(encoded), np.uint8)
        self.seen = 0

    def check(self, ids: np.ndarray, text: np.ndarray, ends: np.ndarray) -> None:
        """Raises ValueError if the labels of further members are wrong.

        Args:
          ids: int64 [n], numbers of their labels.
          text: their names.
          ends: int64 [n + 1], the limits of these.
        """
        highest = np.maximum.accumulate(np.append(self.seen - 1, ids))
        in_range = (ids <= highest[:-1] + 1).all() and highest[-1] < len(self._labels)
        _demand(in_range, 'a label is out of range')
        self.seen = int(highest[-1]) + 1
        if not self._is_in_names:
            return
        for row in np.flatnonzero(~self._is_folder(ids, text, ends)).tolist():
            name = bytes(text[ends[row] : ends[row + 1]]).decode()
            _demand(label_of(name) == self._labels[ids[row]], 'a label is not that of its member')

    def _is_folder(self, ids: np.ndarray, text: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Returns which labels equal the folder in front of the last slash, bool [n]."""
        slashes = np.append(-1, np.flatnonzero(text == ord('/')))
        last = slashes[np.searchsorted(slashes, ends[1:]) - 1]
        lengths = self._lengths[ids]
        begins = last - lengths
        plain = self._are_plain[ids] & (begins >= ends[:-1])
        plain &= (begins == ends[:-1]) | (text[np.maximum(begins - 1, 0)] == ord('/'))
        rows = np.flatnonzero(plain)
        if not len(rows):
            return plain
        lengths = lengths[rows]
        stops = np.cumsum(lengths)
        within = np.arange(stops[-1]) - np.repeat(stops - lengths, lengths)
        found = text[np.repeat(begins[rows], lengths) + within]
        expected = self._text[np.repeat(self._starts[ids[rows]], lengths) + within]
        plain[rows] = np.logical_and.reduceat(found == expected, stops - lengths)
        return plain


def _is_plain(label: str) -> bool:
    """Whether a label appears unchanged in names; long ones would take memory to compare."""
    return 0 < len(label) <= _LONGEST_PLAIN and label_of(f'{label}/') == label


def _demand(condition: object, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def share_of_limit(part: int, most: int, least: int) -> int:
    """Returns a fraction 1 / `part` of the files that this process may open, limited to [least, most]."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(max(soft // part, least), most)
