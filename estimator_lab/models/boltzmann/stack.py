"""A stack of restricted Boltzmann machines whose top one is trained (Hinton, Osindero and Teh 2006)."""

import math
from collections.abc import Sequence
from typing import Any

from estimator_lab.core.noise import Noise
from estimator_lab.core.params import RAW_PIXELS, Pixels
from estimator_lab.models.boltzmann.machine import BERNOULLI, GAUSSIAN, Rbm
from estimator_lab.tf1 import Initializer, Tensor, Variable, tf

_WEIGHT_STDDEV = 0.01  # guide, section 8.1
_SHOWN_DEVIATIONS = 2.5  # of a standardised image, between mid-grey and black or white


def make_rbm(
    number: int,
    visible: int,
    hidden: int,
    units: tuple[str, str] = (BERNOULLI, BERNOULLI),
    trainable: bool = True,
) -> Rbm:
    """Creates the variables of a machine, named as in the dense layer that inherits them.

    They are layer_N/kernel [visible, hidden], layer_N/bias [hidden] and layer_N/visible_bias [visible], with
    N from 1 at the bottom. The kinds of visible and hidden units are from `machine.UNITS`.
    """

    def variable(name: str, shape: list[int], initializer: Initializer) -> Variable:
        return tf.get_variable(name, shape, initializer=initializer, trainable=trainable)

    scope = f'layer_{number}'
    with tf.variable_scope(scope):
        kernel = variable('kernel', [visible, hidden], tf.random_normal_initializer(stddev=_WEIGHT_STDDEV))
        bias = variable('bias', [hidden], tf.zeros_initializer())
        visible_bias = variable('visible_bias', [visible], tf.zeros_initializer())
    return Rbm(kernel, visible_bias, bias, *units, name=scope)


def layer_variables(count: int) -> tuple[str, ...]:
    """Returns the names of the variables of the lowest `count` machines."""
    names = ('kernel', 'bias', 'visible_bias')
    return tuple(f'layer_{number}/{name}' for number in range(1, count + 1) for name in names)


class Stack:
    """Machines on top of each other, from the bottom up: images enter there, the top machine is trained."""

    def __init__(
        self, machines: Sequence[Rbm], image_shape: Sequence[int], pixels: Pixels = RAW_PIXELS
    ) -> None:
        """Binary visible units see the lowest and highest pixel as 0 and 1."""
        self.machines = machines
        self._image_shape = tuple(image_shape)
        self._pixels = pixels

    @property
    def top(self) -> Rbm:
        """The machine that is trained."""
        return self.machines[-1]

    def pixels(self, images: Tensor) -> Tensor:
        """Returns the visible values of the bottom machine for images, float32 [n, pixels].

        Args:
          images: float32 [n, height, width, channels] in [0, 1]; binary units stop the session with an
            InvalidArgumentError at other values.
        """
        flat = [-1, math.prod(self._image_shape)]
        if self._is_gaussian:
            return tf.reshape(standardised(images)[0], flat)
        message = 'Binary visible units take values in [0, 1].'
        bounds = [
            tf.assert_non_negative(tf.reduce_min(images), message=message),
            tf.assert_less_equal(tf.reduce_max(images), 1.0, message=message),
        ]
        with tf.control_dependencies(bounds):
            return tf.reshape(tf.clip_by_value(self._pixels.scaled(images), 0.0, 1.0), flat)

    def visible(self, images: Tensor) -> Tensor:
        """Returns the visible values of the top machine for images as for `pixels`, float32 [n, visible]."""
        with tf.name_scope('features'):
            values = self.pixels(images)
            for machine in self.machines[:-1]:
                values = machine.hidden_mean(values)
            return tf.stop_gradient(values)

    def below(self, visible: Tensor, noise: Noise | None = None) -> Tensor:
        """Returns the means of the bottom machine's visible units, float32 [n, pixels], given the top's.

        With noise, the units between are sampled: from means of means, strokes that are uncertain are faint.
        """
        for machine in reversed(self.machines[:-1]):
            visible = machine.visible_mean(noise.coins(visible) if noise else visible)
        return visible

    def images(self, visible: Tensor, like: Tensor = None, noise: Noise | None = None) -> Tensor:
        """Returns images for the top's visible values: float32 [n, height, width, channels] in [0, 1].

        See `below` for the noise.
        If the bottom machine is Gaussian, they get the mean and contrast of the images `like`, of the same
        shape; None maps 2.5 standard deviations to each side of mid-grey.
        """
        with tf.name_scope('images_of'):
            pictures = tf.reshape(self.below(visible, noise), [-1, *self._image_shape])
            if self._is_gaussian:
                mean, deviation = 0.5, 0.5 / _SHOWN_DEVIATIONS
                if like is not None:
                    _, mean, deviation = standardised(like)
                pictures = pictures * deviation + mean
            else:
                pictures = self._pixels.unscaled(pictures)
            return tf.clip_by_value(pictures, 0.0, 1.0)

    def receptive_fields(self, count: int) -> Tensor:
        """Returns the receptive fields of the first hidden units of the top machine, as images.

        Weights of higher machines are multiplied down to the pixels, float32 [height, width, channels, count
        or fewer] (Lee, Ekanadham and Ng 2008).
        """
        with tf.name_scope('receptive_fields'):
            fields = self.top.weights[:, :count]
            for machine in reversed(self.machines[:-1]):
                fields = tf.matmul(machine.weights, fields)
            return tf.reshape(fields, [*self._image_shape, -1])

    @property
    def _is_gaussian(self) -> bool:
        return self.machines[0].visible_units == GAUSSIAN


def standardised(images: Tensor) -> tuple[Any, Any, Any]:
    """Normalises each image to mean 0 and standard deviation 1, for Gaussian units of unit variance.

    Returns (images, mean, deviation): float32 of the same shape, and what was removed, [n, 1, 1, 1] each.
    """
    mean, variance = tf.nn.moments(images, axes=[1, 2, 3], keepdims=True)
    # A uniform image has no contrast; the bound is the rounding error of 8 bits.
    deviation = tf.maximum(tf.sqrt(variance), 1 / 255)
    return (images - mean) / deviation, mean, deviation
