"""Inputs of the Estimators of ``tf.contrib.learn``: arrays, and serving."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from estimator_lab.contrib.columns import real_valued_column
from estimator_lab.tf1 import tf

# As in 1.15, these shuffle unless the program says otherwise.
numpy_input_fn = functools.partial(tf.estimator.inputs.numpy_input_fn, shuffle=True)
pandas_input_fn = functools.partial(tf.estimator.inputs.pandas_input_fn, shuffle=True)


class InputFnOps(NamedTuple):
    """What an input function for serving returns.

    `features` are those of the model; `default_inputs` are the placeholders that they are made of, by name.
    """

    features: Any
    labels: Any
    default_inputs: Any


def array_input_fn(x: Any, y: Any, batch_size: int | None, is_training: bool) -> Callable[[], Any]:
    """Returns an input function for arrays [examples, ...], or mappings of them.

    Raises:
      ValueError: if there is no `x`.
    """
    if x is None:
        raise ValueError('Give either x or input_fn.')
    features, labels = (_arrays(each) for each in (x, y))
    length = len(next(iter(features.values())) if isinstance(features, Mapping) else features)
    made = tf.estimator.inputs.numpy_input_fn(
        features,
        labels,
        batch_size or length,
        num_epochs=None if is_training else 1,
        shuffle=is_training and batch_size is not None,  # else a batch would not have each example once
    )
    return cast(Callable[[], Any], made)


def _arrays(values: Any) -> Any:
    if values is None or isinstance(values, Mapping):
        return values
    return np.asarray(values)


def infer_real_valued_columns_from_input(x: Any) -> list[Any]:
    """Returns a numeric column for each of the arrays [examples, n] or [examples]."""
    arrays = x if isinstance(x, Mapping) else {'': np.asarray(x)}
    return [
        real_valued_column(name, 1 if array.ndim == 1 else array.shape[1]) for name, array in arrays.items()
    ]


def build_parsing_serving_input_fn(
    feature_spec: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], InputFnOps]:
    """Returns a function for serving that parses tf.train.Example, named `examples`."""

    def input_fn() -> InputFnOps:
        examples = tf.placeholder(tf.string, [default_batch_size], 'input_example_tensor')
        return InputFnOps(tf.parse_example(examples, feature_spec), None, {'examples': examples})

    return input_fn
