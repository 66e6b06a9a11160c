"""Where the input of a run stands at each of its steps, though its batch size or archives have changed.

Positions count examples, not steps. A run is made of legs: each begins at a step, and says where in which
epoch the input stood there. What changes later ends the leg and begins the next one, so that the steps before
keep their meaning, and an older checkpoint still finds its place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

PIPE = 'pipe'
"""Name and fingerprint of what passes by only once: nobody knows what was in it."""


@dataclass(frozen=True)
class Source:
    """An archive, as a record tells it from others.

    Attributes:
      name: of its file, for people.
      images: how many of them take part; 0 where nobody knows.
      fingerprint: the same for archives that hold the same members at the same places.
    """

    name: str
    images: int
    fingerprint: str


@dataclass(frozen=True)
class Place:
    """Where the input stands.

    Attributes:
      epoch: number of the pass over the data, from 0.
      offset: examples of it that were seen.
      sources: the archives of that epoch, in their order.
    """

    epoch: int
    offset: int
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Segment:
    """How examples are read from one global step on.

    Attributes:
      first_step: that step.
      examples_a_step: examples that all processes together take in a step.
      epoch: of the first example.
      offset: examples of that epoch that were seen before.
      sources: its archives, in their order.
      later: those of all later epochs; empty for the same ones.
    """

    first_step: int
    examples_a_step: int
    epoch: int
    offset: int
    sources: tuple[Source, ...]
    later: tuple[Source, ...] = ()

    @property
    def newest_sources(self) -> tuple[Source, ...]:
        """The archives that were given when it began."""
        return self.later or self.sources

    def examples_at(self, step: int) -> int:
        """Returns how many examples lie behind a step, if all epochs before had the archives of the first."""
        return self.epoch * images_in(self.sources) + self.offset + self._taken(step)

    def place_at(self, step: int) -> Place:
        """Returns where the input stands when the global step is `step`."""
        size, behind = images_in(self.sources), self.offset + self._taken(step)
        if not size or (self.later and behind < size):
            return Place(self.epoch, behind, self.sources)
        if not self.later:
            return Place(self.epoch + behind // size, behind % size, self.sources)
        epochs, offset = divmod(behind - size, max(images_in(self.later), 1))
        return Place(self.epoch + 1 + epochs, offset, self.later)

    def step_after(self, epochs: float) -> int:
        """Returns the first global step at which so many epochs lie behind, from the start of the run."""
        size = images_in(self.sources)
        if self.later and epochs > self.epoch + 1:
            wanted = size + (epochs - self.epoch - 1) * images_in(self.later) - self.offset
        else:
            wanted = epochs * size - (self.epoch * size + self.offset)
        return self.first_step + max(math.ceil(wanted / self.examples_a_step), 0)

    def _taken(self, step: int) -> int:
        return max(step - self.first_step, 0) * self.examples_a_step


def images_in(sources: Sequence[Source]) -> int:
    """Returns how many images take part; 0 where nobody knows."""
    return sum(source.images for source in sources)


def segments_until(legs: Sequence[Segment], step: int) -> tuple[Segment, ...]:
    """Returns the legs that had begun by a step, at least the first one.

    An older checkpoint takes a run back to before a leg; what comes then is another run's.
    """
    return (*legs[:1], *(leg for leg in legs[1:] if leg.first_step <= step))


def step_after(legs: Sequence[Segment], epochs: float) -> int:
    """Returns the first global step at which so many epochs lie behind, from the start of the run."""
    for leg, following in pairwise(legs):
        step = leg.step_after(epochs)
        if step <= following.first_step:
            return step
    return legs[-1].step_after(epochs)
