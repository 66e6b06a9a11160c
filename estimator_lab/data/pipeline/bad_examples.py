"""The bad examples of a data set: listed, counted once each, and limited to a share of it."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from estimator_lab.base.printable import escaped
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.pipeline.bad_list import BadList, Place, place_of
from estimator_lab.errors import DataError

_FEWEST = 10  # bad examples; fewer say nothing about the share of a whole data set
_LOOK_AGAIN_SECONDS = 5.0


class TooManyBadError(DataError):
    """More examples are bad than the settings allow.

    Args:
      message: the sentence for the user.
      share: how many of all examples are bad, in (0, 1].
    """

    def __init__(self, message: str, share: float) -> None:
        super().__init__(message)
        self.share = share


@dataclass
class BadExamples:
    """The bad examples of a data set, also if training and evaluation use parts of it; thread-safe.

    Each counts once, in whichever epoch, start or evaluation it is found. In a cluster, those in the lists of
    the other processes count as well.

    Attributes:
      fraction: share of the examples, in [0, 1], that may be bad. Fewer than ten bad ones are always allowed,
        unless they are all that there is, or `fraction` is 0.
      total: how many examples the data set has; None if unknown.
      listed: file of the bad examples, also those of other data sets; None for none.
      archives: paths of the data set, whose bad examples in `listed` count.
      is_shared: whether other processes have lists in the same folder.
      kind: of the examples, for messages.
    """

    fraction: float = 1.0
    total: int | None = None
    listed: BadList | None = None
    archives: Sequence[str] = ()
    is_shared: bool = False
    kind: Kind = IMAGES
    _last: str = ''
    _places: set[int] = field(default_factory=set)  # hashes, as there may be millions
    _is_read: bool = False
    _next_look: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @property
    def count(self) -> int:
        """How many different bad examples are known."""
        return len(self._places)

    def count_of_all(self) -> int:
        """Returns the count after a look at what the other processes have listed so far."""
        self._next_look = 0.0
        self._look()
        return self.count

    def add(self, member: Member, reason: BadExampleError) -> None:
        """Adds a bad example to the count and to the list, unless it is there already."""
        archive = escaped(member.archive)
        with self._lock:
            if self.listed:
                if not self._is_read:  # before the list is changed
                    self._take(self.listed.places())
                    self._is_read = True
                self.listed.add(archive, member.name, member.offset, str(reason))
            self._places.add(hash(place_of(archive, member.name, member.offset)))
            self._last = f'{member.place}: {reason}'

    def check(self, images: int, found: bool) -> None:
        """Raises TooManyBadError if more examples are bad than are allowed.

        Args:
          images: examples read so far, which count as all of them if `total` is unknown.
          found: whether one was added since the last check.
        """
        if not (self._look() or found):
            return
        images = images if self.total is None else self.total
        if self.count <= self.fraction * images:
            return
        if self.fraction and self.count < min(_FEWEST, images):
            return
        noun = self.kind.noun if images > 1 else self.kind.name
        last = f'; the last is {self._last}' if self._last else ''
        where = f'; {self.listed.path} lists them' if self.listed else ''
        raise TooManyBadError(
            f'{self.count:,} of {images:,} {noun} could not be decoded, more than --max_bad_fraction='
            f'{self.fraction:g} allows{last}{where}.',
            min(self.count / images, 1.0),
        )

    def _look(self) -> bool:
        """Reads what other processes have listed, from time to time; returns whether it did."""
        if not self.is_shared or not self.listed or time.monotonic() < self._next_look:
            return False
        with self._lock:
            self._next_look = time.monotonic() + _LOOK_AGAIN_SECONDS
            self._take(self.listed.places_of_others())
        return True

    def _take(self, places: Iterable[Place]) -> None:
        cells = {place_of(escaped(archive), '', 0)[0] for archive in self.archives}
        self._places.update(hash(place) for place in places if place[0] in cells)
