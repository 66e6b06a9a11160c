"""Reads input functions."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from estimator_lab.tf1 import keep_freed_memory, tf


def batches_of(input_fn: Any, limit: int | None = None) -> list[Any]:
    """Returns the batches of an input function, at most `limit`, as Estimator reads them."""
    out: list[Any] = []
    with tf.Graph().as_default():
        tensors = input_fn()
        if hasattr(tensors, 'make_one_shot_iterator'):
            tensors = tensors.make_one_shot_iterator().get_next()
        with tf.Session() as session:
            while limit is None or len(out) < limit:
                try:
                    out.append(session.run(tensors))
                except tf.errors.OutOfRangeError:
                    break
    return out


def numpy_input_fn(
    images: np.ndarray,
    labels: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = False,
    seed: int = 0,
) -> Callable[[], Any]:
    """Returns an input function over arrays in memory, with the features of `archive_input_fn`.

    Args:
      images: uint8 [n, height, width, channels], or [n, height, width] for grey.
      labels: int [n] class ids; None gives no labels.
      batch_size: examples in a batch; the last one of an epoch may be shorter.
      num_epochs: passes over the arrays; None repeats without end.
      shuffle: whether each epoch is shuffled.
      seed: of the shuffling, together with the epoch.
    """
    images = images[..., np.newaxis] if images.ndim == 3 else images
    ids = np.zeros(len(images), np.int64) if labels is None else np.asarray(labels, np.int64)

    def rows() -> Iterator[np.ndarray]:
        for epoch in itertools.count() if num_epochs is None else range(num_epochs):
            order = np.arange(len(images))
            if shuffle:
                np.random.default_rng([seed, epoch]).shuffle(order)
            for first in range(0, len(order), batch_size):
                yield order[first : first + batch_size]

    def example(some: Any) -> Any:
        features = {
            'image': tf.cast(tf.gather(tf.constant(images), some), tf.float32) / 255.0,
            'key': tf.strings.as_string(some),
            'weight': tf.ones_like(some, tf.float32),
        }
        return features if labels is None else (features, tf.gather(tf.constant(ids), some))

    def input_fn() -> Any:
        keep_freed_memory()  # as `archive_input_fn` does
        dataset = tf.data.Dataset.from_generator(rows, tf.int64, [None])
        return dataset.map(tf.autograph.experimental.do_not_convert(example)).prefetch(2)

    return input_fn
