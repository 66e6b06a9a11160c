"""Bad examples: counted, listed and limited to a share of the data; and the error that ended an input."""

import csv
import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

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
    """A CSV file of archive, member, offset and reason; a resumed run appends to it. Thread-safe.

    Every row is one line without control characters.

    Args:
      path: of the file; nothing is written before the first bad example.
    """

    def __init__(self, path: Path, noun: str, say: Callable[[str], None] = print) -> None:
        self.path = path
        self._noun = noun
        self._say = say
        self._is_usable = True
        self._lock = threading.Lock()
        self._known = self._read()

    def add(self, member: Member, reason: BadExampleError) -> None:
        """Adds a row to the file, unless its member is there already."""
        place = _place_of(member)
        row = (*place, _cell(str(reason)))
        with self._lock:
            if not self._is_usable or place in self._known:
                return
            self._known.add(place)
            try:
                with self.path.open('ab') as file:
                    file.write(_line(row) if file.tell() else _line(_COLUMNS) + _line(row))
            except OSError as error:
                self._give_up('written', error.strerror)

    def places(self, archives: Sequence[str]) -> set[_Place]:
        """Returns the bad examples of some archives, by their names, that are in the file."""
        wanted = {_cell(escaped(archive)) for archive in archives}
        return {place for place in self._known if place[0] in wanted}

    def _read(self) -> set[_Place]:
        known: set[_Place] = set()
        try:
            with open_regular(self.path) as file:
                text = file.read(_LONGEST_LIST).decode('utf-8', 'replace')
            for line in text.split('\n')[:-1]:  # the last one is incomplete, or empty
                if line.count(',') >= 3 and len(row := next(csv.reader([line.rstrip('\r')]), [])) == 4:
                    known.add((row[0], row[1], row[2]))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, csv.Error) as error:
            self._give_up('read', error)
        return known

    def _give_up(self, verb: str, why: object) -> None:
        self._say(f'{self.path} cannot be {verb} ({why}): bad {self._noun} are counted, not listed.')
        self._is_usable = False


@dataclass
class BadExamples:
    """The bad examples of a data set, also if training and evaluation use parts of it; thread-safe.

    Each counts once, in whichever epoch, start or evaluation it is found.

    Attributes:
      kind: of the examples, for messages.
      fraction: share of the examples, in [0, 1], that may be bad. Fewer than ten bad ones are always allowed,
        unless they are all that there is, or `fraction` is 0.
      total: how many examples the data set has; None if unknown.
      listed: file of the bad examples, also those of other data sets; None for none.
      archives: names of the data set's archives, whose bad examples in `listed` count.
    """

    kind: Kind
    fraction: float = 1.0
    total: int | None = None
    listed: BadList | None = None
    archives: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._places = self.listed.places(self.archives) if self.listed else set()
        self._last = ''

    @property
    def count(self) -> int:
        """How many different bad examples are known."""
        return len(self._places)

    def add(self, member: Member, reason: BadExampleError) -> None:
        """Adds a bad example to the count and to the list, unless it is there already."""
        self._places.add(_place_of(member))
        self._last = f'{member.place}: {reason}'
        if self.listed:
            self.listed.add(member, reason)

    def check(self, examples: int) -> None:
        """Raises TooManyBadError if more examples are bad than are allowed.

        Args:
          examples: that were read so far, which count as all of them if `total` is unknown.
        """
        examples = examples if self.total is None else self.total
        if self.count <= self.fraction * examples:
            return
        if self.fraction and self.count < min(FEWEST, examples):
            return
        noun = self.kind.noun if examples > 1 else self.kind.name
        last = f'; the last is {self._last}' if self._last else ''
        where = f'; {self.listed.path} lists them' if self.listed else ''
        raise TooManyBadError(
            f'{self.count:,} of {examples:,} {noun} could not be decoded, more than '
            f'{option.max_bad_fraction}={self.fraction:g} allows{last}{where}.'
        )


@dataclass
class InputReport:
    """How many examples were bad, and the error that ended the input.

    Attributes:
      epoch_size: examples in one epoch; 0 if unknown.
      bad_examples: lists and limits the bad examples of this and other reports; None for neither.
      seen: examples so far, over all epochs.
      bad: those that could not be decoded.
      last: place of the last bad example, and why it is bad.
      said: the places of the bad examples that were printed; the reports of a run share it.
      progress: called with `seen` after each example; None for no progress.
      error: the error that ended the input early. Raised through TensorFlow, it would be buried in a stack
        trace, and the steps since the last checkpoint would be lost. So the input just ends, and the caller
        of the Estimator calls `raise_error` afterwards.
      raises: whether the error is raised at once instead: the caller of a user's own Estimator does not know
        of this report.
    """

    kind: Kind
    say: Callable[[str], None] = print
    epoch_size: int = 0
    bad_examples: BadExamples | None = None
    seen: int = 0
    bad: int = 0
    error: DataError | None = None
    last: str = ''
    said: set[_Place] = field(default_factory=set)
    progress: Callable[[int], None] | None = None
    raises: bool = False

    def count(self, examples: int) -> None:
        """Counts examples that were read, good and bad ones."""
        self.seen += examples
        if self.progress:
            self.progress(self.seen)

    def add_bad(self, member: Member, reason: BadExampleError) -> None:
        """Lists the last example that was counted, which is bad; prints the first few, each once.

        Raises:
          TooManyBadError: too many are bad.
        """
        self.bad += 1
        self.last = f'{member.place}: {reason}'
        place = _place_of(member)
        if place not in self.said and len(self.said) < _MOST_SHOWN:
            self.said.add(place)
            self.say(f'Skipped a bad {self.kind.name}: {self.last}.')
        if self.bad_examples:
            self.bad_examples.add(member, reason)
            self.bad_examples.check(max(self.seen, self.epoch_size))

    def until_error(self, batches: Iterable[T]) -> Iterator[T]:
        """Yields `batches` up to the first DataError, and stores that in `error` unless it `raises`."""
        try:
            yield from batches
        except DataError as error:
            if self.raises:
                raise
            self.error = error

    def raise_error(self) -> None:
        """Raises the DataError that ended the input early, if one did."""
        if self.error:
            raise self.error


def _place_of(member: Member) -> _Place:
    return _cell(escaped(member.archive)), _cell(member.name), str(member.offset)


def _cell(text: str) -> str:
    """Returns a text shortened to one line that spreadsheets do not read as a formula."""
    cell: str = cell_of(text)
    return cell if len(cell) <= _LONGEST_FIELD else f'{cell[:_LONGEST_FIELD]}...'


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
