"""A convolution of stride 1 with tf-slim's variable names."""

import dataclasses
from collections.abc import Callable, Sequence

from estimator_lab.core.layers.normalization import BatchNorm, Update
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.tf1 import Tensor, tf


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution, optional batch normalisation, and an activation.

    All calls share its variables SCOPE/weights and SCOPE/biases; with batch normalisation, SCOPE/weights and
    SCOPE/BatchNorm/...

    Args:
      scope: scope of its variables.
      maps: number of output maps.
      kernel_size: (height, width) of a filter in pixels.
      padding: 'SAME' or 'VALID'.
      activation: activation of the maps.
      normalized: whether to use batch normalisation.
    """

    scope: str
    maps: int
    kernel_size: Sequence[int]
    padding: str
    activation: Callable[[Tensor], Tensor] = tf.identity
    normalized: bool = False

    def __call__(self, values: Tensor, training: bool = False) -> tuple[Endpoint, list[Update]]:
        """Returns the maps, float32 [batch, height, width, maps], and the updates of the moving averages.

        Args:
          values: float32 [batch, height, width, channels].
          training: whether batch normalisation uses the batch's statistics.
        """
        shape = [*self.kernel_size, values.shape.as_list()[3], self.maps]
        updates: list[Update] = []
        with tf.variable_scope(self.scope, reuse=tf.AUTO_REUSE):
            kernel = tf.get_variable('weights', shape, initializer=tf.glorot_uniform_initializer())
            values = tf.nn.conv2d(values, kernel, strides=1, padding=self.padding)
            if self.normalized:
                values, updates = BatchNorm('BatchNorm')(values, training)
            else:
                biases = tf.get_variable('biases', [self.maps], initializer=tf.zeros_initializer())
                values = tf.nn.bias_add(values, biases)
            return Endpoint(self.activation(values), kernel), updates
