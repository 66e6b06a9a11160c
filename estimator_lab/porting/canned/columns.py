"""Recognises feature columns in the graph of a canned Estimator."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from estimator_lab.errors import DataError
from estimator_lab.porting.canned.graph import Canned, ancestors, constant, is_source, variable_of
from estimator_lab.tf1 import Operation, Tensor, tf

_PASSES = frozenset(
    {'Identity', 'Reshape', 'ExpandDims', 'Cast', 'GatherNd', 'AsString', 'MatMul', 'Squeeze'}
)
_AFFINE = frozenset({'Sub', 'Add', 'AddV2', 'Mul', 'RealDiv', 'Div'})
_DEFAULT_KEY = 0xDECAFCAFFE  # of tf.sparse.cross_hashed
_SCOPE = re.compile(r'input_layer/([^/]+)/')
_SUFFIX = re.compile(r'_(indicator|embedding|bucketized)(?=$|_indicator$|_embedding$)')


@dataclass(frozen=True)
class Feature:
    """One input of the model: its name, type, and whether a missing value is one that is not there.

    `scale` and `offset` are applied to a number first, as a normalizer_fn did.
    """

    key: str
    dtype: str
    size: int = 1
    is_sparse: bool = False
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Column:
    """One feature column.

    Attributes:
      kind: numeric, bucketized, vocabulary, hash, identity or cross.
      leaves: its features; of a cross several.
      size: the number of its categories; 0 for numbers.
      variable: its weights or embedding; '' for numbers and one-hot vectors.
      boundaries: of the buckets of each leaf; () for a leaf without.
      vocabulary: the words or numbers.
      default: the category of words that are not in the vocabulary; -1 for none.
      oov_buckets: the number of categories for such words, after the others.
    """

    kind: str
    leaves: tuple[Feature, ...]
    size: int = 0
    variable: str = ''
    boundaries: tuple[tuple[float, ...], ...] = ((),)
    vocabulary: tuple[Any, ...] = ()
    default: int = -1
    oov_buckets: int = field(default=0)


def column_of(canned: Canned, tensor: Tensor) -> Column:
    """Returns the column that computes a part of the first layer's input, or of a linear model's sum.

    Raises:
      DataError: it can't be expressed by layers of Keras; the message names the column and the reason.
    """
    return _Reader(canned, tensor).column()


class _Reader:
    """Reads one column.

    Args:
      canned: the Estimator.
      tensor: what the column computes.
    """

    def __init__(self, canned: Canned, tensor: Tensor) -> None:
        self._canned, self._tensor = canned, tensor
        self._operations = ancestors(tensor)
        self._name = self._column_name()

    def column(self) -> Column:
        if any('clip_by_norm' in name for name in self._operations):
            raise self._refused('its embedding has a max_norm')
        if '_weighted_by_' in self._name:
            raise self._refused('it has weights')
        if self._all('SparseCross', 'SparseCrossV2', 'SparseCrossHashed'):
            return self._cross()
        if tables := self._all('LookupTableFindV2', 'LookupTableFind'):
            return self._vocabulary(tables)
        if hashes := self._all('StringToHashBucketFast'):
            return self._categorical('hash', hashes[0].inputs[0], hashes[0].get_attr('num_buckets'))
        if buckets := self._all('Bucketize'):
            boundaries = tuple(buckets[0].get_attr('boundaries'))
            found = self._categorical('bucketized', buckets[0].inputs[0], len(boundaries) + 1)
            return Column(**{**vars(found), 'boundaries': (boundaries,)})
        if self._all('OneHot') or self._all('ResourceGather', 'GatherV2', 'Gather'):
            return self._identity()
        feature = self._feature(self._tensor)
        return Column('numeric', (feature,), variable=self._weights())

    def _cross(self) -> Column:
        crosses = self._all('SparseCross', 'SparseCrossV2', 'SparseCrossHashed')
        if len(crosses) > 1 or crosses[0].type != 'SparseCross':
            raise self._refused('it is a cross of a cross')
        cross = crosses[0]
        if cross.get_attr('hash_key') != _DEFAULT_KEY:
            raise self._refused('it has a hash_key of its own')
        count = cross.get_attr('N')
        # The operation crosses the sparse inputs first: N indices, N values, N shapes, then the dense ones.
        inputs = [*cross.inputs[count : 2 * count], *cross.inputs[3 * count :]]
        if len(inputs) != 2:
            raise self._refused(f'it crosses {len(inputs)} features, and HashedCrossing two')
        leaves, boundaries = list[Feature](), list[tuple[float, ...]]()
        for tensor in inputs:
            types = {operation.type for operation in ancestors(tensor).values()}
            if types & {'LookupTableFindV2', 'StringToHashBucketFast'}:
                raise self._refused('it crosses a column with a vocabulary or hash')
            buckets = [each for each in ancestors(tensor).values() if each.type == 'Bucketize']
            boundaries.append(tuple(buckets[0].get_attr('boundaries')) if buckets else ())
            leaves.append(self._feature(buckets[0].inputs[0] if buckets else tensor))
        size = cross.get_attr('num_buckets')
        return Column('cross', tuple(leaves), size, self._weights(), tuple(boundaries))

    def _vocabulary(self, tables: Sequence[Operation]) -> Column:
        table = tables[0]
        keys = self._keys_of(table.inputs[0].op)
        default = constant(table.inputs[2])
        oov = self._all('StringToHashBucketFast')
        oov_buckets = oov[0].get_attr('num_buckets') if oov else 0
        if oov_buckets and keys.dtype.kind == 'i':
            raise self._refused('it has buckets for numbers that are not in its vocabulary')
        words = tuple(key.decode() if isinstance(key, bytes) else int(key) for key in keys.tolist())
        found = self._categorical('vocabulary', table.inputs[1], len(words) + oov_buckets)
        more = {
            'vocabulary': words,
            'default': -1 if default is None else int(default),
            'oov_buckets': oov_buckets,
        }
        return Column(**{**vars(found), **more})

    def _keys_of(self, table: Operation) -> np.ndarray:
        """Returns the words of a table, in order of their numbers.

        Raises:
          DataError: they can't be read.
        """
        for operation in table.outputs[0].consumers():
            if operation.type in ('LookupTableImportV2', 'InitializeTableV2'):
                keys, values = (constant(operation.inputs[number]) for number in (1, 2))
                if keys is not None and values is not None:
                    return keys[np.argsort(values)]
            if operation.type == 'InitializeTableFromTextFileV2':
                return self._lines(operation)
        raise self._refused('its vocabulary is not in the graph')

    def _lines(self, operation: Operation) -> np.ndarray:
        name = constant(operation.inputs[1])
        size = operation.get_attr('vocab_size')
        if name is None:
            raise self._refused('its vocabulary file is not named in the graph')
        from pathlib import Path

        path = Path(name.item().decode())
        asset = Path(self._canned.name) / 'assets' / path.name
        try:
            lines = (asset if asset.is_file() else path).read_bytes().splitlines()
        except OSError as error:
            raise self._refused(f'its vocabulary file {path} cannot be read: {error.strerror}') from error
        words = lines[: size if size > 0 else None]
        if operation.inputs[0].op.get_attr('key_dtype') == tf.string:
            return np.array(words, object)
        try:
            return np.array(words).astype(np.int64)
        except ValueError as error:
            raise self._refused(f'its vocabulary file {path} has lines that are not whole numbers') from error

    def _identity(self) -> Column:
        variable = self._weights()
        if variable:
            size = self._canned.value(variable).shape[0]
        else:
            size = int(constant(self._all('OneHot')[0].inputs[1]) or 0)
        selects = [each for each in self._all('Select', 'SelectV2') if 'weights' not in each.name]
        if any('weighted_sum' not in each.name for each in selects):
            raise self._refused('it has a default_value for numbers out of range')
        sources = {
            self._key(tensor): tensor
            for operation in self._operations.values()
            for tensor in operation.inputs
            if is_source(tensor) and tensor.dtype.base_dtype.is_integer and self._is_value(tensor)
        }
        if len(sources) != 1:
            raise self._refused(f'it is computed from {len(sources)} features of whole numbers')
        return self._categorical('identity', next(iter(sources.values())), size)

    def _is_value(self, tensor: Tensor) -> bool:
        """Returns whether a feature's tensor has its values, not the indices or shape of sparse ones."""
        if not tensor.op.type.startswith('ParseExample'):
            return True
        count = self._sparse_features(tensor)
        return not tensor.value_index < count and not 2 * count <= tensor.value_index < 3 * count

    def _categorical(self, kind: str, values: Tensor, size: int) -> Column:
        return Column(kind, (self._feature(values),), size, self._weights())

    def _weights(self) -> str:
        found = variable_of(self._operations)
        return found if found.endswith(('/weights', '/embedding_weights')) else ''

    def _feature(self, tensor: Tensor) -> Feature:
        """Follows values to their feature, through what does not change them and a scale and an offset."""
        steps: list[tuple[str, float]] = []
        size = tensor.shape[-1] if tensor.shape.rank and tensor.shape.rank > 1 else None
        while not is_source(tensor):
            operation = tensor.op
            if operation.type in _AFFINE:
                tensor = self._through(operation, steps)
            elif operation.type in _PASSES:
                tensor = operation.inputs[0]
                if operation.type == 'MatMul' and tensor.shape.rank == 2:
                    size = tensor.shape[-1]
            else:
                raise self._refused(
                    f'its values are computed by {operation.type}, such as in a normalizer_fn'
                )
        scale, offset = 1.0, 0.0
        for name, number in reversed(steps):
            scale, offset = _applied(name, number, scale, offset)
        is_number = tensor.dtype.base_dtype.is_floating
        dtype = 'string' if tensor.dtype.base_dtype == tf.string else 'float32' if is_number else 'int64'
        count = int(size) if size is not None and getattr(size, 'value', size) else 1
        is_parsed = tensor.op.type.startswith('ParseExample')
        sparse = is_parsed and tensor.value_index < 3 * self._sparse_features(tensor)
        return Feature(self._key(tensor), dtype, count, sparse, scale, offset)

    def _through(self, operation: Operation, steps: list[tuple[str, float]]) -> Tensor:
        first, second = operation.inputs
        number = constant(second)
        if number is None or number.size != 1:
            raise self._refused(
                f'its normalizer_fn has the operation {operation.type} with more than a number'
            )
        steps.append((operation.type, float(number.reshape(()))))
        return first

    def _sparse_features(self, tensor: Tensor) -> int:
        name = 'num_sparse' if tensor.op.type == 'ParseExampleV2' else 'Nsparse'
        return int(tensor.op.get_attr(name))

    def _key(self, tensor: Tensor) -> str:
        """Returns the name of a feature: as the graph says it, else as its column says it."""
        keys = self._canned.keys
        if tensor.name not in keys:
            if '_X_' in self._name:
                raise self._refused('the checkpoint does not name its features: name an export instead')
            keys[tensor.name] = _SUFFIX.sub('', self._name)
        return keys[tensor.name]

    def _column_name(self) -> str:
        name = self._weights()
        if name:
            return name.rpartition('/')[0].rpartition('/')[2]
        scopes = [''.join(_SCOPE.findall(each.name)) for each in self._siblings()]
        if all(scope.endswith('_1') for scope in scopes):
            return scopes[0].removesuffix('_1')  # the second use of each name, in TensorFlow 2
        return scopes[0] or self._tensor.name

    def _siblings(self) -> list[Tensor]:
        """Returns this column's tensor, then those that are concatenated with it."""
        users = [user for user in self._tensor.consumers() if user.type == 'ConcatV2']
        return [self._tensor, *(tensor for user in users for tensor in user.inputs[:-1])]

    def _all(self, *types: str) -> list[Operation]:
        return [operation for operation in self._operations.values() if operation.type in types]

    def _refused(self, reason: str) -> DataError:
        return DataError(
            f'{self._canned.name}: the column {self._name!r} has no layer in Keras, as {reason}.'
        )


def _applied(name: str, number: float, scale: float, offset: float) -> tuple[float, float]:
    """Returns scale and offset with one more operation after them."""
    if name in ('Mul', 'RealDiv', 'Div'):
        factor = number if name == 'Mul' else 1 / number
        return scale * factor, offset * factor
    return scale, offset + (-number if name == 'Sub' else number)


def parts_of(tensor: Tensor) -> Iterator[Tensor]:
    """Yields the tensors that are concatenated or summed to one."""
    while tensor.op.type == 'Identity':
        tensor = tensor.op.inputs[0]
    if tensor.op.type == 'ConcatV2':
        yield from tensor.op.inputs[:-1]
    elif tensor.op.type == 'AddN':
        yield from tensor.op.inputs
    else:
        yield tensor
