"""A feed-forward network that paints photos of any size in the styles it has learned.

The image transformation network of Johnson et al. 2016: convolutions that halve the picture, residual blocks,
and the way back. Each of the latter doubles the maps by linear interpolation before it convolves them (Odena,
Dumoulin and Olah 2016, 'Deconvolution and checkerboard artifacts'). It adds to the photo what makes it a
painting, so that it begins as nearly the photo itself.
"""

from collections.abc import Sequence

from estimator_lab.core.layers.normalization import InstanceNorm
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.tf1 import Tensor, tf

SMALLEST_SIDE = 2
"""Pixels that a photo needs across and down: as many as the first kernel sees beyond a border."""

_SCOPE = 'painter'
_FIRST_SIDE, _LAST_SIDE = 5, 3  # of the kernels that see pixels; all others are 3x3
_STEEPNESS = 4.0  # of the sigmoid at mid-grey, where a photo then comes out as it went in
_PHOTO_AT_FIRST = 0.1  # of what a last kernel usually begins with


class TransformNet:
    """The network; its layers are made once, and called as often as wanted.

    Its variables are painter/down_1/kernel, painter/down_1/scale, ..., painter/residual_1a/kernel, ...,
    painter/up_1/kernel, ..., painter/picture/kernel and painter/picture/bias.

    Args:
      channels: of the pictures.
      filters: of the convolutions, each of which halves the picture.
      blocks: residual ones behind them.
      styles: how many it can paint in.
    """

    def __init__(self, channels: int, filters: Sequence[int], blocks: int, styles: int) -> None:
        last = filters[-1]
        self._down = [
            _Layer(f'down_{n}', count, _FIRST_SIDE if n == 1 else 3, styles, stride=2)
            for n, count in enumerate(filters, 1)
        ]
        self._residual = [
            tuple(_Layer(f'residual_{n}{part}', last, 3, styles) for part in 'ab')
            for n in range(1, blocks + 1)
        ]
        self._up = [_Layer(f'up_{n}', count, 3, styles) for n, count in enumerate(reversed(filters[:-1]), 1)]
        self._picture = _Layer('picture', channels, _LAST_SIDE, 0)

    def __call__(self, photos: Tensor, mix: Tensor) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns the paintings and the endpoints.

        Args:
          photos: float32 [batch, height, width, channels] in [0, 1], of any size from 2 pixels on.
          mix: how much of each style a picture gets, float32 [batch, styles].

        Returns:
          The paintings, of the photos' shape, in (0, 1). The endpoints are down_1 [batch, height / 2, width
          / 2, filters], ..., residual_1, ..., up_1, ..., all float32.
        """
        endpoints: dict[str, Endpoint] = {}
        with tf.variable_scope(_SCOPE):
            maps, sizes = photos, []
            for layer in self._down:
                sizes.append(tf.shape(maps)[1:3])
                maps, kernel = layer(maps, mix)
                maps = tf.nn.relu(maps)
                endpoints[layer.name] = Endpoint(maps, kernel)
            for number, (first, second) in enumerate(self._residual, 1):
                inner = tf.nn.relu(first(maps, mix)[0])
                change, kernel = second(inner, mix)
                maps += change
                endpoints[f'residual_{number}'] = Endpoint(maps, kernel)
            for layer in self._up:
                maps, kernel = layer(_doubled(maps, sizes.pop()), mix)
                maps = tf.nn.relu(maps)
                endpoints[layer.name] = Endpoint(maps, kernel)
            change, _ = self._picture(_doubled(maps, sizes.pop()), mix)
            change = tf.reshape(change, tf.shape(photos))
            return tf.sigmoid(_STEEPNESS * (photos - 0.5) + change), endpoints


def reach_of(filters: Sequence[int], blocks: int) -> int:
    """Returns how many pixels away what a painted pixel depends on may lie, but for means and variances.

    Args:
      filters: of the `TransformNet`.
      blocks: the same.
    """
    halvings = len(filters)
    down = _FIRST_SIDE // 2 + sum(2**n for n in range(1, halvings))
    up = sum(2**n for n in range(1, halvings)) + _LAST_SIDE // 2
    # A value between two pixels is of both; and where maps were halved, one more of those may count.
    between = sum(2**n for n in range(1, halvings + 1))
    return down + 2 * blocks * 2**halvings + up + between + 2**halvings


class _Layer:
    """A convolution at whose borders pixels repeat; normalised, or with a bias where there are no styles."""

    def __init__(self, name: str, maps: int, side: int, styles: int, stride: int = 1) -> None:
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
            kernel_initializer=tf.variance_scaling_initializer(1.0 if styles else _PHOTO_AT_FIRST),
        )

    def __call__(self, maps: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the maps and the kernel."""
        sides = [self._margin, self._margin]
        # Zeros at the borders would show as a frame.
        maps = self._convolution(tf.pad(maps, [[0, 0], sides, sides, [0, 0]], 'SYMMETRIC'))
        return (self._norm(maps, mix) if self._norm else maps), self._convolution.kernel


def _doubled(maps: Tensor, size: Tensor) -> Tensor:
    """Returns maps twice as wide and high, each value between its neighbours, cut to a size, int32 [2].

    With each pixel repeated instead, paintings have a faint grid in even areas.
    """
    half = tf.shape(maps)[1:3]
    count = maps.shape.as_list()[3]
    doubled = tf.image.resize_bilinear(maps, 2 * half, half_pixel_centers=True)[:, : size[0], : size[1]]
    doubled.set_shape([None, None, None, count])
    return doubled
