"""Inputs."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, Y, batches, column, numeric_x, run_config, slope_estimator

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


def test_numpy_input_fn_epochs_and_shuffling():
    """numpy_input_fn repeats num_epochs times, and keeps features and labels together when it shuffles."""
    found = all_batches(inputs.numpy_input_fn({'x': X}, Y, batch_size=4, num_epochs=3, shuffle=True))
    x = np.concatenate([features['x'] for features, _ in found])
    assert sorted(x) == sorted([*X] * 3)
    assert np.array_equal(np.concatenate([labels for _, labels in found]), 2 * x)


def test_numpy_input_fn_forms():
    """numpy_input_fn accepts an array or a dictionary for x and for y, or no y at all."""
    one = inputs.numpy_input_fn(X, batch_size=4, shuffle=False, num_epochs=1)
    assert np.array_equal(all_batches(one)[0], X)
    many = inputs.numpy_input_fn({'x': X}, {'y': Y, 'z': -Y}, batch_size=4, shuffle=False, num_epochs=1)
    ((features, labels),) = all_batches(many)
    assert np.array_equal(labels['z'], -2 * features['x'])


def test_numpy_input_fn_mistakes():
    """numpy_input_fn reports errors: unequal lengths, missing shuffle, a feature with a label's name."""
    with pytest.raises(ValueError, match=r'[Ll]ength'):
        inputs.numpy_input_fn({'x': X}, Y[:2], shuffle=False)()
    with pytest.raises(ValueError, match='shuffle'):
        inputs.numpy_input_fn({'x': X}, Y, shuffle=None)
    with pytest.raises(TypeError, match='dict'):
        inputs.numpy_input_fn([1, 2], shuffle=False)()


def test_pandas_input_fn():
    """pandas_input_fn gives a DataFrame's numeric columns with their labels."""
    pandas = pytest.importorskip('pandas')
    frame = pandas.DataFrame({'a': X, 'b': -X}, index=range(10, 14))
    labels = pandas.Series(Y, index=range(10, 14))
    fn = inputs.pandas_input_fn(frame, labels, batch_size=4, num_epochs=1, shuffle=False)
    ((features, found),) = all_batches(fn)
    assert set(features) == {'a', 'b'}
    assert np.array_equal(found, 2 * features['a']) and np.array_equal(features['b'], -X)


def test_pandas_input_fn_with_text():
    """pandas_input_fn accepts a column of strings as dtype object."""
    pandas = pytest.importorskip('pandas')
    frame = pandas.DataFrame({'a': pandas.Series(['red', 'blue'], dtype=object)})
    fn = inputs.pandas_input_fn(frame, batch_size=2, num_epochs=1, shuffle=False)
    assert all_batches(fn)[0]['a'].tolist() == [b'red', b'blue']


def test_pandas_input_fn_mistakes():
    """pandas_input_fn rejects labels of another index, and a column that has the labels' name."""
    pandas = pytest.importorskip('pandas')
    frame = pandas.DataFrame({'a': X})
    with pytest.raises(ValueError, match=r'[Ii]nde'):
        inputs.pandas_input_fn(frame, pandas.Series(Y, index=range(1, 5)), shuffle=False)()
    with pytest.raises(ValueError, match='target column'):
        inputs.pandas_input_fn(frame, pandas.Series(Y), shuffle=False, target_column='a')()


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


def constants():
    return {'x': tf.constant(X)}, tf.constant(Y)


@pytest.mark.parametrize('input_fn', [dataset, one_shot, initializable], ids=lambda fn: fn.__name__)
def test_forms_of_tf_data(input_fn, tmp_path):
    """An input_fn returns a Dataset, or the tensors of a one-shot or an initializable iterator."""
    model = slope_estimator(tmp_path).train(input_fn)
    assert model.get_variable_value('global_step') == 1
    assert model.get_variable_value('w') == pytest.approx(0.3)


def test_constants_go_on_for_ever(tmp_path):
    """An input_fn that returns constants gives the same batch until max_steps."""
    assert slope_estimator(tmp_path).train(constants, max_steps=3).get_variable_value('global_step') == 3


def test_from_generator(tmp_path):
    """Dataset.from_generator feeds an Estimator."""

    def input_fn():
        rows = zip(X, Y, strict=True)
        pairs = tf.data.Dataset.from_generator(lambda: rows, (tf.float32, tf.float32), ([], []))
        return pairs.map(lambda x, y: ({'x': x}, y)).batch(4)

    assert slope_estimator(tmp_path).train(input_fn).get_variable_value('w') == pytest.approx(0.3)


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


def test_labels_of_predict_are_dropped(tmp_path):
    """predict accepts an input_fn with labels, and ignores them."""
    found = column(slope_estimator(tmp_path).train(dataset).predict(batches({'x': X}, Y)), 'y')
    assert found == pytest.approx(0.3 * X)
