"""Tables of ``tf.contrib.lookup`` with the arguments of their time."""

import importlib
from typing import Any

from estimator_lab.tf1 import tf

_tables = importlib.import_module('tensorflow.python.ops.lookup_ops')


def index_table_from_tensor(
    mapping: Any,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: Any = _tables.FastHashSpec,
    dtype: Any = tf.string,
    name: str | None = None,
) -> Any:
    """Returns the table of each key's place in `mapping`, a 1-D tensor.

    Args:
      mapping: the keys.
      num_oov_buckets: places behind the last, for keys that are not there.
      default_value: the place of such keys without buckets.
      hasher_spec: which bucket.
      dtype: of the keys.
      name: of the operation.
    """
    return _tables.index_table_from_tensor(mapping, num_oov_buckets, default_value, hasher_spec, dtype, name)


def index_to_string_table_from_tensor(
    mapping: Any, default_value: str = 'UNK', name: str | None = None
) -> Any:
    """Returns the table of the key at each place of `mapping`, a 1-D tensor."""
    return _tables.index_to_string_table_from_tensor(mapping, default_value, name)


def HashTable(  # noqa: N802 - a class in 1.15
    initializer: Any, default_value: Any, shared_name: str | None = None, name: str | None = None
) -> Any:
    """Returns the table that an initializer fills."""
    return _tables.StaticHashTableV1(initializer, default_value, shared_name or name)
