"""The layers of adversarial networks, whose kernels may be held back: made once, and called again."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.tf1 import Operation, Tensor, Variable, tf

NORMALIZATIONS = ('spectral', 'weight', 'none')
"""How a kernel is held back: by its largest singular value (Miyato et al. 2018); by the length of what enters
each unit (Salimans and Kingma 2016, with a fixed scale of 1); not at all."""

STRIDE = 2
"""Of a convolution, which halves the sides of an image, and of a transposed one, which doubles them."""

_WEIGHT_DEVIATION = 0.1


def network_variable(name: str, shape: Sequence[int], initializer: Any, trainable: bool) -> Variable:
    """Returns a variable of the current scope; what steps assign to it, replicas take the mean of."""
    return tf.get_variable(
        name,
        shape,
        initializer=initializer,
        trainable=trainable,
        aggregation=tf.VariableAggregation.MEAN,
    )


def halved(side: int) -> int:
    """Returns what a convolution of stride 2 leaves of a side: half of it, rounded up."""
    return -(-side // STRIDE)


class _Layer:
    """A kernel, a bias, and what is made of them.

    Args:
      scope: of its variables, `kernel`, `bias` and, where the kernel is held back by its spectral norm,
        `direction`.
      outputs: units or maps.
      normalization: one of NORMALIZATIONS.
      trainable: whether its weights learn.
      bias: whether it has one; a normalisation behind it has its own.
    """

    def __init__(
        self,
        scope: str,
        outputs: int,
        normalization: str = 'none',
        trainable: bool = True,
        bias: bool = True,
    ) -> None:
        self._scope = scope
        self._outputs = outputs
        self._normalization = normalization
        self._trainable = trainable
        self._bias = bias
        self.kernel: Variable = None

    def __call__(self, values: Tensor) -> Tensor:
        """Returns its outputs, without an activation."""
        with tf.variable_scope(self._scope, reuse=tf.AUTO_REUSE):
            shape = self._kernel_shape(values.shape.as_list()[-1])
            initial = tf.glorot_uniform_initializer()
            if self._normalization == 'weight':
                initial = tf.random_normal_initializer(stddev=_WEIGHT_DEVIATION)
            self.kernel = network_variable('kernel', shape, initial, self._trainable)
            product = self._product(values, self._held_back(self.kernel))
            if not self._bias:
                return product
            bias = network_variable('bias', [self._outputs], tf.zeros_initializer(), self._trainable)
            return tf.nn.bias_add(product, bias)

    def power_steps(self) -> list[Operation]:
        """Returns the operations behind a change of the kernel: a step towards its first singular vector."""
        if self._normalization != 'spectral':
            return []
        with tf.variable_scope(self._scope, reuse=tf.AUTO_REUSE):
            direction = self._direction()
            _, _, right = _singular(_matrix(self.kernel), direction)
            return [tf.assign(direction, right)]

    def _held_back(self, kernel: Variable) -> Tensor:
        matrix = _matrix(kernel)
        if self._normalization == 'spectral':
            _, norm, _ = _singular(matrix, self._direction())
            return kernel / norm
        if self._normalization == 'weight':
            return tf.reshape(tf.nn.l2_normalize(matrix, axis=0), kernel.shape)
        return kernel

    def _direction(self) -> Variable:
        return network_variable('direction', [self._outputs], tf.random_normal_initializer(), False)

    def _kernel_shape(self, inputs: int) -> Sequence[int]:
        raise NotImplementedError

    def _product(self, values: Tensor, kernel: Tensor) -> Tensor:
        raise NotImplementedError


class NormalizedDense(_Layer):
    """float32 [batch, inputs] -> float32 [batch, outputs]."""

    def _kernel_shape(self, inputs: int) -> Sequence[int]:
        return inputs, self._outputs

    def _product(self, values: Tensor, kernel: Tensor) -> Tensor:
        return tf.matmul(values, kernel)


class NormalizedConvolution(_Layer):
    """float32 [batch, height, width, channels] -> the same of half the sides, rounded up, and `outputs` maps.

    Args:
      scope: see `_Layer`.
      outputs: maps.
      size: side of a filter in pixels.
      **options: of `_Layer`.
    """

    def __init__(self, scope: str, outputs: int, size: int, **options: Any) -> None:
        super().__init__(scope, outputs, **options)
        self._size = size

    def _kernel_shape(self, inputs: int) -> Sequence[int]:
        return self._size, self._size, inputs, self._outputs

    def _product(self, values: Tensor, kernel: Tensor) -> Tensor:
        return tf.nn.conv2d(values, kernel, strides=STRIDE, padding='SAME')


class TransposedConvolution(_Layer):
    """The document's 'deconvolutional layer': maps of twice the sides, or one less where those are odd.

    Args:
      scope: see `_Layer`; nothing holds its kernel back.
      outputs: maps.
      size: side of a filter in pixels.
      sides: (height, width) of what comes out, of which what goes in has half, rounded up.
      **options: of `_Layer`.
    """

    def __init__(self, scope: str, outputs: int, size: int, sides: Sequence[int], **options: Any) -> None:
        super().__init__(scope, outputs, **options)
        self._size = size
        self._sides = sides

    def _kernel_shape(self, inputs: int) -> Sequence[int]:
        return self._size, self._size, self._outputs, inputs

    def _product(self, values: Tensor, kernel: Tensor) -> Tensor:
        shape = [tf.shape(values)[0], *self._sides, self._outputs]
        made = tf.nn.conv2d_transpose(values, kernel, shape, strides=STRIDE, padding='SAME')
        return tf.ensure_shape(made, [None, *self._sides, self._outputs])


def _matrix(kernel: Variable) -> Tensor:
    """Returns a kernel as [what enters a unit, units]."""
    return tf.reshape(kernel, [-1, kernel.shape.as_list()[-1]])


def _singular(matrix: Tensor, direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns an estimate of a matrix's first singular vectors and value after a step of power iteration.

    Only the value lets gradients through, to the matrix (Miyato et al. 2018, section 2.1 and algorithm 1).

    Args:
      matrix: float32 [rows, columns].
      direction: float32 [columns], the estimate before; of any length but 0.

    Returns:
      (left float32 [rows], value float32 [], right float32 [columns]); the vectors have length 1.
    """
    fixed = tf.stop_gradient(matrix)
    left = tf.nn.l2_normalize(tf.linalg.matvec(fixed, direction))
    right = tf.nn.l2_normalize(tf.linalg.matvec(fixed, left, transpose_a=True))
    left, right = tf.stop_gradient(left), tf.stop_gradient(right)
    return left, tf.reduce_sum(left * tf.linalg.matvec(matrix, right)), right
