"""Inputs."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, Y, column, numeric_x, run_config, slope_estimator

pytestmark = [pytest.mark.both, pytest.mark.trains]

inputs = tf.estimator.inputs


def all_batches(input_fn):
    """Runs an input_fn of queues or tensors to its end."""
    with tf.Graph().as_default():
        tensors = input_fn()
        found = []
        with tf.train.MonitoredSession() as session:
            while not session.should_stop():
                found.append(session.run(tensors))
        return found


def test_numpy_input_fn():
    """numpy_input_fn gives batches in order; the last one is smaller."""
    found = all_batches(inputs.numpy_input_fn({'x': X}, Y, batch_size=3, num_epochs=1, shuffle=False))
    assert [features['x'].tolist() for features, _ in found] == [[1, 2, 3], [4]]
    assert [labels.tolist() for _, labels in found] == [[2, 4, 6], [8]]


def test_pandas_input_fn():
    """pandas_input_fn gives a DataFrame's numeric columns with their labels."""
    pandas = pytest.importorskip('pandas')
    frame = pandas.DataFrame({'a': X, 'b': -X}, index=range(10, 14))
    labels = pandas.Series(Y, index=range(10, 14))
    fn = inputs.pandas_input_fn(frame, labels, batch_size=4, num_epochs=1, shuffle=False)
    ((features, found),) = all_batches(fn)
    assert set(features) == {'a', 'b'}
    assert np.array_equal(found, 2 * features['a']) and np.array_equal(features['b'], -X)


def test_pandas_trains_a_canned_estimator(tmp_path):
    """A canned estimator trains on a DataFrame."""
    pandas = pytest.importorskip('pandas')
    frame, labels = pandas.DataFrame({'x': X}), pandas.Series(Y)
    model = tf.estimator.LinearRegressor(numeric_x(1), config=run_config(tmp_path))
    model.train(inputs.pandas_input_fn(frame, labels, batch_size=4, num_epochs=200, shuffle=True))
    found = model.evaluate(inputs.pandas_input_fn(frame, labels, num_epochs=1, shuffle=False))
    assert found['average_loss'] < 0.5


def dataset():
    return tf.data.Dataset.from_tensor_slices(({'x': X}, Y)).batch(4)


def one_shot():
    return dataset().make_one_shot_iterator().get_next()


def initializable():
    iterator = dataset().make_initializable_iterator()
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


@pytest.mark.parametrize('input_fn', [dataset, one_shot, initializable], ids=lambda fn: fn.__name__)
def test_forms_of_tf_data(input_fn, tmp_path):
    """An input_fn returns a Dataset, or the tensors of a one-shot or an initializable iterator."""
    model = slope_estimator(tmp_path).train(input_fn)
    assert model.get_variable_value('global_step') == 1
    assert model.get_variable_value('w') == pytest.approx(0.3)


def test_tables_in_an_input_fn():
    """A lookup table in an input_fn's Dataset is initialised."""

    def input_fn():
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(['a', 'b'], [7, 8]), -1)
        return tf.data.Dataset.from_tensors(['b', 'a', 'c']).map(lambda words: {'ids': table.lookup(words)})

    def model_fn(features, labels, mode):
        return tf.estimator.EstimatorSpec(mode, {'ids': features['ids']})

    found = tf.estimator.Estimator(model_fn, config=run_config()).predict(input_fn)
    assert column(found, 'ids').tolist() == [8, 7, -1]


def test_sparse_features():
    """Sparse features reach the model_fn as sparse tensors."""

    def input_fn():
        rows = tf.data.Dataset.from_tensor_slices(np.eye(3, dtype=np.float32))
        return rows.batch(3).map(lambda dense: {'x': tf.sparse.from_dense(dense)})

    def model_fn(features, labels, mode):
        assert isinstance(features['x'], tf.SparseTensor)
        return tf.estimator.EstimatorSpec(mode, {'sum': tf.sparse.reduce_sum(features['x'], 1)})

    found = tf.estimator.Estimator(model_fn, config=run_config()).predict(input_fn)
    assert column(found, 'sum').tolist() == [1, 1, 1]
