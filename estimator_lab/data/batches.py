"""Members -> batches of uint8 images, decoded in a thread pool (Pillow releases the GIL as it decodes)."""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from estimator_lab.data.augment import Augmentation
from estimator_lab.data.decode import BadImageError, decode_image
from estimator_lab.data.labels import label_of
from estimator_lab.data.order import Turn
from estimator_lab.data.tar_stream import Member
from estimator_lab.errors import DataError

T = TypeVar('T')

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


class _Decoder(NamedTuple):
    """Turns a member into pixels; called from many threads."""

    shape: ImageShape
    augmentation: Augmentation | None

    def chunk(self, turns: Sequence[Turn]) -> list[np.ndarray | BadImageError]:
        return [self._pixels_or_reason(turn) for turn in turns]

    def _pixels_or_reason(self, turn: Turn) -> np.ndarray | BadImageError:
        try:
            image = decode_image(turn.member.data, *self.shape)
        except BadImageError as reason:
            return reason
        return self.augmentation(image, turn.member.key, turn.epoch) if self.augmentation else image


def decoded_batches(
    turns: Iterable[Turn],
    batch_size: int,
    shape: ImageShape,
    report: InputReport,
    augmentation: Augmentation | None = None,
) -> Iterator[Batch]:
    """Yields one batch for each `batch_size` consecutive members, the last one possibly shorter.

    A bad image leaves its batch one example short instead of moving all later ones forward, so that batch
    number n always holds members n * batch_size and on, however many images were bad.

    Args:
      turns: encoded images in their order.
      batch_size: members in a batch.
      shape: to which all images are scaled.
      report: counts the images, and those that can't be decoded.
      augmentation: random changes to the images; None for none.

    Raises:
      DataError: from `turns` (after all batches before it), or when too many images are bad.
    """
    decoder = _Decoder(shape, augmentation)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        pending = (_PendingBatch.submit(pool, window, decoder) for window in _windows(turns, batch_size))
        for batch in _ahead(pending, _BATCHES_AHEAD):
            yield batch.result(shape, report)


def _ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """Yields the items, `count` of them behind; a DataError comes after the items before it."""
    waiting: deque[T] = deque()
    error: DataError | None = None
    try:
        for item in items:
            waiting.append(item)
            if len(waiting) > count:
                yield waiting.popleft()
    except DataError as caught:
        error = caught
    yield from waiting
    if error:
        raise error


def _windows(turns: Iterable[Turn], size: int) -> Iterator[list[Turn]]:
    """Yields lists of `size` turns; a DataError comes after the turns that were read before it."""
    window: list[Turn] = []
    error: DataError | None = None
    try:
        for turn in turns:
            window.append(turn)
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

    turns: Sequence[Turn]
    chunks: list['Future[list[np.ndarray | BadImageError]]']

    @classmethod
    def submit(cls, pool: ThreadPoolExecutor, turns: Sequence[Turn], decoder: _Decoder) -> '_PendingBatch':
        chunks = [turns[i : i + _CHUNK] for i in range(0, len(turns), _CHUNK)]
        return cls(turns, [pool.submit(decoder.chunk, chunk) for chunk in chunks])

    def result(self, shape: ImageShape, report: InputReport) -> Batch:
        images, members = [], []
        decoded = itertools.chain.from_iterable(chunk.result() for chunk in self.chunks)
        for (_, member), image in zip(self.turns, decoded, strict=True):
            reason = image if isinstance(image, BadImageError) else None
            report.count(member, reason)
            if not reason:
                images.append(image)
                members.append(member)
        return Batch(
            images=np.stack(images) if images else np.empty((0, *shape), np.uint8),
            keys=[member.key for member in members],
            labels=[label_of(member.name) for member in members],
        )
