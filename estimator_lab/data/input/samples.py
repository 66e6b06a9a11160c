"""Samples: members of one name but for their suffixes, such as 12.jpg, 12.txt and 12.json, are one example.

Source: WebDataset, https://github.com/webdataset/webdataset. The members of a sample share their path up to
the first dot of the name. Here they may be anywhere in an archive.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from estimator_lab.base.json_input import parse_json
from estimator_lab.base.printable import printable
from estimator_lab.data.archives.index import Index
from estimator_lab.data.archives.part import EVERYTHING, Part
from estimator_lab.data.archives.places import unpack
from estimator_lab.data.examples.kind import Arrays, Kind
from estimator_lab.data.examples.member import BadExampleError, Member, or_why, read_members
from estimator_lab.data.images.decode import decode_mask
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input.stream_settings import ReadSettings
from estimator_lab.data.sources.files import is_hidden

_MISSING, _TWICE = -1, -2
_TEXTS = ('txt', 'text')


class SampleKind(Kind):
    """Members that are fields of samples."""

    noun = 'samples'

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.name = 'sample'
        self.fields = fields

    def accepts(self, name: str) -> bool:
        """Whether a member of that name is a field."""
        return _stem_and_field(name)[1] in self.fields and not is_hidden(name)

    def example_name(self, name: str) -> str:
        """See `Kind.example_name`: without the suffix."""
        return _stem_and_field(name)[0]


class IndexedSamples:
    """The samples of archives, in the order of their first members, by number.

    A sample's label is that of the first of its members that has one. Memory: 4 bytes for each of its fields,
    and 4 besides.

    Args:
      indexes: of the archives, whose members are the fields.
      fields: suffixes of the members of a sample.
      part: the samples that are used, by their names.
    """

    def __init__(self, indexes: Sequence[Index], fields: tuple[str, ...], part: Part = EVERYTHING) -> None:
        self.indexes, self._fields = indexes, fields
        self._rows, self._labelled = zip(*(_rows_of(index, fields, part) for index in indexes), strict=True)
        self._ends = np.cumsum(list(map(len, self._rows)), dtype=np.int64)

    block_counts = None  # see `IndexedMembers`

    def __len__(self) -> int:
        return int(self._ends[-1])

    def values(self, of: Callable[[Index], np.ndarray]) -> np.ndarray:
        """Returns what a function of an index has for each of its members, of the one that has the label."""
        of_rows = zip(self.indexes, self._labelled, strict=True)
        return np.concatenate([of(index)[rows] for index, rows in of_rows])

    def ahead(self, chunks: Iterable[np.ndarray]) -> Iterator[Member]:
        """See `IndexedMembers.ahead`."""
        return itertools.chain.from_iterable(map(self.members, chunks))

    def member(self, place: int, by_blocks: bool = False) -> Member:
        """Returns the sample at a packed place; see `members`."""
        return next(self.members(np.array([place])))

    def members(self, places: np.ndarray) -> Iterator[Member]:
        """Yields the samples at some packed places, each as a member whose data are its members by field.

        In the place of a field that a sample lacks, or has twice, there is a BadExampleError.
        """
        epochs, numbers = unpack(places, len(self))
        for epoch, place in zip(epochs.tolist(), numbers.tolist(), strict=True):
            archive = int(np.searchsorted(self._ends, place, 'right'))
            number = place - (int(self._ends[archive - 1]) if archive else 0)
            rows = self._rows[archive][number].tolist()
            there = [row for row in rows if row >= 0]
            found = iter(self.indexes[archive].members(there, epoch))
            fields = {
                field: next(found) if row >= 0 else _why(field, row)
                for field, row in zip(self._fields, rows, strict=True)
            }
            member = self.indexes[archive].member(self._labelled[archive].item(number), epoch)
            name = _stem_and_field(member.name)[0]
            yield member._replace(name=name, data=fields, source=None)


class SampleReader:
    """How samples become dicts of their fields: pixels, class ids, texts, objects of JSON, or bytes.

    Augmentation changes all images of a sample alike, and moves its masks as it moves these.

    Args:
      settings: how members are read.
      fields: suffixes of the members of a sample.
      masks: those that are images of class ids.
    """

    def __init__(self, settings: ReadSettings, fields: Sequence[str], masks: Sequence[str]) -> None:
        self._fields, self._masks, self._shape = fields, masks, settings.image_shape
        self._images = settings.reader() if settings.image_shape else None
        changes = self._images.options.augmentation if isinstance(self._images, ImageReader) else None
        self._moved = changes and changes.of_masks()

    def read(self, samples: Sequence[Member]) -> list[Any]:
        """Returns a dict for each sample, or a BadExampleError."""
        members = [one for sample in samples for one in sample.data.values() if isinstance(one, Member)]
        data = dict(zip(map(id, members), read_members(members), strict=True))
        return [self._sample({f: data.get(id(one), one) for f, one in s.data.items()}, s) for s in samples]

    def _sample(self, found: Mapping[str, Any], sample: Member) -> Any:
        fields = {}
        for field, data in found.items():
            value = or_why(lambda data, field=field: self._value(field, data, sample), data)  # type: ignore[misc]
            if isinstance(value, BadExampleError):
                return value if value is data else BadExampleError(f'its .{field}: {value}')
            fields[field] = value
        return fields

    def _value(self, field: str, data: bytes, sample: Member) -> Any:
        try:
            if self._shape and field in self._masks:
                ids = decode_mask(data, *self._shape[:2])[..., np.newaxis]
                return (self._moved(ids, sample.name, sample.epoch) if self._moved else ids)[..., 0]
            if self._images and IMAGES.accepts(f'x.{field}'):
                (pixels,) = self._images.read([sample._replace(data=data)])
                return pixels
            if field in _TEXTS:
                return data.decode('utf-8-sig')
            return parse_json(data) if field == 'json' else data
        except ValueError as error:
            return BadExampleError(printable(f'{error}'))

    def collate(self, examples: Sequence[Mapping[str, Any]]) -> Arrays:
        """Returns the fields of examples by name: pixels as an array [n, ...], any other as a list."""
        columns: dict[str, Any] = {field: [example[field] for example in examples] for field in self._fields}
        for field, column in columns.items():
            if self._shape and (field in self._masks or IMAGES.accepts(f'x.{field}')):
                shape = self._shape[:2] if field in self._masks else self._shape
                columns[field] = np.stack(column) if column else np.empty((0, *shape), np.uint8)
        return columns


def _stem_and_field(name: str) -> tuple[str, str]:
    """Returns the name up to its first dot, and the suffix after it."""
    folder, slash, base = name.rpartition('/')
    stem, _, field = base.partition('.')
    return f'{folder}{slash}{stem}', field.lower()


def _why(field: str, row: int) -> BadExampleError:
    return BadExampleError(f'it has no .{field}' if row == _MISSING else f'it has .{field} twice')


def _rows_of(index: Index, fields: tuple[str, ...], part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Returns the members of each sample of a part, and the one that has its label.

    Returns:
      Rows of the index, or _MISSING or _TWICE, int32 [samples, fields]; the first rows with a label, or else
      the first ones, int32 [samples].
    """
    numbers, columns = np.empty(len(index), np.uint64), np.empty(len(index), np.intp)
    is_used = np.empty(len(index), bool)
    for row in range(len(index)):
        stem, field = _stem_and_field(index.name(row))
        numbers[row] = int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest(), 'big')
        columns[row] = fields.index(field)
        is_used[row] = stem in part
    _, first, sample = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    places = rank[sample] * len(fields) + columns
    rows = np.full(len(first) * len(fields), _MISSING, np.int32)
    rows[places] = np.arange(len(index))
    rows[np.bincount(places, minlength=len(rows)) > 1] = _TWICE
    lacks_label = np.array([not label for label in index.labels], bool)[index.label_ids]
    labelled = np.full(len(first), 2 * len(index))
    np.minimum.at(labelled, rank[sample], np.arange(len(index)) + lacks_label * len(index))
    labelled %= len(index)
    is_chosen = is_used[labelled] & (part.only.mask(index)[labelled] if part.only else True)
    return rows.reshape(-1, len(fields))[is_chosen], labelled[is_chosen].astype(np.int32)
