"""Custom estimators."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, Y, batches, column, line, run_config, slope_estimator, slope_model_fn

pytestmark = [pytest.mark.both, pytest.mark.trains]


def test_one_step_of_gradient_descent(tmp_path):
    """One step of gradient descent gives the slope and the loss of the formula."""
    model = slope_estimator(tmp_path).train(line(), steps=1)
    slope = 0.01 * 30
    assert model.get_variable_value('w') == pytest.approx(slope)
    found = model.evaluate(line(epochs=1))
    assert found['loss'] == pytest.approx((2 - slope) ** 2 * np.mean(X**2))
    assert found['mae'] == pytest.approx((2 - slope) * np.mean(X))
    assert found['global_step'] == 1


def test_predict(tmp_path):
    """predict yields one dictionary for each example, in order, without labels."""
    model = slope_estimator(tmp_path).train(line(), steps=1)
    predictions = list(model.predict(batches({'x': X}, batch_size=3)))
    assert column(predictions, 'y') == pytest.approx(0.3 * X)


def test_steps_and_max_steps(tmp_path):
    """steps counts from the checkpoint, max_steps from the beginning; giving both is rejected."""
    model = slope_estimator(tmp_path)
    model.train(line(), steps=3).train(line(), steps=3)
    assert model.get_variable_value('global_step') == 6
    model.train(line(), max_steps=8)
    assert model.get_variable_value('global_step') == 8
    model.train(line(), max_steps=5)
    assert model.get_variable_value('global_step') == 8
    with pytest.raises(ValueError, match='steps'):
        model.train(line(), steps=1, max_steps=9)


def test_training_ends_with_the_data(tmp_path):
    """Training ends, without an error, when the input ends."""
    model = slope_estimator(tmp_path).train(batches({'x': X}, Y, batch_size=1, epochs=2), steps=100)
    assert model.get_variable_value('global_step') == 8


def test_a_new_estimator_continues_from_the_checkpoint(tmp_path):
    """Another Estimator with the same model_dir continues from its checkpoint."""
    whole = slope_estimator(tmp_path / 'whole').train(line(), steps=4)
    slope_estimator(tmp_path / 'halves').train(line(), steps=2)
    second = slope_estimator(tmp_path / 'halves').train(line(), steps=2)
    assert second.get_variable_value('w') == whole.get_variable_value('w')


def test_variable_names_and_values(tmp_path):
    """get_variable_names and get_variable_value read the latest checkpoint."""
    model = slope_estimator(tmp_path)
    with pytest.raises(ValueError, match='Could not find trained model'):
        model.get_variable_names()
    model.train(line(), steps=1)
    assert model.get_variable_names() == ['global_step', 'w']
    assert model.latest_checkpoint() == str(tmp_path / 'model.ckpt-1')


def test_an_older_checkpoint_by_its_path(tmp_path):
    """evaluate and predict accept an older checkpoint by its path."""
    model = slope_estimator(tmp_path, save_checkpoints_steps=1).train(line(), steps=3)
    first = str(tmp_path / 'model.ckpt-1')
    assert model.evaluate(line(epochs=1), checkpoint_path=first)['global_step'] == 1
    predictions = model.predict(batches({'x': X}), checkpoint_path=first)
    assert column(predictions, 'y') == pytest.approx(0.3 * X)


def test_metrics_are_of_all_batches(tmp_path):
    """Metrics of evaluate are means over all batches, the loss over batches, and go to eval_NAME."""
    found = slope_estimator(tmp_path).evaluate(batches({'x': X}, Y, batch_size=2), name='other')
    assert found['mae'] == pytest.approx(np.mean(Y))
    assert found['loss'] == pytest.approx(np.mean([np.mean(Y[:2] ** 2), np.mean(Y[2:] ** 2)]))
    assert list((tmp_path / 'eval_other').glob('events.*'))


def test_seeds(tmp_path):
    """tf_random_seed controls TF1's initializers."""

    def model_fn(features, labels, mode):
        initial = tf.get_variable('w', [3], initializer=tf.glorot_uniform_initializer())
        loss = tf.reduce_sum(initial)
        return tf.estimator.EstimatorSpec(
            mode, loss=loss, train_op=tf.assign_add(tf.train.get_global_step(), 1)
        )

    def drawn(folder, seed):
        config = run_config(tmp_path / folder, tf_random_seed=seed)
        return tf.estimator.Estimator(model_fn, config=config).train(line(), steps=1).get_variable_value('w')

    assert drawn('a', 1).tolist() == drawn('b', 1).tolist() != drawn('c', 2).tolist()


def test_v1_and_v2_estimators_are_one_family(tmp_path):
    """tf.compat.v1.estimator.Estimator and the v2 Estimator share checkpoints."""
    v2 = tf.compat.v2.estimator.Estimator(slope_model_fn, config=run_config(tmp_path), params={})
    v2.train(line(), steps=2)
    assert isinstance(v2, tf.estimator.Estimator)
    v1 = slope_estimator(tmp_path).train(line(), steps=1)
    assert v1.get_variable_value('global_step') == v2.get_variable_value('global_step') == 3
