"""The transform net of Johnson et al. 2016: a feed-forward network that paints photos of any size in styles.

A convolution at the size of the photo is followed by others that halve it, and by residual blocks. Then
layers double the maps by linear interpolation before they convolve them (Odena, Dumoulin and Olah 2016,
'Deconvolution and checkerboard artifacts'). Repeated pixels would leave a lattice of 2 pixels, as
benchmarks/lattice.py measures.
"""

from typing import Any

from estimator_lab.core.endpoints import Layers
from estimator_lab.core.keys import PAINTED
from estimator_lab.core.params import sizes
from estimator_lab.tf1 import Tensor, tf

_SIDE = 9  # of the first and last kernels; all others are 3x3

SMALLEST_SIDE = _SIDE // 2
"""Minimum height and width of a photo, in pixels: the margin of the first kernel."""

_SCOPE = 'painter'
_EPSILON = 1e-5


def transform_net(photos: Tensor, params: Any, mix: Tensor) -> Layers:
    """Yields down_1 [batch, height, width, filters], ..., residual_1, ..., up_1, ..., then `painted`.

    That is float32 of the photos' shape, in (0, 1). All calls share the variables: painter/down_1/kernel,
    painter/down_1/scale, ..., painter/residual_1a/kernel, ..., painter/up_1/kernel, ...,
    painter/picture/kernel and painter/picture/bias.

    Args:
      photos: float32 [batch, height, width, channels] in [0, 1], sides of at least 4 pixels.
      params: `model.Params`; all convolutions but the first of its filters halve the sides.
      mix: weights of the styles for each picture, float32 [batch, styles].
    """

    def layer(maps: Tensor, name: str, filters: int, side: int = 3, stride: int = 1) -> Tensor:
        maps = _convolution(maps, name, filters, side, stride, use_bias=False)
        return instance_norm(maps, f'{_SCOPE}/{name}', len(params.styles), mix)

    maps, filters, shapes = photos, sizes(params.filters), []
    for number, count in enumerate(filters, 1):
        shapes.append(tf.shape(maps)[1:3])
        side, stride = (_SIDE, 1) if number == 1 else (3, 2)
        maps = tf.nn.relu(layer(maps, f'down_{number}', count, side, stride))
        yield f'down_{number}', maps
    for number in range(1, params.blocks + 1):
        change = tf.nn.relu(layer(maps, f'residual_{number}a', filters[-1]))
        maps += layer(change, f'residual_{number}b', filters[-1])
        yield f'residual_{number}', maps
    for number, count in enumerate(filters[-2::-1], 1):
        maps = tf.nn.relu(layer(_doubled(maps, shapes.pop()), f'up_{number}', count))
        yield f'up_{number}', maps
    picture = _convolution(maps, 'picture', params.image_shape[2], _SIDE)
    yield PAINTED, tf.sigmoid(tf.reshape(picture, tf.shape(photos)))


def _convolution(
    maps: Tensor, name: str, filters: int, side: int, stride: int = 1, use_bias: bool = True
) -> Tensor:
    """Returns a convolution with mirrored borders; zeros would appear as a frame."""
    margin = [side // 2, side // 2]
    with tf.variable_scope(_SCOPE):
        return tf.layers.conv2d(
            tf.pad(maps, [[0, 0], margin, margin, [0, 0]], 'SYMMETRIC'),
            filters,
            side,
            stride,
            use_bias=use_bias,
            kernel_initializer=tf.variance_scaling_initializer(),
            name=name,
            reuse=tf.AUTO_REUSE,
        )


def instance_norm(maps: Tensor, scope: str, styles: int, mix: Tensor) -> Tensor:
    """Normalises each map of each picture to mean 0 and variance 1, then applies its style's scale and shift.

    Instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016), with scales and shifts for several styles
    that share all kernels and can be mixed: conditional instance normalisation (Dumoulin, Shlens and Kudlur
    2017). The variables are SCOPE/scale and SCOPE/shift, [styles, maps]; `mix` has the weights of the styles
    for each picture, float32 [batch, styles].
    """
    shape = [styles, maps.shape.as_list()[3]]
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        scale = tf.get_variable('scale', shape, initializer=tf.ones_initializer())
        shift = tf.get_variable('shift', shape, initializer=tf.zeros_initializer())
        # The weighted means over the styles, float32 [batch, 1, 1, maps].
        scale, shift = (tf.matmul(mix, values)[:, tf.newaxis, tf.newaxis] for values in (scale, shift))
        mean, variance = tf.nn.moments(maps, [1, 2], keepdims=True)
        factor = scale * tf.rsqrt(variance + _EPSILON)
        # One multiplication and one addition per value, as maps are large.
        return maps * factor + (shift - mean * factor)


def _doubled(maps: Tensor, size: Tensor) -> Tensor:
    """Returns maps of twice the sides, interpolated, cropped to a size, int32 [2]."""
    doubled = tf.image.resize_bilinear(maps, 2 * tf.shape(maps)[1:3], half_pixel_centers=True)
    doubled = doubled[:, : size[0], : size[1]]
    return tf.ensure_shape(doubled, [None, None, None, maps.shape.as_list()[3]])
