"""The members to pack: the examples of some archives, scaled down on request, without the bad ones."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
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
from estimator_lab.data.packing.shards import MOST_LABELS, MOST_SKIPPED, Listing, PackSettings
from estimator_lab.data.pipeline.bad_examples import BadExamples
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
      labels: number of members by label so far.
    """

    archives: Sequence[str]
    settings: PackSettings
    say: Say
    kind: Kind = IMAGES
    skipped: list[dict[str, Any]] = field(default_factory=list)
    unlisted: int = 0
    damage: list[str] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._skipped_listing, self._labels_listing = Listing(MOST_SKIPPED), Listing(MOST_LABELS)

    def members(self) -> Iterator[Member]:
        """Yields the members as they are stored in shards, one archive after the other.

        Raises:
          DataError: an archive can't be read, more is bad than the settings allow, or a manifest has no room
            for all labels.
        """
        bad = BadExamples(self.settings.max_bad_fraction, kind=self.kind)
        report = InputReport(self.say, _FEW, bad, kind=self.kind)
        with closing(Progress('Reading')) as progress:
            for (member, share), result in self._prepared():
                reason = result if isinstance(result, BadExampleError) else None
                if reason:
                    self._skip(member, reason)
                report.count(member, reason)
                del member  # before the next is read
                if isinstance(result, Member):
                    self._count(result.label)
                    yield result
                del result
                progress(f'{report.seen:,} {self.kind.noun}', share)
        bad.check(report.seen, found=True)
        if report.seen == report.bad:
            raise DataError(f'{", ".join(self.archives)}: no {self.kind.name} to pack.')

    def _count(self, label: str) -> None:
        if label not in self.labels and not self._labels_listing.fits(label):
            named = ', '.join(self.archives)
            raise DataError(f'{named}: more than {len(self.labels):,} labels are too many for a manifest.')
        self.labels[label] += 1

    def _skip(self, member: Member, reason: BadExampleError) -> None:
        entry = {
            'archive': member.archive,
            'member': member.name,
            'offset': member.offset,
            'reason': str(reason),
        }
        if self._skipped_listing.fits(entry):
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
        stamps = [stamp_of(archive) for archive in self.archives]
        total = sum(stamp.size for stamp in stamps if stamp) if all(stamps) else 0
        before = 0
        for archive, stamp in zip(self.archives, stamps, strict=True):
            size = stamp.size if stamp else 0
            for member, share in self._members_of(archive):
                yield _Stored(member, (before + share * size) / total if total else None)
                del member  # before the next is read
            before += size

    def _members_of(self, archive: str) -> Iterator[tuple[Member, float]]:
        """Yields each member of an archive, and the share of its bytes that was read up to it."""
        found, share = 0, 0.0

        def show(read: float) -> None:
            nonlocal share
            share = read

        try:
            for member in stream_members(archive, show, note=self.say, kind=self.kind):
                found += 1
                yield member, share
                del member  # before the next is read
        except DataError as error:
            if not found:
                raise
            if not self.settings.use_damaged:
                remedy = f'--use_damaged packs the {found:,} {self.kind.noun} before that.'
                raise DataError(str(error), use_damaged=remedy) from error
            self.say(f'Warning: {error} The {found:,} {self.kind.noun} before that are used.')
            self.damage.append(str(error))


class _Stored(NamedTuple):
    """A member, and the share of all archives that was read up to it, while more is read ahead."""

    member: Member
    share: float | None


_Pending = tuple[_Stored, Future[Member | BadExampleError]]


def _bytes_of(pending: _Pending) -> int:
    stored, _ = pending
    return len(stored.member.data)
