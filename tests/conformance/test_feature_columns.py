"""Feature columns."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import batches, column, run, run_config

pytestmark = [pytest.mark.both, pytest.mark.trains]

fc = tf.feature_column


def dense(features, *columns):
    """Returns what the columns make of the features, float32 [examples, width]."""
    return run(fc.input_layer(features, columns))


def shown(column, values):
    """Returns the multi-hot form of a categorical column [examples, categories]."""
    return dense({'f': tf.constant(values)}, fc.indicator_column(column)).tolist()


def test_hash_bucket():
    """A hash bucket depends on the word only, and equals TensorFlow 1's."""
    column = fc.categorical_column_with_hash_bucket('f', 5)
    words = ['red', 'green', 'red', 'blue']
    expected = run(tf.strings.to_hash_bucket_fast(words, 5))
    found = np.argmax(shown(column, [[word] for word in words]), axis=1)
    assert found.tolist() == expected.tolist() == [0, 4, 0, 0]  # by TensorFlow 1.15.5


def test_embedding():
    """embedding_column looks words up in a table, and averages several of them."""
    words = fc.categorical_column_with_vocabulary_list('f', ['a', 'b'])
    table = np.array([[1, 2], [3, 6]], np.float32)
    column = fc.embedding_column(
        words, 2, initializer=lambda shape, dtype, partition_info=None: tf.constant(table)
    )
    assert dense({'f': tf.constant([['a', 'a'], ['a', 'b']])}, column).tolist() == [[1, 2], [2, 4]]


def test_crossed():
    """crossed_column gives each pair of words the bucket that TensorFlow 1 gives it."""
    column = fc.crossed_column(['f', 'g'], 1000)
    features = {'f': tf.constant([['a'], ['a'], ['b']]), 'g': tf.constant([['x'], ['y'], ['x']])}
    buckets = dense(features, fc.indicator_column(column)).argmax(axis=1)
    assert buckets.tolist() == [892, 747, 4]  # by TensorFlow 1.15.5


def test_sequence_columns():
    """sequence_input_layer pads sequences and gives their lengths."""
    words = fc.sequence_categorical_column_with_identity('f', 3)
    column = fc.embedding_column(words, 1, initializer=tf.ones_initializer())
    sparse = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], tf.constant([0, 1, 2], tf.int64), [2, 2])
    values, lengths = run(tf.keras.experimental.SequenceFeatures([column])({'f': sparse}))
    assert values[:, :, 0].tolist() == [[1, 1], [1, 0]]
    assert lengths.tolist() == [2, 1]


@pytest.mark.slow
def test_wide_and_deep(tmp_path):
    """A wide and deep model learns a rule that depends on the cross of two words."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 64))
    features = {'f': np.array(['p', 'q'])[a][:, None], 'g': np.array(['x', 'y'])[b][:, None]}
    labels = (a ^ b).astype(np.int32)
    words = fc.categorical_column_with_vocabulary_list('f', ['p', 'q'])
    model = tf.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=[fc.crossed_column(['f', 'g'], 100)],
        dnn_feature_columns=[fc.embedding_column(words, 2)],
        dnn_hidden_units=[2],
        linear_optimizer=tf.train.FtrlOptimizer(0.5),
        config=run_config(tmp_path),
    )
    model.train(batches(features, labels, 64, epochs=None), steps=30)
    predictions = column(model.predict(batches(features, batch_size=64)), 'class_ids')
    assert predictions[:, 0].tolist() == labels.tolist()
