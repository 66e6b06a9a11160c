"""Labels of members: from folders, tables or sidecar files; and their numbers in a classifier.

Source of sidecar files: WebDataset, https://github.com/webdataset/webdataset, whose shards hold
`000123.jpg` and `000123.cls`, or `000123.json`.
"""

import csv
import io
import itertools
import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.files import open_regular, read_regular, why_unread
from estimator_lab.base.printable import printable

UNKNOWN_ID = -1
SIDECAR_SUFFIXES = ('.cls', '.json')
"""Suffixes of sidecar files, which hold labels; where both do, the first one counts."""
MOST_SIDECAR_BYTES = 2**16
"""Larger ones hold something else."""
FROM_SIDECARS = 'beside'
"""In an index: some labels come from sidecar files."""

LONGEST_LABEL = 200
"""In characters; examples with a longer one are bad."""

_MOST_VOCABULARY_BYTES = 2**26  # a million labels of 60 letters
_MOST_TABLE_BYTES = 2**28  # in memory, each line takes 200 bytes more
_LONGEST_LINE = 2**16  # letters
_KEYS = ('label', 'cls')


def label_of(name: str) -> str:
    """The member's parent folder: 'train/n000001/0001_01.jpg' -> 'n000001', 'x.jpg' -> ''.

    Examples:
        >>> label_of('train/n000001/0001_01.jpg')
        'n000001'
        >>> label_of('0001_01.jpg')
        ''
    """
    folder = name.rpartition('/')[0].rstrip('/')
    label = folder.rpartition('/')[2]
    return '' if label in ('.', '..') else label[: LONGEST_LABEL + 1]  # enough to be too long


@dataclass(frozen=True)
class Vocabulary:
    """The labels of a classifier in the order of their ids, which are 0, 1, 2, ...

    Examples:
        >>> vocabulary = Vocabulary(('cat', 'dog'))
        >>> vocabulary.id_of('dog'), vocabulary.id_of('fox')
        (1, -1)
        >>> Vocabulary(('cat',))
        Traceback (most recent call last):
        estimator_lab.base.errors.DataError: One class only: 'cat'; a classifier needs at least two.

    Raises:
      DataError: a label occurs twice, or there are fewer than two.
    """

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        twice = [label for label, count in Counter(self.labels).items() if count > 1]
        if twice:
            raise DataError(f'The label {twice[0]!r} occurs twice in the vocabulary.')
        if not self.labels:
            raise DataError('No class: the vocabulary is empty; a classifier needs at least two.')
        if len(self.labels) == 1:
            raise DataError(f'One class only: {self.labels[0]!r}; a classifier needs at least two.')

    def __len__(self) -> int:
        return len(self.labels)

    def id_of(self, label: str) -> int:
        """The label's id, `UNKNOWN_ID` if it isn't in the vocabulary."""
        return self.ids.get(label, UNKNOWN_ID)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The ids by label."""
        return {label: id_ for id_, label in enumerate(self.labels)}


def read_vocabulary(path: Path) -> Vocabulary:
    """Reads a vocabulary from a text file of one label a line; empty lines are skipped.

    Labels are compared in their printable form; the file may hold either that or the original text.

    Raises:
      DataError: the file can't be read, or its labels are not a vocabulary.
    """
    try:
        lines = read_regular(path, _MOST_VOCABULARY_BYTES).decode('utf-8-sig').split('\n')
    except (OSError, ValueError) as error:
        raise DataError(f'{option.vocabulary}={path} cannot be read: {why_unread(error)}.') from error
    try:
        return Vocabulary(tuple(printable(line.strip()) for line in lines if line.strip()))
    except DataError as error:
        raise DataError(f'{option.vocabulary}={path}: {error}') from error


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Labels by the names of images. Two tables are equal only if they are the same object.

    Attributes:
      path: of the table.
      labels: by name: of a member, its last part, or one of these without suffixes.
      fingerprint: equal for equal labels.
    """

    path: str
    labels: Mapping[str, str]
    fingerprint: str

    def of(self, name: str) -> str:
        """Returns the label of a member; '' if it has none."""
        folder, slash, base = name.rpartition('/')
        stems = base.rpartition('.')[0], base.partition('.')[0]
        for key in (name, base, *stems, *(f'{folder}{slash}{stem}' for stem in stems)):
            if key in self.labels:
                return self.labels[key]
        return ''

    @property
    def distinct(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted(set(self.labels.values())))


def read_label_table(path: Path | None) -> LabelTable | None:
    """Reads a table with a name and a label in each line, separated by commas, semicolons or tabs.

    With more than two columns, the first line must name the columns 'name' and 'label'. No path, no table.

    Raises:
      DataError: it can't be read, or two of its lines contradict each other.
    """
    if path is None:
        return None
    what = f'{option.labels}={path}'
    labels: dict[str, str] = {}
    try:
        with (
            open_regular(path, _MOST_TABLE_BYTES) as file,
            io.TextIOWrapper(file, 'utf-8-sig', newline='') as text,
        ):
            for number, name, label in _rows(text, what):
                if labels.setdefault(name, label) != label:
                    raise DataError(
                        f'{what}: line {number} calls {name!r} {label!r}, a line before {labels[name]!r}.'
                    )
    except (OSError, ValueError) as error:
        raise DataError(
            f'{what} cannot be read as a table of names and labels: {why_unread(error)}.'
        ) from error
    if not labels:
        raise DataError(f'{what} holds no labels: each line is a name and a label, such as 1.jpg,cat.')
    total = 0
    for name in sorted(labels):
        total = zlib.crc32(f'{name}\0{labels[name]}\0'.encode('utf-8', 'surrogateescape'), total)
    return LabelTable(str(path), labels, f'{len(labels):x}-{total:08x}')


def _rows(text: TextIO, what: str) -> Iterator[tuple[int, str, str]]:
    """Yields the number, name and label of each line; a quoted cell may not go on in the next line."""
    lines = _lines(text, what)
    first = next(lines, '')
    separator = max(',\t;', key=first.count)
    if not first.count(separator):
        raise DataError(f'{what} is not a table: its first line has one column, not a name and a label.')
    titles = [cell.strip().lower() for cell in first.split(separator)]
    has_titles = {'name', 'label'} <= set(titles)
    if not has_titles and len(titles) > 2:
        raise DataError(
            f"{what} has {len(titles)} columns: name two of them 'name' and 'label' in its first line."
        )
    columns = (titles.index('name'), titles.index('label')) if has_titles else (0, 1)
    try:
        for number, line in enumerate(itertools.chain([first], lines), 1):
            (cells,) = csv.reader([line], delimiter=separator) if line else ([],)
            if (number == 1 and has_titles) or not any(map(str.strip, cells)):
                continue
            if len(cells) <= max(columns):
                raise DataError(f'{what}: line {number} has {len(cells)} of {max(columns) + 1} columns.')
            name, label = (cells[column].strip() for column in columns)
            if not (name and label and len(label) <= LONGEST_LABEL):
                raise DataError(
                    f'{what}: line {number} lacks a name, or a label of up to {LONGEST_LABEL} letters.'
                )
            yield number, name.removeprefix('./'), sys.intern(printable(label))
    except csv.Error as error:
        raise DataError(f'{what} is damaged: {error}.') from error


def _lines(text: TextIO, what: str) -> Iterator[str]:
    """Yields the lines of a table, without their ends."""
    number = 0
    while line := text.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise DataError(f'{what}: line {number} has more than {_LONGEST_LINE:,} letters.')
        yield line.rstrip('\r\n')


def is_sidecar(name: str) -> bool:
    """Whether a file of that name may hold the label of the image next to it."""
    return name.lower().endswith(SIDECAR_SUFFIXES)


def sidecar_label(name: str, data: bytes) -> str | None:
    """Returns the label in a sidecar file; None if it holds none.

    Args:
      name: of the file, which ends in one of SIDECAR_SUFFIXES.
      data: its bytes: text, or a JSON object with the label under 'label' or 'cls'.
    """
    is_json = name.lower().endswith('.json')
    try:
        text = data.decode('utf-8-sig').strip()
        value = json.loads(text) if is_json else text
    except (ValueError, RecursionError):
        return None
    if is_json:
        value = next((value[key] for key in _KEYS if key in value), None) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    label = printable(f'{value}'.strip())
    return label if 0 < len(label) <= LONGEST_LABEL else None
