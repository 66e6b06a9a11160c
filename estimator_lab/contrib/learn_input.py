"""Inputs of the Estimators of ``tf.contrib.learn``: arrays in 1.15's order, files, and serving."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from estimator_lab.contrib.columns import UNNAMED, real_valued_column
from estimator_lab.contrib.learn import InputFnOps
from estimator_lab.tf1 import tf


class Feeder:
    """Batches of arrays, fed into placeholders: `input_fn` makes them, and `feed` returns the next batch.

    Args:
      x: features [examples, ...], an array or a pandas.DataFrame, or a mapping of arrays. One axis becomes
        [examples, 1].
      y: labels of the same length, or a mapping of them, or None. [examples, 1] becomes [examples].
      batch_size: examples in a batch; None for all.
      shuffle: whether each epoch has another order.
      epochs: how often the examples are fed; None for any number of times.

    Raises:
      ValueError: if x is an iterator, batch_size is not positive, or the lengths differ.
    """

    def __init__(self, x: Any, y: Any, batch_size: int | None, shuffle: bool, epochs: int | None) -> None:
        if hasattr(x, '__next__'):
            raise ValueError('x must be arrays: for an iterator, use input_fn.')
        self._x = _mapped(_with_two_axes, x)
        self._y = _mapped(_without_axis_of_one, y)
        lengths = {len(array) for array in (*_flat(self._x), *_flat(self._y))}
        if len(lengths) != 1:
            raise ValueError(f'x and y must have the same number of examples, not {sorted(lengths)}.')
        self._length = lengths.pop()
        self._size = self._length if batch_size is None else batch_size
        if self._size <= 0:
            raise ValueError(f'Invalid batch_size {self._size}.')
        self._random = np.random.RandomState(42) if shuffle else None
        self._epochs = epochs
        self._epoch = 0
        self._offset = 0
        self._order = self._new_order()
        self._placeholders: tuple[Any, Any] = (None, None)

    def input_fn(self) -> tuple[Any, Any]:
        """Returns placeholders for the features and the labels."""
        self._placeholders = _mapped(_placeholder, self._x), _mapped(_placeholder, self._y)
        return self._placeholders

    def feed(self) -> dict[Any, Any]:
        """Returns the next batch, by placeholder.

        Raises:
          StopIteration: after the last epoch.
        """
        if self._epochs is not None and self._epoch >= self._epochs:
            raise StopIteration
        chosen = self._order[self._offset : self._offset + self._size]
        self._offset += self._size
        if self._offset >= self._length:
            self._order = self._new_order()
            self._offset = 0
            self._epoch += 1
        features, labels = self._placeholders
        pairs = zip((*_flat(features), *_flat(labels)), (*_flat(self._x), *_flat(self._y)), strict=True)
        return {placeholder: array[chosen] for placeholder, array in pairs}

    def hook(self) -> Any:
        """Returns a hook that feeds each step."""
        return tf.train.FeedFnHook(self.feed)

    def _new_order(self) -> Any:
        return np.arange(self._length) if self._random is None else self._random.permutation(self._length)


def _mapped(function: Callable[[Any], Any], values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key: function(value) for key, value in values.items()}
    return None if values is None else function(values)


def _flat(values: Any) -> list[Any]:
    if isinstance(values, Mapping):
        return list(values.values())
    return [] if values is None else [values]


def _array(value: Any) -> Any:
    array = np.asarray(value)
    if array.ndim == 0:
        raise ValueError(f'x and y must have an axis of examples, unlike {value!r}.')
    return array


def _with_two_axes(value: Any) -> Any:
    array = _array(value.astype(float) if hasattr(value, 'columns') else value)
    return array[:, np.newaxis] if array.ndim == 1 else array


def _without_axis_of_one(value: Any) -> Any:
    array = _array(value)
    return array[:, 0] if array.ndim > 1 and array.shape[1] == 1 else array


def _placeholder(array: Any) -> Any:
    return tf.placeholder(tf.as_dtype(array.dtype), [None, *array.shape[1:]])


def infer_real_valued_columns_from_input(x: Any) -> list[Any]:
    """Returns a numeric column for each of the features, as `Feeder` accepts them."""
    return infer_real_valued_columns_from_input_fn(Feeder(x, None, None, False, 1).input_fn)


def infer_real_valued_columns_from_input_fn(input_fn: Callable[[], Any]) -> list[Any]:
    """Returns a numeric column for each feature [batch, n] of an input function.

    Raises:
      ValueError: if a feature has another shape, or is not a number.
    """
    with tf.Graph().as_default():
        features, _ = input_fn()
    named = features if isinstance(features, Mapping) else {UNNAMED: features}
    return [_column(key, tensor) for key, tensor in named.items()]


def _column(key: str, tensor: Any) -> Any:
    if isinstance(tensor, tf.SparseTensor):
        raise ValueError(f'SparseTensor is not supported for auto detection. Tensor: {tensor}')
    if not (tensor.dtype.is_floating or tensor.dtype.is_integer):
        raise ValueError(f'dtype should be floating or integer. dtype: {tensor.dtype}, tensor: {tensor}')
    if tensor.shape.ndims != 2 or tensor.shape.as_list()[1] is None:
        raise ValueError(f'a feature should be [batch, n], not {tensor.shape}: {tensor}')
    return real_valued_column(key, tensor.shape.as_list()[1], dtype=tensor.dtype)


def read_batch_features(
    file_pattern: Any,
    batch_size: int,
    features: Mapping[str, Any],
    reader: Any,
    randomize_input: bool = True,
    num_epochs: int | None = None,
    queue_capacity: int = 10000,
    **unused: Any,
) -> dict[str, Any]:
    """Returns the features of the next batch of tf.train.Example records, read by tf.data.

    Args:
      file_pattern: TFRecord files, as a pattern or a list of them.
      batch_size: examples in a batch; the last one may be smaller.
      features: {key: FixedLenFeature or VarLenFeature}.
      reader: tf.TFRecordReader.
      randomize_input: whether the order is random.
      num_epochs: how often the files are read; None for any number of times.
      queue_capacity: examples among which the order is random.
      **unused: queues and threads, which tf.data does not have.

    Raises:
      ValueError: for another reader.
    """
    if reader is not tf.TFRecordReader:
        raise ValueError(f'read_batch_features supports tf.TFRecordReader only, not {reader}.')
    dataset = tf.data.experimental.make_batched_features_dataset(
        file_pattern,
        batch_size,
        dict(features),
        num_epochs=num_epochs,
        shuffle=randomize_input,
        shuffle_buffer_size=queue_capacity,
    )
    found: dict[str, Any] = tf.data.make_one_shot_iterator(dataset).get_next()
    return found


def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = True,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> Any:
    """Returns tf.estimator.inputs.numpy_input_fn, which shuffles by default here."""
    return tf.estimator.inputs.numpy_input_fn(
        x, y, batch_size, num_epochs, shuffle, queue_capacity, num_threads
    )


def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = True,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = 'target',
) -> Any:
    """Returns tf.estimator.inputs.pandas_input_fn, which shuffles by default here."""
    return tf.estimator.inputs.pandas_input_fn(
        x, y, batch_size, num_epochs, shuffle, queue_capacity, num_threads, target_column
    )


def build_parsing_serving_input_fn(
    feature_spec: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], InputFnOps]:
    """Returns a function for serving that parses tf.train.Example, named `examples`."""

    def input_fn() -> InputFnOps:
        examples = tf.placeholder(tf.string, [default_batch_size], 'input_example_tensor')
        return InputFnOps(tf.parse_example(examples, feature_spec), None, {'examples': examples})

    return input_fn


def build_default_serving_input_fn(
    features: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], InputFnOps]:
    """Returns a function for serving that is fed with tensors like `features`, by their names."""
    types = {name: (tensor.dtype, tensor.shape.as_list()[1:]) for name, tensor in features.items()}

    def input_fn() -> InputFnOps:
        placeholders = {
            name: tf.placeholder(dtype, [default_batch_size, *shape], name)
            for name, (dtype, shape) in types.items()
        }
        return InputFnOps(placeholders, None, placeholders)

    return input_fn
