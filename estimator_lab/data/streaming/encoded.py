"""Members -> their encoded bytes, as they are stored."""

from collections.abc import Sequence

import numpy as np

from estimator_lab.data.kind import Arrays
from estimator_lab.data.member import BadExampleError, Member, read_members

DATA = 'data'
"""Name of the array of bytes, object [n]."""


class EncodedReader:
    """How members become bytes: a `data.kind.BatchReader`."""

    def begin(self, count: int) -> np.ndarray:
        """Returns room for the bytes of `count` members."""
        return np.empty(count, object)

    def read_into(
        self, batch: np.ndarray, first: int, several: Sequence[Member]
    ) -> list[BadExampleError | None]:
        """Reads members into their places; returns why each can't be read, or None."""
        reasons: list[BadExampleError | None] = []
        for place, member in enumerate(read_members(several), first):
            batch[place] = member.data
            reasons.append(BadExampleError(member.problem) if member.problem else None)
        return reasons

    def finish(self, batch: np.ndarray, good: Sequence[bool]) -> Arrays:
        """Returns the bytes of the good ones."""
        return {DATA: batch[np.array(good, bool)]}
