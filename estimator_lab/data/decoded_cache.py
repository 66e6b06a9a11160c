"""Decoded images kept in memory, so that a small data set is decoded once and not in each epoch."""

from collections.abc import Callable

import numpy as np

from estimator_lab.data.order.order import LazyMember
from estimator_lab.data.tar.member import Member

_MEGABYTE = 2**20


class DecodedCache:
    """Keeps the pixels of images by archive and offset. Threads may use it at the same time."""

    def __init__(self) -> None:
        self._images: dict[tuple[str, int], np.ndarray] = {}

    def pixels(self, member: Member | LazyMember, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Returns a member's pixels, uint8 [height, width, channels]; `decode` makes them the first time."""
        place = (member.archive, member.offset)
        found = self._images.get(place)
        if found is None:
            found = self._images[place] = decode()
        return found


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
