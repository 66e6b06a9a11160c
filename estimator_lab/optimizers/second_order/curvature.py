"""Products with the Gauss-Newton matrix of a network, and an estimate of its diagonal for preconditioning."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.subgraph import Subgraph
from estimator_lab.tf1 import tf


class GaussNewton:
    """The generalised Gauss-Newton matrix G = J' H J (Schraudolph 2002, section 3).

    J is the Jacobian of the network's outputs with respect to the weights, H the Hessian of the loss with
    respect to the outputs. G is positive semi-definite if the loss is convex in the outputs, as
    cross-entropies and squared errors are. H is derived from the loss tensor, so that it includes example
    weights and reduction, whatever the loss is.

    A product is linear in the vector. Only this linear part is computed for each product; the activations of
    the network are computed once.

    Args:
      loss: a scalar.
      outputs: tensors that the loss is computed from; their first axis is the batch.
      weights: a vector [size] that the outputs are computed from.

    Raises:
      FlagError: if the loss is linear in the outputs.
    """

    def __init__(self, loss: Any, outputs: Sequence[Any], weights: Any) -> None:
        self._slopes = tf.gradients(loss, outputs)
        # J'u is linear in u, and the gradient of v'J'u with respect to u is J v: two backward passes replace
        # a forward-mode one.
        u = [tf.ones_like(output) for output in outputs]
        v = tf.ones_like(weights)
        pulled = tf.gradients(outputs, weights, grad_ys=u)[0]
        pushed = tf.gradients(pulled, u, grad_ys=v)
        curved = tf.gradients(self._slopes, outputs, grad_ys=pushed)
        if any(tensor is None for tensor in curved):
            raise FlagError('The loss is linear in the outputs: it has no curvature there.')
        product = tf.gradients(outputs, weights, grad_ys=[tf.stop_gradient(tensor) for tensor in curved])[0]
        self._product = Subgraph([v], [product])
        self._pulled = Subgraph(u, [pulled])
        self._outputs = outputs
        self._size = weights.shape[0]

    def product(self, vector: Any) -> Any:
        """Returns G v, [size], for a vector v [size]."""
        return self._product.at([vector])[0]

    def squared_gradients(self, seed: Any, draws: int) -> Any:
        """Returns an unbiased estimate of the mean squared gradient of single examples, [size].

        The loss is assumed to be the mean of the examples' losses. With a random sign for each example, the
        expected square of the summed gradients is the sum of the squared gradients: one backward pass per
        draw, without gradients of single examples (Chapelle and Erhan 2011, for the diagonal of G).

        Args:
          seed: an int32 scalar, the seed of the signs.
          draws: number of sums to average, at least 1.
        """

        def draw(number: Any, total: Any) -> tuple[Any, Any]:
            signs = _signs(self._outputs[0], tf.stack([seed, number]))
            signed = [slope * _rowwise(signs, slope) for slope in self._slopes]
            return number + 1, total + tf.square(self._pulled.at(signed)[0])

        zeros = tf.zeros([self._size], self._outputs[0].dtype)
        _, total = tf.while_loop(lambda n, _: n < draws, draw, (tf.constant(0), zeros), parallel_iterations=1)
        return total * tf.cast(tf.shape(self._outputs[0])[0], total.dtype) / draws


def _signs(tensor: Any, seed: Any) -> Any:
    """Returns -1 or 1 for each row of a tensor."""
    bits = tf.random.stateless_uniform(tf.shape(tensor)[:1], seed, 0, 2, tf.int32)
    return tf.cast(2 * bits - 1, tensor.dtype)


def _rowwise(values: Any, tensor: Any) -> Any:
    """Returns values [rows], reshaped to multiply the rows of a tensor."""
    return tf.reshape(values, [-1] + [1] * (tensor.shape.ndims - 1))
