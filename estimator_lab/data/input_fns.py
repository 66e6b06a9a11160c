"""Input functions: batches of examples -> tf.data, by `Dataset.from_generator`."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from estimator_lab.base.interrupts import until_stopped
from estimator_lab.base.keys import KEY, WEIGHT
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import Batch, read_batches
from estimator_lab.data.kind import Reader
from estimator_lab.data.labels import UNKNOWN_ID, Vocabulary
from estimator_lab.data.order import ONLY_WORKER, Order, WorkerShard
from estimator_lab.tf1 import Features, Tensor, keep_freed_memory, tf

InputFn = Callable[[], Any]

_PREFETCHED_BATCHES = 2
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
    epochs: int = 1,
) -> InputFn:
    """Returns an input function that streams batches of examples from archives.

    Args:
      order: of the members.
      reader: how members become arrays.
      batch_size: members in a batch; bad examples make a batch shorter.
      report: counts bad examples, and stores the error that ended the stream.
      vocabulary: maps labels to ids, unknown ones to -1; None for no labels, as in PREDICT.
      consumed: returns how many examples were consumed: the stream then starts after those and has no end.
        None for `epochs` from the beginning.
      watch: called with each batch before TensorFlow gets it. Predictions are then in step with batches, as
        one without examples is replaced by a blank example.
      shard: this worker's part of each global batch, with `consumed`.
      epochs: how many there are without `consumed`; batches do not divide them.

    Returns:
      A function of no arguments that returns a Dataset of (features, int64 [batch]), or of the features
      alone: those of `reader.features`, for images 'image' float32 [batch, height, width, channels] in [0,
        1];
      'key' string [batch]; 'weight' float32 [batch], 0 for a blank example.
    """

    def batches() -> Iterator[Batch]:
        members = (
            order.onwards(consumed(), shard)
            if consumed
            else chain.from_iterable(map(order.epoch, range(epochs)))
        )
        found = read_batches(members, batch_size, reader, report, whole_only=consumed is not None)
        # After a signal, the chief ends a synchronous step only if the other workers take part in it.
        for batch in found if shard.rank else until_stopped(found):
            if watch:
                watch(batch)
            yield batch

    def elements() -> Iterator[tuple[Any, ...]]:
        """Yields arrays, keys, weights and class ids of batches until the end, or an error.

        A batch whose members are all bad is left out of an evaluation. In training it becomes one blank
        example, so that each step has the members of its own place.
        """
        keep_freed_memory()
        for batch in report.until_error(batches()):
            if batch.keys:
                keys = [key.encode('utf-8', 'surrogateescape') for key in batch.keys]
                ids = [vocabulary.id_of(label) if vocabulary else 0 for label in batch.labels]
                weights = np.ones(len(keys), np.float32)
                yield batch.arrays, np.array(keys, object), weights, np.array(ids, np.int64)
            elif consumed or watch:
                blank, unknown = np.zeros(1, np.float32), np.array([UNKNOWN_ID], np.int64)
                yield reader.blank(), np.array([b''], object), blank, unknown

    return lambda: _dataset(elements, reader, labelled=vocabulary is not None)


def placeholder_features(reader: Reader) -> Features:
    """Returns placeholders for features, for a network that is built without data."""
    return reader.features(
        {
            name: tf.placeholder(tf.as_dtype(array.type), [None, *array.shape])
            for name, array in reader.signature.items()
        }
    )


def _dataset(elements: Callable[[], Iterator[Any]], reader: Reader, labelled: bool) -> Any:
    """Returns a Dataset of batches; arrays are handed to TensorFlow whole."""

    def example(arrays: Any, keys: Tensor, weights: Tensor, labels: Tensor) -> Any:
        features: Features = {**reader.features(arrays), KEY: keys, WEIGHT: weights}
        return (features, labels) if labelled else features

    types = {name: tf.as_dtype(array.type) for name, array in reader.signature.items()}
    shapes = {name: [None, *array.shape] for name, array in reader.signature.items()}
    with tf.name_scope('input'):
        dataset = tf.data.Dataset.from_generator(
            elements, (types, tf.string, tf.float32, tf.int64), (shapes, [None], [None], [None])
        )
        as_it_is = tf.autograph.experimental.do_not_convert
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
