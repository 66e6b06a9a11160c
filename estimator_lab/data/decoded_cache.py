"""Decoded images kept in memory, so that a small data set is decoded once and not in each epoch."""

import numpy as np

from estimator_lab.data.order.order import LazyMember
from estimator_lab.data.tar.member import Member

_MEGABYTE = 2**20


class DecodedCache:
    """Keeps the pixels of images by archive and offset. Threads may use it at the same time."""

    def __init__(self) -> None:
        self._images: dict[tuple[str, int], np.ndarray] = {}

    def get(self, member: Member | LazyMember) -> np.ndarray | None:
        """Returns a member's pixels, uint8 [height, width, channels]; None if they were not kept yet."""
        return self._images.get((member.archive, member.offset))

    def keep(self, member: Member | LazyMember, pixels: np.ndarray) -> None:
        """Keeps a member's pixels, which nobody may change any more."""
        self._images[member.archive, member.offset] = pixels


def cache_for(images: int | None, bytes_an_image: int, megabytes: int) -> DecodedCache | None:
    """Returns a cache if all images fit into so many megabytes; else None, as half of them would gain little.

    Args:
      images: how many there are; None where nobody knows.
      bytes_an_image: of its pixels.
      megabytes: 0 for no cache.
    """
    if images is None or images * bytes_an_image > megabytes * _MEGABYTE:
        return None
    return DecodedCache()
