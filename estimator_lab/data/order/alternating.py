"""Images with labels and images without, in turn: the order of semi-supervised training."""

from collections.abc import Iterator
from dataclasses import dataclass

from estimator_lab.data.order.order import LazyMember, Order, ScheduledMember
from estimator_lab.data.tar.member import Member


@dataclass(frozen=True, slots=True)
class UnlabelledMember:
    """A member whose folder is no label, whatever it is called: it has lost its folders' names.

    Attributes:
      member: as it lies in its archive.
    """

    member: Member | LazyMember

    @property
    def archive(self) -> str:
        return self.member.archive

    @property
    def name(self) -> str:
        return self.member.name.rpartition('/')[2]

    @property
    def offset(self) -> int:
        return self.member.offset

    @property
    def key(self) -> str:
        return self.member.key

    @property
    def place(self) -> str:
        return self.member.place

    @property
    def label(self) -> str:
        return ''

    @property
    def size(self) -> int:
        return len(self.member.data) if isinstance(self.member, Member) else self.member.size

    def read(self) -> Member:
        """Returns the member with its data."""
        return self.member if isinstance(self.member, Member) else self.member.read()


@dataclass(frozen=True)
class AlternatingOrder:
    """A labelled member, an unlabelled one, and so on; each kind in the order, and epochs, of its own.

    Attributes:
      labelled: gives the members at even places.
      unlabelled: gives those at odd places.
    """

    labelled: Order
    unlabelled: Order

    def epoch(self, number: int) -> Iterator[ScheduledMember]:
        """Yields every unlabelled member once, and before each a labelled one as long as they last.

        Raises:
          DataError: where an archive can't be read any further.
        """
        yield from _in_turn(self.labelled.epoch(number), self.unlabelled.epoch(number))

    def onwards(self, start: int) -> Iterator[ScheduledMember]:
        """Yields members without end, from position `start` of the sequence of all epochs.

        Raises:
          DataError: where an archive can't be read any further.
        """
        labelled, unlabelled = self.labelled.onwards((start + 1) // 2), self.unlabelled.onwards(start // 2)
        if start % 2:
            yield _without_label(next(unlabelled))
        yield from _in_turn(labelled, unlabelled)


def _in_turn(
    labelled: Iterator[ScheduledMember], unlabelled: Iterator[ScheduledMember]
) -> Iterator[ScheduledMember]:
    for scheduled in unlabelled:
        yield from (one for one in [next(labelled, None)] if one)
        yield _without_label(scheduled)


def _without_label(scheduled: ScheduledMember) -> ScheduledMember:
    return scheduled._replace(member=UnlabelledMember(scheduled.member))
