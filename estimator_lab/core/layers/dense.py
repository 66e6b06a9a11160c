"""A dense layer for many inputs and small batches: what is slow about `tf.layers.Dense` there is not here."""

from estimator_lab.tf1 import Operation, Tensor, tf

_GRADIENT = 'EstimatorLabDense'


class Dense(tf.layers.Dense):
    """`tf.layers.Dense` with the same variables and the same function of them, for input [batch, values].

    Its gradient by the input is (W g')' instead of g W': the library below TensorFlow rearranges a transposed
    W before it multiplies, which takes three times as long as the product with 32 rows itself.

    In a cluster with parameter servers its products are made where its kernel lies. What travels is then the
    layer's input and output, with both gradients: 8 MB for 32 rows of 32,768 values. The kernel and its
    gradient for 1,024 units would be 268 MB (Krizhevsky 2014, 'One weird trick for parallelizing
    convolutional neural networks').
    """

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Tensor) -> Tensor:
        """Returns the outputs, float32 [batch, units], of float32 [batch, values]."""
        beside = tf.device(self.kernel.device)
        with tf.get_default_graph().gradient_override_map({'MatMul': _GRADIENT}), beside:
            return super().call(inputs)


@tf.RegisterGradient(_GRADIENT)
def _gradients(product: Operation, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the gradients of a product of untransposed matrices by its two factors."""
    values, kernel = product.inputs
    with tf.device(product.device):
        return (
            tf.transpose(tf.matmul(kernel, gradient, transpose_b=True)),
            tf.matmul(values, gradient, transpose_a=True),
        )
