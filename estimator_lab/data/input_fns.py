"""Input functions: batches of examples -> tf.data, by `Dataset.from_generator`."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.base.interrupts import until_stopped
from estimator_lab.base.keys import KEY, WEIGHT
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import Batch, read_batches
from estimator_lab.data.kind import Arrays, Reader, Signature
from estimator_lab.data.labels import UNKNOWN_ID, Vocabulary
from estimator_lab.data.order import ONLY_WORKER, Order, WorkerShard
from estimator_lab.tf1 import Features, Tensor, keep_freed_memory, tf

InputFn = Callable[[], Any]

_PREFETCHED_BATCHES = 2
# Batches that are read and handed to TensorFlow together: the overhead, mostly of waking threads, is the same
# as for one. A few times as many are in memory.
_MOST_AT_ONCE = 16
_BYTES_AT_ONCE = 4 * 2**20
_CAST_AT_ONCE = 2  # batches whose bytes become floats, which is many times faster than decoding


def archive_input_fn(
    order: Order,
    reader: Reader,
    batch_size: int,
    report: InputReport,
    vocabulary: Vocabulary | None = None,
    consumed: Callable[[], int] | None = None,
    watch: Callable[[Batch], None] | None = None,
    shard: WorkerShard = ONLY_WORKER,
) -> InputFn:
    """Returns an input function that streams batches of examples from archives.

    Args:
      order: of the members.
      reader: how members become arrays.
      batch_size: members in a batch; bad examples make a batch shorter.
      report: counts bad examples, and stores the error that ended the stream.
      vocabulary: maps labels to ids, unknown ones to -1; None for no labels, as in PREDICT.
      consumed: returns how many examples were consumed: the stream then starts after those and has no end.
        None for one epoch from its beginning.
      watch: called with each batch before TensorFlow gets it. Predictions are then in step with batches, as
        one without examples is replaced by a blank example.
      shard: this worker's part of each global batch, with `consumed`.

    Returns:
      A function of no arguments that returns a Dataset of (features, int64 [batch]), or of the features
      alone: those of `reader.features`, for images 'image' float32 [batch, height, width, channels] in [0,
        1];
      'key' string [batch]; 'weight' float32 [batch], 0 for a blank example.
    """
    examples = _Input(order, reader, batch_size, report, vocabulary, consumed, watch, shard)
    return lambda: _dataset(examples)


@dataclass(frozen=True)
class _Input:
    """The examples of an input function; see `archive_input_fn`."""

    order: Order
    reader: Reader
    batch_size: int
    report: InputReport
    vocabulary: Vocabulary | None
    consumed: Callable[[], int] | None
    watch: Callable[[Batch], None] | None
    shard: WorkerShard

    @property
    def at_once(self) -> int:
        """The most batches that are handed over together; each is watched without waiting for others."""
        return 1 if self.watch else batches_at_once(self.reader.signature, self.batch_size)

    def __call__(self) -> Iterator['_Examples']:
        """Yields the examples until the end, or an error, which the report gets."""
        for some in self.report.until_error(self._found()):
            if len(some.keys):
                yield some
            # A step without examples still counts, so that the next one finds its own members.
            elif self.consumed or self.watch:
                ids = np.array([UNKNOWN_ID], np.int64)
                yield _Examples(self.reader.blank(), _encoded(['']), ids, weight=0.0)

    def _found(self) -> Iterator['_Examples']:
        order, shard = self.order, self.shard
        batches = read_batches(
            order.onwards(self.consumed(), shard) if self.consumed else order.epoch(0),
            self.batch_size,
            self.reader,
            self.report,
            self.at_once,
            whole_only=self.consumed is not None,
        )
        # After a signal, the chief ends a synchronous step only if the other workers take part in it.
        for batch in batches if shard.rank else until_stopped(batches):
            if self.watch:
                self.watch(batch)
            yield from _examples_of(batch, self.batch_size, self.vocabulary)


class _Examples(NamedTuple):
    """Some examples on their way into TensorFlow: arrays of n rows, n keys, n class ids, and their weight.

    They make up `batches` batches of equal size. Keys are bytes.
    """

    arrays: Arrays
    keys: np.ndarray
    ids: np.ndarray
    weight: float = 1.0
    batches: int = 1


def _encoded(keys: Sequence[str]) -> np.ndarray:
    """Returns keys as bytes, object [n]: names in an archive; those that are not UTF-8 are restored."""
    return np.array([key.encode('utf-8', 'surrogateescape') for key in keys], object)


def placeholder_features(reader: Reader) -> Features:
    """Returns placeholders for features, for a network that is built without data."""
    return reader.features(
        {
            name: tf.placeholder(tf.as_dtype(array.type), [None, *array.shape])
            for name, array in reader.signature.items()
        }
    )


def _examples_of(read: Batch, batch_size: int, vocabulary: Vocabulary | None) -> Iterator[_Examples]:
    """Yields the examples of a group of batches: together if all batches are whole, else batch by batch.

    A batch whose members are all bad has no keys.
    """
    ids = np.array([vocabulary.id_of(label) if vocabulary else 0 for label in read.labels], np.int64)
    keys = _encoded(read.keys)
    members = len(keys) + len(read.bad)
    if not read.bad and members % batch_size == 0:
        yield _Examples(read.arrays, keys, ids, batches=members // batch_size)
        return
    begin = 0
    for first in range(0, members, batch_size):
        last = min(first + batch_size, members)
        end = begin + last - first - sum(first <= bad.place < last for bad in read.bad)
        arrays = {name: array[begin:end] for name, array in read.arrays.items()}
        yield _Examples(arrays, keys[begin:end], ids[begin:end])
        begin = end


def _dataset(examples: _Input) -> Any:
    """Returns a Dataset of batches; arrays are handed to TensorFlow whole, of one batch or of several."""
    reader, several = examples.reader, examples.at_once > 1

    def elements() -> Iterator[Any]:
        keep_freed_memory()
        for one in examples():
            columns = one.arrays, one.keys, np.full(len(one.keys), one.weight, np.float32), one.ids
            yield _in_batches(columns, one.batches) if several else columns

    def example(arrays: Any, keys: Tensor, weights: Tensor, labels: Tensor) -> Any:
        features: Features = {**reader.features(arrays), KEY: keys, WEIGHT: weights}
        return (features, labels) if examples.vocabulary else features

    rows = [None, None] if several else [None]
    types = {name: tf.as_dtype(array.type) for name, array in reader.signature.items()}
    shapes = {name: [*rows, *array.shape] for name, array in reader.signature.items()}
    with tf.name_scope('input'):
        dataset = tf.data.Dataset.from_generator(
            elements, (types, tf.string, tf.float32, tf.int64), (shapes, rows, rows, rows)
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


def _batches_of(*columns: Any) -> Any:
    """Returns a Dataset of the batches in [batches, rows, ...], without copying them."""
    return tf.data.Dataset.from_tensor_slices(columns)


def _in_batches(columns: Any, count: int) -> Any:
    """Returns the rows of `count` batches as [count, rows of a batch, ...]."""
    arrays, keys, weights, ids = columns
    together = {name: array.reshape(count, -1, *array.shape[1:]) for name, array in arrays.items()}
    return together, keys.reshape(count, -1), weights.reshape(count, -1), ids.reshape(count, -1)
