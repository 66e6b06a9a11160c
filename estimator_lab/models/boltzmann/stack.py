"""A stack of restricted Boltzmann machines whose top one is trained (Hinton, Osindero and Teh 2006)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from estimator_lab.models.boltzmann.machine import BERNOULLI, GAUSSIAN, Rbm
from estimator_lab.tf1 import Tensor, Variable, tf

_WEIGHT_STDDEV = 0.01  # guide, section 8.1
_SHOWN_DEVIATIONS = 2.5  # of a standardised image, between mid-grey and black or white


@dataclass(frozen=True)
class Layer:
    """The variables of one RBM in a stack, named like those of the dense layer that inherits them.

    Attributes:
      name: their scope, 'layer_N'.
      kernel: [visible, hidden], 'layer_N/kernel'.
      bias: [hidden], of the hidden units, 'layer_N/bias'.
      visible_bias: [visible], 'layer_N/visible_bias'.
      visible_units: see `machine.Rbm`.
      hidden_units: see `machine.Rbm`.
    """

    name: str
    kernel: Variable
    bias: Variable
    visible_bias: Variable
    visible_units: str = BERNOULLI
    hidden_units: str = BERNOULLI

    @property
    def rbm(self) -> Rbm:
        """The machine."""
        return Rbm(self.kernel, self.visible_bias, self.bias, self.visible_units, self.hidden_units)

    @property
    def variables(self) -> tuple[Variable, Variable, Variable]:
        """Kernel, visible bias and hidden bias, in the order of `learning.Divergence.gradients`."""
        return self.kernel, self.visible_bias, self.bias


def make_layer(
    number: int,
    visible: int,
    hidden: int,
    units: tuple[str, str] = (BERNOULLI, BERNOULLI),
    trainable: bool = True,
) -> Layer:
    """Creates the variables of a layer.

    Args:
      number: of the layer, from 1 at the bottom.
      visible: visible units.
      hidden: hidden units.
      units: the kinds of visible and hidden units, from `machine.UNITS`.
      trainable: whether the variables are trained.
    """
    scope = f'layer_{number}'
    with tf.variable_scope(scope):

        def variable(name: str, shape: list[int], initializer: Any) -> Variable:
            return tf.get_variable(name, shape, initializer=initializer, trainable=trainable)

        return Layer(
            scope,
            variable('kernel', [visible, hidden], tf.random_normal_initializer(stddev=_WEIGHT_STDDEV)),
            variable('bias', [hidden], tf.zeros_initializer()),
            variable('visible_bias', [visible], tf.zeros_initializer()),
            *units,
        )


def layer_variables(count: int) -> tuple[str, ...]:
    """Returns the names of the variables of the lowest `count` layers."""
    names = ('kernel', 'bias', 'visible_bias')
    return tuple(f'layer_{number}/{name}' for number in range(1, count + 1) for name in names)


class Stack:
    """Machines on top of each other, from the bottom up: images enter there, the top machine is trained."""

    def __init__(self, layers: Sequence[Layer], image_shape: Sequence[int]) -> None:
        self.layers = layers
        self._image_shape = tuple(image_shape)

    @property
    def top(self) -> Layer:
        """The layer that is trained."""
        return self.layers[-1]

    def visible(self, images: Tensor) -> Tensor:
        """Returns the visible values of the top layer for images, float32 [n, visible].

        Args:
          images: float32 [n, height, width, channels] in [0, 1]; binary units stop the session with an
            InvalidArgumentError at other values.
        """
        with tf.name_scope('features'):
            values = tf.reshape(self._seen(images), [-1, self._pixels])
            for layer in self.layers[:-1]:
                values = layer.rbm.hidden_mean(values)
            return tf.stop_gradient(values)

    def images(self, visible: Tensor, like: Tensor = None) -> Tensor:
        """Returns the images for visible values of the top layer.

        They are propagated down through the means of the visible units.

        Args:
          visible: float32 [n, visible].
          like: float32 [n, height, width, channels], images whose mean and contrast the result gets, if the
            bottom layer is Gaussian; None maps 2.5 standard deviations to each side of mid-grey.

        Returns:
          float32 [n, height, width, channels] in [0, 1].
        """
        with tf.name_scope('images_of'):
            for layer in reversed(self.layers[:-1]):
                visible = layer.rbm.visible_mean(visible)
            pictures = tf.reshape(visible, [-1, *self._image_shape])
            if self._is_gaussian:
                if like is None:
                    mean, deviation = 0.5, 0.5 / _SHOWN_DEVIATIONS
                else:
                    _, mean, deviation = standardised(like)
                pictures = pictures * deviation + mean
            return tf.clip_by_value(pictures, 0.0, 1.0)

    def receptive_fields(self, count: int) -> Tensor:
        """Returns the receptive fields of the first `count` hidden units of the top layer, as images.

        Weights of higher layers are multiplied down to the pixels (Lee, Ekanadham and Ng 2008).

        Returns:
          float32 [height, width, channels, count or fewer].
        """
        with tf.name_scope('receptive_fields'):
            fields = self.top.kernel[:, :count]
            for layer in reversed(self.layers[:-1]):
                fields = tf.matmul(layer.kernel, fields)
            return tf.reshape(fields, [*self._image_shape, -1])

    @property
    def _pixels(self) -> int:
        return int(np.prod(self._image_shape))

    @property
    def _is_gaussian(self) -> bool:
        return self.layers[0].visible_units == GAUSSIAN

    def _seen(self, images: Tensor) -> Tensor:
        """Returns the visible values of the bottom layer for images."""
        if self._is_gaussian:
            return standardised(images)[0]
        message = 'Binary visible units take values in [0, 1].'
        bounds = [
            tf.assert_non_negative(tf.reduce_min(images), message=message),
            tf.assert_less_equal(tf.reduce_max(images), 1.0, message=message),
        ]
        with tf.control_dependencies(bounds):
            return tf.identity(images)


def standardised(images: Tensor) -> tuple[Any, Any, Any]:
    """Normalises each image to mean 0 and standard deviation 1, for Gaussian units of unit variance.

    Args:
      images: float32 [n, height, width, channels] in [0, 1].

    Returns:
      (float32 of the same shape; the mean and the deviation that were removed, [n, 1, 1, 1] each).
    """
    mean, variance = tf.nn.moments(images, axes=[1, 2, 3], keepdims=True)
    # A uniform image has no contrast; the bound is the rounding error of 8 bits.
    deviation = tf.maximum(tf.sqrt(variance), 1 / 255)
    return (images - mean) / deviation, mean, deviation
