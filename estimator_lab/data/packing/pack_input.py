"""The members to pack: the examples of some archives, scaled down on request, without the bad ones."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from estimator_lab.console.progress import Progress
from estimator_lab.data.budget import AHEAD
from estimator_lab.data.images.decode import shrink_image
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.members import stream_members
from estimator_lab.data.packing.shards import MOST_SKIPPED, Listing, PackSettings
from estimator_lab.data.pipeline.batches import look_ahead
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.data.tar.sources import stamp_of
from estimator_lab.errors import DataError

Say = Callable[[str], None]

_MEMBERS_AHEAD = 32
_FEW = 1000  # images, before which the share of bad ones is not checked


@dataclass
class PackInput:
    """The members to pack, and a record of what is left out.

    Attributes:
      archives: paths, URLs, or '-' for standard input.
      settings: of the packing.
      say: shows one line to the user.
      kind: which members are packed.
      skipped: the bad members so far: archive, member, offset and reason of each.
      unlisted: number of bad members that do not fit into `skipped`.
      damage: of each damaged archive so far, where and why.
    """

    archives: Sequence[str]
    settings: PackSettings
    say: Say
    kind: Kind = IMAGES
    skipped: list[dict[str, Any]] = field(default_factory=list)
    unlisted: int = 0
    damage: list[str] = field(default_factory=list)
    _listing: Listing = field(default_factory=lambda: Listing(MOST_SKIPPED))

    def members(self) -> Iterator[Member]:
        """Yields the members as they are stored in shards, one archive after the other.

        Raises:
          DataError: an archive can't be read, or more is bad than the settings allow.
        """
        report = InputReport(self.say, _FEW, self.settings.max_bad_fraction, kind=self.kind)
        with show_progress('Reading') as progress:
            for (member, share), result in self._prepared():
                reason = result if isinstance(result, BadExampleError) else None
                if reason:
                    self._skip(member, reason)
                report.count(member, reason)
                del member  # before the next is read
                if isinstance(result, Member):
                    yield result
                del result
                progress(f'{report.seen:,} {self.kind.noun}', share)
        report.check(report.seen)
        if report.seen == report.bad:
            raise DataError(f'{", ".join(self.archives)}: no {self.kind.name} to pack.')

    def _skip(self, member: Member, reason: BadExampleError) -> None:
        entry = {
            'archive': member.archive,
            'member': member.name,
            'offset': member.offset,
            'reason': str(reason),
        }
        if self._listing.fits(entry):
            self.skipped.append(entry)
        else:
            self.unlisted += 1

    def _prepared(self) -> Iterator[tuple['_Stored', Member | BadExampleError]]:
        """Yields each member, and what is stored of it, or why it is bad."""
        if self.settings.image_size is None:
            for stored in self._stored():
                problem = stored.member.problem
                yield stored, BadExampleError(problem) if problem else stored.member
                del stored  # before the next is read
            return
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            for stored, shrunk in look_ahead(self._pending(pool), _MEMBERS_AHEAD, _bytes_of, AHEAD):
                yield stored, shrunk.result()
                del stored, shrunk  # before the next is read
        finally:
            pool.shutdown(cancel_futures=True)

    def _pending(self, pool: ThreadPoolExecutor) -> Iterator['_Pending']:
        for stored in self._stored():
            yield stored, pool.submit(self._shrink, stored.member)
            del stored

    def _shrink(self, member: Member) -> Member | BadExampleError:
        if member.problem:
            return BadExampleError(member.problem)
        try:
            data = shrink_image(member.data, self.settings.image_size or 0, self.settings.quality)
        except BadExampleError as reason:
            return reason.with_traceback(None)  # which would keep the member
        if data is member.data:
            return member
        return member._replace(name=str(PurePosixPath(member.name).with_suffix('.jpg')), data=data)

    def _stored(self) -> Iterator['_Stored']:
        """Yields the members of all archives one after the other."""
        sizes = _sizes(self.archives)
        for number, archive in enumerate(self.archives):
            done = _Share(sizes, number)
            found = 0
            try:
                for member in stream_members(archive, done.set, note=self.say, kind=self.kind):
                    found += 1
                    yield _Stored(member, done.share)
                    del member  # before the next is read
            except DataError as error:
                self._use_damaged(error, found)

    def _use_damaged(self, error: DataError, images: int) -> None:
        """Continues after an archive that is damaged after `images` members, if that is allowed."""
        if not images:
            raise error
        if not self.settings.use_damaged:
            remedy = f'--use_damaged packs the {images:,} {self.kind.noun} before that.'
            raise DataError(str(error), use_damaged=remedy) from error
        self.say(f'Warning: {error} The {images:,} {self.kind.noun} before that are used.')
        self.damage.append(str(error))


class _Stored(NamedTuple):
    """A member, and the share of all archives that was read up to it, while more is read ahead."""

    member: Member
    share: float | None


_Pending = tuple[_Stored, Future[Member | BadExampleError]]


def _bytes_of(pending: _Pending) -> int:
    stored, _ = pending
    return len(stored.member.data)


class _Share:
    """Converts the share of archive number `number` that has been read to that of all archives.

    `share` is in [0, 1]; None if the size of an archive is unknown.
    """

    def __init__(self, sizes: Sequence[int], number: int) -> None:
        total = max(sum(sizes), 1)
        self._before = sum(sizes[:number]) / total
        self._here = sizes[number] / total if sizes else None
        self.share: float | None = None
        self.set(0.0)

    def set(self, share: float) -> None:
        if self._here is not None:
            self.share = self._before + share * self._here


def _sizes(archives: Sequence[str]) -> list[int]:
    """Returns the bytes of each archive; an empty list if one is a pipe."""
    stamps = [stamp_of(archive) for archive in archives]
    return [stamp.size for stamp in stamps if stamp] if all(stamps) else []


@contextlib.contextmanager
def show_progress(title: str) -> Iterator[Progress]:
    """Yields a progress bar that is removed at the end."""
    progress = Progress(title)
    try:
        yield progress
    finally:
        progress.close()
