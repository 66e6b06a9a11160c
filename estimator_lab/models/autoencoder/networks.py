"""The encoder and its mirrored decoder: dense layers, optionally with strided convolutions outside of them.

Calls share their variables: the encoder's are `conv_1/kernel` ... and `layer_1/kernel` ...; the decoder's,
counted from the code, `decoder_1/kernel` ... and `transposed_conv_1/kernel` ...; each layer has a `bias`.
"""

import math
from collections.abc import Generator, Iterator
from typing import Any

from estimator_lab.core.layers import dense
from estimator_lab.tf1 import Operation, Tensor, Variable, tf

STRIDE = 2
"""Stride of each convolution, which halves the sides of an image."""

Steps = Generator[tuple[str, Tensor], None, Tensor]
"""Yields the layers by name, as `core.endpoints.Layers`; `yield from` gives the output."""


def map_shape(params: Any) -> tuple[int, int, int]:
    """Returns (height, width, channels) after the convolutions."""
    (height, width, channels), filters = params.image_shape, params.filter_sizes
    shrink = STRIDE ** len(filters)
    return height // shrink, width // shrink, filters[-1] if filters else channels


def code_size(params: Any) -> int:
    """Returns the number of values in a code."""
    return params.layer_sizes[-1] if params.layer_sizes else math.prod(map_shape(params))


def encoder(images: Tensor, params: Any) -> Steps:
    """Yields conv_1 ..., layer_1 ...; returns the codes, float32 [batch, values]."""
    maps, activations = images, _activations(params, len(params.filter_sizes) + len(params.layer_sizes))
    for number, filters in enumerate(params.filter_sizes, 1):
        maps = _convolution(tf.layers.Conv2D, f'conv_{number}', maps, filters, params, next(activations))
        yield f'conv_{number}', maps
    code = tf.reshape(maps, [-1, math.prod(map_shape(params))])
    for number, units in enumerate(params.layer_sizes, 1):
        code = dense(code, units, f'layer_{number}', next(activations))
        yield f'layer_{number}', code
    return code


def decoder(code: Tensor, params: Any) -> Steps:
    """Yields decoder_1 ..., transposed_conv_1 ...; returns images of any range, without an activation."""
    values = code
    units = [*params.layer_sizes[-2::-1], math.prod(map_shape(params))] if params.layer_sizes else []
    filters = [*params.filter_sizes[-2::-1], params.image_shape[2]] if params.filter_sizes else []
    activations = _activations(params, len(units) + len(filters))
    for number, size in enumerate(units, 1):
        values = dense(values, size, f'decoder_{number}', next(activations))
        yield f'decoder_{number}', values
    maps = tf.reshape(values, [-1, *map_shape(params)])
    for number, size in enumerate(filters, 1):
        name = f'transposed_conv_{number}'
        maps = _convolution(tf.layers.Conv2DTranspose, name, maps, size, params, next(activations))
        yield name, maps
    return maps


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
        *(filters, params.kernel_size, STRIDE, 'same'),
        activation=activation,
        # The default initializer of Keras 2 below tf.layers ignores the graph's seed.
        kernel_initializer=tf.glorot_uniform_initializer(),
        name=name,
        _scope=name,
        _reuse=tf.AUTO_REUSE,
    )
    return layer(maps)


def through(steps: Steps) -> tuple[Tensor, dict[str, Tensor]]:
    """Returns the output of `encoder` or `decoder`, and its layers by name."""
    layers: dict[str, Tensor] = {}
    while True:
        try:
            name, values = next(steps)
        except StopIteration as end:
            return end.value, layers
        layers[name] = values
