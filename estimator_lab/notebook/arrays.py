"""Images in memory as examples."""

import itertools
from collections.abc import Iterator

import numpy as np

from estimator_lab.base.errors import FlagError
from estimator_lab.core.picture import as_picture, png_bytes
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
        if images.ndim != 4 or images.shape[3] not in (1, 3):
            raise FlagError(
                f'An array of images has the shape [n, height, width, 1 or 3], not {list(images.shape)}.'
            )
        check_values(images)
        self._images = images

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every image once, as a PNG file; see `Order.epoch`."""
        for row, image in enumerate(self._images):
            data = png_bytes(as_picture(image))
            yield Member('', str(row), size=len(data), row=row, epoch=number, data=data)

    def onwards(self, consumed: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """Yields the images of a worker from position `consumed` on, once."""
        return shard.of(itertools.islice(self.epoch(0), consumed, None))


def check_values(images: np.ndarray) -> None:
    """Raises FlagError if an array is neither uint8 nor floats in [0, 1]."""
    if images.dtype != np.uint8 and images.dtype.kind != 'f':
        raise FlagError(f'An array of images is uint8 or floats in [0, 1], not {images.dtype}.')
    if images.dtype.kind == 'f' and images.size and not (np.min(images) >= 0 and np.max(images) <= 1):
        what = 'NaN' if np.isnan(images).any() else f'{np.min(images):g} to {np.max(images):g}'
        raise FlagError(f'An array of floats has pixels in [0, 1], not {what}: divide by 255, or give uint8.')
