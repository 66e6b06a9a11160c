"""The encoder and its mirrored decoder: dense layers, optionally with strided convolutions outside of them.

Calls share their variables: the encoder's are `conv_1/kernel` ... and `layer_1/kernel` ...; the decoder's,
counted from the code, `decoder_1/kernel` ... and `transposed_conv_1/kernel` ...; each layer has a `bias`.
"""

import math
from collections.abc import Iterator
from typing import Any

from estimator_lab.core.layers import dense, image_pixels, network_pixels
from estimator_lab.tf1 import Operation, Tensor, Variable, tf

STRIDE = 2
"""Stride of each convolution, which halves the sides of an image."""


def map_shape(params: Any) -> tuple[int, int, int]:
    """Returns (height, width, channels) after the convolutions."""
    (height, width, channels), filters = params.image_shape, params.filter_sizes
    shrink = STRIDE ** len(filters)
    return height // shrink, width // shrink, filters[-1] if filters else channels


def code_size(params: Any) -> int:
    """Returns the number of values in a code."""
    return params.layer_sizes[-1] if params.layer_sizes else math.prod(map_shape(params))


def encoder(images: Tensor, params: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """Returns the codes, float32 [batch, values], and the layers conv_1 ..., layer_1 ..."""
    layers: dict[str, Tensor] = {}
    activations = _activations(params, len(params.filter_sizes) + len(params.layer_sizes))
    x = network_pixels(images, params)
    for number, filters in enumerate(params.filter_sizes, 1):
        name = f'conv_{number}'
        x = layers[name] = _convolution(tf.layers.Conv2D, name, x, filters, params, next(activations))
    x = tf.reshape(x, [-1, math.prod(map_shape(params))], name='flatten')
    for number, units in enumerate(params.layer_sizes, 1):
        name = f'layer_{number}'
        # Few images leave most directions of pixels as they were at the start: a small network begins at 0.
        initializer = tf.zeros_initializer() if params.few_images else None
        x = layers[name] = dense(x, units, name, next(activations), initializer)
    return x, layers


def decoder(code: Tensor, params: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """Returns images of any range, and layers decoder_1 ..., transposed_conv_1 ...; the last is linear."""
    layers: dict[str, Tensor] = {}
    units = [*params.layer_sizes[-2::-1], math.prod(map_shape(params))] if params.layer_sizes else []
    filters = [*params.filter_sizes[-2::-1], params.image_shape[2]] if params.filter_sizes else []
    activations = _activations(params, len(units) + len(filters))
    x = code
    for number, size in enumerate(units, 1):
        name = f'decoder_{number}'
        x = layers[name] = dense(x, size, name, next(activations))
    x = tf.reshape(x, [-1, *map_shape(params)], name='unflatten')
    for number, size in enumerate(filters, 1):
        name = f'transposed_conv_{number}'
        x = layers[name] = _convolution(tf.layers.Conv2DTranspose, name, x, size, params, next(activations))
    return image_pixels(x, params), layers


def _activations(params: Any, layers: int) -> Iterator[Any]:
    """Returns the activation of each layer: the last one is linear."""
    return iter([params.activation_function] * (layers - 1) + [None])


def unrolled(params: Any) -> Operation:
    """Returns the operation that sets the decoder's kernels to the encoder's, transposed.

    It unrolls a pre-trained encoder (Hinton and Salakhutdinov 2006, figure 1).
    """
    kernels = {variable.op.name: variable for variable in tf.trainable_variables()}
    count = len(params.layer_sizes)

    def pair(number: int) -> tuple[Variable, Variable]:
        return kernels[f'decoder_{count + 1 - number}/kernel'], kernels[f'layer_{number}/kernel']

    pairs = map(pair, range(1, count + 1))
    return tf.group(*(tf.assign(back, tf.transpose(kernel)) for back, kernel in pairs))


def _convolution(kind: Any, name: str, maps: Tensor, filters: int, params: Any, activation: Any) -> Tensor:
    layer = kind(
        filters,
        params.kernel_size,
        STRIDE,
        'same',
        activation=activation,
        # The default initializer of Keras 2 below tf.layers ignores the graph's seed.
        kernel_initializer=tf.glorot_uniform_initializer(),
        name=name,
        _scope=name,
        _reuse=tf.AUTO_REUSE,
    )
    return layer(maps)
