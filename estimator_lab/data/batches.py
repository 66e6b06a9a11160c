"""Members -> batches of uint8 images, decoded in a thread pool (Pillow releases the GIL as it decodes)."""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from estimator_lab.data.decode import BadImageError, decode_image
from estimator_lab.data.labels import label_of
from estimator_lab.data.tar_stream import Member
from estimator_lab.errors import DataError

# Small enough to share a batch among the threads, large enough that handing over costs little.
_CHUNK = 16
_BATCHES_AHEAD = 2
_BAD_IMAGES_SHOWN = 3


class ImageShape(NamedTuple):
    """Size in pixels to which images are scaled; channels is 1 (grey) or 3 (RGB)."""

    height: int
    width: int
    channels: int = 1


class Batch(NamedTuple):
    """Up to `batch_size` examples: image uint8 [n, height, width, channels], n keys, n label texts."""

    images: np.ndarray
    keys: list[str]
    labels: list[str]


@dataclass
class InputReport:
    """What went wrong in the input: how many images were bad, and the error that ended it.

    Attributes:
      say: shows one line to the user.
      epoch_size: images in one epoch.
      max_bad_fraction: share of images, in [0, 1], that may fail to decode before the input gives up.
      seen: images so far, over all epochs.
      bad: images that could not be decoded.
      error: the error that ended the input early. It can't be raised through TensorFlow, which would
        bury it in a stack trace and lose the steps since the last checkpoint: the input just ends, and
        whoever runs the Estimator calls `raise_error` afterwards.
    """

    say: Callable[[str], None] = print
    epoch_size: int = 0
    max_bad_fraction: float = 1.0
    seen: int = 0
    bad: int = 0
    error: DataError | None = None

    def count(self, member: Member, reason: BadImageError | None) -> None:
        """Counts an image, and shows the first few of those that can't be decoded.

        Raises:
          DataError: once too many of them can't.
        """
        self.seen += 1
        if not reason:
            return
        self.bad += 1
        where = f'{member.archive!r}: member {member.name!r} at byte {member.offset}: {reason}'
        if self.bad <= _BAD_IMAGES_SHOWN:
            self.say(f'Skipped a bad image: {where}.')
        if self.bad > self.max_bad_fraction * max(self.seen, self.epoch_size):
            raise DataError(
                f'{self.bad} images could not be decoded, more than --max_bad_fraction='
                f'{self.max_bad_fraction:g} allows; the last is {where}.'
            )

    def until_error(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yields `batches` up to the first DataError, which is kept in `error`."""
        try:
            yield from batches
        except DataError as error:
            self.error = error

    def raise_error(self) -> None:
        """Raises the DataError that ended the input early, if one did."""
        if self.error:
            raise self.error


def decoded_batches(
    members: Iterable[Member], batch_size: int, shape: ImageShape, report: InputReport
) -> Iterator[Batch]:
    """Yields one batch for each `batch_size` consecutive members, the last one possibly shorter.

    A bad image leaves its batch one example short instead of moving all later ones forward, so that batch
    number n always holds members n * batch_size and on, however many images were bad.

    Args:
      members: encoded images.
      batch_size: members in a batch.
      shape: to which all images are scaled.
      report: counts the images that can't be decoded.

    Raises:
      DataError: from `members` (after all batches before it), or when too many images are bad.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        waiting: deque[_PendingBatch] = deque()
        try:
            for window in _windows(members, batch_size):
                waiting.append(_PendingBatch.submit(pool, window, shape))
                if len(waiting) > _BATCHES_AHEAD:
                    yield waiting.popleft().result(shape, report)
        except DataError:
            yield from (pending.result(shape, report) for pending in waiting)
            raise
        yield from (pending.result(shape, report) for pending in waiting)


def _windows(members: Iterable[Member], size: int) -> Iterator[list[Member]]:
    """Yields lists of `size` members; a DataError comes after the members that were read before it."""
    window: list[Member] = []
    error: DataError | None = None
    try:
        for member in members:
            window.append(member)
            if len(window) == size:
                yield window
                window = []
    except DataError as caught:
        error = caught
    if window:
        yield window
    if error:
        raise error


class _PendingBatch(NamedTuple):
    """A batch on its way through the thread pool."""

    members: Sequence[Member]
    chunks: list['Future[list[np.ndarray | BadImageError]]']

    @classmethod
    def submit(
        cls, pool: ThreadPoolExecutor, members: Sequence[Member], shape: ImageShape
    ) -> '_PendingBatch':
        chunks = [members[i : i + _CHUNK] for i in range(0, len(members), _CHUNK)]
        return cls(members, [pool.submit(_decode_chunk, chunk, shape) for chunk in chunks])

    def result(self, shape: ImageShape, report: InputReport) -> Batch:
        images, good = [], []
        decoded = itertools.chain.from_iterable(chunk.result() for chunk in self.chunks)
        for member, image in zip(self.members, decoded, strict=True):
            reason = image if isinstance(image, BadImageError) else None
            report.count(member, reason)
            if not reason:
                images.append(image)
                good.append(member)
        return Batch(
            images=np.stack(images) if images else np.empty((0, *shape), np.uint8),
            keys=[member.key for member in good],
            labels=[label_of(member.name) for member in good],
        )


def _decode_chunk(members: Sequence[Member], shape: ImageShape) -> list[np.ndarray | BadImageError]:
    return [_decode_or_reason(member, shape) for member in members]


def _decode_or_reason(member: Member, shape: ImageShape) -> np.ndarray | BadImageError:
    try:
        return decode_image(member.data, *shape)
    except BadImageError as reason:
        return reason
