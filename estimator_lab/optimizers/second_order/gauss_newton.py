"""Products with the Gauss-Newton matrix of any model, and what of its graph they need."""

from collections.abc import Sequence

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers.second_order.objective import Objective
from estimator_lab.optimizers.second_order.subgraph import Subgraph, ancestors, is_random
from estimator_lab.tf1 import Operation, Tensor, tf

_CROSS_ENTROPIES = {'SoftmaxCrossEntropyWithLogits', 'SparseSoftmaxCrossEntropyWithLogits'}
_VARIABLES = {'VarHandleOp', 'VariableV2', 'Variable', 'ReadVariableOp', 'ResourceGather', 'ResourceGatherNd'}


class GaussNewton:
    """The generalised Gauss-Newton matrix G = J' H J (Schraudolph 2002, section 3).

    J is the Jacobian of the network's outputs with respect to the weights, H the Hessian of the loss with
    respect to the outputs. G is positive semi-definite if the loss is convex in the outputs, as
    cross-entropies and squared errors are. H is derived from the loss tensor, so that it includes example
    weights and reduction. A product is linear in the vector; only this part is computed for each product.

    The outputs, whose first axis is the batch, are computed from the weights, a vector [size], and the loss
    from the outputs. Raises FlagError for a loss that is linear in the outputs.
    """

    def __init__(self, loss: Tensor, outputs: Sequence[Tensor], weights: Tensor) -> None:
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

    def product(self, vector: Tensor) -> Tensor:
        """Returns G v, [size], for a vector v [size]."""
        return self._product.at([vector])[0]

    def squared_gradients(self, seed: Tensor, draws: int) -> Tensor:
        """Returns an unbiased estimate of the mean squared gradient of single examples, [size].

        The loss is assumed to be the mean of the examples' losses. With a random sign for each example, the
        expected square of the summed gradients is the sum of the squared gradients: one backward pass per
        draw (Chapelle and Erhan 2011, for the diagonal of G).
        """
        rows = tf.shape(self._outputs[0])[0]

        def draw(number: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
            bits = tf.random.stateless_uniform([rows], tf.stack([seed, number]), 0, 2, tf.int32)
            signs = tf.cast(2 * bits - 1, total.dtype)
            signed = [tf.reshape(signs, [-1] + [1] * (s.shape.ndims - 1)) * s for s in self._slopes]
            return number + 1, total + tf.square(self._pulled.at(signed)[0])

        zeros = tf.zeros([self._size], self._outputs[0].dtype)
        _, total = tf.while_loop(lambda n, _: n < draws, draw, (tf.constant(0), zeros), parallel_iterations=1)
        return total * tf.cast(rows, total.dtype) / draws


def find_outputs(objective: Objective) -> list[Tensor]:
    """Returns the outputs that `tf.losses` compare with labels; the loss is a convex function of them.

    It finds the logits of softmax and sigmoid cross-entropies, and the predictions of squared errors, from
    `tf.losses.mean_squared_error` or written as the square of a difference.

    Raises:
      FlagError: if there are none.
    """
    found = {}
    for op in objective.operations:
        learned = [tensor for tensor in _compared_by(op) if objective.contains(tensor)]
        # If both sides of a difference are learned, it is inside the network, as in batch normalisation.
        if len(learned) == 1:
            found[learned[0].name] = learned[0]
    if not found:
        raise FlagError(
            'Hessian-free optimization found no softmax or sigmoid cross-entropy and no squared error in the '
            'loss: give the outputs that the loss is a convex function of, minimize(loss, outputs=...).'
        )
    # Only those that no other one depends on: batch normalisation has squares, too.
    earlier = {op.name for t in found.values() for op in ancestors([t]) if op.name != t.op.name}
    return [tensor for tensor in found.values() if tensor.op.name not in earlier]


def _compared_by(op: Operation) -> list[Tensor]:
    """Returns outputs, possibly with their labels, if an operation is part of a loss."""
    if op.type in _CROSS_ENTROPIES:
        return [op.inputs[0]]
    if op.type == 'SquaredDifference':
        return list(op.inputs)
    if op.type == 'Square' and op.inputs[0].op.type == 'Sub':
        return list(op.inputs[0].op.inputs)
    if op.type == 'Log1p':
        return _logits_of(op)
    if op.type == 'LogSoftmax' and _is_of_cross_entropy(op):
        return [op.inputs[0]]
    return []


def _is_of_cross_entropy(log_softmax: Tensor) -> bool:
    """Returns whether log probabilities are gathered, or multiplied and summed, and then negated.

    With deterministic operations (`--deterministic`), TensorFlow writes softmax cross-entropies in this way.
    """
    used = log_softmax.outputs[0].consumers()
    sums = [s for op in used if op.type == 'Mul' for s in op.outputs[0].consumers() if s.type == 'Sum']
    picked = [*sums, *(op for op in used if op.type == 'GatherV2')]
    return any(after.type == 'Neg' for op in picked for after in op.outputs[0].consumers())


def _logits_of(log1p: Tensor) -> list[Tensor]:
    """Returns x of log(1 + exp(-|x|)) in sigmoid cross-entropy, which selects -|x| from x and -x."""
    exp = log1p.inputs[0].op
    if exp.type != 'Exp' or not exp.inputs[0].op.type.startswith('Select'):
        return []
    select = exp.inputs[0].op
    return [tensor for tensor in select.inputs if tensor.op.type != 'Neg' and tensor.dtype.is_floating]


def find_batch(objective: Objective, outputs: Sequence[Tensor]) -> list[Tensor]:
    """Returns the tensors through which the batch enters the graph, and random draws of its size.

    These are outputs of placeholders, iterators, constants and other operations without inputs, with a first
    axis as long as the network's outputs.

    Raises:
      FlagError: if there are none.
    """
    length = outputs[0].shape.as_list()[0] if outputs[0].shape.ndims else 0
    found = []
    for op in ancestors([objective.loss, *outputs]):
        enters = op.op_def.is_stateful and not any(tensor.dtype.is_floating for tensor in op.inputs)
        if op.type not in _VARIABLES and (enters or is_random(op) or not op.inputs):
            found += [t for t in op.outputs if t.shape.ndims and t.shape.as_list()[0] == length]
    if length == 0 or not found:
        raise FlagError(
            'Hessian-free optimization found no batch of which to take a share: give curvature_share=1.'
        )
    return found
