"""Input functions on `Dataset.from_generator`: batches of members, for any kind of example."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.data.kind import Arrays, Reader
from estimator_lab.data.labels import UNKNOWN_ID, Vocabulary
from estimator_lab.data.order.order import Order
from estimator_lab.data.pipeline.batches import Batch, read_batches
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.feature_keys import KEY, WEIGHT
from estimator_lab.tf1 import Features, Tensor, tf

InputFn = Callable[[], Any]
_PREFETCHED_BATCHES = 2
_CAST_AT_ONCE = 2  # batches, whose bytes become floats: beside a decoder that is many times slower, enough


class Examples(NamedTuple):
    """Some examples on their way into TensorFlow: arrays of n rows, n keys, n class ids; what they count."""

    arrays: Arrays
    keys: Sequence[str]
    ids: Sequence[int] | np.ndarray
    weight: float = 1.0


def archive_input_fn(
    order: Order,
    reader: Reader,
    batch_size: int,
    report: InputReport,
    vocabulary: Vocabulary | None = None,
    resume: Callable[[], int] | None = None,
    watch: Callable[[Batch], None] | None = None,
) -> InputFn:
    """Returns an input function that streams batches of examples from tar archives.

    Args:
      order: the archives and the order of their members.
      reader: how members become arrays.
      batch_size: archive members in a batch; bad examples leave a batch shorter.
      report: counts bad examples, keeps the error that ended the stream.
      vocabulary: turns label texts into ids, -1 for one that it does not know; None gives no labels, as
        PREDICT wants it.
      resume: returns the examples already seen: then the stream has no end and starts behind those. None
        gives one epoch from its head.
      watch: called with each batch before TensorFlow gets it; predictions then come in step with batches,
        as that of one with no example is made from a blank one.

    Returns:
      A function of no arguments that returns a Dataset of (features, int64 [batch]), or of the features
      alone: what `reader.features` gives, of images 'image' float32 [batch, height, width, channels] in [0,
      1]; 'key' string [batch]; 'weight' float32 [batch], 0 for a blank example.
    """

    def examples() -> Iterator[Examples]:
        schedule = order.onwards(resume()) if resume else order.epoch(0)
        for batch in report.until_error(read_batches(schedule, batch_size, reader, report)):
            if watch:
                watch(batch)
            if not batch.keys:  # every member of it was bad
                # A step still has to pass, so that the next one finds its own members; it learns nothing.
                if resume or watch:
                    yield Examples(reader.blank(), [''], [UNKNOWN_ID], weight=0.0)
                continue
            ids = [vocabulary.id_of(label) if vocabulary else 0 for label in batch.labels]
            yield Examples(batch.arrays, batch.keys, ids)

    return lambda: dataset_of(examples, reader, labelled=vocabulary is not None)


def placeholder_features(reader: Reader) -> Features:
    """Returns features without examples, for a network that is built to be looked at."""
    return reader.features(
        {
            name: tf.placeholder(tf.as_dtype(array.type), [None, *array.shape])
            for name, array in reader.signature.items()
        }
    )


def dataset_of(examples: Callable[[], Iterator[Examples]], reader: Reader, labelled: bool) -> Any:
    """Returns a Dataset of batches; their arrays cross from Python into TensorFlow whole, as they are.

    Args:
      examples: yields a batch at a time.
      reader: knows what the arrays are, and makes features of them.
      labelled: whether class ids come beside the features.
    """
    signature = reader.signature

    def encoded() -> Iterator[tuple[Arrays, np.ndarray, np.ndarray, np.ndarray]]:
        for batch in examples():
            # Names in an archive are bytes; those that are no UTF-8 come back as they were.
            names = np.array([key.encode('utf-8', 'surrogateescape') for key in batch.keys], object)
            weights = np.full(len(names), batch.weight, np.float32)
            yield batch.arrays, names, weights, np.asarray(batch.ids, np.int64)

    def example(arrays: Any, keys: Tensor, weights: Tensor, labels: Tensor) -> Features:
        features = {**reader.features(arrays), KEY: keys, WEIGHT: weights}
        return (features, labels) if labelled else features

    with tf.name_scope('input'):
        types = {name: tf.as_dtype(array.type) for name, array in signature.items()}
        shapes = {name: [None, *array.shape] for name, array in signature.items()}
        dataset = tf.data.Dataset.from_generator(
            encoded, (types, tf.string, tf.float32, tf.int64), (shapes, [None], [None], [None])
        )
        # Prefetched last, so that a training step finds its floats ready.
        features = tf.autograph.experimental.do_not_convert(example)
        dataset = dataset.map(features, num_parallel_calls=_CAST_AT_ONCE).prefetch(_PREFETCHED_BATCHES)
        return dataset.with_options(_without_autotuning())


def _without_autotuning() -> Any:
    """Returns the options of a Dataset that leaves nothing to be tuned.

    TensorFlow's tuner sleeps between two looks, each time twice as long, up to a minute. A session that
    closes, or an iterator that begins anew, sometimes fails to wake it, and waits.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
