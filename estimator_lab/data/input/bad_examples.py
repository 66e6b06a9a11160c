"""Bad examples: counted, listed and limited to a share of the data; and the error that ended an input."""

import csv
import io
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.files import open_regular
from estimator_lab.base.printable import cell_of, escaped
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.member import BadExampleError, Member

T = TypeVar('T')

_COLUMNS = ('archive', 'member', 'offset', 'reason')
FEWEST = 10
"""Bad examples that end a run at least: fewer say nothing about the share of a whole data set."""

_MOST_SHOWN = 3
_LONGEST_FIELD = 4096
_LONGEST_LIST = 2**30  # bytes

_Place = tuple[str, str, str]


class TooManyBadError(DataError):
    """More examples are bad than the settings allow."""


class BadList:
    """The different bad examples of a run: the first few are printed, all are listed, each once; thread-safe.

    Args:
      kind: of the examples, for messages.
      say: shows one line to the user.
      file: CSV file of archive, member, offset and reason, to which each is appended, also those of other
        data sets; None for none. Each row is one line without control characters.
      said: the places of those that were printed; the lists of a run share it.
    """

    def __init__(
        self,
        kind: Kind,
        say: Callable[[str], None] = print,
        file: Path | None = None,
        said: set[_Place] | None = None,
    ) -> None:
        self.file = file
        self._kind, self._say, self._said = kind, say, set() if said is None else said
        self._lock = threading.RLock()
        self._rows = self._read(file)
        self._known: dict[tuple[str, ...], set[_Place]] = {}

    def known_of(self, archives: Sequence[str]) -> set[_Place]:
        """Returns the bad examples of a data set, to which `add` adds; its reports share it."""
        names = {_cell(escaped(archive)) for archive in archives}
        listed = {place for place in self._rows if place[0] in names}
        return self._known.setdefault(tuple(archives), listed)

    def add(self, member: Member, reason: BadExampleError, known: set[_Place]) -> None:
        """Prints and lists a bad example, unless it was, and adds it to the `known` ones of its data set."""
        place = _cell(escaped(member.archive)), _cell(member.name), str(member.offset)
        with self._lock:
            if place not in self._said and len(self._said) < _MOST_SHOWN:
                self._said.add(place)
                self._say(f'Skipped a bad {self._kind.name}: {member.place}: {reason}.')
            known.add(place)
            if self.file and place not in self._rows:
                self._rows.add(place)
                self._append(self.file, (*place, _cell(str(reason))))

    def _append(self, path: Path, row: Sequence[str]) -> None:
        try:
            with path.open('ab') as file:
                file.write(_line(row) if file.tell() else _line(_COLUMNS) + _line(row))
        except OSError as error:
            self._give_up('written', error.strerror)

    def _read(self, path: Path | None) -> set[_Place]:
        """Returns the bad examples in the file."""
        known: set[_Place] = set()
        try:
            text = ''
            if path:
                with open_regular(path) as file:
                    size = min(os.fstat(file.fileno()).st_size, _LONGEST_LIST)
                    text = file.read(size).decode('utf-8', 'replace')
            for line in text.split('\n')[:-1]:  # the last one is incomplete, or empty
                if line.count(',') >= 3 and len(row := next(csv.reader([line.rstrip('\r')]), [])) == 4:
                    known.add((row[0], row[1], row[2]))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, csv.Error) as error:
            self._give_up('read', error)
        return known

    def _give_up(self, verb: str, why: object) -> None:
        self._say(f'{self.file} cannot be {verb} ({why}): bad {self._kind.noun} are counted, not listed.')
        self.file = None


class BadLimit(NamedTuple):
    """How many bad examples end an input.

    Attributes:
      fraction: share of the examples, in [0, 1], that may be bad. Fewer than ten bad ones are always allowed,
        unless they are all that there is, or `fraction` is 0.
      total: how many examples the data set has, of which the input may be a part; None for those of the
        input.
      archives: names of the data set's archives, whose bad examples count from the list of a run.
    """

    fraction: float = 1.0
    total: int | None = None
    archives: tuple[str, ...] = ()


ANY_NUMBER = BadLimit()
"""All examples may be bad."""


class InputReport:
    """How many examples of an input were bad, which ones, and the error that ended it; thread-safe.

    Bad examples are counted twice: in `bad`, as often as they are read, and in `distinct_bad` once, in
    whichever epoch, start or evaluation they are found, by which too many end the input.

    Args:
      kind: of the examples, for messages.
      say: shows one line to the user, unless `listed` is given, which does.
      epoch_size: examples in one epoch of the input; 0 if unknown.
      limit: how many may be bad.
      listed: the list of the run; None for one of its own.
      progress: called with `seen` after each example; None for no progress.

    Attributes:
      seen: examples so far, over all epochs.
      bad: examples that could not be decoded.
      known: places of the different bad examples of the data set.
      last: place of the last bad example, and why it is bad.
      error: the error that ended the input early.
    """

    def __init__(
        self,
        kind: Kind,
        say: Callable[[str], None] = print,
        epoch_size: int = 0,
        limit: BadLimit = ANY_NUMBER,
        listed: BadList | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.kind, self.epoch_size = kind, epoch_size
        self.seen, self.bad, self.last = 0, 0, ''
        self.error: DataError | None = None
        self._limit, self._listed, self._progress = limit, listed or BadList(kind, say), progress
        self.known = self._listed.known_of(limit.archives)

    @property
    def distinct_bad(self) -> int:
        """How many different examples of the data set are known to be bad."""
        return len(self.known)

    def count(self, examples: int) -> None:
        """Counts examples that were read, good and bad ones."""
        self.seen += examples
        if self._progress:
            self._progress(self.seen)

    def add_bad(self, member: Member, reason: BadExampleError) -> None:
        """Lists the last example that was counted, which is bad; prints the first few, each once.

        Raises:
          TooManyBadError: too many are bad.
        """
        self.bad += 1
        self.last = f'{member.place}: {reason}'
        self._listed.add(member, reason, self.known)
        self.check(max(self.seen, self.epoch_size))

    def check(self, examples: int) -> None:
        """Raises TooManyBadError if more examples are bad than are allowed.

        Args:
          examples: how many there are, if `total` is unknown.
        """
        fraction, total, _ = self._limit
        examples, bad = examples if total is None else total, self.distinct_bad
        allowed = math.inf if fraction == 1 else fraction * examples
        if bad <= allowed or (fraction and bad < min(FEWEST, examples)):
            return
        noun = self.kind.noun if examples > 1 else self.kind.name
        last = f'; the last is {self.last}' if self.last else ''
        where = f'; {self._listed.file} lists them' if self._listed.file else ''
        raise TooManyBadError(
            f'{bad:,} of {examples:,} {noun} could not be decoded, more than '
            f'{option.max_bad_fraction}={fraction:g} allows{last}{where}.'
        )

    def until_error(self, batches: Iterable[T]) -> Iterator[T]:
        """Yields `batches` up to the first DataError, and stores that in `error`."""
        try:
            yield from batches
        except DataError as error:
            self.error = error

    def raise_error(self) -> None:
        """Raises the DataError that ended the input early, if one did."""
        if self.error:
            raise self.error


def _cell(text: str) -> str:
    """Returns a text shortened to one line that spreadsheets do not read as a formula."""
    cell: str = cell_of(text)
    return cell if len(cell) <= _LONGEST_FIELD else f'{cell[:_LONGEST_FIELD]}...'


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
