"""The file that lists bad examples, one row each, whichever epoch or phase found them."""

import contextlib
import csv
import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from estimator_lab.base.printable import escaped, is_clean
from estimator_lab.base.regular_files import open_regular
from estimator_lab.base.whole_files import whole_file
from estimator_lab.console.outputs import cell_of

_COLUMNS = ('archive', 'member', 'offset', 'reason')
_LISTS = 'bad_members*.csv'
_LONGEST_FIELD = 4096
_LONGEST_ROW = 2**17  # with quotes doubled

Place = tuple[str, str, str]
"""Archive, member and offset of a bad example, as they are in a row."""


class BadList:
    """A CSV file of archive, member, offset and reason; a resumed run appends to it.

    Every row is one line without control characters, so that an incomplete row, left by a killed process,
    does not affect others. Rows of archives that have been modified since are left out: they may have been
    repaired. Threads may use it at the same time.

    Args:
      path: of the file; nothing is written before the first bad example.
      say: shows one line to the user.
      archives: paths of those that are read; `places` is about these.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = print, archives: Sequence[str] = ()) -> None:
        self.path = path
        self._say = say
        self._archives = {_cell(escaped(archive)): archive for archive in archives}
        self._listed: set[bytes] | None = None
        self._is_usable = True
        self._lock = threading.Lock()

    def add(self, archive: str, member: str, offset: int, reason: str) -> None:
        """Adds a row to the file, unless it is there already."""
        row = _line(archive, member, str(offset), reason)
        with self._lock:
            if not self._is_usable:
                return
            try:
                self._add(row)
            except (OSError, ValueError) as error:
                why = (isinstance(error, OSError) and error.strerror) or error
                self._say(f'{self.path} cannot be written ({why}): bad images are counted, not listed.')
                self._is_usable = False

    def places(self) -> set[Place]:
        """Returns the bad examples of the run's archives that are in the file."""
        with self._lock:
            try:
                self._take_up_once()
            except (OSError, ValueError):  # `add` reports it
                return set()
            return self._places_in(self._listed or ())

    def places_of_others(self) -> set[Place]:
        """Returns the bad examples of the run's archives in the lists next to this one."""
        found: set[Place] = set()
        for path in sorted(self.path.parent.glob(_LISTS)):
            if path != self.path:
                with contextlib.suppress(OSError, ValueError), open_regular(path) as file:
                    written = path.stat().st_mtime_ns
                    rows = {row for line in _lines(file) if (row := _row_of(line))}
                    found |= self._places_in(row for row in rows if not self._is_outdated(row, written))
        return found

    def _add(self, row: bytes) -> None:
        self._take_up_once()
        assert self._listed is not None
        if row not in self._listed:
            self._listed.add(row)
            with self.path.open('ab') as file:
                file.write(row if file.tell() else _line(*_COLUMNS) + row)

    def _take_up_once(self) -> None:
        if self._listed is None:
            self._listed = self._take_up()

    def _take_up(self) -> set[bytes]:
        """Returns the rows of an existing file; removes lines that are not rows, or are outdated, from it."""
        rows: dict[bytes, None] = {}
        lines = damaged = 0
        is_as_written = True
        try:
            with open_regular(self.path) as file:
                written = self.path.stat().st_mtime_ns
                for line in _lines(file):
                    lines += 1
                    row = _row_of(line)
                    is_outdated = row is not None and self._is_outdated(row, written)
                    is_as_written &= row == line and row not in rows and not is_outdated
                    if row is None:
                        damaged += 1
                    elif not is_outdated:
                        rows[row] = None
        except FileNotFoundError:
            return set()
        if not is_as_written:
            self._write_anew(rows)
        if damaged:
            self._say(
                f'Warning: {damaged:,} of {lines:,} lines of {self.path} were damaged and are '
                'left out; the others are kept.'
            )
        return set(rows)

    def _places_in(self, rows: Iterable[bytes]) -> set[Place]:
        return {place for row in rows if (place := _place_in(row))[0] in self._archives}

    def _is_outdated(self, row: bytes, written: int) -> bool:
        """Whether a row's archive, or file in a folder, was modified after the list was written, in ns."""
        cell, member, _ = _place_in(row)
        archive = self._archives.get(cell)
        if archive is None:
            return False
        try:
            path = Path(f'{archive}{member}' if archive.endswith('/') else archive)
            return path.stat().st_mtime_ns > written
        except (OSError, ValueError):  # a URL, or a name that is shown with escapes
            return False

    def _write_anew(self, rows: dict[bytes, None]) -> None:
        with whole_file(self.path) as file:
            file.write(_line(*_COLUMNS))
            file.writelines(row for row in rows if row != _line(*_COLUMNS))


def place_of(archive: str, member: str, offset: int) -> Place:
    """Returns a bad example as it is in a row."""
    return _cell(archive), _cell(member), str(offset)


def _place_in(row: bytes) -> Place:
    ((archive, member, offset, _),) = csv.reader([row.decode().rstrip('\r\n')], strict=True)
    return archive, member, offset


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yields the lines of a file, those that are too long in several pieces."""
    while line := file.readline(_LONGEST_ROW):
        yield line


def _line(*fields: str) -> bytes:
    return _written(map(_cell, fields))


def _written(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _cell(text: str) -> str:
    """Returns a text shortened to one line that spreadsheets do not read as a formula."""
    cell: str = cell_of(text)
    return cell if len(cell) <= _LONGEST_FIELD else f'{cell[:_LONGEST_FIELD]}...'


def _row_of(line: bytes) -> bytes | None:
    """Returns a row as this module writes it, however it is quoted; None for a line that is not a row."""
    try:
        text = line.decode()
        (row,) = csv.reader([text.rstrip('\r\n')], strict=True)
    except (ValueError, csv.Error):
        return None
    if not text.endswith('\n') or len(row) != len(_COLUMNS):
        return None
    is_number = row[2].isascii() and row[2].isdecimal()
    if tuple(row) != _COLUMNS and not (is_number and all(map(is_clean, row))):
        return None
    return _written(row)
