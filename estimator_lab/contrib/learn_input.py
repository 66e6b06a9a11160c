"""Inputs of the Estimators of ``tf.contrib.learn``: arrays, files, and serving."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from estimator_lab.contrib.columns import UNNAMED, real_valued_column
from estimator_lab.tf1 import tf


class InputFnOps(NamedTuple):
    """What an input function for serving returns.

    `features` are those of the model; `default_inputs` are the placeholders that they are made of, by name.
    """

    features: Any
    labels: Any
    default_inputs: Any


def array_input_fn(x: Any, y: Any, input_fn: Any, batch_size: int | None, shuffle: bool) -> Callable[[], Any]:
    """Returns `input_fn`, or an input function for arrays.

    Raises:
      ValueError: if both or neither are given, or x and y cannot be batches of arrays.
    """
    if (input_fn is None) == (x is None):
        raise ValueError('Give either x or input_fn.')
    if input_fn is not None:
        if y is not None or batch_size is not None:
            raise ValueError('y and batch_size belong to x, not to input_fn.')
        return cast(Callable[[], Any], input_fn)
    if hasattr(x, '__next__') or tf.is_tensor(x):
        raise ValueError('x must be arrays: for an iterator or tensors, use input_fn.')
    features, labels = _mapped(_with_two_axes, x), _mapped(_without_axis_of_one, y)
    length = len(next(iter(features.values())) if isinstance(features, Mapping) else features)
    return cast(
        Callable[[], Any],
        tf.estimator.inputs.numpy_input_fn(
            features,
            labels,
            length if batch_size is None else batch_size,
            num_epochs=None if shuffle else 1,
            shuffle=shuffle and batch_size is not None,  # else a batch would not have each example once
        ),
    )


def _mapped(function: Callable[[Any], Any], values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key: function(value) for key, value in values.items()}
    return None if values is None else function(values)


def _with_two_axes(value: Any) -> Any:
    array = np.asarray(value.astype(float) if hasattr(value, 'columns') else value)
    return array[:, np.newaxis] if array.ndim == 1 else array


def _without_axis_of_one(value: Any) -> Any:
    array = np.asarray(value)
    return array[:, 0] if array.ndim > 1 and array.shape[1] == 1 else array


def infer_real_valued_columns_from_input(x: Any) -> list[Any]:
    """Returns a numeric column for each of the features, as `array_input_fn` accepts them."""
    arrays = _mapped(_with_two_axes, x)
    return infer_real_valued_columns_from_input_fn(lambda: (_mapped(tf.constant, arrays), None))


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
    reader: Any = tf.TFRecordReader,
    randomize_input: bool = True,
    num_epochs: int | None = None,
    queue_capacity: int = 10000,
    **unused: Any,
) -> dict[str, Any]:
    """Returns the features of the next batch of tf.train.Example records, read by tf.data.

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


def read_batch_record_features(
    file_pattern: Any, batch_size: int, features: Mapping[str, Any], *args: Any, **more: Any
) -> dict[str, Any]:
    """Returns the features of the next batch of a TFRecord file: see `read_batch_features`."""
    return read_batch_features(file_pattern, batch_size, features, tf.TFRecordReader, *args, **more)


def numpy_input_fn(*args: Any, shuffle: bool = True, **more: Any) -> Any:
    """Returns tf.estimator.inputs.numpy_input_fn, which shuffles by default here."""
    # `shuffle` may be given by position, as the fifth argument.
    chosen = {} if len(args) > 4 else {'shuffle': shuffle}
    return tf.estimator.inputs.numpy_input_fn(*args, **chosen, **more)


def pandas_input_fn(*args: Any, shuffle: bool = True, **more: Any) -> Any:
    """Returns tf.estimator.inputs.pandas_input_fn, which shuffles by default here."""
    chosen = {} if len(args) > 4 else {'shuffle': shuffle}
    return tf.estimator.inputs.pandas_input_fn(*args, **chosen, **more)


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
