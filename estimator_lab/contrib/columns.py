"""The feature columns of ``tf.contrib.layers``, made of tf.feature_column's.

Cross-features have other numbers than in 1.15, and the weights of columns other variable names: train again.
Arguments are as in 1.15; ValueError is raised for a combiner other than 'sum', which the columns of
tf.feature_column lack.
"""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.tf1 import DType, Initializer, Tensor, tf

_COLUMNS = tf.feature_column
UNNAMED = 'features'
"""The key of features that are one tensor: tf.feature_column has no column of the name ''."""


def real_valued_column(
    column_name: str,
    dimension: int = 1,
    default_value: Any = None,
    dtype: DType = tf.float32,
    normalizer: Callable[[Tensor], Tensor] | None = None,
) -> Any:
    """Returns tf.feature_column.numeric_column for [batch, dimension]; '' names the only feature."""
    return _COLUMNS.numeric_column(column_name or UNNAMED, (dimension,), default_value, dtype, normalizer)


def sparse_column_with_hash_bucket(
    column_name: str, hash_bucket_size: int, combiner: str = 'sum', dtype: DType = tf.string
) -> Any:
    """Returns tf.feature_column.categorical_column_with_hash_bucket."""
    _check_combiner(column_name, combiner)
    return _COLUMNS.categorical_column_with_hash_bucket(column_name, hash_bucket_size, dtype)


def sparse_column_with_integerized_feature(
    column_name: str, bucket_size: int, combiner: str = 'sum', dtype: DType = tf.int64
) -> Any:
    """Returns tf.feature_column.categorical_column_with_identity."""
    _check_combiner(column_name, combiner)
    return _COLUMNS.categorical_column_with_identity(column_name, bucket_size)


def sparse_column_with_keys(
    column_name: str,
    keys: Sequence[Any],
    default_value: int = -1,
    combiner: str = 'sum',
    dtype: DType = tf.string,
) -> Any:
    """Returns tf.feature_column.categorical_column_with_vocabulary_list."""
    _check_combiner(column_name, combiner)
    return _COLUMNS.categorical_column_with_vocabulary_list(column_name, keys, dtype, default_value)


def embedding_column(
    sparse_id_column: Any,
    dimension: int,
    combiner: str = 'mean',
    initializer: Initializer = None,
    **more: Any,
) -> Any:
    """Returns tf.feature_column.embedding_column; the deviation is 1 / sqrt(ids), as in 1.15."""
    if initializer is None:
        initializer = tf.truncated_normal_initializer(stddev=sparse_id_column.num_buckets**-0.5)
    return _COLUMNS.embedding_column(sparse_id_column, dimension, combiner, initializer, **more)


def crossed_column(
    columns: Sequence[Any], hash_bucket_size: int, combiner: str = 'sum', hash_key: int | None = None
) -> Any:
    """Returns tf.feature_column.crossed_column."""
    _check_combiner('crossed_column', combiner)
    # tf.feature_column crosses the text itself rather than its hash.
    keys = [
        column.key if hasattr(column, 'key') and hasattr(column, 'hash_bucket_size') else column
        for column in columns
    ]
    return _COLUMNS.crossed_column(keys, hash_bucket_size, hash_key)


def _check_combiner(name: str, combiner: str) -> None:
    if combiner != 'sum':
        raise ValueError(f"{name}: combiner={combiner!r} is not supported, only 'sum'.")
