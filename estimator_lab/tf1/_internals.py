"""Internals of TensorFlow that have no public equivalent."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow.compat.v1 as tf
from tensorflow.python.feature_column import feature_column, feature_column_v2
from tensorflow.python.ops.lookup_ops import index_table_from_tensor, index_to_string_table_from_tensor
from tensorflow.python.tpu import tpu_function

__all__ = [
    'create_slots',
    'index_table_from_tensor',
    'index_to_string_table_from_tensor',
    'record_reader',
    'redirected_writers',
    'sequence_tensor',
    'uses_tpus',
]


def create_slots(optimizer: Any, variables: Sequence[Any]) -> None:
    """Creates an optimizer's slot variables in the current scope, ahead of `apply_gradients`.

    Slots that `apply_gradients` creates inside a branch of `tf.cond` have the branch's name as a prefix.

    Args:
      optimizer: a `tf.train.Optimizer`.
      variables: the variables that it updates.
    """
    optimizer._create_slots(list(variables))


@contextlib.contextmanager
def redirected_writers(writers: Mapping[str, Any]) -> Iterator[None]:
    """Makes `tf.summary.FileWriterCache.get` return the given writers while the context is active.

    Args:
      writers: folder of event files -> an object with the methods of `tf.summary.FileWriter`.
    """
    cache = tf.summary.FileWriterCache
    with cache._lock:
        replaced = {folder: cache._cache[folder] for folder in writers if folder in cache._cache}
        cache._cache.update(writers)
    try:
        yield
    finally:
        with cache._lock:
            for folder, writer in writers.items():
                if cache._cache.get(folder) is writer:  # `FileWriterCache.clear` may have removed it
                    del cache._cache[folder]
                    if folder in replaced:
                        cache._cache[folder] = replaced[folder]


def uses_tpus() -> bool:
    """Returns whether the graph is being built for the cores of a TPU."""
    return tpu_function.get_tpu_context().number_of_shards is not None


def record_reader(path: str) -> Any:
    """Returns a reader of a TFRecord file: `read(offset)` gives (record, offset of the next one).

    `read` raises DataLossError if the record or its length is damaged, and IndexError at the end of the file.
    """
    from tensorflow.python.lib.io.tf_record import tf_record_random_reader

    return tf_record_random_reader(path)


def sequence_tensor(
    column: Any, features: Mapping[str, Any], collections: Sequence[str] | None, trainable: bool
) -> tuple[Any, Any]:
    """Returns what a sequence column makes of the features: (tensor [batch, time, ...], lengths [batch]).

    Its variables are in the current variable scope, as those of TensorFlow 1's columns are.

    Raises:
      ValueError: if it is a column of another kind.
    """
    if hasattr(column, '_get_sequence_dense_tensor'):
        builder = feature_column._LazyBuilder(features)
        found = column._get_sequence_dense_tensor(builder, collections, trainable)
    elif isinstance(column, feature_column_v2.SequenceDenseColumn):  # of numbers, without variables
        cache = feature_column_v2.FeatureTransformationCache(features)
        found = column.get_sequence_dense_tensor(cache, None)
    else:
        raise ValueError(
            'Each sequence feature column must be a sequence_numeric_column, or an embedding_column or '
            f'indicator_column of a sequence_categorical_column_with_*. Given: {column}.'
        )
    return found.dense_tensor, found.sequence_length
