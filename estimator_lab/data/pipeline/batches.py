"""Members -> batches of uint8 images, decoded in a thread pool (Pillow releases the GIL as it decodes)."""

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from estimator_lab.data.bad_example import BadExampleError
from estimator_lab.data.images.augment import Augmentation
from estimator_lab.data.images.decode import Decode, decode_image
from estimator_lab.data.labels import label_of
from estimator_lab.data.order.order import ScheduledMember
from estimator_lab.data.pipeline.decoded_cache import DecodedCache
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.errors import DataError

T = TypeVar('T')

# Small enough to share a batch among the threads, large enough that handing over costs little.
_CHUNK = 16
_BATCHES_AHEAD = 2


class ImageShape(NamedTuple):
    """Size in pixels to which images are scaled; channels is 1 (grey) or 3 (RGB)."""

    height: int
    width: int
    channels: int = 1


class BadImage(NamedTuple):
    """A member that could not be decoded: its place among the members of its batch, from 0, and why."""

    place: int
    key: str
    reason: str


class Batch(NamedTuple):
    """Up to `batch_size` examples: image uint8 [n, height, width, channels], n keys, n label texts.

    `bad` are the members between them that could not be decoded, in their order.
    """

    images: np.ndarray
    keys: list[str]
    labels: list[str]
    bad: Sequence[BadImage] = ()


class Pixels(NamedTuple):
    """How encoded images become pixels.

    Attributes:
      shape: to which all images are scaled.
      decode: one of `decode.DECODERS`.
      augmentation: random changes to the images; None for none.
      cache: keeps them, as they are before augmentation; None decodes them anew in each epoch.
    """

    shape: ImageShape
    decode: Decode = decode_image
    augmentation: Augmentation | None = None
    cache: DecodedCache | None = None


class _Decoder(NamedTuple):
    """Turns members into pixels; called from many threads."""

    pixels: Pixels

    def chunk(self, schedule: Sequence[ScheduledMember], images: np.ndarray) -> list[BadExampleError | None]:
        """Writes the pixels of each member into its place in `images`; returns why it can't, or None."""
        return [self._write(scheduled, image) for scheduled, image in zip(schedule, images, strict=True)]

    def _write(self, scheduled: ScheduledMember, image: np.ndarray) -> BadExampleError | None:
        cache, augmentation = self.pixels.cache, self.pixels.augmentation
        try:
            found = (
                cache.pixels(scheduled.member, lambda: self._decoded(scheduled))
                if cache
                else self._decoded(scheduled)
            )
        except BadExampleError as reason:
            return reason
        image[...] = augmentation(found, scheduled.member.key, scheduled.epoch) if augmentation else found
        return None

    def _decoded(self, scheduled: ScheduledMember) -> np.ndarray:
        member = scheduled.read()
        if member.problem:
            raise BadExampleError(member.problem)
        return self.pixels.decode(member.data, *self.pixels.shape)


def decoded_batches(
    schedule: Iterable[ScheduledMember], batch_size: int, pixels: Pixels, report: InputReport
) -> Iterator[Batch]:
    """Yields one batch for each `batch_size` consecutive members, the last one possibly shorter.

    A bad image leaves its batch one example short instead of moving all later ones forward, so that batch
    number n always holds members n * batch_size and on, however many images were bad.

    Args:
      schedule: encoded images in their order.
      batch_size: members in a batch.
      pixels: how they are decoded.
      report: counts the images, and those that can't be decoded.

    Raises:
      DataError: from `schedule` (after all batches before it), or when too many images are bad.
    """
    decoder = _Decoder(pixels)
    # One more than there are processors: while a thread waits for Python's lock, another one decodes.
    with ThreadPoolExecutor(max_workers=(os.cpu_count() or 1) + 1) as pool:
        pending = (_PendingBatch.submit(pool, window, decoder) for window in _windows(schedule, batch_size))
        for batch in look_ahead(pending, _BATCHES_AHEAD):
            yield batch.result(report)


def look_ahead(items: Iterable[T], count: int) -> Iterator[T]:
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


def _windows(schedule: Iterable[ScheduledMember], size: int) -> Iterator[list[ScheduledMember]]:
    """Yields lists of `size` members; a DataError comes after the members that were read before it."""
    window: list[ScheduledMember] = []
    error: DataError | None = None
    try:
        for scheduled in schedule:
            window.append(scheduled)
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
    """A batch on its way through the thread pool, which writes into `images`."""

    schedule: Sequence[ScheduledMember]
    images: np.ndarray
    chunks: list['Future[list[BadExampleError | None]]']

    @classmethod
    def submit(
        cls, pool: ThreadPoolExecutor, schedule: Sequence[ScheduledMember], decoder: _Decoder
    ) -> '_PendingBatch':
        images = np.empty((len(schedule), *decoder.pixels.shape), np.uint8)
        chunks = [slice(first, first + _CHUNK) for first in range(0, len(schedule), _CHUNK)]
        return cls(schedule, images, [pool.submit(decoder.chunk, schedule[c], images[c]) for c in chunks])

    def result(self, report: InputReport) -> Batch:
        reasons = list(itertools.chain.from_iterable(chunk.result() for chunk in self.chunks))
        members, bad = [], []
        for place, ((_, member), reason) in enumerate(zip(self.schedule, reasons, strict=True)):
            report.count(member, reason)
            if reason:
                bad.append(BadImage(place, member.key, str(reason)))
            else:
                members.append(member)
        return Batch(
            images=self.images[[not reason for reason in reasons]] if bad else self.images,
            keys=[member.key for member in members],
            labels=[label_of(member.name) for member in members],
            bad=bad,
        )
