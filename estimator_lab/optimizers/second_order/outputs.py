"""Finds the outputs that a loss is a function of, and the tensors whose first axis is the batch."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.objective import Objective
from estimator_lab.optimizers.second_order.subgraph import ancestors, is_random

_CROSS_ENTROPIES = {'SoftmaxCrossEntropyWithLogits', 'SparseSoftmaxCrossEntropyWithLogits'}
_VARIABLES = {'VarHandleOp', 'VariableV2', 'Variable', 'ReadVariableOp', 'ResourceGather', 'ResourceGatherNd'}


def find_outputs(objective: Objective) -> list[Any]:
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
    return _last_of(list(found.values()))


def _last_of(tensors: Sequence[Any]) -> list[Any]:
    """Returns the tensors that no other one depends on: batch normalisation has squares, too."""
    earlier = {op.name for tensor in tensors for op in ancestors([tensor]) if op.name != tensor.op.name}
    return [tensor for tensor in tensors if tensor.op.name not in earlier]


def _compared_by(op: Any) -> list[Any]:
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


def _is_of_cross_entropy(log_softmax: Any) -> bool:
    """Returns whether log probabilities are gathered, or multiplied and summed, and then negated.

    With deterministic operations (`--deterministic`), TensorFlow writes softmax cross-entropies in this way.
    """
    used = log_softmax.outputs[0].consumers()
    sums = [s for op in used if op.type == 'Mul' for s in op.outputs[0].consumers() if s.type == 'Sum']
    picked = [*sums, *(op for op in used if op.type == 'GatherV2')]
    return any(after.type == 'Neg' for op in picked for after in op.outputs[0].consumers())


def _logits_of(log1p: Any) -> list[Any]:
    """Returns x of log(1 + exp(-|x|)) in sigmoid cross-entropy, which selects -|x| from x and -x."""
    exp = log1p.inputs[0].op
    if exp.type != 'Exp' or not exp.inputs[0].op.type.startswith('Select'):
        return []
    select = exp.inputs[0].op
    return [tensor for tensor in select.inputs if tensor.op.type != 'Neg' and tensor.dtype.is_floating]


def find_batch(objective: Objective, outputs: Sequence[Any]) -> list[Any]:
    """Returns the tensors through which the batch enters the graph, and random draws of its size.

    These are outputs of placeholders, iterators, constants and other operations without inputs, with a first
    axis as long as that of the network's outputs.

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
            'Hessian-free optimization found no batch of which to take a share: give the tensors whose first '
            'axis is the batch, minimize(loss, batch=...), or curvature_share=1.'
        )
    return found
