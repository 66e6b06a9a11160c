"""Images, keys, weights and class ids from the features and labels of any input function."""

from collections.abc import Mapping, Sequence

from estimator_lab.base.errors import FlagError
from estimator_lab.base.keys import IMAGE, KEY, WEIGHT
from estimator_lab.tf1 import Features, Tensor, tf


def images_of(features: Features, shape: Sequence[int]) -> Tensor:
    """Returns the images as float32 [batch, height, width, channels], with their values unchanged.

    Args:
      features: {'image': [batch, height, width, channels], ...}; or one tensor with height *
        width * channels values per example, [batch, 16384]; or the notes' tuple of 16,384 scalars.
      shape: (height, width, channels).
    """
    with tf.name_scope('images'):
        if isinstance(features, Mapping):
            features = features[IMAGE]
        elif isinstance(features, (tuple, list)):
            features = tf.stack(features, axis=-1)
        return tf.reshape(tf.cast(features, tf.float32), [-1, *shape])


def has_images(features: Features) -> bool:
    """Returns whether the features have images; trees' have none."""
    return not isinstance(features, Mapping) or IMAGE in features


def keys_of(features: Features) -> Tensor | None:
    """Returns the example keys, string [batch], or None if the input has none."""
    return features.get(KEY) if isinstance(features, Mapping) else None


def example_weights(features: Features) -> Tensor:
    """Returns the weight of each example in training, float32 [batch], or 1.0 if the input has none.

    If all examples of a batch were bad, the input has one blank example of weight 0.
    """
    weights = features.get(WEIGHT) if isinstance(features, Mapping) else None
    return 1.0 if weights is None else weights


def class_ids(labels: Tensor | None, vocabulary: Sequence[str]) -> Tensor:
    """Returns labels, ids or texts, [batch] or one scalar, as class ids, int64 [batch].

    A text that is not in the vocabulary, the texts in the order of their ids, becomes -1.

    Raises:
      FlagError: there are no labels.
    """
    if labels is None:
        raise FlagError('This model needs labels, but its input function returns none.')
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
