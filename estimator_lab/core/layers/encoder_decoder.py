"""An encoder and its mirrored decoder, of dense layers or of strided convolutions before them."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.tf1 import Operation, Tensor, Variable, tf

Activation = Callable[[Tensor], Tensor]

STRIDE = 2
"""Of each convolution: it halves the sides of an image."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of an encoder and its decoder.

    Attributes:
      image_shape: (height, width, channels); the sides are multiples of 2 ** len(filters).
      layers: units of the encoder's dense layers, the last one the code; () where the code is what the
        convolutions left of the image.
      decoder_layers: units of the decoder's dense layers between the code and the image, or what the
        convolutions left of it.
      filters: of the convolutions before the dense layers; () for a dense network.
      kernel_size: side of a filter in pixels.
    """

    image_shape: tuple[int, int, int]
    layers: Sequence[int]
    decoder_layers: Sequence[int]
    filters: Sequence[int] = ()
    kernel_size: int = 4

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of what the convolutions leave of an image."""
        height, width, channels = self.image_shape
        shrink = STRIDE ** len(self.filters)
        return height // shrink, width // shrink, self.filters[-1] if self.filters else channels

    @property
    def code(self) -> int:
        """How many values a code has."""
        return self.layers[-1] if self.layers else math.prod(self.map_shape)


class EncoderDecoder:
    """Image -> code -> image; its variables are made at its first use, and shared by all others.

    Their names: `conv_1/kernel`, `layer_1/kernel` and so on for the encoder; `decoder_1`, then
    `transposed_conv_1` for the decoder, counted from the code; each with a `bias`. Tied weights leave the
    decoder nothing but its biases: its kernels are the encoder's, transposed (Vincent et al. 2008).

    Args:
      sizes: of the layers.
      activation: of all layers but the code and the image.
      code_activation: of the code.
      tied: whether the decoder has the encoder's kernels; then `decoder_layers` mirror `layers`.
      dense_initializer: of the dense layers' kernels; None for that of the convolutions.
    """

    def __init__(
        self,
        sizes: Sizes,
        activation: Activation,
        code_activation: Activation = tf.identity,
        tied: bool = False,
        dense_initializer: Any = None,
    ) -> None:
        self._sizes = sizes
        self._tied = tied
        dense = functools.partial(_dense, initializer=dense_initializer or _initializer())
        convolution = functools.partial(_convolution, kernel_size=sizes.kernel_size)
        transposed = functools.partial(_transposed, kernel_size=sizes.kernel_size)
        hidden = len(sizes.filters) + len(sizes.layers) - 1
        encoding = iter([*[activation] * hidden, code_activation])
        self._convolutions = [
            convolution(name, filters, next(encoding)) for name, filters in _named('conv', sizes.filters)
        ]
        self._layers = [dense(name, units, next(encoding)) for name, units in _named('layer', sizes.layers)]
        has_dense = sizes.layers or sizes.decoder_layers
        units = [*sizes.decoder_layers, math.prod(sizes.map_shape)] if has_dense else []
        channels = [*sizes.filters[-2::-1], sizes.image_shape[2]] if sizes.filters else []
        functions = [*[activation] * (len(units) + len(channels) - 1), tf.identity]
        self._back_layers = self._decoder(dense, 'decoder', units, functions, self._layers)
        self._back_convolutions = self._decoder(
            transposed, 'transposed_conv', channels, functions[len(units) :], self._convolutions
        )

    def encode(self, images: Tensor) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns the codes, float32 [batch, values], and the endpoints conv_1 ..., layer_1 ... on the way.

        Args:
          images: float32 [batch, height, width, channels].
        """
        maps, endpoints = _through(self._convolutions, images, 'conv')
        code = tf.reshape(maps, [-1, math.prod(self._sizes.map_shape)])
        code, more = _through(self._layers, code, 'layer')
        return code, {**endpoints, **more}

    def decode(self, code: Tensor) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns images float32 [batch, height, width, channels] without an activation, any range.

        Args:
          code: float32 [batch, values]; `encode` comes first where the weights are tied.

        Returns:
          (the images; the endpoints decoder_1 ..., transposed_conv_1 ... on the way).
        """
        values, endpoints = _through(self._back_layers, code, 'decoder')
        maps = tf.reshape(values, [-1, *self._sizes.map_shape])
        maps, more = _through(self._back_convolutions, maps, 'transposed_conv')
        return maps, {**endpoints, **more}

    def unrolled(self) -> Operation:
        """Returns the operation that gives the decoder's dense layers the encoder's kernels, transposed.

        It unrolls what was pre-trained (Hinton and Salakhutdinov 2006, figure 1); tied weights need none.
        """
        pairs = zip(self._back_layers, reversed(self._layers), strict=True)
        return tf.group(
            *(
                tf.assign(back.kernel, tf.transpose(layer.kernel))
                for back, layer in pairs
                if isinstance(back, _Layer)
            )
        )

    def _decoder(
        self,
        make: Callable[..., Any],
        name: str,
        sizes: Sequence[int],
        functions: Sequence[Activation],
        encoder: Sequence['_Layer'],
    ) -> 'list[_Layer | _MirroredLayer]':
        """Returns layers of the given sizes and activations; tied ones go back through the encoder's."""
        layers: list[_Layer | _MirroredLayer] = []
        for number, (scope, size) in enumerate(_named(name, sizes)):
            if self._tied:
                layers.append(_MirroredLayer(scope, size, functions[number], encoder[-1 - number]))
            else:
                layers.append(make(scope, size, functions[number]))
        return layers


def _named(name: str, sizes: Sequence[int]) -> list[tuple[str, int]]:
    """Returns ('name_1', first size), ('name_2', second size) and so on."""
    return [(f'{name}_{number}', size) for number, size in enumerate(sizes, 1)]


def _through(
    layers: 'Sequence[_Layer | _MirroredLayer]', values: Tensor, name: str
) -> tuple[Tensor, dict[str, Endpoint]]:
    """Returns what layers make of values one after the other, and that of each as NAME_1, NAME_2, ..."""
    endpoints = {}
    for number, layer in enumerate(layers, 1):
        with tf.name_scope(f'{name}_{number}'):
            values = layer(values)
        endpoints[f'{name}_{number}'] = Endpoint(values, layer.kernel)
    return values, endpoints


class _Layer:
    """One of `tf.layers`, and an activation behind it."""

    def __init__(self, layer: Tensor, activation: Activation) -> None:
        self._layer = layer
        self._activation = activation

    @property
    def kernel(self) -> Variable:
        return self._layer.kernel

    def __call__(self, values: Tensor) -> Tensor:
        return self._activation(self._layer(values))


def _dense(name: str, units: int, activation: Activation, initializer: Any) -> _Layer:
    return _Layer(tf.layers.Dense(units, name=name, kernel_initializer=initializer), activation)


def _convolution(name: str, filters: int, activation: Activation, kernel_size: int) -> _Layer:
    """Returns a convolution that halves the sides of its input."""
    layer = tf.layers.Conv2D(
        filters, kernel_size, STRIDE, 'same', name=name, kernel_initializer=_initializer()
    )
    return _Layer(layer, activation)


def _transposed(name: str, filters: int, activation: Activation, kernel_size: int) -> _Layer:
    """Returns a transposed convolution, which doubles the sides of its input."""
    layer = tf.layers.Conv2DTranspose(
        filters, kernel_size, STRIDE, 'same', name=name, kernel_initializer=_initializer()
    )
    return _Layer(layer, activation)


def _initializer() -> Any:
    # Left to itself, Keras 2 below tf.layers draws a seed of its own, whatever the graph's seed is.
    return tf.glorot_uniform_initializer()


class _MirroredLayer:
    """Goes back through a layer of the encoder: its kernel, transposed; a bias and activation of its own.

    Args:
      name: scope of the bias.
      units: values, or channels, that come out.
      activation: of them.
      layer: a dense layer or a convolution.
    """

    def __init__(self, name: str, units: int, activation: Activation, layer: _Layer) -> None:
        self._name, self._units, self._activation, self._layer = name, units, activation, layer

    @property
    def kernel(self) -> Variable:
        return self._layer.kernel

    def __call__(self, values: Tensor) -> Tensor:
        kernel = self._layer.kernel
        if values.shape.ndims == 2:
            product = tf.matmul(values, kernel, transpose_b=True)
        else:
            _, height, width, _ = values.shape.as_list()
            shape = [tf.shape(values)[0], STRIDE * height, STRIDE * width, self._units]
            product = tf.nn.conv2d_transpose(values, kernel, shape, STRIDE, 'SAME')
        with tf.variable_scope(self._name, reuse=tf.AUTO_REUSE):
            bias = tf.get_variable('bias', [self._units], initializer=tf.zeros_initializer())
        return self._activation(tf.nn.bias_add(product, bias))
