"""``tf.contrib.feature_column.sequence_input_layer``: the input of a recurrent network."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from estimator_lab.tf1 import tf
from estimator_lab.tf1._internals import sequence_tensor


def sequence_input_layer(
    features: Mapping[str, Any],
    feature_columns: Iterable[Any],
    weight_collections: Sequence[str] | None = None,
    trainable: bool = True,
) -> tuple[Any, Any]:
    """Returns the columns of each step, side by side in the order of their names, and the lengths.

    Variables have the names of 1.15: `sequence_input_layer/NAME_embedding/embedding_weights`.

    Args:
      features: {key: SparseTensor [batch, any]}.
      feature_columns: sequence_numeric_column, and embedding_column or indicator_column of
        sequence_categorical_column_with_*.
      weight_collections: collections of the graph to which variables are added.
      trainable: whether variables are trainable.

    Returns:
      input_layer: float [batch, longest sequence, sum of the sizes of the columns].
      sequence_length: int64 [batch].

    Raises:
      ValueError: if there are no columns, two have the same name, or one is not for sequences.
    """
    columns = sorted(feature_columns, key=lambda column: column.name)
    names = [column.name for column in columns]
    if not names or len(set(names)) != len(names):
        raise ValueError(f'feature_columns must be columns with different names. Given: {names}.')
    tensors, lengths = [], []
    with tf.variable_scope(None, 'sequence_input_layer', list(features.values())):
        for column in columns:
            with tf.variable_scope(None, getattr(column, '_var_scope_name', column.name)):
                tensor, length = sequence_tensor(column, features, weight_collections, trainable)
            size = column.variable_shape.num_elements()
            tensors.append(tf.reshape(tensor, tf.concat([tf.shape(tensor)[:2], [size]], 0)))
            lengths.append(length)
        equal = [tf.assert_equal(lengths[0], other) for other in lengths[1:]]
        with tf.control_dependencies(equal):
            return tf.concat(tensors, -1), tf.identity(lengths[0])
