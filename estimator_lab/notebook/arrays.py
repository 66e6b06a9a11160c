"""Images in memory as examples."""

import itertools
from collections.abc import Iterator

import numpy as np

from estimator_lab.core.picture import as_picture, png_bytes
from estimator_lab.data.arrays import check_images
from estimator_lab.data.member import Member
from estimator_lab.data.order import ONLY_WORKER, WorkerShard


class ArrayInput:
    """Images of an array, in that order; an `order.Order` of one epoch. Their keys are their numbers.

    Args:
      images: [n, height, width, 1 or 3], uint8, or floats in [0, 1].

    Raises:
      FlagError: the array has another shape or type.
    """

    def __init__(self, images: np.ndarray) -> None:
        check_images(images)
        self._images = images

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every image once, as a PNG file; see `Order.epoch`."""
        for row, image in enumerate(self._images):
            data = png_bytes(as_picture(image))
            yield Member('', str(row), size=len(data), row=row, epoch=number, data=data)

    def onwards(self, consumed: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """Yields the images of a worker from position `consumed` on, once."""
        return shard.of(itertools.islice(self.epoch(0), consumed, None))
