"""Generators: latent vectors, optionally with a class -> images."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from estimator_lab.core.adversarial.kernel_norm import NormalizedDense, TransposedConvolution, halved
from estimator_lab.core.adversarial.normalization import BatchNorm, Update
from estimator_lab.tf1 import Tensor, tf


class Generated(NamedTuple):
    """The output of a generator.

    Attributes:
      images: float32 [batch, height, width, channels] in [-1, 1].
      updates: the updates of moving averages in a training step; otherwise empty.
    """

    images: Tensor
    updates: Sequence[Update] = ()


class Generator:
    """Layers with batch normalisation and an activation between them, then tanh; all calls share variables.

    Args:
      scope: scope of the variables: those of the layers, and `batch_norm_1/gamma` ...
      image_shape: (height, width, channels).
      layers: the layers.
      activation: activation after each normalisation.
      first_maps: (height, width, maps) of the first layer's output; () for vectors.
      trainable: whether the weights are trained.
    """

    def __init__(
        self,
        scope: str,
        image_shape: Sequence[int],
        layers: Sequence[NormalizedDense | TransposedConvolution],
        activation: Callable[[Tensor], Tensor],
        first_maps: Sequence[int] = (),
        trainable: bool = True,
    ) -> None:
        self.scope = scope
        self._image_shape = image_shape
        self._layers = layers
        self._norms = [BatchNorm(f'{scope}/batch_norm_{n}', trainable) for n in range(1, len(layers))]
        self._activation = activation
        self._first_maps = first_maps

    def __call__(self, latent: Tensor, classes: Tensor | None, training: bool = False) -> Generated:
        """Returns images.

        Args:
          latent: float32 [batch, latent], usually of mean 0 and deviation 1.
          classes: float32 [batch, classes], one-hot; None for a generator without classes.
          training: whether batch normalisation uses the batch's statistics.
        """
        first, *others = self._layers
        updates: list[Update] = []
        values = first(latent if classes is None else tf.concat([latent, classes], axis=1))
        if self._first_maps:
            values = tf.reshape(values, [-1, *self._first_maps])
        for norm, layer in zip(self._norms, others, strict=True):
            values, more = norm(values, training)
            updates += more
            with tf.name_scope(f'{self.scope}/activation'):
                values = self._activation(values)
            values = layer(values)
        with tf.name_scope(f'{self.scope}/image'):
            return Generated(tf.reshape(tf.tanh(values), [-1, *self._image_shape]), updates)


def deconvolutional_generator(
    scope: str,
    image_shape: Sequence[int],
    filters: Sequence[int],
    kernel_size: int = 4,
    trainable: bool = True,
) -> Generator:
    """Returns the 'deconvolutional' network of the notes (Radford et al. 2016).

    A dense layer, then transposed convolutions that each double the sides, with ReLU between them.

    Args:
      scope: scope of the variables `dense/kernel`, `transposed_conv_1/kernel` ...
      image_shape: (height, width, channels); sides of any size, halved and rounded up for each layer.
      filters: maps of each layer's input, from the layer next to the image to the first.
      kernel_size: side of a filter in pixels.
      trainable: whether the weights are trained.
    """
    *image_sides, channels = image_shape
    sides = [tuple(image_sides)]
    for _ in filters:
        sides.append(tuple(map(halved, sides[-1])))
    *finer, coarsest = sides
    first_maps = (*coarsest, filters[-1])
    maps = [*filters[-2::-1], channels]
    layers: list[NormalizedDense | TransposedConvolution] = [
        NormalizedDense(f'{scope}/dense', math.prod(first_maps), trainable=trainable, bias=False),
        *(
            TransposedConvolution(
                f'{scope}/transposed_conv_{number}',
                outputs,
                kernel_size,
                shape,
                trainable=trainable,
                bias=number == len(maps),
            )
            for number, (outputs, shape) in enumerate(zip(maps, reversed(finer), strict=True), 1)
        ),
    ]
    return Generator(scope, image_shape, layers, tf.nn.relu, first_maps, trainable)


def dense_generator(
    scope: str,
    image_shape: Sequence[int],
    layers: Sequence[int],
    trainable: bool = True,
    normalization: str = 'none',
) -> Generator:
    """Returns dense layers with softplus, then an image (Salimans et al. 2016).

    Args:
      scope: scope of the variables `layer_1/kernel` ..., `image/kernel`.
      image_shape: (height, width, channels).
      layers: units of each layer.
      trainable: whether the weights are trained.
      normalization: normalisation of the last kernel, one of `kernel_norm.NORMALIZATIONS`; 'weight' keeps it
        from growing until all pixels are black or white, whatever the latent vector.
    """
    hidden = [
        NormalizedDense(f'{scope}/layer_{number}', units, trainable=trainable, bias=False)
        for number, units in enumerate(layers, 1)
    ]
    image = NormalizedDense(f'{scope}/image', math.prod(image_shape), normalization, trainable)
    return Generator(scope, image_shape, [*hidden, image], tf.nn.softplus, trainable=trainable)
