"""Dense layers: one with a faster gradient, a stack with dropout, and sparse initial weights."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.base.settings import setting
from estimator_lab.core.layers.elementwise import dropout
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.core.model.hparams import not_negative
from estimator_lab.core.step.noise import Noise
from estimator_lab.tf1 import Operation, Tensor, tf

_GRADIENT = 'EstimatorLabDense'


class Dense(tf.layers.Dense):
    """`tf.layers.Dense` for many inputs and small batches: the same variables and values, computed faster.

    The gradient with respect to the input is (W g')' instead of g W': Eigen rearranges a transposed W before
    it multiplies, which takes three times as long as the product with 32 rows itself.

    With parameter servers, the products are computed on the server of the kernel. The network then transfers
    the layer's input, its output and both gradients, 8 MB for 32 rows of 32,768 values, instead of the kernel
    and its gradient, 268 MB for 1,024 units (Krizhevsky 2014, 'One weird trick for parallelizing
    convolutional neural networks').
    """

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Tensor) -> Tensor:
        """Returns the outputs, float32 [batch, units], for float32 [batch, values]."""
        on_its_device = tf.device(self.kernel.device)
        with tf.get_default_graph().gradient_override_map({'MatMul': _GRADIENT}), on_its_device:
            return super().call(inputs)


@tf.RegisterGradient(_GRADIENT)
def _gradients(product: Operation, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the gradients of a product of untransposed matrices with respect to its two factors."""
    values, kernel = product.inputs
    with tf.device(product.device):
        return (
            tf.transpose(tf.matmul(kernel, gradient, transpose_b=True)),
            tf.matmul(values, gradient, transpose_a=True),
        )


class HiddenLayers:
    """Dense layers with dropout; all calls share the variables `layer_1/kernel`, `layer_1/bias`, ...

    Args:
      sizes: units of each layer.
      activation: activation of each layer.
      initializer: initializer of the kernels.
      dropout_rate: share of each layer's units that is dropped in training, in [0, 1).
      input_dropout_rate: share of the inputs that is dropped in training, in [0, 1).
      max_norm: maximum length of the weights into a unit, enforced after each step (Srivastava et al. 2014,
        section 5.1); 0 for none.
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

        def clip(kernel: Tensor) -> Tensor:
            return tf.clip_by_norm(kernel, max_norm, axes=[0])

        self._layers = [
            tf.layers.Dense(
                units,
                activation,
                name=f'layer_{number}',
                kernel_initializer=initializer,
                kernel_constraint=clip if max_norm else None,
            )
            for number, units in enumerate(sizes, 1)
        ]

    def __call__(self, values: Tensor, noise: Noise | None = None) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns the last layer's output after dropout, float32 [batch, units], and endpoints layer_1, ...

        Args:
          values: float32 [batch, inputs].
          noise: draws what is dropped; None drops nothing.
        """
        values = dropout(values, self._input_dropout_rate, noise)
        endpoints = {}
        for number, layer in enumerate(self._layers, 1):
            values = layer(values)
            endpoints[f'layer_{number}'] = Endpoint(values, layer.kernel)
            values = dropout(values, self._dropout_rate, noise)
        return values, endpoints


class SparseInitializer:
    """Draws a few weights of each unit from N(0, 1) and sets the others to 0 (Martens 2010, section 5).

    The scale of a unit's input does not depend on the number of inputs, and units differ more than with dense
    weights. For kernels [inputs, units]; the draws depend on the graph's seed.

    Args:
      incoming: nonzero weights of a unit, at least 1; all weights if there are fewer inputs.
    """

    def __init__(self, incoming: int = 15) -> None:
        self._incoming = incoming

    def __call__(self, shape: Sequence[int], dtype: Any = tf.float32, partition_info: Any = None) -> Any:
        """Returns a kernel, `dtype` [inputs, units]."""
        del partition_info
        inputs, units = (int(size) for size in shape)
        # For each unit, the positions of the largest of random numbers, one for each input.
        places = tf.nn.top_k(tf.random_uniform([units, inputs]), min(self._incoming, inputs)).indices
        chosen = tf.reduce_sum(tf.one_hot(places, inputs, dtype=dtype), axis=1)
        return tf.transpose(chosen) * tf.random_normal([inputs, units], dtype=dtype)


@dataclasses.dataclass(frozen=True)
class DenseParams:
    """Parameters of a network of dense layers."""

    sparse_initialization: int = setting(
        0,
        'weights of each unit that are not 0 at first, 15 in Martens (2010), for dense layers; 0 for '
        'small ones everywhere (Glorot and Bengio 2010)',
        not_negative,
    )

    def dense_initializer(self) -> Any:
        """Returns the initializer of a dense layer's kernel.

        Each layer needs one: the default initializer of Keras 2 below tf.layers ignores the graph's seed.
        """
        incoming = self.sparse_initialization
        return SparseInitializer(incoming) if incoming else tf.glorot_uniform_initializer()
