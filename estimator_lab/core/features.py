"""Images, keys, weights and class ids from the features and labels of any input function."""

import math
from collections.abc import Mapping, Sequence

from estimator_lab.base.errors import FlagError
from estimator_lab.base.keys import IMAGE, KEY, UINT8_MAX, WEIGHT
from estimator_lab.tf1 import Features, Tensor, tf


def images_of(features: Features, shape: Sequence[int]) -> Tensor:
    """Returns the images as float32 [batch, height, width, channels]: see `float_pixels` for their values.

    Args:
      features: {'image': [batch, height, width, channels], ...}; or one tensor with height *
        width * channels values per example, [batch, 16384]; or the notes' tuple of 16,384 scalars.
      shape: (height, width, channels).

    Raises:
      FlagError: images have another shape, or integers whose range is unknown. A shape that is known only
        when the graph runs is checked there, and ends with tf.errors.InvalidArgumentError.
    """
    with tf.name_scope('images'):
        if isinstance(features, Mapping):
            features = features[IMAGE]
        elif isinstance(features, (tuple, list)):
            features = tf.stack(features, axis=-1)
        return tf.reshape(_checked_shape(float_pixels(features), shape), [-1, *shape])


def float_pixels(images: Tensor) -> Tensor:
    """Returns pixels as float32: floats as they are, uint8 scaled to [0, 1]; raises FlagError for others."""
    images = tf.convert_to_tensor(images)
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / UINT8_MAX
    if images.dtype.is_integer:
        raise FlagError(
            f'Images of {images.dtype.name} have no known range: give uint8, or floats in [0, 1].'
        )
    return tf.cast(images, tf.float32)


def _checked_shape(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Returns images whose examples have the shape, or as many values: a reshape would cut up others."""
    rank, size, first = images.shape.rank, math.prod(shape), int(images.shape.rank != 1)
    known, found = images.shape[first:], tf.shape(images)[first:]
    sentence = f'image_shape={tuple(shape)} does not fit the images of the input function'
    remedy = 'resize them, or give the image_shape that they have'
    fits = known.is_compatible_with(shape) if rank == 4 else known.num_elements() in (None, size)
    if not fits:
        raise FlagError(f'{sentence}, which are {tuple(known.as_list())}: {remedy}.')
    if known.is_fully_defined():
        return images
    is_same = tf.equal(found, shape) if rank == 4 else tf.equal(tf.reduce_prod(found), size)
    checked = tf.Assert(tf.reduce_all(is_same), [f'{sentence}: {remedy}. Their shape:', tf.shape(images)])
    with tf.control_dependencies([checked]):
        return tf.identity(images)


def has_images(features: Features) -> bool:
    """Returns whether the features have images; trees' have none."""
    return not isinstance(features, Mapping) or IMAGE in features


def keys_of(features: Features) -> Tensor | None:
    """Returns the example keys, string [batch], or None if the input has none."""
    return features.get(KEY) if isinstance(features, Mapping) else None


def example_weights(features: Features) -> Tensor:
    """Returns the weight of each example, float32 [batch], or 1.0 if the input has none.

    If all examples of a batch were bad, the input has one blank example of weight 0.
    """
    weights = features.get(WEIGHT) if isinstance(features, Mapping) else None
    return 1.0 if weights is None else tf.cast(weights, tf.float32)


def class_ids(labels: Tensor | None, vocabulary: Sequence[str]) -> Tensor:
    """Returns labels, ids or texts, [batch] or one scalar, as class ids, int64 [batch].

    The vocabulary is in the order of the ids. A text outside it becomes -1, the id of an unknown label; any
    other id outside it ends with tf.errors.InvalidArgumentError.

    Raises:
      FlagError: there are no labels.
    """
    if labels is None:
        raise FlagError('This model needs labels, but its input function returns none.')
    labels = tf.reshape(labels, [-1])
    if labels.dtype != tf.string:
        with tf.name_scope('class_ids'):
            return _checked_ids(tf.cast(labels, tf.int64), len(vocabulary))
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant(list(vocabulary)), tf.range(len(vocabulary), dtype=tf.int64)
        ),
        default_value=-1,
    )
    return table.lookup(labels)


def _checked_ids(ids: Tensor, num_classes: int) -> Tensor:
    sentence = (
        f'A class id is outside the vocabulary of {num_classes} labels: ids are 0 to {num_classes - 1}, and '
        '-1 for an unknown label.'
    )
    is_id = tf.logical_and(ids >= -1, ids < num_classes)
    with tf.control_dependencies([tf.Assert(tf.reduce_all(is_id), [sentence, ids])]):
        return tf.identity(ids)
