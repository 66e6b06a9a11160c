"""A convolution of stride 1 with tf-slim's variable names."""

from collections.abc import Callable, Sequence

from estimator_lab.core.layers.normalization import BatchNorm, Update
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.tf1 import Tensor, tf


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

    def __init__(
        self,
        scope: str,
        maps: int,
        kernel_size: Sequence[int],
        padding: str,
        activation: Callable[[Tensor], Tensor] = tf.identity,
        normalized: bool = False,
    ) -> None:
        self._scope, self._maps, self._kernel_size = scope, maps, kernel_size
        self._padding, self._activation = padding, activation
        self._norm = BatchNorm('BatchNorm') if normalized else None

    def __call__(self, values: Tensor, training: bool = False) -> tuple[Endpoint, list[Update]]:
        """Returns the maps, float32 [batch, height, width, maps], and the updates of the moving averages.

        Args:
          values: float32 [batch, height, width, channels].
          training: whether batch normalisation uses the batch's statistics.
        """
        shape = [*self._kernel_size, values.shape.as_list()[3], self._maps]
        updates: list[Update] = []
        with tf.variable_scope(self._scope, reuse=tf.AUTO_REUSE):
            kernel = tf.get_variable('weights', shape, initializer=tf.glorot_uniform_initializer())
            values = tf.nn.conv2d(values, kernel, strides=1, padding=self._padding)
            if self._norm:
                values, updates = self._norm(values, training)
            else:
                biases = tf.get_variable('biases', [self._maps], initializer=tf.zeros_initializer())
                values = tf.nn.bias_add(values, biases)
            return Endpoint(self._activation(values), kernel), updates
