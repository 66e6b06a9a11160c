"""Builds the Keras 3 model of a canned Estimator, with its weights."""

import contextlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.errors import DataError, LabError
from estimator_lab.porting.canned.columns import Column, Feature, column_of, parts_of
from estimator_lab.porting.canned.graph import Canned, read

_ACTIVATIONS = {
    **{'Relu': 'relu', 'Relu6': 'relu6', 'Tanh': 'tanh', 'Sigmoid': 'sigmoid', 'Elu': 'elu', 'Selu': 'selu'},
    **{'Softplus': 'softplus', 'Softsign': 'softsign'},
}
_BETWEEN = frozenset({'Identity', 'ReadVariableOp', 'BiasAdd'})
_LINEAR = 'linear/linear_model'
_EPSILON = 0.001  # of tf.layers.batch_normalization


def keras_model(path: Path) -> Any:
    """Returns a canned Estimator as a Keras 3 model.

    Args:
      path: an export, or a model_dir or checkpoint with its graph.pbtxt.

    Returns:
      A functional model. Its input is a dictionary of the features, each [batch, 1], or [batch, n] for n
      numbers; a missing word is '', a missing integer -1. Its output is a dictionary: 'logits' and
      'probabilities' of a classifier, with 'logistic' for two classes; 'predictions' of a regressor.

    Raises:
      DataError: it can't be read, or has a part that Keras has no layer for; the message names it.
      LabError: Keras 3 is not installed.
    """
    keras = _keras()
    canned = read(path)
    return _Builder(keras, canned).model()


def _keras() -> Any:
    keras = importlib.import_module('keras')
    if not hasattr(keras, '__version__') or int(keras.__version__.partition('.')[0]) < 3:
        raise LabError(
            f'Keras 3 is needed, which TensorFlow has since 2.16; this is Keras {keras.__version__}.'
        )
    if keras.config.backend() != 'tensorflow':
        raise LabError(f"Keras's backend is {keras.config.backend()}, but layers for text need tensorflow.")
    return keras


class _Builder:
    """Builds one model.

    Args:
      keras: the module.
      canned: the Estimator.
    """

    def __init__(self, keras: Any, canned: Canned) -> None:
        self._layers, self._keras, self._canned = keras.layers, keras, canned
        self._inputs: dict[str, Any] = {}
        self._weights: list[tuple[Any, list[np.ndarray]]] = []

    def model(self) -> Any:
        if not self._canned.signature:
            self._learn_features()
        parts = [part for part in (self._linear(), self._deep()) if part is not None]
        if not parts:
            raise DataError(f'{self._canned.name} is not a linear, DNN or combined Estimator.')
        logits = self._layers.Add()(parts) if len(parts) > 1 else parts[0]
        model = self._keras.Model(self._inputs, self._outputs(logits))
        for layer, values in self._weights:
            layer.set_weights(values)
        return model

    def _learn_features(self) -> None:
        """Lets the columns of a checkpoint's graph name the features that crosses have too."""
        for operation in self._canned.graph.get_operations():
            if operation.type in ('AddN', 'ConcatV2') and operation.name.startswith(('linear/', 'dnn/input')):
                for tensor in parts_of(operation.outputs[0]):
                    with contextlib.suppress(DataError):
                        column_of(self._canned, tensor)

    def _outputs(self, logits: Any) -> dict[str, Any]:
        layers = self._layers
        kinds = self._kinds_of_probabilities()
        if not kinds:
            self._check_regression()
            return {'predictions': logits}
        if kinds != {'Softmax'}:
            raise DataError(
                f'{self._canned.name}: its probabilities are not those of a choice between classes.'
            )
        if logits.shape[-1] > 1:
            return {'logits': logits, 'probabilities': layers.Softmax()(logits)}
        both = layers.Concatenate()([layers.Rescaling(0.0)(logits), logits])
        return {
            'logits': logits,
            'logistic': layers.Activation('sigmoid')(logits),
            'probabilities': layers.Softmax()(both),
        }

    def _kinds_of_probabilities(self) -> set[str]:
        """Returns the operations that compute the probabilities; none for a regressor."""
        signature, graph = self._canned.signature, self._canned.graph
        if signature:
            name = signature.get('probabilities')
            return {graph.get_tensor_by_name(name).op.type} if name else set()
        return {
            operation.type
            for operation in graph.get_operations()
            if operation.name.endswith('/probabilities')
        }

    def _check_regression(self) -> None:
        name = self._canned.signature.get('predictions', '')
        if name and not self._is_plain(self._canned.graph.get_tensor_by_name(name)):
            raise DataError(
                f'{self._canned.name}: its predictions are a function of the logits (a link function).'
            )

    def _is_plain(self, tensor: Any) -> bool:
        return tensor.op.type in ('BiasAdd', 'Identity', 'Add', 'AddV2', 'AddN', 'Reshape')

    def _linear(self) -> Any:
        """Returns the logits of the linear model; None if there is none."""
        if not self._canned.has(f'{_LINEAR}/bias_weights'):
            return None
        bias = self._canned.value(f'{_LINEAR}/bias_weights')
        parts = []
        for column in self._linear_columns():
            weights = self._canned.value(column.variable)
            if column.kind == 'numeric':
                dense = self._layers.Dense(weights.shape[1], use_bias=False)
                parts.append(self._set(dense, self._numbers(column), [weights]))
            else:
                parts.append(self._embedded(column, weights))
        summed = self._layers.Add()(parts) if len(parts) > 1 else parts[0]
        with_bias = self._layers.Dense(len(bias), name='linear_bias')
        return self._set(with_bias, summed, [np.eye(len(bias), dtype=np.float32), bias])

    def _linear_columns(self) -> Iterator[Column]:
        for operation in self._canned.graph.get_operations():
            last = operation.name.rpartition('/')[2]
            if operation.type == 'BiasAdd' and operation.name.startswith(_LINEAR) and last == 'weighted_sum':
                for tensor in parts_of(operation.inputs[0]):
                    yield column_of(self._canned, tensor)
                return
        raise DataError(f'{self._canned.name}: the graph has no sum of the linear model.')

    def _deep(self) -> Any:
        """Returns the logits of the network; None if there is none."""
        if not self._canned.has('dnn/logits/kernel'):
            return None
        names: list[str] = []
        while self._canned.has(f'dnn/hiddenlayer_{len(names)}/kernel'):
            names.append(f'dnn/hiddenlayer_{len(names)}')
        names.append('dnn/logits')
        kernel, biases = (self._canned.value(f'{names[0]}/{part}') for part in ('kernel', 'bias'))
        first = self._canned.operation(f'{names[0]}/MatMul')
        if first is None:
            raise DataError(f'{self._canned.name}: the graph has no layer {names[0]}.')
        value, kernel = self._input_layer(first.inputs[0], kernel)
        for number, name in enumerate(names):
            if number:
                kernel, biases = (self._canned.value(f'{name}/{part}') for part in ('kernel', 'bias'))
            activation = None if name == names[-1] else self._activation(name)
            dense = self._layers.Dense(len(biases), activation=activation, name=name.replace('/', '_'))
            value = self._normalized(self._set(dense, value, [kernel, biases]), name, number)
        return value

    def _input_layer(self, tensor: Any, kernel: np.ndarray) -> tuple[Any, np.ndarray]:
        """Returns the input of the first layer, and its kernel with rows for missing and unknown values."""
        parts, rows, first = [], list[np.ndarray](), 0
        for part in parts_of(tensor):
            column = column_of(self._canned, part)
            if column.kind == 'numeric':
                value, own = self._numbers(column), kernel[first : first + column.leaves[0].size]
            elif column.variable:
                table = self._canned.value(column.variable)
                value, own = self._embedded(column, table), kernel[first : first + table.shape[1]]
            else:
                own = self._table(column, kernel[first : first + column.size])
                tokens = self._layers.CategoryEncoding(len(own), output_mode='one_hot')
                value = self._present(column, tokens(self._categories(column)))
            first += column.size if not column.variable and column.kind != 'numeric' else len(own)
            parts.append(value)
            rows.append(own)
        if first != len(kernel):
            raise DataError(
                f'{self._canned.name}: the columns have {first} values, the first layer {len(kernel)}.'
            )
        value = self._layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
        return value, np.concatenate(rows)

    def _activation(self, name: str) -> str:
        """Returns the activation of a layer.

        Raises:
          DataError: Keras has none of this kind.
        """
        found = self._canned.operation(f'{name}/BiasAdd')
        kinds = {each.type for each in found.outputs[0].consumers()} if found else set()
        known = [kind for kind in kinds if kind in _ACTIVATIONS]
        if len(known) == 1:
            return _ACTIVATIONS[known[0]]
        if kinds & {'MatMul', 'FusedBatchNorm', 'FusedBatchNormV3'} and not known:
            return 'linear'
        others = ', '.join(sorted(kinds)) or 'nothing'
        raise DataError(f'{self._canned.name}: the activation of {name} is not known (operations: {others}).')

    def _normalized(self, value: Any, name: str, number: int) -> Any:
        scope = f'{name}/batchnorm_{number}'
        if not self._canned.has(f'{scope}/gamma'):
            return value
        names = ('gamma', 'beta', 'moving_mean', 'moving_variance')
        layer = self._layers.BatchNormalization(epsilon=_EPSILON)
        return self._set(layer, value, [self._canned.value(f'{scope}/{each}') for each in names])

    def _embedded(self, column: Column, weights: np.ndarray) -> Any:
        """Returns the rows of a column's weights or embedding, [batch, width]."""
        table = self._table(column, weights)
        embedding = self._layers.Embedding(*table.shape)
        rows = self._layers.Flatten()(self._set(embedding, self._categories(column), [table]))
        return self._present(column, rows)

    def _table(self, column: Column, rows: np.ndarray) -> np.ndarray:
        """Returns the rows in the order of Keras: missing, unknown, then the categories."""
        nothing = np.zeros_like(rows[:1])
        if column.kind in ('bucketized', 'cross'):
            return rows
        if column.kind == 'hash':
            return np.concatenate([nothing, rows])
        known = len(rows) - column.oov_buckets
        unknown = (
            rows[known:]
            if column.oov_buckets
            else rows[column.default :][:1]
            if column.default >= 0
            else nothing
        )
        return np.concatenate([nothing, unknown, rows[:known]])

    def _categories(self, column: Column) -> Any:
        """Returns the category of each example, int [batch, 1], by rows of `_table`."""
        layers, feature = self._layers, column.leaves[0]
        if column.kind == 'cross':
            values = [self._leaf(*pair) for pair in zip(column.leaves, column.boundaries, strict=True)]
            return layers.HashedCrossing(column.size)(values)
        if column.kind == 'bucketized':
            return self._leaf(feature, column.boundaries[0])
        value = self._single(feature)
        missing = '' if feature.dtype == 'string' else -1
        if column.kind == 'hash':
            return layers.Hashing(column.size + 1, mask_value=missing)(value)
        words = list(column.vocabulary if column.kind == 'vocabulary' else range(column.size))
        if feature.dtype == 'string':
            oov = max(1, column.oov_buckets)
            return layers.StringLookup(vocabulary=words, num_oov_indices=oov, mask_token='')(value)
        unknown = min([*words, missing]) - 1
        return layers.IntegerLookup(vocabulary=words, mask_token=missing, oov_token=unknown)(value)

    def _leaf(self, feature: Feature, boundaries: tuple[float, ...]) -> Any:
        value = self._single(feature)
        return self._layers.Discretization(bin_boundaries=list(boundaries))(value) if boundaries else value

    def _present(self, column: Column, value: Any) -> Any:
        """Makes a cross zero for examples in which a sparse feature is missing."""
        for feature, boundaries in zip(column.leaves, column.boundaries, strict=False):
            if column.kind == 'cross' and feature.is_sparse and not boundaries:
                missing = '' if feature.dtype == 'string' else -1
                found = self._layers.Hashing(2, mask_value=missing)(self._input(feature))
                embedding = self._layers.Embedding(2, 1)
                one = self._set(embedding, found, [np.array([[0], [1]], np.float32)])
                value = self._layers.Multiply()([value, self._layers.Flatten()(one)])
        return value

    def _numbers(self, column: Column) -> Any:
        return self._scaled(column.leaves[0])

    def _single(self, feature: Feature) -> Any:
        if feature.size > 1:
            raise DataError(
                f'{self._canned.name}: the feature {feature.key!r} has {feature.size} values, not one.'
            )
        return self._scaled(feature)

    def _scaled(self, feature: Feature) -> Any:
        value = self._input(feature)
        if (feature.scale, feature.offset) == (1, 0):
            return value
        return self._layers.Rescaling(feature.scale, feature.offset)(value)

    def _input(self, feature: Feature) -> Any:
        if feature.key not in self._inputs:
            name = re.sub(r'\W', '_', feature.key)
            self._inputs[feature.key] = self._keras.Input((feature.size,), dtype=feature.dtype, name=name)
        return self._inputs[feature.key]

    def _set(self, layer: Any, value: Any, weights: list[np.ndarray]) -> Any:
        """Applies a layer, whose weights are set when the model is complete."""
        self._weights.append((layer, weights))
        return layer(value)
