"""Losses of a painting, computed from the activations of a perceptual network.

Gatys, Ecker and Bethge (2016), 'Image style transfer using convolutional neural networks'; Johnson, Alahi
and Fei-Fei (2016), 'Perceptual losses for real-time style transfer and super-resolution', section 3.2.
Activations of different networks differ by factors of thousands. Each term is therefore relative to its
target: it is 1 for a picture without activations.
"""

from collections.abc import Mapping

from estimator_lab.tf1 import Tensor, tf


def gram_matrices(maps: Tensor) -> Tensor:
    """Returns Gram matrices [batch, maps, maps] of maps [batch, height, width, maps], means over pixels."""
    shape = tf.shape(maps)
    flat = tf.reshape(maps, [shape[0], shape[1] * shape[2], maps.shape.as_list()[3]])
    return tf.matmul(flat, flat, transpose_a=True) / tf.cast(shape[1] * shape[2], tf.float32)


def style_losses(maps: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Returns the style loss of each picture, float32 [batch].

    It is the mean over the layers of |G - S|^2 / |S|^2, in Frobenius norms, for Gram matrices G of the
    pictures, whose maps are float32 [batch, height, width, maps], and S of the style, [batch, maps, maps].
    """
    terms = [
        _relative(gram_matrices(maps[layer]) - target, target, [1, 2]) for layer, target in targets.items()
    ]
    return tf.add_n(terms) / len(terms)


def content_losses(maps: Tensor, wanted: Tensor) -> Tensor:
    """Returns the content loss of each picture, float32 [batch].

    It is |F - P|^2 / |P|^2, summed over all maps and pixels, for maps F of the picture and P of the photo,
    both float32 [batch, height, width, maps].
    """
    return _relative(maps - wanted, wanted, [1, 2, 3])


def total_variation(pictures: Tensor) -> Tensor:
    """Returns the mean squared difference of vertical plus that of horizontal neighbours, float32 [batch]."""
    down = pictures[:, 1:] - pictures[:, :-1]
    across = pictures[:, :, 1:] - pictures[:, :, :-1]
    return tf.add_n([tf.reduce_mean(tf.square(part), [1, 2, 3]) for part in (down, across)])


def _relative(difference: Tensor, wanted: Tensor, axes: list[int]) -> Tensor:
    squares = tf.reduce_sum(tf.square(difference), axes)
    return tf.div_no_nan(squares, tf.reduce_sum(tf.square(wanted), axes))
