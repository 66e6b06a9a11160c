"""Warm start."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import batches, numeric_x, run_config, tf2, two_blobs

WarmStart = tf.estimator.WarmStartSettings
NAMES = ('a/w', 'b/w')


def model_fn(features, labels, mode, params):
    """Two weights that training moves by 1 a step, and a momentum slot for each."""
    weights = [tf.get_variable(name, [], initializer=tf.zeros_initializer()) for name in NAMES]
    loss = -tf.add_n(weights)
    rule = tf.train.MomentumOptimizer(params['rate'], 0.5)
    train_op = rule.minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, {'w': tf.stack(weights)[None]}, loss, train_op)


def estimator(folder, warm_start_from=None, rate=1.0):
    config, params = run_config(folder), {'rate': rate}
    return tf.estimator.Estimator(model_fn, config=config, params=params, warm_start_from=warm_start_from)


def data(epochs=None):
    return batches({'x': np.zeros([1, 1], np.float32)}, np.zeros([1, 1], np.float32), epochs=epochs)


@pytest.fixture(scope='module')
def first(tmp_path_factory):
    """Weights 1, velocity -1, after one step."""
    return estimator(tmp_path_factory.mktemp('first')).train(data(), steps=1).model_dir


def weights_after_no_move(tmp_path, settings):
    model = estimator(tmp_path / 'second', settings, rate=0.0).train(data(), steps=1)
    return [float(model.get_variable_value(name)) for name in NAMES]


def test_all_trainable_variables(first, tmp_path):
    """warm_start_from=FOLDER starts from all trainable weights, at global step 0."""
    model = estimator(tmp_path / 'second', first, rate=0.0).train(data(), steps=1)
    assert [float(model.get_variable_value(name)) for name in NAMES] == [1, 1]
    assert model.get_variable_value('global_step') == 1
    # The slot started anew: one step from 0, not from the first model's -1.
    assert model.get_variable_value('a/w/Momentum') == -1


def test_a_checkpoint_instead_of_a_folder(tmp_path):
    """Warm start accepts the path of one checkpoint."""
    estimator(tmp_path / 'first').train(data(), steps=1).train(data(), steps=1)
    earlier = str(tmp_path / 'first' / 'model.ckpt-1')
    assert weights_after_no_move(tmp_path, WarmStart(earlier)) == [1, 1]


def test_regular_expression(first, tmp_path):
    """vars_to_warm_start is a regular expression of names."""
    assert weights_after_no_move(tmp_path, WarmStart(first, vars_to_warm_start='a/.*')) == [1, 0]


def test_optimizer_slots(first, tmp_path):
    """A list of expressions also warm-starts variables that are not trainable, such as optimizer slots."""
    settings = WarmStart(first, vars_to_warm_start=['a/w'])  # the beginning of both names
    model = estimator(tmp_path / 'second', settings, rate=0.0).train(data(), steps=1)
    assert model.get_variable_value('a/w') == 1
    assert model.get_variable_value('a/w/Momentum') == 0.5 * -1 - 1
    assert model.get_variable_value('b/w/Momentum') == -1


def test_names_that_changed(first, tmp_path):
    """var_name_to_prev_var_name maps names that changed."""
    settings = WarmStart(first, vars_to_warm_start='a/w', var_name_to_prev_var_name={'a/w': 'a/w/Momentum'})
    assert weights_after_no_move(tmp_path, settings) == [-1, 0]


def test_only_the_first_time(first, tmp_path):
    """A model_dir with a checkpoint of its own ignores the warm start."""
    estimator(tmp_path / 'second', rate=0.0).train(data(), steps=1)
    assert weights_after_no_move(tmp_path, first) == [0, 0]


def test_missing_checkpoint(tmp_path):
    """Warm start from a folder without a checkpoint is rejected."""
    with pytest.raises((ValueError, tf.errors.NotFoundError)):
        estimator(tmp_path / 'second', str(tmp_path / 'nothing')).train(data(), steps=1)


@pytest.mark.parametrize('api', [tf.estimator, tf2.estimator], ids=['v1', 'v2'])
def test_canned(api, tmp_path):
    """A canned estimator warm-starts another of the same shape."""
    features, labels = two_blobs(3)
    settings = {'n_classes': 3, 'feature_columns': numeric_x(), 'hidden_units': [4]}
    old = api.DNNClassifier(config=run_config(tmp_path / 'old'), **settings)
    old.train(batches(features, labels, 40), steps=1)
    new = api.DNNClassifier(config=run_config(tmp_path / 'new'), warm_start_from=old.model_dir, **settings)
    new.train(batches(features, labels, 40), max_steps=1)
    # Both have made one step with the optimizer's default rate; only `new` began at old's weights.
    moved = new.get_variable_value('dnn/hiddenlayer_0/kernel') - old.get_variable_value(
        'dnn/hiddenlayer_0/kernel'
    )
    assert 0 < np.abs(moved).max() < 0.06


def test_vocabulary(tmp_path):
    """VocabInfo moves each word's weights to its place in a new vocabulary; new words are initialized."""
    vocabularies = {}
    for name, words in (('old', ['red', 'green']), ('new', ['blue', 'green', 'red'])):
        vocabularies[name] = tmp_path / f'{name}.txt'
        vocabularies[name].write_text('\n'.join(words) + '\n')

    def make(name, **more):
        column = tf.feature_column.categorical_column_with_vocabulary_file('color', str(vocabularies[name]))
        rule = tf.train.GradientDescentOptimizer(0.1 if name == 'old' else 0.0)
        config = run_config(tmp_path / name)
        return column, tf.estimator.LinearRegressor([column], optimizer=rule, config=config, **more)

    words = batches({'color': np.array([['red'], ['green']])}, np.array([[1], [-1]], np.float32))
    _, old = make('old')
    old.train(words)
    column = tf.feature_column.categorical_column_with_vocabulary_file('color', str(vocabularies['new']))
    info = tf.estimator.VocabInfo(
        new_vocab=column.vocabulary_file,
        new_vocab_size=column.vocabulary_size,
        num_oov_buckets=column.num_oov_buckets,
        old_vocab=str(vocabularies['old']),
        old_vocab_size=2,
        backup_initializer=tf.ones_initializer(),
    )
    name = 'linear/linear_model/color/weights'
    settings = WarmStart(old.model_dir, '.*color.*', var_name_to_vocab_info={name: info})
    _, new = make('new', warm_start_from=settings)
    new.train(words)
    assert old.get_variable_value(name)[:, 0] == pytest.approx([0.2, -0.2])
    assert new.get_variable_value(name)[:, 0] == pytest.approx([1, -0.2, 0.2])
