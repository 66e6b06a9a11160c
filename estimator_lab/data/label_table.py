"""Labels from a table, or from a small file next to each image (a sidecar), instead of the folder's name.

Source of sidecar files: WebDataset, https://github.com/webdataset/webdataset, whose shards hold
`000123.jpg` and `000123.cls`, or `000123.json`.
"""

import csv
import json
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from estimator_lab.base.printable import printable
from estimator_lab.base.regular_files import read_regular, why_unread
from estimator_lab.data.labels import label_of
from estimator_lab.errors import DataError

SIDECAR_SUFFIXES = ('.cls', '.json')
"""Suffixes of sidecar files, which hold labels."""
MOST_SIDECAR_BYTES = 2**16
"""Larger ones hold something else."""

FROM_SIDECARS = 'beside'
"""In an index: some labels come from sidecar files."""

_KEYS = ('label', 'cls', 'class', 'class_name', 'category')
_NAME_COLUMNS = (
    *('name', 'file', 'filename', 'file_name', 'path'),
    *('image', 'image_id', 'image_name', 'id', 'key'),
)
_LABEL_COLUMNS = (*_KEYS, 'target', 'breed', 'y')
_SEPARATORS = (',', '\t', ';')
_MOST_BYTES = 2**29
_LONGEST = 200


@dataclass(frozen=True)
class LabelTable:
    """Labels by the names of images.

    Attributes:
      path: of the table.
      labels: by name: of a member, its last part, or that without its suffix.
      fingerprint: equal for equal labels.
    """

    path: str
    labels: Mapping[str, str]
    fingerprint: str

    def of(self, name: str) -> str:
        """Returns the label of a member; '' if it has none."""
        base = name.rpartition('/')[2]
        for key in (name, base, base.rpartition('.')[0]):
            if key in self.labels:
                return self.labels[key]
        return ''

    @property
    def distinct(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted(set(self.labels.values())))


def read_label_table(path: Path, flag: str = '--labels') -> LabelTable:
    """Reads a table with a name and a label in each line, separated by commas, semicolons or tabs.

    With more than two columns, the first line must name the columns 'name' and 'label'.

    Args:
      path: of the table.
      flag: its flag, for errors.

    Raises:
      DataError: it can't be read, or two of its lines contradict each other.
    """
    try:
        text = read_regular(path, _MOST_BYTES).decode('utf-8-sig')
    except (OSError, ValueError) as error:
        what = 'cannot be read as a table of names and labels'
        raise DataError(f'{flag}={path} {what}: {why_unread(error)}.') from error
    labels: dict[str, str] = {}
    for number, name, label in _rows(text, f'{flag}={path}'):
        if labels.setdefault(name, label) != label:
            raise DataError(
                f'{flag}={path}: line {number} calls {name!r} {label!r}, a line before {labels[name]!r}.'
            )
    if not labels:
        raise DataError(f'{flag}={path} holds no labels: each line is a name and a label, such as 1.jpg,cat.')
    total = 0
    for name in sorted(labels):
        total = zlib.crc32(f'{name}\0{labels[name]}\0'.encode('utf-8', 'surrogateescape'), total)
    return LabelTable(str(path), labels, f'{len(labels):x}-{total:08x}')


def sidecar_label(name: str, data: bytes) -> str | None:
    """Returns the label in a sidecar file; None if it holds none.

    Args:
      name: of the file, which ends in one of SIDECAR_SUFFIXES.
      data: its bytes: text, or a JSON object with the label under 'label', 'cls' or 'class'.
    """
    try:
        text = data.decode('utf-8').strip()
        value = json.loads(text) if name.lower().endswith('.json') else text
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        value = next((value[key] for key in _KEYS if key in value), None)
    elif name.lower().endswith('.json'):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    label = printable(f'{value}'.strip())
    return label if 0 < len(label) <= _LONGEST else None


def _rows(text: str, what: str) -> Iterator[tuple[int, str, str]]:
    """Yields the number, name and label of each line."""
    first = text.partition('\n')[0]
    separator = max(_SEPARATORS, key=first.count)
    if not first.count(separator):
        raise DataError(f'{what} is not a table: its first line has one column, not a name and a label.')
    columns: tuple[int, int] | None = None
    try:
        for number, cells in enumerate(csv.reader(text.splitlines(), delimiter=separator), 1):
            if not any(map(str.strip, cells)):
                continue
            if columns is None:
                columns, is_head = _columns(cells, what)
                if is_head:
                    continue
            if len(cells) <= max(columns):
                raise DataError(f'{what}: line {number} has {len(cells)} of {max(columns) + 1} columns.')
            name, label = (cells[column].strip() for column in columns)
            if not (name and label and len(label) <= _LONGEST):
                raise DataError(
                    f'{what}: line {number} lacks a name, or a label of up to {_LONGEST} letters.'
                )
            yield number, name.removeprefix('./'), printable(label)
    except csv.Error as error:
        raise DataError(f'{what} is damaged: {error}.') from error


def _columns(first: Sequence[str], what: str) -> tuple[tuple[int, int], bool]:
    """Returns the columns of names and labels, and whether the first line is a heading."""
    titles = [cell.strip().lower() for cell in first]
    names = [titles.index(title) for title in _NAME_COLUMNS if title in titles]
    labels = [titles.index(title) for title in _LABEL_COLUMNS if title in titles]
    if names and labels:
        return (names[0], labels[0]), True
    if len(first) == 2:
        return (0, 1), bool(names)
    raise DataError(
        f"{what} has {len(first)} columns: name two of them 'name' and 'label' in its first line."
    )


class LabelColumn:
    """Collects the labels of members in stored order, for an index.

    If some members have sidecar files, those without have no label: the names of folders would be labels of
    another kind.

    Args:
      table: of all labels; None for labels from names and sidecar files.
    """

    def __init__(self, table: LabelTable | None) -> None:
        self._table = table
        self._numbers: dict[tuple[str, bool], int] = {}
        self._column: array[int] = array('Q')
        self._last: tuple[str, str | None] | None = None
        self._number = 0

    def add(self, name: str, given: str | None) -> None:
        """Adds a member: its name, and its label, or None if that is the name of its folder."""
        source = name.rpartition('/')[0], given
        if source != self._last:  # members of one folder usually follow each other
            label = (label_of(name), False) if given is None else (given, True)
            self._last, self._number = source, self._numbers.setdefault(label, len(self._numbers))
        self._column.append(self._number)

    def finish(self) -> tuple[np.ndarray, list[str], str]:
        """Returns the numbers [members], the labels by number, and `Header.labels_from`."""
        are_given = any(given for _, given in self._numbers)
        labels: dict[str, int] = {}
        numbers = np.zeros(max(len(self._numbers), 1), np.uint32)
        for (label, given), number in self._numbers.items():
            text = label if given or not are_given else ''
            numbers[number] = labels.setdefault(text, len(labels))
        origin = self._table.fingerprint if self._table else FROM_SIDECARS if are_given else ''
        return numbers[np.array(self._column, np.uint64)], list(labels), origin
