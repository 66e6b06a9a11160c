"""Converts one signature of an export, whose inputs are numbers, to ONNX or TensorFlow Lite."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from estimator_lab.base.errors import LabError, first_line, option
from estimator_lab.base.process import hushed
from estimator_lab.tf1 import tf

LABELS = 'labels'
"""Property of an ONNX model: its labels in the order of their numbers, as JSON."""

_SERVE, _TEXT = 'serve', tf.string.as_datatype_enum


class Converted(NamedTuple):
    """A converted network.

    Attributes:
      data: contents of the file.
      left_out: names of the outputs that are text or random: other formats have none of these.
    """

    data: bytes
    left_out: Sequence[str] = ()


Converter: TypeAlias = Callable[[Path, str], Converted]
"""Converts a signature of the SavedModel in a folder; raises LabError if the format lacks an operation."""


def onnx_converter(labels: Sequence[str]) -> Converter:
    """Returns a function that converts a signature to ONNX; inputs and outputs keep their names.

    Raises:
      LabError: tf2onnx is not installed, or its onnx does not suit TensorFlow.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise LabError(
            f"{option.onnx} needs the package tf2onnx: pip install 'estimator-lab[onnx]'."
        ) from error
    except AttributeError as error:  # a type that the ml_dtypes of an older TensorFlow lacks
        raise LabError(
            "The installed onnx is too new for this TensorFlow: pip install 'onnx<1.18'."
        ) from error

    def convert(network: _Network) -> bytes:
        model, _ = tf2onnx.convert.from_graph_def(
            network.graph_def,
            name=network.signature,
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
        data: bytes = model.SerializeToString()
        return data

    return partial(_converted, 'ONNX', convert)


def to_tflite(saved_model: Path, signature: str) -> Converted:
    """Converts a signature to TensorFlow Lite: a `Converter`."""

    def convert(network: _Network) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            network.save(f'{folder}/network')
            # The TF1 converter leaves out the names of the outputs.
            make = tf.compat.v2.lite.TFLiteConverter.from_saved_model
            data: bytes = make(f'{folder}/network', signature_keys=[signature]).convert()
            return data

    return _converted('TensorFlow Lite', convert, saved_model, signature)


def _converted(
    form: str, convert: 'Callable[[_Network], bytes]', saved_model: Path, signature: str
) -> Converted:
    """Runs a conversion, whose messages are for developers of TensorFlow."""
    with hushed():
        try:
            network = _Network(saved_model, signature)
            return Converted(convert(network), network.left_out)
        except Exception as error:  # noqa: BLE001 - the converters raise anything
            problem = error
    missing = re.search(r"'tf\.(\w+)' op", str(problem))  # in a message of TensorFlow Lite
    reason = f'it lacks the operation {missing[1]}' if missing else first_line(problem).rstrip('.')
    raise LabError(f'This network cannot be converted to {form}: {reason}.') from problem


class _Network:
    """A signature as a graph without variables, from placeholders to outputs that are numbers.

    Attributes:
      signature: its name.
      graph_def: the graph.
      inputs: names in the signature by the names of the placeholders.
      outputs: the same of the outputs.
      left_out: names of the outputs that it lacks.

    Raises:
      ValueError: no output is left.
    """

    def __init__(self, saved_model: Path, signature: str) -> None:
        self.signature = signature
        with tf.Graph().as_default(), tf.Session() as session:
            meta = tf.saved_model.loader.load(session, [_SERVE], str(saved_model))
            inputs, outputs = meta.signature_def[signature].inputs, meta.signature_def[signature].outputs
            numbers = {name: info.name for name, info in outputs.items() if info.dtype != _TEXT}
            ends = [*numbers.values(), *(info.name for info in inputs.values())]
            frozen = tf.graph_util.convert_variables_to_constants(
                session, session.graph.as_graph_def(), [name.partition(':')[0] for name in ends]
            )
        with tf.Graph().as_default() as graph:
            places = [
                tf.placeholder(tf.as_dtype(info.dtype), tf.TensorShape(info.tensor_shape))
                for info in inputs.values()
            ]
            replaced = {info.name: place for info, place in zip(inputs.values(), places, strict=True)}
            tensors = tf.import_graph_def(frozen, replaced, list(numbers.values()), name='network')
            results = dict(zip(numbers, map(tf.identity, tensors), strict=True))
            whole = graph.as_graph_def()
        _remove_casts(whole)
        kept = {}
        for name, tensor in results.items():
            part = tf.graph_util.extract_sub_graph(whole, [tensor.op.name])
            # Other formats have no random numbers and encode no pictures.
            if not any(re.search('Random|Multinomial|^Encode', node.op) for node in part.node):
                kept[name] = tensor
        if not kept:
            raise ValueError(f'{signature} has no output that is a number and the same in each call')
        self.left_out = sorted(set(outputs) - set(kept))
        self.inputs = {place.name: name for name, place in zip(inputs, places, strict=True)}
        self.outputs = {tensor.name: name for name, tensor in kept.items()}
        ends = [tensor.op.name for tensor in (*places, *kept.values())]
        self.graph_def = tf.graph_util.extract_sub_graph(whole, ends)

    def save(self, folder: str) -> None:
        """Writes it as a SavedModel."""
        names = [*self.inputs, *self.outputs]
        with tf.Graph().as_default(), tf.Session() as session:
            tensors = dict(zip(names, tf.import_graph_def(self.graph_def, None, names, name=''), strict=True))
            inputs = {name: tensors[tensor] for tensor, name in self.inputs.items()}
            outputs = {name: tensors[tensor] for tensor, name in self.outputs.items()}
            definition = tf.saved_model.predict_signature_def(inputs, outputs)
            builder = tf.saved_model.Builder(folder)
            builder.add_meta_graph_and_variables(session, [_SERVE], {self.signature: definition})
            builder.save()


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


def _unknown_operations(onnx: Any, graph: Any) -> Iterator[str]:
    """Yields the operations of a graph and its loops that ONNX does not define."""
    for node in graph.node:
        if not onnx.defs.has(node.op_type, node.domain):
            yield node.op_type
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField('g') else ()), *attribute.graphs):
                yield from _unknown_operations(onnx, inner)
