"""The transform net of Johnson et al. 2016: a feed-forward network that paints photos of any size in styles.

A convolution at the size of the photo is followed by others that halve it, and by residual blocks. Then
layers repeat each pixel of the maps before they convolve them (Odena, Dumoulin and Olah 2016, 'Deconvolution
and checkerboard artifacts'). With linear interpolation, parallel lines take longer to become strokes.
"""

import dataclasses
from collections.abc import Sequence

from estimator_lab.tf1 import Tensor, tf

_SIDE = 9  # of the first and last kernels; all others are 3x3

SMALLEST_SIDE = _SIDE // 2
"""Minimum height and width of a photo, in pixels: the margin of the first kernel."""

_SCOPE = 'painter'
_EPSILON = 1e-5


class TransformNet:
    """The network; all calls share its variables.

    They are painter/down_1/kernel, painter/down_1/scale, ..., painter/residual_1a/kernel, ...,
    painter/up_1/kernel, ..., painter/picture/kernel and painter/picture/bias.

    Args:
      channels: channels of the pictures.
      filters: filters of the convolutions; all but the first halve the sides of the picture.
      blocks: number of residual blocks.
      styles: number of styles.
    """

    def __init__(self, channels: int, filters: Sequence[int], blocks: int, styles: int) -> None:
        last = filters[-1]
        self._down = [
            _Layer(f'down_{n}', count, *((_SIDE, 1) if n == 1 else (3, 2)), styles)
            for n, count in enumerate(filters, 1)
        ]
        self._residual = [
            tuple(_Layer(f'residual_{n}{part}', last, 3, 1, styles) for part in 'ab')
            for n in range(1, blocks + 1)
        ]
        self._up = [_Layer(f'up_{n}', count, 3, 1, styles) for n, count in enumerate(filters[-2::-1], 1)]
        self._picture = _Layer('picture', channels, _SIDE, 1, 0)

    def __call__(self, photos: Tensor, mix: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the paintings and the endpoints.

        Args:
          photos: float32 [batch, height, width, channels] in [0, 1], sides of at least 4 pixels.
          mix: weights of the styles for each picture, float32 [batch, styles].

        Returns:
          The paintings, of the photos' shape, in (0, 1). The endpoints are down_1 [batch, height, width,
          filters], ..., residual_1, ..., up_1, ..., all float32.
        """
        endpoints: dict[str, Tensor] = {}
        with tf.variable_scope(_SCOPE):
            maps, sizes = photos, []
            for layer in self._down:
                sizes.append(tf.shape(maps)[1:3])
                maps = endpoints[layer.name] = tf.nn.relu(layer(maps, mix))
            for number, (first, second) in enumerate(self._residual, 1):
                maps += second(tf.nn.relu(first(maps, mix)), mix)
                endpoints[f'residual_{number}'] = maps
            for layer in self._up:
                maps = endpoints[layer.name] = tf.nn.relu(layer(_doubled(maps, sizes.pop()), mix))
            picture = self._picture(maps, mix)
            return tf.sigmoid(tf.reshape(picture, tf.shape(photos))), endpoints


@dataclasses.dataclass(frozen=True)
class InstanceNorm:
    """Normalises each map of each picture to mean 0 and variance 1, then applies its style's scale and shift.

    Instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016), with scales and shifts for several styles
    that share all kernels and can be mixed: conditional instance normalisation (Dumoulin, Shlens and Kudlur
    2017). The variables are NAME/scale and NAME/shift, [styles, maps], within the current scope.
    """

    name: str
    styles: int

    def __call__(self, maps: Tensor, mix: Tensor) -> Tensor:
        """Returns the normalised maps, of the same shape.

        Args:
          maps: float32 [batch, height, width, maps].
          mix: weights of the styles for each picture, float32 [batch, styles].
        """
        count = maps.shape.as_list()[3]
        with tf.variable_scope(self.name, reuse=tf.AUTO_REUSE):
            scale = tf.get_variable('scale', [self.styles, count], initializer=tf.ones_initializer())
            shift = tf.get_variable('shift', [self.styles, count], initializer=tf.zeros_initializer())
            mean, variance = tf.nn.moments(maps, [1, 2], keepdims=True)
            factor = _of_each(mix, scale) * tf.rsqrt(variance + _EPSILON)
            # One multiplication and one addition per value, as maps are large.
            return maps * factor + (_of_each(mix, shift) - mean * factor)


def _of_each(mix: Tensor, values: Tensor) -> Tensor:
    """Returns the weighted mean over the styles for each picture, float32 [batch, 1, 1, maps]."""
    return tf.matmul(mix, values)[:, tf.newaxis, tf.newaxis, :]


class _Layer:
    """A convolution with mirrored borders; normalised, or with a bias if there are no styles."""

    def __init__(self, name: str, maps: int, side: int, stride: int, styles: int) -> None:
        self.name = name
        self._margin = side // 2
        self._norm = InstanceNorm(name, styles) if styles else None
        self._convolution = tf.layers.Conv2D(
            maps,
            side,
            stride,
            'valid',
            use_bias=not styles,
            name=name,
            kernel_initializer=tf.variance_scaling_initializer(),
        )

    def __call__(self, maps: Tensor, mix: Tensor) -> Tensor:
        sides = [self._margin, self._margin]
        # Zeros would appear as a frame.
        maps = self._convolution(tf.pad(maps, [[0, 0], sides, sides, [0, 0]], 'SYMMETRIC'))
        return self._norm(maps, mix) if self._norm else maps


def _doubled(maps: Tensor, size: Tensor) -> Tensor:
    """Returns maps of twice the sides, each pixel four times, cropped to a size, int32 [2]."""
    half = tf.shape(maps)[1:3]
    count = maps.shape.as_list()[3]
    doubled = tf.image.resize_nearest_neighbor(maps, 2 * half)[:, : size[0], : size[1]]
    doubled.set_shape([None, None, None, count])
    return doubled
