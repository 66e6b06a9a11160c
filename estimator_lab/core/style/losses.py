"""Losses of a painted picture, by what a trained network perceives of it.

Gatys, Ecker and Bethge (2016), 'Image style transfer using convolutional neural networks'; Johnson, Alahi
and Fei-Fei (2016), 'Perceptual losses for real-time style transfer and super-resolution', section 3.2. The
activations of one network may be thousands of times those of another. Each term is therefore relative, which
is a choice of the layers' weights: 1 is what a picture would get in which nothing is perceived.
"""

from collections.abc import Mapping

from estimator_lab.tf1 import Tensor, tf


def gram_matrices(maps: Tensor) -> Tensor:
    """Returns which maps are active together, float32 [batch, maps, maps], means over all pixels.

    Args:
      maps: float32 [batch, height, width, maps].
    """
    shape = tf.shape(maps)
    flat = tf.reshape(maps, [shape[0], shape[1] * shape[2], maps.shape.as_list()[3]])
    return tf.matmul(flat, flat, transpose_a=True) / tf.cast(shape[1] * shape[2], tf.float32)


def style_losses(maps: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Returns how far each picture's Gram matrices are from those of a style, float32 [batch].

    The mean over the layers of |G - S|^2 / |S|^2, in Frobenius norms.

    Args:
      maps: of the pictures by layer, float32 [batch, height, width, maps].
      targets: Gram matrices of a style for each picture, by layer, float32 [batch, maps, maps].
    """
    terms = [
        _relative(gram_matrices(maps[layer]) - target, target, [1, 2]) for layer, target in targets.items()
    ]
    return tf.add_n(terms) / len(terms)


def content_losses(maps: Tensor, wanted: Tensor) -> Tensor:
    """Returns how far what is perceived of pictures is from what it should be, float32 [batch].

    |F - P|^2 / |P|^2, sums over all maps and pixels.

    Args:
      maps: of the pictures, float32 [batch, height, width, maps].
      wanted: the same of the photos.
    """
    return _relative(maps - wanted, wanted, [1, 2, 3])


def total_variation(pictures: Tensor) -> Tensor:
    """Returns the mean squared difference of neighbours, across and down, float32 [batch].

    Args:
      pictures: float32 [batch, height, width, channels].
    """
    down = pictures[:, 1:] - pictures[:, :-1]
    across = pictures[:, :, 1:] - pictures[:, :, :-1]
    return tf.add_n([tf.reduce_mean(tf.square(part), [1, 2, 3]) for part in (down, across)])


def _relative(difference: Tensor, wanted: Tensor, axes: list[int]) -> Tensor:
    squares = tf.reduce_sum(tf.square(difference), axes)
    return tf.div_no_nan(squares, tf.reduce_sum(tf.square(wanted), axes))
