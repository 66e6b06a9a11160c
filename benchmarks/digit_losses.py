"""The losses that the benchmarks of optimizers minimise: of two networks, on digits in memory."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from archives import read_images

from estimator_lab.tf1 import tf

SIDE, CLASSES = 28, 10
_LAYERS = (1000, 500, 250, 30)


class SparseInitializer:
    """Draws a few weights of each unit from N(0, 1) and sets the others to 0 (Martens 2010, section 5).

    The scale of a unit's input does not depend on the number of inputs, and units differ more than with dense
    weights. For kernels [inputs, units]; the draws depend on the graph's seed.

    Args:
      incoming: nonzero weights of a unit, at least 1; all weights if there are fewer inputs.
    """

    def __init__(self, incoming: int = 15) -> None:
        self._incoming = incoming

    def __call__(self, shape: Sequence[int], dtype: Any = tf.float32, partition_info: Any = None) -> Any:
        """Returns a kernel, `dtype` [inputs, units]."""
        del partition_info
        inputs, units = (int(size) for size in shape)
        # For each unit, the positions of the largest of random numbers, one for each input.
        places = tf.nn.top_k(tf.random_uniform([units, inputs]), min(self._incoming, inputs)).indices
        chosen = tf.reduce_sum(tf.one_hot(places, inputs, dtype=dtype), axis=1)
        return tf.transpose(chosen) * tf.random_normal([inputs, units], dtype=dtype)


class Digits(NamedTuple):
    """Images float32 [n, 784] in [0, 1] and their digits int32 [n]."""

    images: np.ndarray
    labels: np.ndarray


def read_digits(archive: str, count: int) -> Digits:
    """Returns the first images of an archive; all for a count of 0."""
    images, labels = read_images(archive, SIDE, count=count)
    return Digits(images.reshape(len(images), -1).astype(np.float32) / 255, np.array(labels, np.int32))


def batches(digits: Digits, size: int, seed: int = 1) -> Iterator[Digits]:
    """Yields batches without end, shuffled anew in each pass; all digits at once for a size of 0."""
    rng = np.random.default_rng(seed)
    count = len(digits.images)
    size = min(size or count, count)
    while True:
        order = rng.permutation(count) if size < count else np.arange(count)
        for start in range(0, count - size + 1, size):
            chosen = order[start : start + size]
            yield digits if size == count else Digits(digits.images[chosen], digits.labels[chosen])


class Inputs(NamedTuple):
    """Placeholders of a batch."""

    images: Any
    labels: Any

    def feed(self, digits: Digits) -> dict[Any, Any]:
        return {self.images: digits.images, self.labels: digits.labels}


def inputs() -> Inputs:
    """Returns new placeholders."""
    return Inputs(tf.placeholder(tf.float32, [None, SIDE**2]), tf.placeholder(tf.int32, [None]))


def session() -> Any:
    """Returns a session whose variables have their first values."""
    made = tf.Session()
    made.run(tf.global_variables_initializer())
    return made


def autoencoder_loss(place: Inputs) -> Any:
    """Returns Martens' loss: cross-entropy of logistic layers with a linear code, sparsely initialised."""
    values = place.images
    for units in _LAYERS:
        activation = None if units == _LAYERS[-1] else tf.nn.sigmoid
        values = tf.layers.dense(values, units, activation, kernel_initializer=SparseInitializer())
    for units in _LAYERS[-2::-1]:
        values = tf.layers.dense(values, units, tf.nn.sigmoid, kernel_initializer=SparseInitializer())
    logits = tf.layers.dense(values, SIDE**2, kernel_initializer=SparseInitializer())
    with tf.name_scope('autoencoder'):
        difference = tf.squared_difference(tf.nn.sigmoid(logits), place.images)
        tf.reduce_sum(difference, axis=1, name='error')
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=place.images, logits=logits)
        return tf.reduce_mean(tf.reduce_sum(losses, axis=1))


def cnn_loss(place: Inputs) -> Any:
    """Returns the loss of the notes' network at 28x28, without dropout."""
    initializer = tf.glorot_uniform_initializer()
    maps = tf.reshape(place.images, [-1, SIDE, SIDE, 1])
    for _ in range(2):
        maps = tf.layers.conv2d(
            maps, 32, 5, padding='same', activation=tf.nn.relu, kernel_initializer=initializer
        )
        maps = tf.layers.max_pooling2d(maps, 2, 2)
    hidden = tf.layers.dense(tf.layers.flatten(maps), 1024, tf.nn.relu, kernel_initializer=initializer)
    logits = tf.layers.dense(hidden, CLASSES, kernel_initializer=initializer)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=place.labels, logits=logits)
    return tf.reduce_mean(losses)
