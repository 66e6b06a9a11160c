"""Word vectors from text files, a word and its values per line, as of GloVe, word2vec and fastText."""

import itertools
import os
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import numpy as np

from estimator_lab.base.regular_files import open_regular, why_unread
from estimator_lab.console.progress import Progress
from estimator_lab.errors import DataError

MOST_VALUES = 10_000
"""Limit for the values of a vector."""

_LONGEST_LINE = 2**18  # bytes
_LINES_AT_ONCE = 4096  # between two updates of the progress bar
_COMPRESSED = (b'PK\x03\x04', b'\x1f\x8b', b'BZh', b'\xfd7zXZ')
_SHOWN = 40


class VectorFile:
    """A file of word vectors, which is streamed: it may be larger than the memory.

    The first line may be a header, the number of words and that of values, as word2vec writes it.

    Args:
      path: of the file.
      flag: its flag, for errors.

    Attributes:
      path: of the file.
      width: number of values of each vector.

    Raises:
      DataError: it can't be read, or does not begin with a vector.
    """

    def __init__(self, path: Path, flag: str) -> None:
        self.path = path
        self._flag = flag
        self._header: int | None = None  # words according to the header
        try:
            with open_regular(path) as file:
                self.width = self._width(_line(file, 1))
        except (OSError, ValueError) as error:
            raise self._error(error) from error

    def vectors(self, words: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
        """Yields some words with their vectors, float32 [width], in the order of the file.

        Args:
          words: those to look for; the values of others are not read. None of them contains a space.

        Raises:
          DataError: the file can't be read; a line is not UTF-8, or has another number of values; a vector is
            not finite; a word occurs twice.
        """
        places: dict[str, int] = {}
        try:
            for number, line in self._lines():
                word = self._word(line, number)
                if word not in words:
                    continue
                if word in places:
                    raise ValueError(f'its lines {places[word]} and {number} are both for {word[:_SHOWN]!r}')
                places[word] = number
                yield word, _values(line, number)
        except (OSError, ValueError) as error:
            raise self._error(error) from error

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yields (number, line) of each vector, without white space at the end, with a progress bar."""
        with open_regular(self.path) as file, closing(Progress(f'Reading {self.path.name}')) as progress:
            size = max(os.fstat(file.fileno()).st_size, 1)
            read = 0
            if self._header is not None:
                _line(file, 1)
            first = 1 if self._header is None else 2
            for number in itertools.count(first):
                line = _line(file, number)
                if not line:
                    break
                read += 1
                if not read % _LINES_AT_ONCE:
                    progress(f'{read:,} words', file.tell() / size)
                yield number, line.rstrip()
        if self._header not in (None, read):
            raise ValueError(f'it has {read:,} vectors, but its header promises {self._header:,}')

    def _word(self, line: bytes, number: int) -> str:
        """Returns the word of a line; some words of GloVe contain spaces."""
        spaces = line.count(b' ')
        word = line.partition(b' ')[0] if spaces == self.width else line.rsplit(b' ', self.width)[0]
        if spaces < self.width or (spaces > self.width and all(map(_is_number, word.split(b' ')[1:]))):
            raise ValueError(f'its line {number} does not have {self.width:,} values, but {spaces:,}')
        try:
            return word.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f'its line {number} is not UTF-8') from error

    def _width(self, first: bytes) -> int:
        """Returns the number of values of each vector; notes the number of words of a header."""
        if first.startswith(_COMPRESSED):
            raise ValueError('it is compressed: unpack it')
        if not first:
            raise ValueError('it is empty')
        fields = first.split()
        width = len(fields) - 1
        if len(fields) == 2 and all(field.isdigit() for field in fields):
            self._header, width = map(int, fields)
        if not 1 <= width <= MOST_VALUES:
            raise ValueError(f'its line 1 has {width:,} values; 1 to {MOST_VALUES:,} are allowed')
        return width

    def _error(self, error: Exception) -> DataError:
        return DataError(f'{self._flag}={self.path} cannot be read as word vectors: {why_unread(error)}.')


def _line(file: BinaryIO, number: int) -> bytes:
    """Returns the next line; b'' at the end of the file."""
    line = file.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise ValueError(f'its line {number} is longer than the {_LONGEST_LINE:,} bytes allowed')
    return line


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _values(line: bytes, number: int) -> np.ndarray:
    """Returns the vector of a line, float32 [width]."""
    try:
        with np.errstate(over='ignore'):
            values = np.array([float(field) for field in line.split(b' ')[1:]]).astype(np.float32)
    except ValueError as error:
        raise ValueError(f'its line {number} has a value that is not a number') from error
    if not np.isfinite(values).all():
        raise ValueError(f'its line {number} has a value that is not finite')
    return values
