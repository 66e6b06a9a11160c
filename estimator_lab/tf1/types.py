"""Names for TensorFlow's types in signatures; it ships none for type checkers, so that each is Any below."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A `tf.Tensor`, or what TensorFlow makes one of; docstrings say its type, shape and values."""

Variable: TypeAlias = Any
"""A variable of TensorFlow's, of either kind."""

Operation: TypeAlias = Any
"""A `tf.Operation`, or what can stand as one in `EstimatorSpec.train_op`."""

Features: TypeAlias = Any
"""What an input function gives a model function: see `core.features`."""

EstimatorSpec: TypeAlias = Any
"""A `tf.estimator.EstimatorSpec`."""

RunConfig: TypeAlias = Any
"""A `tf.estimator.RunConfig`."""

Mode: TypeAlias = str
"""One of `tf.estimator.ModeKeys`."""

SessionRunHook: TypeAlias = Any
"""A `tf.train.SessionRunHook`."""
