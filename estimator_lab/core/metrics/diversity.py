"""How unlike each other samples are, beside how unlike each other real images are."""

from estimator_lab.tf1 import Tensor, tf


def spread(images: Tensor, classes: Tensor | None = None) -> Tensor:
    """Returns the sum of the squared distances of all pairs of different images, a float32 scalar.

    Args:
      images: float32 [batch, height, width, channels].
      classes: float32 [batch, classes], one-hot: then pairs of one class count only.
    """
    flat = tf.layers.flatten(images)
    lengths = tf.reduce_sum(tf.square(flat), axis=1)
    products = tf.matmul(flat, flat, transpose_b=True)
    squares = lengths[:, tf.newaxis] + lengths[tf.newaxis, :] - 2.0 * products
    others = 1.0 - tf.eye(tf.shape(flat)[0])
    if classes is not None:
        others *= tf.matmul(classes, classes, transpose_b=True)
    return tf.reduce_sum(tf.maximum(squares, 0.0) * others)
