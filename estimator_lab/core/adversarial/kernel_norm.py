"""Layers with normalised kernels, for adversarial networks; all calls of a layer share its variables."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from estimator_lab.core.layers import network_variable
from estimator_lab.tf1 import Operation, Tensor, Variable, tf

NORMALIZATIONS = ('spectral', 'weight', 'none')
"""Normalisations of a kernel: by its largest singular value (Miyato et al. 2018); by the length of the
weights into each unit (Salimans and Kingma 2016, with a fixed scale of 1); none."""

STRIDE = 2
"""Stride of convolutions, which halve the sides of an image, and transposed ones, which double them."""

_WEIGHT_DEVIATION = 0.1


def halved(side: int) -> int:
    """Returns the side of an image after a convolution of stride 2: half of it, rounded up."""
    return -(-side // STRIDE)


@dataclasses.dataclass(eq=False)
class _Layer:
    """The base class of layers with a kernel and a bias.

    Args:
      scope: scope of its variables `kernel`, `bias` and, for spectral normalisation, `direction`.
      outputs: number of units or maps.
      normalization: one of NORMALIZATIONS.
      trainable: whether its weights are trained.
      bias: whether it has a bias; not needed if a normalisation follows.
    """

    scope: str
    outputs: int
    normalization: str = 'none'
    trainable: bool = True
    bias: bool = True
    kernel: Variable = dataclasses.field(default=None, init=False)

    def __call__(self, values: Tensor) -> Tensor:
        """Returns the outputs, without an activation."""
        with tf.variable_scope(self.scope, reuse=tf.AUTO_REUSE):
            shape = self._kernel_shape(values.shape.as_list()[-1])
            initial = tf.glorot_uniform_initializer()
            if self.normalization == 'weight':
                initial = tf.random_normal_initializer(stddev=_WEIGHT_DEVIATION)
            self.kernel = network_variable('kernel', shape, initial, self.trainable)
            product = self._product(values, self._normalized(self.kernel))
            if not self.bias:
                return product
            bias = network_variable('bias', [self.outputs], tf.zeros_initializer(), self.trainable)
            return tf.nn.bias_add(product, bias)

    def power_steps(self) -> list[Operation]:
        """Returns the operations to run after a change of the kernel: one step of power iteration."""
        if self.normalization != 'spectral':
            return []
        with tf.variable_scope(self.scope, reuse=tf.AUTO_REUSE):
            direction = self._direction()
            _, right = _singular(_matrix(self.kernel), direction)
            return [tf.assign(direction, right)]

    def _normalized(self, kernel: Variable) -> Tensor:
        matrix = _matrix(kernel)
        if self.normalization == 'spectral':
            norm, _ = _singular(matrix, self._direction())
            return kernel / norm
        if self.normalization == 'weight':
            return tf.reshape(tf.nn.l2_normalize(matrix, axis=0), kernel.shape)
        return kernel

    def _direction(self) -> Variable:
        return network_variable('direction', [self.outputs], tf.random_normal_initializer(), False)

    def _kernel_shape(self, inputs: int) -> Sequence[int]:
        raise NotImplementedError

    def _product(self, values: Tensor, kernel: Tensor) -> Tensor:
        raise NotImplementedError


class NormalizedDense(_Layer):
    """A dense layer: float32 [batch, inputs] -> float32 [batch, outputs]."""

    def _kernel_shape(self, inputs: int) -> Sequence[int]:
        return inputs, self.outputs

    def _product(self, values: Tensor, kernel: Tensor) -> Tensor:
        return tf.matmul(values, kernel)


class NormalizedConvolution(_Layer):
    """A convolution of stride 2: [batch, height, width, channels] -> [batch, height / 2, width / 2, outputs].

    Values are float32; sides are rounded up.

    Args:
      scope: see `_Layer`.
      outputs: number of maps.
      size: side of a filter in pixels.
      **options: other arguments of `_Layer`.
    """

    def __init__(self, scope: str, outputs: int, size: int, **options: Any) -> None:
        super().__init__(scope, outputs, **options)
        self._size = size

    def _kernel_shape(self, inputs: int) -> Sequence[int]:
        return self._size, self._size, inputs, self.outputs

    def _product(self, values: Tensor, kernel: Tensor) -> Tensor:
        return tf.nn.conv2d(values, kernel, strides=STRIDE, padding='SAME')


class TransposedConvolution(_Layer):
    """A transposed convolution of stride 2, the 'deconvolutional layer' of the notes.

    It maps float32 [batch, height / 2, width / 2, channels], sides rounded up, to [batch, height, width,
    outputs].

    Args:
      scope: see `_Layer`.
      outputs: number of maps.
      size: side of a filter in pixels.
      sides: (height, width) of the output.
      **options: other arguments of `_Layer`; its kernel is not normalised.
    """

    def __init__(self, scope: str, outputs: int, size: int, sides: Sequence[int], **options: Any) -> None:
        super().__init__(scope, outputs, **options)
        self._size = size
        self._sides = sides

    def _kernel_shape(self, inputs: int) -> Sequence[int]:
        return self._size, self._size, self.outputs, inputs

    def _product(self, values: Tensor, kernel: Tensor) -> Tensor:
        shape = [tf.shape(values)[0], *self._sides, self.outputs]
        made = tf.nn.conv2d_transpose(values, kernel, shape, strides=STRIDE, padding='SAME')
        return tf.ensure_shape(made, [None, *self._sides, self.outputs])


def _matrix(kernel: Variable) -> Tensor:
    """Returns a kernel as a matrix [weights into a unit, units]."""
    return tf.reshape(kernel, [-1, kernel.shape.as_list()[-1]])


def _singular(matrix: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Estimates a matrix's first singular value and right vector by one step of power iteration.

    Only the value has a gradient, with respect to the matrix (Miyato et al. 2018, section 2.1, algorithm 1).

    Args:
      matrix: float32 [rows, columns].
      direction: float32 [columns], the previous estimate, of any length other than 0.

    Returns:
      (value, float32 scalar; vector, float32 [columns], of length 1).
    """
    fixed = tf.stop_gradient(matrix)
    left = tf.nn.l2_normalize(tf.linalg.matvec(fixed, direction))
    right = tf.nn.l2_normalize(tf.linalg.matvec(fixed, left, transpose_a=True))
    left, right = tf.stop_gradient(left), tf.stop_gradient(right)
    return tf.reduce_sum(left * tf.linalg.matvec(matrix, right)), right
