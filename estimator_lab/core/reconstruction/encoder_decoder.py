"""An encoder and its mirrored decoder, of dense layers, optionally with strided convolutions."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.tf1 import Operation, Tensor, Variable, tf

Activation = Callable[[Tensor], Tensor]

STRIDE = 2
"""Stride of each convolution, which halves the sides of an image."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of an encoder and its decoder.

    Attributes:
      image_shape: (height, width, channels); the sides are multiples of 2 ** len(filters).
      layers: units of the encoder's dense layers, the last one the code; () if the code is the output of the
        convolutions.
      decoder_layers: units of the decoder's dense layers after the code, without the one of the image's or
        convolutions' shape.
      filters: filters of the convolutions before the dense layers; () for a dense network.
      kernel_size: side of a filter in pixels.
    """

    image_shape: tuple[int, int, int]
    layers: Sequence[int]
    decoder_layers: Sequence[int]
    filters: Sequence[int] = ()
    kernel_size: int = 4

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) after the convolutions."""
        height, width, channels = self.image_shape
        shrink = STRIDE ** len(self.filters)
        return height // shrink, width // shrink, self.filters[-1] if self.filters else channels

    @property
    def code(self) -> int:
        """Number of values in a code."""
        return self.layers[-1] if self.layers else math.prod(self.map_shape)


class EncoderDecoder:
    """Image -> code -> image; all calls share its variables.

    The encoder's are `conv_1/kernel` ... and `layer_1/kernel` ...; the decoder's, counted from the code,
    `decoder_1/kernel` ... and `transposed_conv_1/kernel` ...; each layer has a `bias`. A decoder with tied
    weights has biases only: its kernels are the encoder's, transposed (Vincent et al. 2008).

    Args:
      sizes: sizes of the layers.
      activation: activation of all layers except the code and the image.
      code_activation: activation of the code.
      tied: whether the decoder uses the encoder's kernels; then `decoder_layers` mirror `layers`.
      dense_initializer: initializer of the dense layers' kernels; None for that of the convolutions.
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

        def dense(name: str, units: int, activation: Activation) -> Any:
            return tf.layers.Dense(units, activation, name=name, kernel_initializer=dense_initializer)

        def convolution(kind: Any, name: str, filters: int, activation: Activation) -> Any:
            return kind(
                *(filters, sizes.kernel_size, STRIDE, 'same'),
                activation=activation,
                name=name,
                kernel_initializer=initializer,
            )

        # The default initializer of Keras 2 below tf.layers ignores the graph's seed.
        initializer = tf.glorot_uniform_initializer()
        dense_initializer = dense_initializer or initializer
        hidden = len(sizes.filters) + len(sizes.layers) - 1
        encoding = iter([*[activation] * hidden, code_activation])
        self._convolutions = [
            convolution(tf.layers.Conv2D, f'conv_{number}', filters, next(encoding))
            for number, filters in enumerate(sizes.filters, 1)
        ]
        self._layers = [
            dense(f'layer_{number}', units, next(encoding)) for number, units in enumerate(sizes.layers, 1)
        ]
        has_dense = sizes.layers or sizes.decoder_layers
        units = [*sizes.decoder_layers, math.prod(sizes.map_shape)] if has_dense else []
        channels = [*sizes.filters[-2::-1], sizes.image_shape[2]] if sizes.filters else []
        functions = [*[activation] * (len(units) + len(channels) - 1), tf.identity]
        self._back_layers = self._decoder(dense, 'decoder', units, functions, self._layers)
        transposed = functools.partial(convolution, tf.layers.Conv2DTranspose)
        self._back_convolutions = self._decoder(
            transposed, 'transposed_conv', channels, functions[len(units) :], self._convolutions
        )

    def encode(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the codes, float32 [batch, values], and the endpoints conv_1 ..., layer_1 ...

        Args:
          images: float32 [batch, height, width, channels].
        """
        maps, endpoints = _through(self._convolutions, images, 'conv')
        code = tf.reshape(maps, [-1, math.prod(self._sizes.map_shape)])
        code, more = _through(self._layers, code, 'layer')
        return code, {**endpoints, **more}

    def decode(self, code: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns images, without an activation, and the endpoints decoder_1 ..., transposed_conv_1 ...

        Args:
          code: float32 [batch, values]; with tied weights, call `encode` first.

        Returns:
          (images, float32 [batch, height, width, channels] of any range; endpoints).
        """
        values, endpoints = _through(self._back_layers, code, 'decoder')
        maps = tf.reshape(values, [-1, *self._sizes.map_shape])
        maps, more = _through(self._back_convolutions, maps, 'transposed_conv')
        return maps, {**endpoints, **more}

    def unrolled(self) -> Operation:
        """Returns the operation that sets the decoder's dense kernels to the encoder's, transposed.

        It unrolls a pre-trained encoder (Hinton and Salakhutdinov 2006, figure 1). With tied weights, it does
        nothing.
        """
        pairs = [] if self._tied else zip(self._back_layers, reversed(self._layers), strict=True)
        return tf.group(*(tf.assign(back.kernel, tf.transpose(layer.kernel)) for back, layer in pairs))

    def _decoder(
        self,
        make: Callable[..., Any],
        name: str,
        sizes: Sequence[int],
        functions: Sequence[Activation],
        encoder: Sequence[Any],
    ) -> list[Any]:
        """Returns layers of the given sizes and activations, with the encoder's kernels if they are tied."""
        makers: list[Callable[..., Any]] = [make] * len(sizes)
        if self._tied:
            makers = [functools.partial(_MirroredLayer, layer=layer) for layer in reversed(encoder)]
        scopes = (f'{name}_{number}' for number in range(1, len(sizes) + 1))
        return [
            maker(scope, size, function)
            for maker, scope, size, function in zip(makers, scopes, sizes, functions, strict=False)
        ]


def _through(layers: Sequence[Any], values: Tensor, name: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Returns the output of layers, and the output of each as the endpoints NAME_1, NAME_2, ..."""
    endpoints = {}
    for number, layer in enumerate(layers, 1):
        with tf.name_scope(f'{name}_{number}'):
            values = layer(values)
        endpoints[f'{name}_{number}'] = values
    return values, endpoints


@dataclasses.dataclass(frozen=True)
class _MirroredLayer:
    """A layer with the transposed kernel of an encoder's layer, and its own bias and activation.

    Args:
      name: scope of the bias.
      units: output values or channels.
      activation: activation of the output.
      layer: a dense layer or a convolution of the encoder.
    """

    name: str
    units: int
    activation: Activation
    layer: Any

    @property
    def kernel(self) -> Variable:
        return self.layer.kernel

    def __call__(self, values: Tensor) -> Tensor:
        if values.shape.ndims == 2:
            product = tf.matmul(values, self.kernel, transpose_b=True)
        else:
            _, height, width, _ = values.shape.as_list()
            shape = [tf.shape(values)[0], STRIDE * height, STRIDE * width, self.units]
            product = tf.nn.conv2d_transpose(values, self.kernel, shape, STRIDE, 'SAME')
        with tf.variable_scope(self.name, reuse=tf.AUTO_REUSE):
            bias = tf.get_variable('bias', [self.units], initializer=tf.zeros_initializer())
        return self.activation(tf.nn.bias_add(product, bias))
