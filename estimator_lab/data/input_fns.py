"""Input functions: batches of examples -> tf.data, by `Dataset.from_generator`."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from estimator_lab.base.interrupts import until_stopped
from estimator_lab.base.keys import KEY, WEIGHT
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import Batch, read_batches
from estimator_lab.data.kind import Reader, Signature
from estimator_lab.data.labels import UNKNOWN_ID, Vocabulary
from estimator_lab.data.memory import ROW, Examples, InMemory, encoded_keys
from estimator_lab.data.order import ONLY_WORKER, IndexedOrder, Order, WorkerShard
from estimator_lab.data.table import Table
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
    return lambda: _dataset(examples, reader, labelled=vocabulary is not None)


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

    @cached_property
    def table(self) -> Table | None:
        """Whose rows the examples are; None if they are whole."""
        return self.reader.table if self.in_memory else None

    @cached_property
    def in_memory(self) -> InMemory | None:
        """All examples, decoded once; None if they are decoded in each epoch, or changed at random."""
        table, order = self.reader.table, self.order
        if not table or not isinstance(order, IndexedOrder) or self.shard.world_size > 1 or self.watch:
            return None
        if self.reader.plain() != self.reader:
            return None
        return InMemory(order, self.reader, table, self.vocabulary, self.batch_size, self.report)

    @cached_property
    def at_once(self) -> int:
        """The most batches that are handed over together; each is watched without waiting for others."""
        return 1 if self.watch else batches_at_once(self.reader.signature, self.batch_size)

    def __call__(self) -> Iterator[Examples]:
        """Yields the examples until the end, or an error, which the report gets."""
        for some in self.report.until_error(self._found()):
            if len(some.keys):
                yield some
            # A step without examples still counts, so that the next one finds its own members.
            elif self.consumed or self.watch:
                blank = {ROW: np.zeros(1, np.int32)} if self.table else self.reader.blank()
                yield Examples(blank, encoded_keys(['']), np.array([UNKNOWN_ID], np.int64), weight=0.0)

    def _found(self) -> Iterator[Examples]:
        if self.in_memory:
            yield from (
                self.in_memory.onwards(self.consumed(), until_stopped)
                if self.consumed
                else self.in_memory.epoch(until_stopped)
            )
            return
        order, shard = self.order, self.shard
        members = order.onwards(self.consumed(), shard) if self.consumed else order.epoch(0)
        batches = read_batches(
            members,
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


def _dataset(examples: _Input, reader: Reader, labelled: bool) -> Any:
    """Returns a Dataset of batches; arrays are handed to TensorFlow whole.

    Args:
      examples: one batch at a time, or several.
      reader: gives the signature of the arrays, and makes features of them.
      labelled: whether the Dataset has class ids as well as features.
    """
    table = examples.table
    several = examples.at_once > 1 or table is not None
    signature = {ROW: Signature('int32', ())} if table else reader.signature

    def elements() -> Iterator[Any]:
        keep_freed_memory()
        for one in examples():
            weights = np.full(len(one.keys), one.weight, np.float32)
            columns = one.arrays, one.keys, weights, one.ids
            if several:
                columns = _in_batches(columns, one.batches)
            # TensorFlow gets a reference to the table.
            yield (table.array, columns) if table else columns

    def example(arrays: Any, keys: Tensor, weights: Tensor, labels: Tensor, rows: Any = None) -> Features:
        if table:
            ((name, _),) = reader.signature.items()
            arrays = {name: tf.gather(rows, arrays[ROW])}
        features = {**reader.features(arrays), KEY: keys, WEIGHT: weights}
        return (features, labels) if labelled else features

    with tf.name_scope('input'):
        dataset = tf.data.Dataset.from_generator(elements, *_structure(signature, several, table))
        as_it_is = tf.autograph.experimental.do_not_convert
        if several:
            dataset = dataset.flat_map(as_it_is(_batches_with_table if table else _batches_of))
        # Prefetched last, so that a training step finds floats.
        dataset = dataset.map(as_it_is(example), num_parallel_calls=_CAST_AT_ONCE).prefetch(
            _PREFETCHED_BATCHES
        )
        return dataset.with_options(_without_autotuning())


def _structure(signature: Mapping[str, Signature], several: bool, table: Table | None) -> tuple[Any, Any]:
    """Returns the types and the shapes of what a generator yields."""
    rows = [None, None] if several else [None]
    types: Any = {name: tf.as_dtype(array.type) for name, array in signature.items()}
    shapes: Any = {name: [*rows, *array.shape] for name, array in signature.items()}
    types, shapes = (types, tf.string, tf.float32, tf.int64), (shapes, rows, rows, rows)
    if table is None:
        return types, shapes
    return (tf.as_dtype(table.array.dtype), types), (table.array.shape, shapes)


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


def _batches_with_table(table: Any, columns: Any) -> Any:
    """Returns the same with `table` in each batch."""
    alike = tf.data.Dataset.from_tensors(table).repeat()
    return tf.data.Dataset.zip((_batches_of(*columns), alike)).map(lambda batch, table: (*batch, table))


def _in_batches(columns: Any, count: int) -> Any:
    """Returns the rows of `count` batches as [count, rows of a batch, ...]."""
    arrays, keys, weights, ids = columns
    together = {name: array.reshape(count, -1, *array.shape[1:]) for name, array in arrays.items()}
    return together, keys.reshape(count, -1), weights.reshape(count, -1), ids.reshape(count, -1)
