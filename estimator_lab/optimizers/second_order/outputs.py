"""What a loss is a function of: the network's outputs, and the tensors whose first axis is the batch."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.objective import Objective
from estimator_lab.optimizers.second_order.subgraph import ancestors, is_random

_CROSS_ENTROPIES = {'SoftmaxCrossEntropyWithLogits', 'SparseSoftmaxCrossEntropyWithLogits'}
_VARIABLES = {'VarHandleOp', 'VariableV2', 'Variable', 'ReadVariableOp', 'ResourceGather', 'ResourceGatherNd'}


def find_outputs(objective: Objective) -> list[Any]:
    """Returns the outputs that `tf.losses` compare with labels: those of which the loss is a convex function.

    Found are softmax and sigmoid cross-entropy, by their logits, and squared errors, whether by
    `tf.losses.mean_squared_error` or as the square of a difference.

    Raises:
      FlagError: if there are none.
    """
    found = {}
    for op in objective.operations:
        learned = [tensor for tensor in _compared_by(op) if objective.contains(tensor)]
        # Where both sides of a difference are, it is one within the network, as batch normalisation has it.
        if len(learned) == 1:
            found[learned[0].name] = learned[0]
    if not found:
        raise FlagError(
            'Hessian-free optimization found no softmax or sigmoid cross-entropy and no squared error in the '
            'loss: give the outputs that the loss is a convex function of, minimize(loss, outputs=...).'
        )
    return _last_of(list(found.values()))


def _last_of(tensors: Sequence[Any]) -> list[Any]:
    """Returns the tensors from which none of the others is computed: batch normalisation has squares, too."""
    earlier = {op.name for tensor in tensors for op in ancestors([tensor]) if op.name != tensor.op.name}
    return [tensor for tensor in tensors if tensor.op.name not in earlier]


def _compared_by(op: Any) -> list[Any]:
    """Returns outputs, and maybe their labels, if an operation is that of a loss."""
    if op.type in _CROSS_ENTROPIES:
        return [op.inputs[0]]
    if op.type == 'SquaredDifference':
        return list(op.inputs)
    if op.type == 'Square' and op.inputs[0].op.type == 'Sub':
        return list(op.inputs[0].op.inputs)
    if op.type == 'Log1p':
        return _logits_of(op)
    return []


def _logits_of(log1p: Any) -> list[Any]:
    """Returns x of log(1 + exp(-|x|)), a part of sigmoid cross-entropy, where -|x| selects x or -x."""
    exp = log1p.inputs[0].op
    if exp.type != 'Exp' or not exp.inputs[0].op.type.startswith('Select'):
        return []
    select = exp.inputs[0].op
    return [tensor for tensor in select.inputs if tensor.op.type != 'Neg' and tensor.dtype.is_floating]


def find_batch(objective: Objective, outputs: Sequence[Any]) -> list[Any]:
    """Returns the tensors that bring the batch into the graph, and random draws of its size.

    They are taken from placeholders, iterators, constants and other operations without an input whose first
    axis is as long as that of the outputs.

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
