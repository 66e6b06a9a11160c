"""The position of a run in its data at each step, also after its batch size or archives have changed.

Positions count examples, not steps. A run consists of segments. Each begins at a step, and records the epoch
and the position in it at that step. A change of settings ends the segment and begins the next one, so that
earlier steps keep their positions and an older checkpoint can be resumed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

PIPE = 'pipe'
"""Name and fingerprint of a source that can be read only once, whose contents are unknown."""
RANDOM, STREAM = 'random', 'stream'
"""Access to the members of a source: to each, or to all in their stored order."""


@dataclass(frozen=True)
class Source:
    """An archive as it is identified in a record.

    Attributes:
      name: of its file, for people.
      images: how many of its examples are used; 0 if unknown.
      fingerprint: equal for archives with the same members at the same places.
      access: RANDOM or STREAM, which are shuffled in different ways; '' if unknown.
    """

    name: str
    images: int
    fingerprint: str
    access: str = ''


@dataclass(frozen=True)
class Place:
    """A position in the data.

    Attributes:
      epoch: number of the pass over the data, from 0.
      offset: examples of that epoch that were consumed.
      sources: the archives of that epoch, in order.
    """

    epoch: int
    offset: int
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Segment:
    """How examples are read from one global step on.

    Attributes:
      first_step: that step.
      examples_a_step: examples that all processes together consume in a step.
      epoch: of the first example.
      offset: examples of that epoch that were consumed before.
      sources: the archives of that epoch, in order.
      later: those of all later epochs; empty if they are the same.
      settings: what else decides the order of its examples, by name; empty if unknown.
    """

    first_step: int
    examples_a_step: int
    epoch: int
    offset: int
    sources: tuple[Source, ...]
    later: tuple[Source, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def newest_sources(self) -> tuple[Source, ...]:
        """The archives of the newest epochs."""
        return self.later or self.sources

    def examples_at(self, step: int) -> int:
        """Returns the examples consumed at a step, as if all epochs had the archives of the first."""
        return self.epoch * images_in(self.sources) + self.offset + self._consumed(step)

    def place_at(self, step: int) -> Place:
        """Returns the position when the global step is `step`."""
        size, consumed = images_in(self.sources), self.offset + self._consumed(step)
        if not size or (self.later and consumed < size):
            return Place(self.epoch, consumed, self.sources)
        if not self.later:
            return Place(self.epoch + consumed // size, consumed % size, self.sources)
        epochs, offset = divmod(consumed - size, max(images_in(self.later), 1))
        return Place(self.epoch + 1 + epochs, offset, self.later)

    def step_after(self, epochs: float) -> int:
        """Returns the first global step at which the run has completed `epochs` epochs."""
        size = images_in(self.sources)
        if self.later and epochs > self.epoch + 1:
            examples = size + (epochs - self.epoch - 1) * images_in(self.later) - self.offset
        else:
            examples = epochs * size - (self.epoch * size + self.offset)
        return self.first_step + max(math.ceil(examples / self.examples_a_step), 0)

    def _consumed(self, step: int) -> int:
        return max(step - self.first_step, 0) * self.examples_a_step


def images_in(sources: Sequence[Source]) -> int:
    """Returns how many examples are used; 0 if unknown."""
    return sum(source.images for source in sources)


def segments_until(segments: Sequence[Segment], step: int) -> tuple[Segment, ...]:
    """Returns the segments that had begun at a step, at least the first one.

    An older checkpoint takes a run back to a time before its last segments.
    """
    return (*segments[:1], *(segment for segment in segments[1:] if segment.first_step <= step))


def step_after(segments: Sequence[Segment], epochs: float) -> int:
    """Returns the first global step at which the run has completed `epochs` epochs."""
    for segment, following in pairwise(segments):
        step = segment.step_after(epochs)
        if step <= following.first_step:
            return step
    return segments[-1].step_after(epochs)
