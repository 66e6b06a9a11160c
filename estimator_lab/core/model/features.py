"""What a model function is given -> image batches and class ids, whichever input function it came from."""

from collections.abc import Mapping, Sequence

from estimator_lab.conventions import IMAGE, KEY, WEIGHT
from estimator_lab.tf1 import Features, Tensor, tf


def images_of(features: Features, shape: Sequence[int]) -> Tensor:
    """Returns the images as float32 [batch, height, width, channels], in the range they came in.

    Args:
      features: {'image': [batch, height, width, channels], ...}; or one tensor of height * width *
        channels values an example, [batch, 16384]; or the document's tuple of 16,384 scalars.
      shape: (height, width, channels).
    """
    with tf.name_scope('images'):
        if isinstance(features, Mapping):
            features = features[IMAGE]
        elif isinstance(features, (tuple, list)):
            features = tf.stack(features, axis=-1)
        return tf.reshape(tf.cast(features, tf.float32), [-1, *shape])


def has_images(features: Features) -> bool:
    """Whether `images_of` finds some; trees are none."""
    return not isinstance(features, Mapping) or IMAGE in features


def keys_of(features: Features) -> Tensor | None:
    """Returns the example keys, string [batch], or None where the input has none."""
    return features.get(KEY) if isinstance(features, Mapping) else None


def example_weights(features: Features) -> Tensor:
    """Returns what each example counts in training, float32 [batch], or 1.0 where the input does not say.

    Where all examples of a batch were bad, the input gives one blank example: it counts 0.
    """
    weights = features.get(WEIGHT) if isinstance(features, Mapping) else None
    return 1.0 if weights is None else weights


def class_ids(labels: Tensor, vocabulary: Sequence[str]) -> Tensor:
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
