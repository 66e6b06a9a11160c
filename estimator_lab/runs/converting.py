"""Converts one signature of an export to ONNX or TensorFlow Lite."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from estimator_lab.base.errors import DataError, LabError
from estimator_lab.base.process import hushed
from estimator_lab.tf1 import Tensor, tf

LABELS = 'labels'
"""Property of an ONNX model: its labels in the order of their numbers, as JSON."""

_SERVE = 'serve'


@dataclass(frozen=True)
class Converted:
    """A converted network.

    Attributes:
      data: contents of the file.
      left_out: names of the outputs that the format cannot have.
    """

    data: bytes
    left_out: Sequence[str] = ()


Converter: TypeAlias = Callable[[Path, str], Converted]
"""Converts a signature, whose inputs are numbers, of the SavedModel in a folder."""


def numeric_signature(saved_model: Path) -> str:
    """Returns a signature of an Estimator's export whose inputs are numbers: 'predict', if it is one of them.

    Raises:
      DataError: it has none, or can't be read.
    """
    try:
        with tf.Graph().as_default(), tf.Session() as session:
            signatures = tf.saved_model.loader.load(session, [_SERVE], str(saved_model)).signature_def
    except Exception as error:
        reason = ' '.join(str(error).split())[:200]
        raise DataError(f'{saved_model} cannot be read: {reason}.') from error
    numeric = [
        name
        for name, signature in sorted(signatures.items())
        if signature.inputs and all(each.name and not _is_text(each) for each in signature.inputs.values())
    ]
    if not numeric:
        raise DataError(
            f'{saved_model} has no signature whose inputs are numbers: export with '
            'tf.estimator.export.build_raw_serving_input_receiver_fn.'
        )
    return 'predict' if 'predict' in numeric else numeric[0]


def onnx_converter(labels: Sequence[str]) -> Converter:
    """Returns a function that converts a signature to ONNX.

    Outputs that are text, or that random numbers change, are left out. Inputs and outputs keep their names.
    The function raises LabError if ONNX lacks an operation of the network.

    Args:
      labels: stored in each model as the property `LABELS`.

    Raises:
      LabError: tf2onnx is not installed, or its onnx does not suit TensorFlow.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise LabError("--onnx needs the package tf2onnx: pip install 'estimator-lab[onnx]'.") from error
    except AttributeError as error:  # a type that the ml_dtypes of an older TensorFlow lacks
        raise LabError(
            "The installed onnx is too new for this TensorFlow: pip install 'onnx<1.18'."
        ) from error

    def convert(saved_model: Path, signature: str) -> Converted:
        network = _Network(saved_model, signature, text=False)
        model, _ = tf2onnx.convert.from_graph_def(
            network.graph_def,
            name=signature,
            input_names=list(network.inputs),
            output_names=list(network.outputs),
            tensors_to_rename={**network.inputs, **network.outputs},
        )
        if missing := sorted(set(_unknown_operations(onnx, model.graph))):
            raise ValueError(f'it lacks the operation {", ".join(missing)}')
        for value in model.graph.input:
            for dimension in value.type.tensor_type.shape.dim[:1]:
                if not dimension.dim_value:
                    dimension.dim_param = 'n'  # tf2onnx calls it unk__36
        if labels:
            onnx.helper.set_model_props(model, {LABELS: json.dumps(list(labels), ensure_ascii=False)})
        return Converted(model.SerializeToString(), network.left_out)

    return lambda saved_model, signature: _attempt('ONNX', partial(convert, saved_model, signature))


def to_tflite(saved_model: Path, signature: str) -> Converted:
    """Converts a signature to TensorFlow Lite, without outputs that random numbers change.

    Outputs that are text are left out if TensorFlow Lite lacks their operations.

    Args:
      saved_model: the folder.
      signature: one whose inputs are numbers; TensorFlow Lite neither decodes nor encodes files.

    Raises:
      LabError: TensorFlow Lite lacks an operation of the network.
    """

    def convert(text: bool) -> Converted:
        network = _Network(saved_model, signature, text=text)
        with tempfile.TemporaryDirectory() as folder:
            network.save(Path(folder) / 'network', signature)
            # The TF1 converter leaves out the names of the outputs.
            make = tf.compat.v2.lite.TFLiteConverter.from_saved_model
            converter = make(str(Path(folder) / 'network'), signature_keys=[signature])
            return Converted(converter.convert(), network.left_out)

    def convert_what_can_be() -> Converted:
        try:
            return convert(text=True)
        except Exception:  # noqa: BLE001 - the converter raises bare Exception, too
            return convert(text=False)

    return _attempt('TensorFlow Lite', convert_what_can_be)


def _attempt(form: str, convert: Callable[[], Converted]) -> Converted:
    """Runs a conversion, whose messages are for developers of TensorFlow.

    Raises:
      LabError: it fails.
    """
    with hushed():
        try:
            return convert()
        except Exception as error:  # noqa: BLE001 - the converters raise anything
            problem = error
    missing = re.search(r"'tf\.(\w+)' op", str(problem))  # in a message of TensorFlow Lite
    first_line = str(problem).strip().partition('\n')[0].rstrip('.')
    reason = f'it lacks the operation {missing[1]}' if missing else first_line
    raise LabError(f'This network cannot be converted to {form}: {reason}.') from problem


class _Network:
    """A signature as a graph without variables, from placeholders to outputs.

    Args:
      saved_model: the folder.
      signature: its name.
      text: whether outputs may be text.

    Attributes:
      graph_def: the graph, with the functions that it calls.
      inputs: names in the signature by the names of the placeholders.
      outputs: the same of the outputs.
      left_out: names of the outputs that it lacks.

    Raises:
      ValueError: an input is text, or no output is left.
    """

    def __init__(self, saved_model: Path, signature: str, *, text: bool) -> None:
        with tf.Graph().as_default(), tf.Session() as session:
            meta = tf.saved_model.loader.load(session, [_SERVE], str(saved_model))
            given, wanted = meta.signature_def[signature].inputs, meta.signature_def[signature].outputs
            tensors = {name: info.name for name, info in wanted.items() if text or not _is_text(info)}
            ends = [*tensors.values(), *(info.name for info in given.values())]
            frozen = tf.graph_util.convert_variables_to_constants(
                session, session.graph.as_graph_def(), [_operation(name) for name in ends]
            )
        if texts := [name for name, info in given.items() if _is_text(info)]:
            raise ValueError(f'its input {texts[0]} is text')
        with tf.Graph().as_default() as graph:
            places = {
                name: tf.placeholder(
                    tf.as_dtype(info.dtype), tf.TensorShape(info.tensor_shape), f'input_{number}'
                )
                for number, (name, info) in enumerate(given.items())
            }
            replaced = {info.name: places[name] for name, info in given.items()}
            found = tf.import_graph_def(frozen, replaced, list(tensors.values()), name='network')
            results = {
                name: tf.identity(tensor, f'output_{number}')
                for number, (name, tensor) in enumerate(zip(tensors, found, strict=True))
            }
            whole = graph.as_graph_def()
        _remove_casts(whole)
        _remove_writes_in_place(whole)
        kept = {name: tensor for name, tensor in results.items() if not _has_no_counterpart(whole, tensor)}
        if not kept:
            raise ValueError(f'{signature} has no output that is a number and the same in each call')
        self.left_out = sorted(set(wanted) - set(kept))
        self.inputs = {tensor.name: name for name, tensor in places.items()}
        self.outputs = {tensor.name: name for name, tensor in kept.items()}
        self.graph_def = _part(whole, [tensor.op.name for tensor in (*places.values(), *kept.values())])

    def save(self, folder: Path, signature: str) -> None:
        """Writes it as a SavedModel."""
        names = [*self.inputs, *self.outputs]
        with tf.Graph().as_default(), tf.Session() as session:
            tensors = dict(zip(names, tf.import_graph_def(self.graph_def, None, names, name=''), strict=True))
            inputs, outputs = (
                {name: tensors[tensor] for tensor, name in several.items()}
                for several in (self.inputs, self.outputs)
            )
            builder = tf.saved_model.Builder(str(folder))
            definition = tf.saved_model.predict_signature_def(inputs, outputs)
            builder.add_meta_graph_and_variables(session, [_SERVE], {signature: definition})
            builder.save()


def _is_text(info: Any) -> bool:
    return bool(info.dtype == tf.string.as_datatype_enum)


def _operation(tensor: str) -> str:
    return tensor.partition(':')[0]


def _has_no_counterpart(graph_def: Any, tensor: Tensor) -> bool:
    """Returns whether a tensor has random numbers or an encoded picture, which no other format has."""
    part = _part(graph_def, [tensor.op.name])
    nodes = [*part.node, *(node for function in part.library.function for node in function.node_def)]
    return any(re.search('Random|Multinomial|^Encode', node.op) for node in nodes)


def _remove_casts(graph_def: Any) -> None:
    """Makes identities of `core.float32.in_float32`, as ONNX has no cast of bits."""
    casts = {node.name: node for node in graph_def.node if node.op == 'Bitcast'}
    for node in casts.values():
        first = casts.get(node.input[0])
        if first and first.attr['T'].type == node.attr['type'].type:
            node.op = 'Identity'
            node.input[:] = first.input
            node.ClearField('attr')
            node.attr['T'].type = first.attr['T'].type


def _remove_writes_in_place(graph_def: Any) -> None:
    """Replaces operations of `core.tree`, which other formats lack, by those that copy the array."""
    _copy_arrays(graph_def.node, '')
    for function in graph_def.library.function:
        for old, new in _copy_arrays(function.node_def, ':output:0').items():
            for node in function.node_def:
                node.input[:] = [new if name == old else name for name in node.input]
            # A list: a map of a protocol buffer may skip entries if it changes meanwhile.
            for result, name in list(function.ret.items()):
                function.ret[result] = new if name == old else name


def _copy_arrays(nodes: Any, output: str) -> dict[str, str]:
    """Does this in a graph or function; `output` follows the name of a node. Returns the new outputs."""
    renamed = {}
    for node in list(nodes):
        if node.op == 'InplaceUpdate':
            renamed[f'{node.name}:y:0'] = node.name + output
            # A stack of one, as a constant of the axis would be outside of the loop.
            rows = nodes.add(name=f'{node.name}_rows', op='Pack', input=[node.input[1]])
            rows.attr['N'].i = rows.attr['axis'].i = 1
            rows.attr['T'].type = node.attr['Tindices'].type = tf.int32.as_datatype_enum
            node.op = 'TensorScatterUpdate'
            node.input[1] = rows.name + output
        elif node.op == 'Empty':
            kind = node.attr['dtype'].type
            zero = nodes.add(name=f'{node.name}_zero', op='Const')
            zero.attr['dtype'].type = kind
            zero.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(0, kind, []))
            node.op = 'Fill'
            node.input.append(zero.name + output)
            node.ClearField('attr')
            node.attr['T'].type = kind
            node.attr['index_type'].type = tf.int32.as_datatype_enum
    return renamed


def _part(graph_def: Any, operations: Sequence[str]) -> Any:
    """Returns the part of a graph that computes some operations, with the functions that this part calls."""
    part = tf.graph_util.extract_sub_graph(graph_def, list(operations))
    known = {function.signature.name: function for function in part.library.function}
    called = dict(_called(part.node, known))
    part.ClearField('library')
    part.library.function.extend(called.values())
    return part


def _called(nodes: Any, known: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields (name, function) of those that nodes call, directly or not."""
    waiting, seen = list(nodes), set[str]()
    while waiting:
        node = waiting.pop()
        names = {node.op}
        for value in node.attr.values():
            names |= {value.func.name, *(each.name for each in value.list.func)}
        for name in names & known.keys() - seen:
            seen.add(name)
            waiting += known[name].node_def
            yield name, known[name]


def _unknown_operations(onnx: Any, graph: Any) -> Iterator[str]:
    """Yields the operations of a graph and its loops that ONNX does not define."""
    for node in graph.node:
        if not onnx.defs.has(node.op_type, node.domain):
            yield node.op_type
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField('g') else ()), *attribute.graphs):
                yield from _unknown_operations(onnx, inner)
