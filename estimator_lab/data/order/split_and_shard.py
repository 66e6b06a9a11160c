"""Which examples are used: those of a split, those of one worker."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from estimator_lab.data.tar.index import Index, name_hash

_HASHES = 2**64


class Part(NamedTuple):
    """The examples whose names hash into [low, high) of [0, 1); all by default.

    Only the name of an example in its archive counts, so that two disjoint parts share no example, wherever
    the archive is and however its members are ordered.
    """

    low: float = 0.0
    high: float = 1.0

    def mask(self, index: Index) -> np.ndarray:
        """Returns which members belong to the part, bool [members]."""
        if self == EVERYTHING:
            return np.ones(len(index), bool)
        shares = index.name_hashes / _HASHES
        return (self.low <= shares) & (shares < self.high)

    def __contains__(self, name: object) -> bool:
        return self == EVERYTHING or self.low <= name_hash(str(name)) / _HASHES < self.high


@dataclass(frozen=True)
class WorkerShard:
    """Share of worker `number` of `count`: whole archives if there are enough, else every `count`-th one."""

    number: int = 0
    count: int = 1

    def images_of(self, archive: int, archives: int) -> slice:
        """Returns which examples of archive number `archive` of `archives` are in this shard."""
        if archives >= self.count:
            return slice(None) if archive % self.count == self.number else slice(0)
        return slice((self.number - archive) % self.count, None, self.count)


EVERYTHING = Part()
ONLY_WORKER = WorkerShard()
