"""``python -m estimator_lab.data.check``: what archives hold, and what is wrong with it, in one pass."""

import hashlib
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.errors import DataError
from estimator_lab.base.printable import escaped, json_text, without_middle
from estimator_lab.base.progress import Progress, say, say_lines, say_rows, warn
from estimator_lab.base.settings import setting
from estimator_lab.data.archives.index import no_examples
from estimator_lab.data.archives.kinds import KINDS, kind_of
from estimator_lab.data.examples.kind import CONTRAST, Kind
from estimator_lab.data.examples.labels import read_label_table
from estimator_lab.data.examples.member import BadExampleError, Member, or_why, read_members, unreadable
from estimator_lab.data.input.batches import read_examples
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.source import Source, expand

T = TypeVar('T')

_USAGE = """Reads archives and folders once, and says what they hold and what is wrong with them.

  python -m estimator_lab.data.check faces.tar
  python -m estimator_lab.data.check train.tar test.tar --json > faces.json
  python -m estimator_lab.data.check 'shards/*.tar' --quick

It counts labels, decodes each image, and finds duplicates by name and by content, also between archives,
bad images and truncated ends. The exit status is 1 if an archive is damaged or holds no examples."""

_NAMED = 3
_LONGEST = 200  # letters of a name in the text
_LABELS_NAMED = 8
_AHEAD = 64
_MOST_LISTED = 1000  # bad examples, and groups of duplicates
_MOST_OF_A_GROUP = 10


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """What is checked."""

    json: bool = setting(False, 'print one JSON object instead of a text', group='Check')
    quick: bool = setting(
        False, 'read headers only: no bad images, duplicates by content or pixels', group='Check'
    )
    labels: Path | None = setting(
        None, "table with a name and a label in each line; default: images' folders", group='Check'
    )


@dataclass
class Spread:
    """The smallest, middle and largest of some numbers."""

    least: int
    median: int
    most: int

    def __str__(self) -> str:
        several = f'{self.least:,} to {self.most:,}, median {self.median:,}'
        return several if self.least < self.most else f'{self.least:,}'


@dataclass
class CheckedArchive:
    """What one archive or folder holds.

    Attributes:
      archive: its path; a folder's ends in a slash.
      kind: of its examples.
      examples: their number.
      labels: number of examples by label, sorted; '' for examples without one.
      bytes: of all examples, encoded.
      sizes: bytes of an example; None without examples.
      dimensions: such as the width of images in pixels, by name; empty if examples were not read.
      bad: number of examples that can't be decoded; None if they were not read.
      one_value: number of images whose pixels are all the same, transparent ones on black.
      same_names: number of examples with the name of an earlier one.
      damage: a sentence that says where the archive is damaged; '' for a whole one.
      notes: what is unusual, but not an error.
    """

    archive: str
    kind: str
    examples: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    sizes: Spread | None = None
    dimensions: dict[str, Spread] = field(default_factory=dict)
    bad: int | None = None
    one_value: int = 0
    same_names: int = 0
    damage: str = ''
    notes: list[str] = field(default_factory=list)


@dataclass
class Copies:
    """Examples with the same bytes as an earlier one, bad ones left out.

    Attributes:
      examples: their number.
      in_other_archives: examples whose first copy is in another archive.
      with_other_labels: examples whose first copy has another label.
      groups: keys of equal examples, the first few of the first few groups.
    """

    examples: int = 0
    in_other_archives: int = 0
    with_other_labels: int = 0
    groups: list[list[str]] = field(default_factory=list)


class Checker:
    """Reads archives one by one, and compares all of their examples.

    Memory holds about 200 bytes for each example.

    Args:
      quick: whether only headers are read: nothing is known then of bad examples and equal bytes.
      show: called with the number of examples so far, as text, and the share of the archive that was read.

    Attributes:
      examples: their number.
      bad: the first thousand bad examples, each with archive, member, offset and reason.
      duplicate_names: keys of examples with the name of an earlier one in their archive, the first thousand.
      copies: which examples have the same bytes as others; None if they were not read.
    """

    def __init__(self, quick: bool, show: Callable[[str, float | None], None]) -> None:
        self._quick, self._show = quick, show
        self._first: dict[bytes, tuple[str, str, str]] = {}  # archive, label and key by digest
        self._groups: dict[bytes, list[str]] = {}
        self.examples = 0
        self.bad: list[dict[str, Any]] = []
        self.duplicate_names: list[str] = []
        self.copies = None if quick else Copies()

    def read(self, source: Source, kind: Kind) -> CheckedArchive:
        """Reads an archive or folder; an error that ends it is its `damage`."""
        contents = CheckedArchive(escaped(source.name), kind.name, bad=None if self._quick else 0)
        labels: Counter[str] = Counter()
        sizes: list[int] = []
        dimensions: list[tuple[int, ...]] = []
        names: set[bytes] = set()
        scan = Scan(
            self._quick,
            lambda words: contents.notes.append(f'{source.name!r} {words}'),
            lambda share: self._show(f'{self.examples:,} {kind.noun}', share or None),
        )
        try:
            for member, found in self._found(source, kind, scan):
                self.examples += 1
                labels[member.label] += 1
                sizes.append(member.size)
                digest = _digest(member.name.encode())
                if digest in names:
                    contents.same_names += 1
                    _append(self.duplicate_names, member.key)
                names.add(digest)
                if isinstance(found, BadExampleError):
                    contents.bad = (contents.bad or 0) + 1
                    place = {'archive': contents.archive, 'member': member.name, 'offset': member.offset}
                    _append(self.bad, {**place, 'reason': str(found)})
                elif found:
                    content, size = found
                    dimensions.append(size)
                    self._compare(member, content)
            scan.skipped.report(scan.note)
        except DataError as error:
            contents.damage = str(error)
        if not sizes and not contents.damage:
            instead = scan.skipped.instead(source.name if source.is_folder else '')
            contents.damage = no_examples(source, kind, instead)
        contents.examples, contents.bytes = len(sizes), sum(sizes)
        contents.sizes = _spread(sizes) if sizes else None
        contents.labels = dict(sorted(labels.items()))
        columns = dict(zip(kind.dimensions, zip(*dimensions, strict=True), strict=False))
        contents.dimensions = {name: _spread(column) for name, column in columns.items()}
        contents.one_value = columns.get(CONTRAST, ()).count(0)
        return contents

    def _found(
        self, source: Source, kind: Kind, scan: Scan
    ) -> Iterable[tuple[Member, tuple[bytes, tuple[int, ...]] | BadExampleError | None]]:
        """Yields the examples; with the digest and the size of each, or why it is bad, if they are read."""

        def examined(data: bytes) -> tuple[bytes, tuple[int, ...]]:
            return _digest(data), kind.examine(data)

        def read(members: Sequence[Member]) -> list[tuple[bytes, tuple[int, ...]] | BadExampleError]:
            return [or_why(examined, data) for data in read_members(members)]

        members = scan_members(source, kind, scan)
        if self._quick:
            return ((member, unreadable(member)) for member in members)
        return read_examples(members, read, _AHEAD)

    def _compare(self, member: Member, digest: bytes) -> None:
        """Compares the bytes of an example with earlier ones."""
        first, copies = self._first.get(digest), self.copies
        if first is None or copies is None:
            self._first[digest] = member.archive, member.label, member.key
            return
        copies.examples += 1
        copies.in_other_archives += first[0] != member.archive
        copies.with_other_labels += first[1] != member.label
        if digest not in self._groups:
            self._groups[digest] = [first[2]]
            _append(copies.groups, self._groups[digest])
        if len(group := self._groups[digest]) < _MOST_OF_A_GROUP:
            group.append(member.key)


def _append(listed: list[T], item: T) -> None:
    """Appends an item, unless the list is long."""
    if len(listed) < _MOST_LISTED:
        listed.append(item)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def _spread(numbers: Sequence[int]) -> Spread:
    return Spread(min(numbers), statistics.median_low(numbers), max(numbers))


def main(settings: CheckSettings, line: CommandLine) -> None:
    """Runs the command."""
    sources = expand(line.arguments, warn, table=read_label_table(settings.labels))
    found = []
    with closing(Progress('Checking', sys.stderr)) as progress:
        checker = Checker(settings.quick, progress)
        for source in sources:
            one = checker.read(source, kind_of(source))
            found.append(one)
            if not settings.json:
                say(_first_line(one, KINDS[one.kind]))
                say_rows(_rows(one, KINDS[one.kind], checker))
    copies = checker.copies
    if settings.json:
        everything = {
            'archives': list(map(asdict, found)),
            'examples': checker.examples,
            'bad_examples': checker.bad,
            'duplicate_names': checker.duplicate_names,
            'copies': copies and asdict(copies),
        }
        say_lines(json_text(everything, 1))
    elif copies:
        say_rows(_rows_of(copies))
    unusable = [contents.damage for contents in found if contents.damage]
    if unusable:
        several = f'{len(unusable)} of {len(found)} archives are damaged or empty: ' if len(found) > 1 else ''
        raise DataError(f'{several}{unusable[0]}')


def _first_line(contents: CheckedArchive, kind: Kind) -> str:
    if not contents.examples:
        return f'{contents.archive}: no {kind.noun}'
    size, counted = contents.bytes / 1e6, _counted(contents.examples, kind)
    return f'{contents.archive}: {counted} in {size:,.1f} MB; bytes: {contents.sizes}'


def _rows(contents: CheckedArchive, kind: Kind, checker: Checker) -> Iterator[tuple[str, str]]:
    """Yields titles and texts about one archive."""
    labelled = sorted(((count, text) for text, count in contents.labels.items() if text), reverse=True)
    if labelled:
        listed = ', '.join(f'{text} {count:,}' for count, text in labelled[:_LABELS_NAMED])
        more = f' and {len(labelled) - _LABELS_NAMED:,} more' if len(labelled) > _LABELS_NAMED else ''
        yield 'Labels', f'{len(labelled):,}: {listed}{more}'
    if missing := contents.labels.get(''):
        yield 'Without label', _counted(missing, kind)
    for name, spread in contents.dimensions.items():
        yield name.capitalize(), str(spread)
    if contents.bad:
        yield 'Bad', f'{_counted(contents.bad, kind)} ({contents.bad / contents.examples:.2%})'
        for bad in [bad for bad in checker.bad if bad['archive'] == contents.archive][:_NAMED]:
            place = '' if contents.archive.endswith('/') else f' at byte {bad["offset"]}'
            yield '', f'{_short(bad["member"])!r}{place}: {bad["reason"]}'
    if contents.one_value:
        counted = _counted(contents.one_value, kind)
        yield 'One value', f'{counted} whose pixels are all the same, transparent ones placed on black'
    if contents.same_names:
        names = ', '.join(map(_short, checker.duplicate_names[-contents.same_names :][:_NAMED]))
        yield 'Same names', f'{_counted(contents.same_names, kind)} with the name of an earlier one: {names}'
    yield from (('Note', note) for note in contents.notes)
    if contents.damage:
        yield 'Damage', contents.damage


def _rows_of(copies: Copies) -> Iterator[tuple[str, str]]:
    """Yields titles and texts about equal examples."""
    if not copies.examples:
        return
    text = f'{copies.examples:,} with the bytes of an earlier example'
    if copies.in_other_archives:
        text += f', {copies.in_other_archives:,} of them in another archive'
    if copies.with_other_labels:
        text += f', {copies.with_other_labels:,} with another label'
    yield 'Copies', text
    yield from (('', ' = '.join(map(_short, group[:_NAMED]))) for group in copies.groups[:_NAMED])


def _short(name: str) -> str:
    return without_middle(name, _LONGEST)


def _counted(count: int, kind: Kind) -> str:
    return f'{count:,} {kind.name if count == 1 else kind.noun}'


COMMAND = Command(main, _USAGE, CheckSettings, arguments='ARCHIVE|FOLDER...')

if __name__ == '__main__':
    COMMAND.run()
