"""Products with the Gauss-Newton matrix of a network, and an estimate of its diagonal."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.subgraph import Subgraph
from estimator_lab.tf1 import tf


class GaussNewton:
    """The generalised Gauss-Newton matrix G = J' H J (Schraudolph 2002, section 3).

    J is the Jacobian of the network's outputs by the weights, H the Hessian of the loss by the outputs. G is
    positive semi-definite where the loss is convex in the outputs, as cross-entropies and squared errors are.
    H comes from the loss itself, with its weights of examples and its reduction, so that nobody has to say
    which loss it is.

    A product is linear in the vector. Only this linear part is computed for each: what the network computes
    at these weights is computed once.

    Args:
      loss: a scalar.
      outputs: tensors that it is computed from; their first axis is the batch.
      weights: a vector [size] that the outputs are computed from.
    """

    def __init__(self, loss: Any, outputs: Sequence[Any], weights: Any) -> None:
        self._slopes = tf.gradients(loss, outputs)
        # J'u is linear in u; the gradient of its product with v, by u, is J v, whatever u is: two backward
        # passes in the place of a forward one.
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
        """Returns an unbiased estimate of the mean square of the examples' gradients, [size].

        That is, of their own losses, of which the loss is taken to be the mean. With a random sign for each
        example, the square of the sum of their gradients has the expectation of the sum of their squares: one
        backward pass a draw, and no gradient of one example (Chapelle and Erhan 2011, of the diagonal of G).

        Args:
          seed: an int32 scalar; the same one draws the same signs.
          draws: over how many sums to average, at least 1.
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
    """Returns values [rows] in a shape in which they multiply the rows of a tensor."""
    return tf.reshape(values, [-1] + [1] * (tensor.shape.ndims - 1))
