"""Reads the graph and the values of an exported or trained canned Estimator."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.errors import DataError
from estimator_lab.tf1 import Operation, Tensor, tf

_PREDICT = 'predict'
_SOURCES = frozenset(
    {'Placeholder', 'PlaceholderWithDefault', 'ParseExample', 'ParseExampleV2', 'IteratorGetNext'}
)
_VARIABLES = frozenset({'VarHandleOp', 'VariableV2', 'Variable'})


class Canned(NamedTuple):
    """A canned Estimator that has been read.

    Attributes:
      name: the path, for messages.
      graph: its `tf.Graph`.
      reader: returns the value of a variable by name.
      signature: names of the tensors of the predictions; empty for a checkpoint.
      keys: the feature of each source tensor, by the tensor's name, as far as it is known.
    """

    name: str
    graph: Any
    reader: Any
    signature: Mapping[str, str]
    keys: dict[str, str]

    def operation(self, name: str) -> Operation | None:
        """Returns an operation of the graph; None if there is none of this name."""
        try:
            return self.graph.get_operation_by_name(name)
        except KeyError:
            return None

    def has(self, variable: str) -> bool:
        """Returns whether there is a variable of this name."""
        return bool(self.reader.has_tensor(variable))

    def value(self, variable: str) -> np.ndarray:
        """Returns the value of a variable."""
        return np.asarray(self.reader.get_tensor(variable))


def read(path: Path) -> Canned:
    """Reads a SavedModel, a model_dir or a checkpoint with the file graph.pbtxt next to it.

    Raises:
      DataError: it is none of these, or damaged.
    """
    try:
        return _of_export(path) if (path / 'saved_model.pb').is_file() else _of_checkpoint(path)
    except (OSError, ValueError, tf.errors.OpError) as error:  # ValueError: an operation that is not known
        reason = ' '.join(str(error).split())[:200]
        raise DataError(f'{path} cannot be read: {reason}.') from error
    except Exception as error:
        if type(error).__module__.startswith('google.protobuf'):
            raise DataError(f'{path} cannot be read: it is damaged.') from error
        raise


def _of_export(path: Path) -> Canned:
    reader = tf.train.load_checkpoint(str(path / 'variables' / 'variables'))
    with tf.Graph().as_default() as graph:
        meta = _meta_graph(path)
        tf.import_graph_def(meta.graph_def, name='')
    signatures = meta.signature_def
    if _PREDICT not in signatures:
        raise DataError(f'{path} has no signature {_PREDICT!r}: it is not the export of a canned Estimator.')
    signature = signatures[_PREDICT]
    keys = {info.name: key for key, info in signature.inputs.items() if info.name}
    for key, info in signature.inputs.items():
        if info.coo_sparse.values_tensor_name:
            keys[info.coo_sparse.values_tensor_name] = key
    keys |= dict(_parsed(graph))
    return Canned(str(path), graph, reader, {key: info.name for key, info in signature.outputs.items()}, keys)


def _meta_graph(path: Path) -> Any:
    with tf.Graph().as_default(), tf.Session() as session:
        return tf.saved_model.loader.load(session, ['serve'], str(path))


def _of_checkpoint(path: Path) -> Canned:
    folder = path if path.is_dir() else path.parent
    prefix = tf.train.latest_checkpoint(str(path)) if path.is_dir() else str(path).removesuffix('.index')
    if not prefix or not Path(f'{prefix}.index').is_file():
        raise DataError(f'{path} is neither a SavedModel nor a checkpoint.')
    text = folder / 'graph.pbtxt'
    if not text.is_file():
        raise DataError(
            f'{text} is missing, which says what the features are: name the folder of an export, as '
            'estimator.export_saved_model writes it.'
        )
    with tf.Graph().as_default() as graph:
        graph_def = tf.GraphDef()
        from google.protobuf import text_format

        text_format.Parse(text.read_text(encoding='utf-8'), graph_def)
        tf.import_graph_def(graph_def, name='')
    return Canned(str(path), graph, tf.train.load_checkpoint(prefix), {}, dict(_parsed(graph)))


def _parsed(graph: Any) -> Iterator[tuple[str, str]]:
    """Yields (name of an output, feature) of the operations that parse examples."""
    for operation in graph.get_operations():
        if operation.type == 'ParseExampleV2':
            sparse, dense = (_texts(operation.inputs[number]) for number in (2, 3))
        elif operation.type == 'ParseExample':
            first = 2 + operation.get_attr('Nsparse')
            sparse = [text for part in operation.inputs[2:first] for text in _texts(part)]
            dense = [
                text
                for part in operation.inputs[first : first + operation.get_attr('Ndense')]
                for text in _texts(part)
            ]
        else:
            continue
        names = [*sparse, *sparse, *sparse, *dense]
        yield from ((tensor.name, key) for tensor, key in zip(operation.outputs, names, strict=False))


def _texts(tensor: Tensor) -> list[str]:
    value = constant(tensor)
    return [] if value is None else [each.decode() for each in np.ravel(value)]


def constant(tensor: Tensor) -> np.ndarray | None:
    """Returns the value of a constant; None for any other tensor."""
    value = tf.get_static_value(tensor)
    return None if value is None else np.asarray(value)


def ancestors(tensor: Tensor) -> dict[str, Operation]:
    """Returns the operations that compute a tensor, from features and variables on."""
    found: dict[str, Operation] = {}
    waiting = [tensor.op]
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found[operation.name] = operation
            if operation.type not in _SOURCES:
                waiting += [each.op for each in operation.inputs]
    return found


def is_source(tensor: Tensor) -> bool:
    """Returns whether a tensor is a feature."""
    return tensor.op.type in _SOURCES


def variable_of(operations: Mapping[str, Operation]) -> str:
    """Returns the name of the one variable among operations; '' if there is none, or more than one."""
    names = {
        re.sub(r'/part_\d+$', '', operation.name)
        for operation in operations.values()
        if operation.type in _VARIABLES
    }
    return names.pop() if len(names) == 1 else ''
