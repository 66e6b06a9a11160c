"""Batches of examples -> tf.data, by `Dataset.from_generator`."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.conventions import KEY, WEIGHT
from estimator_lab.data.kind import Arrays, FeatureReader, Signature
from estimator_lab.tf1 import Features, Tensor, keep_freed_memory, tf

_PREFETCHED_BATCHES = 2
# Batches that are read and handed to TensorFlow together: the overhead, mostly of waking threads, is the same
# as for one. A few times as many are in memory.
_MOST_AT_ONCE = 16
ROWS_AT_ONCE = 64
"""Batches of examples in memory that are handed to TensorFlow together: a few numbers for each example."""

_BYTES_AT_ONCE = 4 * 2**20
_CAST_AT_ONCE = 2  # batches whose bytes become floats, which is many times faster than decoding

Columns = tuple[Arrays, np.ndarray, np.ndarray, np.ndarray]  # arrays, keys as bytes, weights, class ids


class Examples(NamedTuple):
    """Some examples on their way into TensorFlow: arrays of n rows, n keys, n class ids, and their weight.

    They make up `batches` batches of equal size. Keys are bytes.
    """

    arrays: Arrays
    keys: np.ndarray
    ids: np.ndarray
    weight: float = 1.0
    batches: int = 1


def dataset_of(
    examples: Callable[[], Iterator[Examples]],
    reader: FeatureReader,
    labelled: bool,
    several: bool = False,
    shared: Arrays | None = None,
) -> Any:
    """Returns a Dataset of batches; arrays are handed to TensorFlow whole.

    Args:
      examples: yields one batch at a time, or several.
      reader: gives the signature of the arrays, and makes features of them.
      labelled: whether the Dataset has class ids as well as features.
      several: whether `examples` yields more than one batch at a time.
      shared: arrays that the features of every batch need, as well as its own. Aligned ones are not copied.
    """
    several = several or shared is not None

    def elements() -> Iterator[Any]:
        keep_freed_memory()
        for one in examples():
            weights = np.full(len(one.keys), one.weight, np.float32)
            columns = one.arrays, one.keys, weights, one.ids
            if several:
                columns = _in_batches(columns, one.batches)
            # TensorFlow gets a reference to `shared`, in which rows that no batch names yet may be written.
            yield columns if shared is None else (shared, columns)

    def example(arrays: Any, keys: Tensor, weights: Tensor, labels: Tensor, shared: Any = None) -> Features:
        features = {**reader.features({**arrays, **(shared or {})}), KEY: keys, WEIGHT: weights}
        return (features, labels) if labelled else features

    with tf.name_scope('input'):
        dataset = tf.data.Dataset.from_generator(elements, *_structure(reader.signature, several, shared))
        as_it_is = tf.autograph.experimental.do_not_convert
        if several:
            dataset = dataset.flat_map(as_it_is(_batches_of if shared is None else _batches_with))
        # Prefetched last, so that a training step finds floats.
        dataset = dataset.map(as_it_is(example), num_parallel_calls=_CAST_AT_ONCE).prefetch(
            _PREFETCHED_BATCHES
        )
        return dataset.with_options(_without_autotuning())


def _structure(signature: Mapping[str, Signature], several: bool, shared: Arrays | None) -> tuple[Any, Any]:
    """Returns the types and the shapes of what a generator yields."""
    rows = [None, None] if several else [None]
    types: Any = {name: tf.as_dtype(array.type) for name, array in signature.items()}
    shapes: Any = {name: [*rows, *array.shape] for name, array in signature.items()}
    types, shapes = (types, tf.string, tf.float32, tf.int64), (shapes, rows, rows, rows)
    if shared is None:
        return types, shapes
    of_shared = {name: tf.as_dtype(array.dtype) for name, array in shared.items()}
    return (of_shared, types), ({name: array.shape for name, array in shared.items()}, shapes)


def grouped(members: int, batch_size: int, at_once: int) -> Iterator[tuple[slice, int]]:
    """Yields the members of up to `at_once` batches, and the number of batches; a shorter one is alone."""
    whole, size = members - members % batch_size, batch_size * at_once
    for first in range(0, whole, size):
        last = min(first + size, whole)
        yield slice(first, last), (last - first) // batch_size
    if whole < members:
        yield slice(whole, members), 1


def encoded_keys(keys: Sequence[str]) -> np.ndarray:
    """Returns keys as bytes, object [n]: names in an archive; those that are not UTF-8 are restored."""
    return np.array([key.encode('utf-8', 'surrogateescape') for key in keys], object)


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


def _batches_with(shared: Any, columns: Any) -> Any:
    """Returns the same with `shared` in each batch."""
    alike = tf.data.Dataset.from_tensors(shared).repeat()
    return tf.data.Dataset.zip((_batches_of(*columns), alike)).map(lambda batch, shared: (*batch, shared))


def _in_batches(columns: Columns, count: int) -> Columns:
    """Returns the rows of `count` batches as [count, rows of a batch, ...]."""
    arrays, keys, weights, ids = columns
    together = {name: array.reshape(count, -1, *array.shape[1:]) for name, array in arrays.items()}
    return together, keys.reshape(count, -1), weights.reshape(count, -1), ids.reshape(count, -1)
