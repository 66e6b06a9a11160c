"""Input functions, built on `Dataset.from_generator`: of members of any kind, and of arrays."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from estimator_lab.base.interrupts import until_stopped
from estimator_lab.conventions import IMAGE, to_unit_range
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.images.table import PixelTable, aligned, is_aligned
from estimator_lab.data.kind import Reader
from estimator_lab.data.labels import UNKNOWN_ID, Vocabulary
from estimator_lab.data.member import Member
from estimator_lab.data.order.order import IndexedOrder, Order
from estimator_lab.data.order.split_and_shard import ONLY_WORKER, WorkerShard
from estimator_lab.data.pipeline.batches import Batch, read_batches
from estimator_lab.data.pipeline.datasets import (
    ROWS_AT_ONCE,
    Examples,
    batches_at_once,
    dataset_of,
    encoded_keys,
    grouped,
)
from estimator_lab.data.pipeline.in_memory import InMemory
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.tf1 import Features, tf

InputFn = Callable[[], Any]
_COPIED_BYTES = 256 * 2**20  # of arrays, for which a faster input is worth a copy


def archive_input_fn(
    order: Order,
    reader: Reader,
    batch_size: int,
    report: InputReport,
    vocabulary: Vocabulary | None = None,
    resume: Callable[[], int] | None = None,
    watch: Callable[[Batch], None] | None = None,
    shard: WorkerShard = ONLY_WORKER,
) -> InputFn:
    """Returns an input function that streams batches of examples from tar archives.

    Args:
      order: of the members.
      reader: how members become arrays.
      batch_size: members in a batch; bad examples make a batch shorter.
      report: counts bad examples, and stores the error that ended the stream.
      vocabulary: maps labels to ids, unknown ones to -1; None for no labels, as in PREDICT.
      resume: returns how many examples were consumed: the stream then starts after those and has no end. None
        for one epoch from its beginning.
      watch: called with each batch before TensorFlow gets it. Predictions are then in step with batches, as
        one without examples is replaced by a blank example.
      shard: this worker's part of each global batch, with `resume`.

    Returns:
      A function of no arguments that returns a Dataset of (features, int64 [batch]), or of the features
      alone: those of `reader.features`, for images 'image' float32 [batch, height, width, channels] in [0,
        1];
      'key' string [batch]; 'weight' float32 [batch], 0 for a blank example.
    """
    members = _Members(order, reader, batch_size, report, vocabulary, resume, watch, shard)
    shared = members.rows.shared if members.rows else None
    labelled, several = vocabulary is not None, members.at_once > 1
    return lambda: dataset_of(members.examples, members.reader, labelled, several, shared)


class _Members:
    """The examples of members; see `archive_input_fn`.

    Attributes:
      reader: which reads them.
      rows: the same, if it keeps them in memory.
      at_once: the most batches that it yields together.
    """

    def __init__(
        self,
        order: Order,
        reader: Reader,
        batch_size: int,
        report: InputReport,
        vocabulary: Vocabulary | None,
        resume: Callable[[], int] | None,
        watch: Callable[[Batch], None] | None,
        shard: WorkerShard,
    ) -> None:
        self._order, self._shard = order, shard
        self._batch_size, self._report, self._vocabulary = batch_size, report, vocabulary
        self._resume, self._watch = resume, watch
        # Each batch is watched as it leaves, without waiting for others.
        self.at_once = 1 if watch else batches_at_once(reader.signature, batch_size)
        self.rows = None if watch else reader.by_row()
        self.reader = self.rows or reader
        self._in_memory: InMemory | None = None
        if self.rows and isinstance(order, IndexedOrder) and shard.world_size == 1:
            self._in_memory = InMemory(order, self.rows, vocabulary, batch_size, report)

    def examples(self) -> Iterator[Examples]:
        """Yields the examples until the end, or an error, which the report gets."""
        for some in self._report.until_error(self._batches()):
            if len(some.keys):
                yield some
            # A step without examples still counts, so that the next one finds its own members.
            elif self._resume or self._watch:
                ids = np.array([UNKNOWN_ID], np.int64)
                yield Examples(self.reader.blank(), encoded_keys(['']), ids, weight=0.0)

    def _batches(self) -> Iterator[Examples]:
        if self._resume is None:
            return self._in_memory.epoch(self._read) if self._in_memory else self._read(self._order.epoch(0))
        if self._in_memory:
            return self._in_memory.onwards(self._resume(), self._read)
        return self._read(self._order.onwards(self._resume(), self._shard))

    def _read(self, schedule: Iterable[Member]) -> Iterator[Examples]:
        batches = read_batches(schedule, self._batch_size, self.reader, self._report, self.at_once)
        # After a signal, the chief ends a synchronous step only if the other workers take part in it.
        for batch in batches if self._shard.rank else until_stopped(batches):
            if self._watch:
                self._watch(batch)
            yield from _examples_of(batch, self._batch_size, self._vocabulary)


def placeholder_features(reader: Reader) -> Features:
    """Returns placeholders for features, for a network that is built without data."""
    return reader.features(
        {
            name: tf.placeholder(tf.as_dtype(array.type), [None, *array.shape])
            for name, array in reader.signature.items()
        }
    )


def _examples_of(read: Batch, batch_size: int, vocabulary: Vocabulary | None) -> Iterator[Examples]:
    """Yields the examples of a group of batches: together if all batches are whole, else batch by batch.

    A batch whose members are all bad has no keys.
    """
    ids = np.array([vocabulary.id_of(label) if vocabulary else 0 for label in read.labels], np.int64)
    keys = encoded_keys(read.keys)
    members = len(keys) + len(read.bad)
    if not read.bad and members % batch_size == 0:
        yield Examples(read.arrays, keys, ids, batches=members // batch_size)
        return
    begin = 0
    for first in range(0, members, batch_size):
        last = min(first + batch_size, members)
        end = begin + last - first - sum(first <= bad.place < last for bad in read.bad)
        arrays = {name: array[begin:end] for name, array in read.arrays.items()}
        yield Examples(arrays, keys[begin:end], ids[begin:end])
        begin = end


def numpy_input_fn(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = False,
    seed: int = 0,
) -> InputFn:
    """Returns an input function over arrays in memory, with the features of `archive_input_fn`.

    Args:
      images: uint8 [n, height, width, channels], 0 to 255; or [n, height, width] for grey.
      labels: int [n] class ids; None gives no labels.
      batch_size: examples in a batch; the last one of an epoch may be shorter.
      num_epochs: passes over the arrays; None repeats without end.
      shuffle: whether each epoch is shuffled.
      seed: of the shuffling, together with the epoch.

    Raises:
      ValueError: the arrays differ in length, or are not uint8.
    """
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(
            f'images must be uint8 [n, height, width(, channels)], not {images.dtype} {images.shape}.'
        )
    if labels is not None and len(labels) != len(images):
        raise ValueError(f'{len(images)} images but {len(labels)} labels.')

    ids = np.zeros(len(images), np.int64) if labels is None else np.asarray(labels, np.int64)
    shape = ImageShape(*images.shape[1:])
    if images.nbytes <= _COPIED_BYTES and not is_aligned(images):
        images, given = aligned(len(images), shape), images
        images[:] = given
    reader = ImageReader(shape, cache=PixelTable(images) if is_aligned(images) else None)
    rows = reader.by_row()

    def examples() -> Iterator[Examples]:
        for epoch in itertools.count() if num_epochs is None else range(num_epochs):
            order = np.arange(len(images))
            if shuffle:
                np.random.default_rng([seed, epoch]).shuffle(order)
            for some, batches in grouped(len(order), batch_size, ROWS_AT_ONCE if rows else 1):
                chosen = order[some]
                keys = encoded_keys([f'array:{row}' for row in chosen.tolist()])
                numbers = chosen.astype(np.int32)
                arrays = rows.arrays_of(numbers, numbers) if rows else {IMAGE: images[chosen]}
                yield Examples(arrays, keys, ids[chosen], batches=batches)

    shared = rows.shared if rows else None
    return lambda: dataset_of(examples, rows or reader, labels is not None, shared=shared)


def notes_input_fn(archives: Sequence[str], height: int = 128, width: int = 128) -> InputFn:
    """Returns the input function of the notes: one example at a time, each grey pixel a separate tensor.

    It is kept for programs written that way, and has about a hundredth of the throughput of
    `archive_input_fn`.

    Args:
      archives: paths of tar archives, read once in stored order.
      height: pixels.
      width: pixels.

    Returns:
      A function of no arguments that returns (a tuple of height * width float32 scalars in [0, 1], row
      by row; a scalar string, the label).
    """
    pixels = height * width

    def examples() -> Iterator[tuple[Any, ...]]:
        for archive in archives:
            for member in stream_members(archive):
                image = to_unit_range(decode_image(member.data, height, width))
                yield (*image.ravel(), member.label)

    def input_fn() -> tuple[Any, Any]:
        dataset = tf.data.Dataset.from_generator(examples, (tf.float32,) * pixels + (tf.string,))
        example = dataset.make_one_shot_iterator().get_next()
        return example[:pixels], example[pixels]

    return input_fn
