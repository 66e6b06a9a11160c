"""What a run has to do, by a model of its own: which examples come, and what is said or refused.

`histories` compares the package with it.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from estimator_lab.base.errors import option
from estimator_lab.data.archives.opened import Archives

BUFFERS = (50, 4, 1)

Contents = tuple[str, ...]
"""The names of an archive's members."""


class File(NamedTuple):
    """An archive.

    Attributes:
      name: of the file.
      contents: the names of its members.
      is_plain: whether it is not compressed.
    """

    name: str
    contents: Contents
    is_plain: bool


@dataclass(frozen=True)
class Flags:
    """What a start is given, besides archives."""

    batch_size: int = 3
    seed: int = 1
    shuffle_buffer: int = BUFFERS[0]
    workers: int = 1

    @property
    def together(self) -> int:
        """Examples of a step of all workers."""
        return self.batch_size * self.workers

    def shuffling(self, files: Sequence[File]) -> str:
        """Returns how files are shuffled."""
        if self.shuffle_buffer <= 1:
            return 'in stored order'
        if all(file.is_plain for file in files):
            return 'shuffled as a whole by a formula'
        return f'shuffled in a buffer of {self.shuffle_buffer}'


@dataclass(frozen=True)
class Place:
    """What the model knows of a step: what has to come.

    Attributes:
      flags: of the start that reached it.
      position: examples that were consumed.
      files: the archives, in order.
    """

    flags: Flags
    position: int
    files: tuple[File, ...]

    def after(self, examples: int) -> 'Place':
        """Returns the place that many examples further on."""
        return replace(self, position=self.position + examples)

    def names(self, archives: Archives) -> Iterator[str]:
        """Yields the names of the examples of all workers together from here on."""
        epoch, seen = divmod(self.position, total(self.files))
        for number in itertools.count(epoch):
            order = _only(archives, self.files).order(self.flags.shuffle_buffer, self.flags.seed)
            names = [member.name for member in order.epoch(number)]
            yield from names[seen:] if number == epoch else names


class Last(NamedTuple):
    """What is known of the last start.

    Attributes:
      flags: of it.
      files: its archives, in their order; empty before the first.
      changed_at: global step since which the order of examples is its.
    """

    flags: Flags = Flags()
    files: tuple[File, ...] = ()
    changed_at: int = 0


OLD = 'the checkpoint is older than the last change of archives or settings'


def expected(
    flags: Flags, given: Sequence[File], last: Last, step: int | None, before: Place | None
) -> tuple[Place, int, list[str], Last]:
    """Returns where a start goes on, the number of the epoch that it can't end or 0, what it says, and what
    is known of it later.

    Args:
      flags: of the start.
      given: its archives.
      last: what is known of the last one.
      step: of the newest checkpoint; None without one.
      before: the place of that.
    """
    files = arranged(given, last.files)
    if before is None or step is None:
        return Place(flags, 0, files), 0, [], Last(flags, files)
    data = differences(last.files, files)
    said = [*setting_changes(last.flags, flags, last.files, files), *data]
    epoch, seen = divmod(before.position, total(last.files))
    is_other = counted(files) != counted(last.files)
    breaks = [*order_changes(last.flags, flags, last.files, files)]
    breaks += data if is_other else []
    breaks += [OLD] if step < last.changed_at else []
    if not seen or not breaks:
        now = Last(flags, files, step if breaks else last.changed_at)
        return Place(flags, epoch * total(files) + seen, files), 0, said, now
    said += [words for words in breaks if words not in said]
    said.append(f'the rest of epoch {epoch + 1} is left out')
    return Place(flags, (epoch + 1) * total(files), files), epoch + 1, said, Last(flags, files, step)


def known_of(files: Sequence[File], known: Sequence[File]) -> tuple[File, ...]:
    """Returns the files with the contents of known ones, in the order of these."""
    left, found = list(files), []
    for contents in (one.contents for one in known):
        same = next((file for file in left if file.contents == contents), None)
        if same:
            left.remove(same)
            found.append(same)
    return tuple(found)


def arranged(files: Sequence[File], known: Sequence[File]) -> tuple[File, ...]:
    """Returns files in an order: first those with known contents."""
    first = known_of(files, known)
    others = Counter(files) - Counter(first)
    return (*first, *(file for file in files if others[file]))


def setting_changes(was: Flags, now: Flags, before: Sequence[File], files: Sequence[File]) -> Iterator[str]:
    """Yields what has to be said of changed flags, with the files before and now."""
    if was.together != now.together:
        yield f'examples in a step were {was.together}, are {now.together}'
    if was.workers != now.workers:
        yield f'workers were {was.workers}, are {now.workers}'
    yield from sorted(order_changes(was, now, before, files), reverse=True)  # 'examples' before 'seed'


def order_changes(was: Flags, now: Flags, before: Sequence[File], files: Sequence[File]) -> Iterator[str]:
    """Yields why files, the same in two starts, are read in another order."""
    if was.seed != now.seed:
        yield f'{option.seed} was {was.seed}, is {now.seed}'
    if was.shuffling(before) != now.shuffling(files):
        yield f'examples were {was.shuffling(before)}, are {now.shuffling(files)}'


def differences(before: Sequence[File], now: Sequence[File]) -> list[str]:
    """Returns what has to be said of changed archives, other than new names: no clause, or one."""
    names = {file.contents: file.name for file in (*before, *now)}
    gone = [names[one] for one in (counted(before) - counted(now)).elements()]
    added = [names[one] for one in (counted(now) - counted(before)).elements()]
    found = [f'{name} {"has changed" if name in added else "is gone"}' for name in gone]
    found += [f'{name} is new' for name in added if name not in gone]
    more = f' and {len(found) - 3} more' if len(found) > 3 else ''
    return [f'{option.data}: {", ".join(found[:3])}{more}'] if found else []


def total(files: Sequence[File]) -> int:
    return sum(len(file.contents) for file in files)


def counted(files: Sequence[File]) -> Counter[Contents]:
    return Counter(file.contents for file in files)


def _only(archives: Archives, files: Sequence[File]) -> Archives:
    """Returns those of the archives that hold the contents of files, in that order."""
    found = {
        (tuple(index.name(row) for row in range(len(index))), index.random_access): (source, index)
        for source, index in zip(archives.sources, archives.indexes, strict=True)
    }
    sources, indexes = zip(*(found[file.contents, file.is_plain] for file in files), strict=True)
    return replace(archives, sources=sources, indexes=indexes)
