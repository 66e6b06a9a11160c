"""Generators: latent vectors, optionally with a class -> images."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from estimator_lab.core.layers.kernel_norm import NormalizedDense, TransposedConvolution, halved
from estimator_lab.core.layers.normalization import BatchNorm, Update
from estimator_lab.tf1 import Tensor, tf


class Generated(NamedTuple):
    """The output of a generator.

    Attributes:
      images: float32 [batch, height, width, channels] in [-1, 1].
      updates: the updates of moving averages in a training step; otherwise empty.
    """

    images: Tensor
    updates: Sequence[Update] = ()


class Generator(Protocol):
    """Any generator; all calls share its variables, in their own scope."""

    scope: str

    def __call__(self, latent: Tensor, classes: Tensor | None, training: bool = False) -> Generated:
        """Returns images.

        Args:
          latent: float32 [batch, latent], usually of mean 0 and deviation 1.
          classes: float32 [batch, classes], one-hot; None for a generator without classes.
          training: whether batch normalisation uses the batch's statistics.
        """


class DeconvolutionalGenerator:
    """The 'deconvolutional' network of the notes (Radford et al. 2016).

    A dense layer, then transposed convolutions that each double the sides, with batch normalisation and ReLU
    between them. Variables: `dense/kernel`, `transposed_conv_1/kernel` ..., `batch_norm_1/gamma` ... in the
    scope.

    Args:
      scope: scope of its variables.
      image_shape: (height, width, channels); sides of any size, halved and rounded up for each layer.
      filters: maps of each layer's input, from the layer next to the image to the first.
      kernel_size: side of a filter in pixels.
      trainable: whether its weights are trained.
    """

    def __init__(
        self,
        scope: str,
        image_shape: Sequence[int],
        filters: Sequence[int],
        kernel_size: int = 4,
        trainable: bool = True,
    ) -> None:
        self.scope = scope
        *image_sides, channels = image_shape
        sides = [tuple(image_sides)]
        for _ in filters:
            sides.append(tuple(map(halved, sides[-1])))
        *finer, coarsest = sides
        self._first_shape = (*coarsest, filters[-1])
        self._dense = NormalizedDense(
            f'{scope}/dense', math.prod(self._first_shape), trainable=trainable, bias=False
        )
        maps = [*filters[-2::-1], channels]
        self._convolutions = [
            TransposedConvolution(
                f'{scope}/transposed_conv_{number}',
                outputs,
                kernel_size,
                shape,
                trainable=trainable,
                bias=number == len(maps),
            )
            for number, (outputs, shape) in enumerate(zip(maps, reversed(finer), strict=True), 1)
        ]
        self._norms = [
            BatchNorm(f'{scope}/batch_norm_{number}', trainable) for number in range(1, len(maps) + 1)
        ]

    def __call__(self, latent: Tensor, classes: Tensor | None, training: bool = False) -> Generated:
        """Returns images: see `Generator`."""
        updates: list[Update] = []
        values = self._dense(_with_classes(latent, classes))
        with tf.name_scope(f'{self.scope}/maps'):
            values = tf.reshape(values, [-1, *self._first_shape])
        for norm, convolution in zip(self._norms, self._convolutions, strict=True):
            values, more = norm(values, training)
            updates += more
            with tf.name_scope(f'{self.scope}/relu'):
                values = tf.nn.relu(values)
            values = convolution(values)
        with tf.name_scope(f'{self.scope}/image'):
            return Generated(tf.tanh(values), updates)


class DenseGenerator:
    """Dense layers with batch normalisation and softplus, then an image (Salimans et al. 2016).

    Variables: `layer_1/kernel` ..., `batch_norm_1/gamma` ..., `image/kernel` in the scope.

    Args:
      scope: scope of its variables.
      image_shape: (height, width, channels).
      layers: units of each layer.
      trainable: whether its weights are trained.
      normalization: normalisation of the last kernel, one of `kernel_norm.NORMALIZATIONS`; 'weight' keeps it
        from growing until all pixels are black or white, whatever the latent vector.
    """

    def __init__(
        self,
        scope: str,
        image_shape: Sequence[int],
        layers: Sequence[int],
        trainable: bool = True,
        normalization: str = 'none',
    ) -> None:
        self.scope = scope
        self._image_shape = image_shape
        numbered = list(enumerate(layers, 1))
        self._layers = [
            NormalizedDense(f'{scope}/layer_{number}', units, trainable=trainable, bias=False)
            for number, units in numbered
        ]
        self._norms = [BatchNorm(f'{scope}/batch_norm_{number}', trainable) for number, _ in numbered]
        self._image = NormalizedDense(f'{scope}/image', math.prod(image_shape), normalization, trainable)

    def __call__(self, latent: Tensor, classes: Tensor | None, training: bool = False) -> Generated:
        """Returns images: see `Generator`."""
        values, updates = _with_classes(latent, classes), []
        for layer, norm in zip(self._layers, self._norms, strict=True):
            values, more = norm(layer(values), training)
            updates += more
            with tf.name_scope(f'{self.scope}/softplus'):
                values = tf.nn.softplus(values)
        values = self._image(values)
        with tf.name_scope(f'{self.scope}/image'):
            return Generated(tf.reshape(tf.tanh(values), [-1, *self._image_shape]), updates)


def _with_classes(latent: Tensor, classes: Tensor | None) -> Tensor:
    return latent if classes is None else tf.concat([latent, classes], axis=1)
