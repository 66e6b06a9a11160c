"""A convolution with tf-slim's variable names."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.core.layers.normalization import BatchNorm, Update
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.tf1 import Tensor, Variable, tf


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution, optional batch normalisation, and an activation.

    All calls share its variables SCOPE/weights and SCOPE/biases; with batch normalisation, SCOPE/weights and
    SCOPE/BatchNorm/...

    Args:
      scope: scope of its variables.
      maps: number of output maps.
      kernel_size: (height, width) of a filter in pixels.
      padding: 'SAME' or 'VALID'; with a stride above 1, 'SAME' is half a filter of zeros on each side, as in
        PyTorch and tf-slim's `conv2d_same`, whereas TensorFlow pads less above and on the left.
      activation: activation of the maps.
      normalized: whether to use batch normalisation.
      stride: pixels between filters, down and across.
      biased: whether a normalised convolution has biases as well, as in Keras' ResNet.
      trainable: False for frozen weights, whose batch normalisation uses the moving averages in training too.
    """

    scope: str
    maps: int
    kernel_size: Sequence[int]
    padding: str
    activation: Callable[[Tensor], Tensor] = tf.identity
    normalized: bool = False
    stride: int = 1
    biased: bool = False
    trainable: bool = True

    def __call__(self, values: Tensor, training: bool = False) -> tuple[Endpoint, list[Update]]:
        """Returns the maps, float32 [batch, height, width, maps], and the updates of the moving averages.

        Args:
          values: float32 [batch, height, width, channels].
          training: whether batch normalisation uses the batch's statistics.
        """
        shape = [*self.kernel_size, values.shape.as_list()[3], self.maps]
        updates: list[Update] = []
        with tf.variable_scope(self.scope, reuse=tf.AUTO_REUSE):
            kernel = self._variable('weights', shape, tf.glorot_uniform_initializer())
            values = tf.nn.conv2d(values, kernel, strides=self.stride, padding=self._padding())
            if self.biased or not self.normalized:
                biases = self._variable('biases', [self.maps], tf.zeros_initializer())
                values = tf.nn.bias_add(values, biases)
            if self.normalized:
                norm = BatchNorm('BatchNorm', self.trainable)
                values, updates = norm(values, training and self.trainable)
            return Endpoint(self.activation(values), kernel), updates

    def _variable(self, name: str, shape: Sequence[int], initializer: Any) -> Variable:
        return tf.get_variable(name, shape, initializer=initializer, trainable=self.trainable)

    def _padding(self) -> str | list[list[int]]:
        if self.padding != 'SAME' or self.stride == 1:
            return self.padding
        down, across = (length // 2 for length in self.kernel_size)
        return [[0, 0], [down, down], [across, across], [0, 0]]
