"""What a model function is given -> image batches and class ids, whichever input function it came from."""

from collections.abc import Mapping, Sequence
from typing import Any

from estimator_lab.tf1 import tf


def images_of(features: Any, shape: Sequence[int]) -> Any:
    """Returns the images as float32 [batch, height, width, channels], in the range they came in.

    Args:
      features: {'image': [batch, height, width, channels], ...}; or one tensor of height * width *
        channels values an example, [batch, 16384]; or the document's tuple of 16,384 scalars.
      shape: (height, width, channels).
    """
    with tf.name_scope('images'):
        if isinstance(features, Mapping):
            features = features['image']
        elif isinstance(features, (tuple, list)):
            features = tf.stack(features, axis=-1)
        return tf.reshape(tf.cast(features, tf.float32), [-1, *shape])


def keys_of(features: Any) -> Any | None:
    """Returns the example keys, string [batch], or None where the input has none."""
    return features.get('key') if isinstance(features, Mapping) else None


def example_weights(features: Any) -> Any:
    """Returns what each example counts in training, float32 [batch], or 1.0 where the input has no keys.

    Where all images of a batch were bad, the input gives one black image with an empty key: it counts 0.
    """
    example_keys = keys_of(features)
    return 1.0 if example_keys is None else tf.cast(tf.not_equal(example_keys, ''), tf.float32)


def class_ids(labels: Any, vocabulary: Sequence[str]) -> Any:
    """Returns labels as class ids, int64 [batch]; -1 for a text that the vocabulary does not hold.

    Args:
      labels: ids or texts, [batch] or one scalar.
      vocabulary: label texts in the order of their ids.
    """
    labels = tf.reshape(labels, [-1])
    if labels.dtype != tf.string:
        return tf.cast(labels, tf.int64)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant(list(vocabulary)), tf.range(len(vocabulary), dtype=tf.int64)
        ),
        default_value=-1,
    )
    return table.lookup(labels)
