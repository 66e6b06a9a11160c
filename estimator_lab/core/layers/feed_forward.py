"""Hidden layers of a feed-forward network, one behind the other, with dropout behind each."""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.core.endpoints import Endpoint
from estimator_lab.core.layers.dropout import dropout
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Tensor, tf


class HiddenLayers:
    """Dense layers that are made once, and called as often as wanted.

    Their variables are `layer_1/kernel`, `layer_1/bias` and so on, from the input on.

    Args:
      sizes: units of each.
      activation: of all of them.
      initializer: of their kernels.
      dropout_rate: share of each layer's units that is dropped in training, in [0, 1).
      input_dropout_rate: the same of what comes in.
      max_norm: length to which the weights into a unit are cut back behind each step (Srivastava et al. 2014,
        section 5.1); 0 leaves them.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[Tensor], Tensor],
        initializer: Any,
        dropout_rate: float = 0.0,
        input_dropout_rate: float = 0.0,
        max_norm: float = 0.0,
    ) -> None:
        self._dropout_rate = dropout_rate
        self._input_dropout_rate = input_dropout_rate

        def cut_back(kernel: Tensor) -> Tensor:
            return tf.clip_by_norm(kernel, max_norm, axes=[0])

        self._layers = [
            tf.layers.Dense(
                units,
                activation,
                name=f'layer_{number}',
                kernel_initializer=initializer,
                kernel_constraint=cut_back if max_norm else None,
            )
            for number, units in enumerate(sizes, 1)
        ]

    def __call__(self, values: Tensor, noise: Noise | None = None) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns what the last layer hands on, float32 [batch, units], and the endpoints layer_1, ...

        Args:
          values: float32 [batch, inputs].
          noise: decides what is dropped; None drops nothing.
        """
        values = dropout(values, self._input_dropout_rate, noise)
        endpoints = {}
        for number, layer in enumerate(self._layers, 1):
            values = layer(values)
            endpoints[f'layer_{number}'] = Endpoint(values, layer.kernel)
            values = dropout(values, self._dropout_rate, noise)
        return values, endpoints
