"""Input functions, built on `Dataset.from_generator`: of members of any kind, and of arrays."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.base.interrupts import until_stopped
from estimator_lab.conventions import IMAGE, KEY, WEIGHT, to_unit_range
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.kind import Arrays, Reader, Signature
from estimator_lab.data.labels import UNKNOWN_ID, Vocabulary
from estimator_lab.data.order.order import Order
from estimator_lab.data.order.split_and_shard import ONLY_WORKER, WorkerShard
from estimator_lab.data.pipeline.batches import Batch, read_batches
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.tf1 import Features, Tensor, keep_freed_memory, tf

InputFn = Callable[[], Any]
_PREFETCHED_BATCHES = 2
# Batches that are read and handed to TensorFlow together: the overhead, mostly of waking threads, is the same
# as for one. A few times as many are in memory.
_MOST_AT_ONCE = 16
_BYTES_AT_ONCE = 4 * 2**20
_CAST_AT_ONCE = 2  # batches whose bytes become floats, which is many times faster than decoding


Columns = tuple[Arrays, np.ndarray, np.ndarray, np.ndarray]  # arrays, keys as bytes, weights, class ids


class Examples(NamedTuple):
    """Some examples on their way into TensorFlow: arrays of n rows, n keys, n class ids, and their weight.

    They make up `batches` batches of equal size.
    """

    arrays: Arrays
    keys: Sequence[str]
    ids: Sequence[int] | np.ndarray
    weight: float = 1.0
    batches: int = 1


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
    # Each batch is watched as it leaves, without waiting for others.
    at_once = 1 if watch else batches_at_once(reader.signature, batch_size)

    def examples() -> Iterator[Examples]:
        schedule = order.onwards(resume(), shard) if resume else order.epoch(0)
        batches = until_stopped(read_batches(schedule, batch_size, reader, report, at_once))
        for read in report.until_error(batches):
            if watch:
                watch(read)
            for some in _examples_of(read, batch_size, vocabulary):
                if some.keys:
                    yield some
                # A step without examples still counts, so that the next one finds its own members.
                elif resume or watch:
                    yield Examples(reader.blank(), [''], [UNKNOWN_ID], weight=0.0)

    return lambda: dataset_of(examples, reader, vocabulary is not None, at_once > 1)


def placeholder_features(reader: Reader) -> Features:
    """Returns placeholders for features, for a network that is built without data."""
    return reader.features(
        {
            name: tf.placeholder(tf.as_dtype(array.type), [None, *array.shape])
            for name, array in reader.signature.items()
        }
    )


def dataset_of(
    examples: Callable[[], Iterator[Examples]], reader: Reader, labelled: bool, several: bool = False
) -> Any:
    """Returns a Dataset of batches; arrays are handed to TensorFlow whole.

    Args:
      examples: yields one batch at a time, or several.
      reader: gives the signature of the arrays, and makes features of them.
      labelled: whether the Dataset has class ids as well as features.
      several: whether `examples` yields more than one batch at a time.
    """
    signature = reader.signature

    def encoded() -> Iterator[Columns]:
        keep_freed_memory()
        for one in examples():
            # Names in an archive are bytes; those that are not UTF-8 are restored.
            names = np.array([key.encode('utf-8', 'surrogateescape') for key in one.keys], object)
            weights = np.full(len(names), one.weight, np.float32)
            columns = one.arrays, names, weights, np.asarray(one.ids, np.int64)
            yield _in_batches(columns, one.batches) if several else columns

    def example(arrays: Any, keys: Tensor, weights: Tensor, labels: Tensor) -> Features:
        features = {**reader.features(arrays), KEY: keys, WEIGHT: weights}
        return (features, labels) if labelled else features

    with tf.name_scope('input'):
        rows = [None, None] if several else [None]
        types = {name: tf.as_dtype(array.type) for name, array in signature.items()}
        shapes = {name: [*rows, *array.shape] for name, array in signature.items()}
        dataset = tf.data.Dataset.from_generator(
            encoded, (types, tf.string, tf.float32, tf.int64), (shapes, rows, rows, rows)
        )
        as_it_is = tf.autograph.experimental.do_not_convert
        if several:
            dataset = dataset.flat_map(as_it_is(_batches_of))
        # Prefetched last, so that a training step finds floats.
        dataset = dataset.map(as_it_is(example), num_parallel_calls=_CAST_AT_ONCE).prefetch(
            _PREFETCHED_BATCHES
        )
        return dataset.with_options(_without_autotuning())


def _without_autotuning() -> Any:
    """Returns the options of a Dataset without autotuning.

    TensorFlow's tuner sleeps, each time twice as long, up to a minute. A session that closes, or an iterator
    that is initialised again, sometimes fails to wake it, and waits.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def batches_at_once(signature: Mapping[str, Signature], batch_size: int) -> int:
    """Returns how many batches are read and handed to TensorFlow together: one if their size varies.

    Args:
      signature: of their arrays.
      batch_size: examples in a batch.
    """
    size = 0
    for array in signature.values():
        known = [side for side in array.shape if side is not None]
        if len(known) < len(array.shape):
            return 1
        size += math.prod(known) * np.dtype(array.type).itemsize
    return min(max(_BYTES_AT_ONCE // (size * batch_size), 1), _MOST_AT_ONCE)


def _examples_of(read: Batch, batch_size: int, vocabulary: Vocabulary | None) -> Iterator[Examples]:
    """Yields the examples of a group of batches: together if all batches are whole, else batch by batch.

    A batch whose members are all bad has no keys.
    """
    ids = np.array([vocabulary.id_of(label) if vocabulary else 0 for label in read.labels], np.int64)
    members = len(read.keys) + len(read.bad)
    if not read.bad and members % batch_size == 0:
        yield Examples(read.arrays, read.keys, ids, batches=members // batch_size)
        return
    begin = 0
    for first in range(0, members, batch_size):
        last = min(first + batch_size, members)
        end = begin + last - first - sum(first <= bad.place < last for bad in read.bad)
        arrays = {name: array[begin:end] for name, array in read.arrays.items()}
        yield Examples(arrays, read.keys[begin:end], ids[begin:end])
        begin = end


def _batches_of(*columns: Any) -> Any:
    """Returns a Dataset of the batches in [batches, rows, ...], without copying them."""
    return tf.data.Dataset.from_tensor_slices(columns)


def _in_batches(columns: Columns, count: int) -> Columns:
    """Returns the rows of `count` batches as [count, rows of a batch, ...]."""
    arrays, keys, weights, ids = columns
    together = {name: array.reshape(count, -1, *array.shape[1:]) for name, array in arrays.items()}
    return together, keys.reshape(count, -1), weights.reshape(count, -1), ids.reshape(count, -1)


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

    ids = np.zeros(len(images), np.int64) if labels is None else labels

    def examples() -> Iterator[Examples]:
        for epoch in itertools.count() if num_epochs is None else range(num_epochs):
            rows = np.arange(len(images))
            if shuffle:
                np.random.default_rng([seed, epoch]).shuffle(rows)
            for first in range(0, len(rows), batch_size):
                batch = rows[first : first + batch_size]
                yield Examples({IMAGE: images[batch]}, [f'array:{row}' for row in batch], ids[batch])

    reader = ImageReader(ImageShape(*images.shape[1:]))
    return lambda: dataset_of(examples, reader, labelled=labels is not None)


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
