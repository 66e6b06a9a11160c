"""Computes the part of a graph between some tensors and others again, for other values of the former."""

import itertools
import re
from collections.abc import Collection, Sequence
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.tf1 import Graph, Operation, Tensor, tf

# Operations that draw random numbers from their own state; a copy would draw different ones.
_RANDOM = re.compile(r'Random|Normal|Multinomial|StatefulUniform|CandidateSampler|Rng|SampleDistorted')
_SMALL = 64  # values of a constant
_COPIES = itertools.count(1)
_V1_CONTROL_FLOW = {'Switch', 'Merge', 'Enter', 'Exit', 'NextIteration', 'LoopCond'}


class Subgraph:
    """The operations that depend on some tensors of a graph (sources) and that others (targets) depend on.

    `at` copies only these operations. Their other inputs, such as the batch, labels, the global step and
    variables that are not trained, are those of the graph. So are random draws, even if their shape depends
    on the sources: a dropout mask is the same for all values.

    Attributes:
      operations: the operations, in the graph's order.

    Raises:
      FlagError: for what a copy cannot reproduce: loops and conditions of v1 control flow, and functions that
        draw random numbers.
    """

    def __init__(self, sources: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
        self._graph = targets[0].graph
        self._sources = list(sources)
        self._targets = list(targets)
        self.operations = _between(self._sources, self._targets)
        self._names = {op.name for op in self.operations}
        _check(self._graph, self.operations)
        # Constants are copied, too: TensorFlow infers shapes from them.
        copied = [*_constants_of(self.operations), *self.operations]
        inside = {op.name for op in copied}
        self._definition = _definition(self._graph, copied, inside)
        replaced = {tensor.name for tensor in self._sources}
        entering = {tensor.name: tensor for op in copied for tensor in op.inputs}
        self._read = replaced & entering.keys()
        self._held = [
            tensor
            for name, tensor in entering.items()
            if name not in replaced and tensor.op.name not in inside
        ]

    def contains(self, tensor: Tensor) -> bool:
        """Returns whether a tensor depends on the sources."""
        return tensor.op.name in self._names

    def at(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Returns the targets, in the current graph or function, for other values of the sources."""
        current = tf.get_default_graph()

        def here(tensor: Tensor) -> Tensor:
            # In a function, `identity` turns an outer tensor into an input of the function.
            return tensor if tensor.graph is current else tf.identity(tensor)

        replaced = {tensor.name: here(value) for tensor, value in zip(self._sources, values, strict=True)}
        held = {tensor.name: here(tensor) for tensor in self._held}
        computed = [t.name for t in self._targets if t.name not in replaced and self.contains(t)]
        definition = _with_new_functions(self._definition)
        inputs = held | {name: replaced[name] for name in self._read}
        copies = tf.import_graph_def(definition, inputs, computed, name='again')
        found = {**replaced, **dict(zip(computed, copies, strict=True))}
        return [found[t.name] if t.name in found else here(t) for t in self._targets]


def _between(sources: Sequence[Tensor], targets: Sequence[Tensor]) -> list[Operation]:
    """Returns the operations that depend on a source and that a target depends on, in the graph's order."""
    stops = {tensor.name for tensor in sources}
    needed = {op.name for op in ancestors(targets, stops)}
    found: set[str] = set()
    waiting = list(sources)
    while waiting:
        for op in waiting.pop().consumers():
            if op.name in needed and op.name not in found and not is_random(op):
                found.add(op.name)
                waiting.extend(tensor for tensor in op.outputs if tensor.name not in stops)
    return [op for op in targets[0].graph.get_operations() if op.name in found]


def _constants_of(operations: Sequence[Operation]) -> list[Operation]:
    """Returns the operations that compute inputs which depend on small constants only."""
    inside = {op.name for op in operations}
    inputs = [tensor for op in operations for tensor in op.inputs if tensor.op.name not in inside]
    fixed = [tensor for tensor in inputs if _is_fixed(tensor)]
    return ancestors(fixed)


def _is_fixed(tensor: Tensor) -> bool:
    """Returns whether a tensor is small and depends on small constants only."""
    op = tensor.op
    # An operation with control inputs may be in a branch of v1 control flow.
    is_controlled = op.control_inputs or op.type in _V1_CONTROL_FLOW
    if is_controlled or op.op_def.is_stateful or (tensor.shape.num_elements() or 0) > _SMALL:
        return False
    return op.type == 'Const' or (len(op.inputs) > 0 and all(map(_is_fixed, op.inputs)))


def ancestors(targets: Sequence[Tensor], stops: Collection[str] = ()) -> list[Operation]:
    """Returns the operations that compute the targets, down to the tensors named in `stops`."""
    found: dict[str, Operation] = {}
    waiting = [tensor for tensor in targets if tensor.name not in stops]
    while waiting:
        op = waiting.pop().op
        if op.name not in found:
            found[op.name] = op
            waiting.extend(tensor for tensor in op.inputs if tensor.name not in stops)
    return list(found.values())


def is_random(op: Operation) -> bool:
    """Returns whether an operation draws random numbers from its own state."""
    return bool(op.op_def.is_stateful and _RANDOM.search(op.type))


def _check(graph: Graph, operations: Sequence[Operation]) -> None:
    for op in operations:
        if op.type in _V1_CONTROL_FLOW:
            raise FlagError(
                f'The loss passes through {op.name!r}, a loop or condition of v1 control flow, which cannot '
                'be computed again at other weights: call tf.enable_control_flow_v2() before the model.'
            )
    calls = [op for op in operations if op.op_def.is_stateful and _functions_of(op.node_def)]
    bodies = {f.signature.name: f.node_def for f in graph.as_graph_def().library.function} if calls else {}
    for op in calls:
        inside, seen = [op.node_def], set[str]()
        while inside:
            node = inside.pop()
            if node.name != op.name and not node.op.startswith('Stateless') and _RANDOM.search(node.op):
                raise FlagError(
                    f'{op.name!r} draws random numbers inside ({node.name!r}), which would differ between '
                    'the evaluations of a step: draw them outside.'
                )
            called = {function.name for function in _functions_of(node)} & bodies.keys() - seen
            inside.extend(nested for name in called for nested in bodies[name])
            seen |= called


def _functions_of(node: Any) -> list[Any]:
    """Returns the references to functions that a node calls."""
    values = node.attr.values()
    lists = [function for value in values for function in value.list.func]
    return lists + [value.func for value in values if value.HasField('func')]


def _definition(graph: Graph, operations: Sequence[Operation], inside: set[str]) -> Any:
    """Returns the operations as a GraphDef without the nodes of their outer inputs."""
    definition = tf.GraphDef()
    definition.versions.CopyFrom(graph.graph_def_versions)
    calls = False
    for op in operations:
        node = definition.node.add()
        node.CopyFrom(op.node_def)
        calls = calls or bool(_functions_of(node))
        # Control inputs outside of this part have run for the original.
        kept = [name for name in node.input if not name.startswith('^') or name[1:] in inside]
        del node.input[:]
        node.input.extend(kept)
        node.attr.pop('_class', None)  # colocation with a variable
    if calls:
        definition.library.CopyFrom(graph.as_graph_def().library)
    return definition


def _with_new_functions(definition: Any) -> Any:
    """Returns a GraphDef whose functions have new names.

    The gradient of a loop or condition makes new functions, named after its functions: with two copies of a
    function, it would make two functions of one name.
    """
    if not definition.library.function:
        return definition
    renamed = tf.GraphDef()
    renamed.CopyFrom(definition)
    number = next(_COPIES)
    names = {f.signature.name: f'{f.signature.name}_again_{number}' for f in renamed.library.function}
    nodes = [node for function in renamed.library.function for node in function.node_def]
    for called in (called for node in [*renamed.node, *nodes] for called in _functions_of(node)):
        called.name = names.get(called.name, called.name)
    for function in renamed.library.function:
        function.signature.name = names[function.signature.name]
    for pair in renamed.library.gradient:
        pair.function_name = names.get(pair.function_name, pair.function_name)
        pair.gradient_func = names.get(pair.gradient_func, pair.gradient_func)
    return renamed
