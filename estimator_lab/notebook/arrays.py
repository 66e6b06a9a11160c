"""Images in memory as examples."""

import itertools
from collections.abc import Iterator

import numpy as np

from estimator_lab.core.display.picture import as_picture, png_bytes
from estimator_lab.data.member import Member
from estimator_lab.data.order.split_and_shard import ONLY_WORKER, WorkerShard
from estimator_lab.errors import FlagError


class ArrayInput:
    """Images of an array, in that order; an `order.Order` of one epoch. Their keys are their numbers.

    Args:
      images: [n, height, width, 1 or 3], uint8, or floats in [0, 1].

    Raises:
      FlagError: the array has another shape or type.
    """

    def __init__(self, images: np.ndarray) -> None:
        if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype.kind not in 'uf':
            raise FlagError(
                'An array of images has the shape [n, height, width, 1 or 3] and uint8 or floats in [0, 1], '
                f'not {list(images.shape)} and {images.dtype}.'
            )
        self._images = images

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every image once, as a PNG file; see `Order.epoch`."""
        for row, image in enumerate(self._images):
            yield Member('', str(row), 0, data=png_bytes(as_picture(image)), epoch=number, row=row)

    def onwards(self, start: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """Yields the images of a worker from position `start` on, once."""
        return shard.of(itertools.islice(self.epoch(0), start, None))
