"""Custom estimators."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, Y, batches, column, line, run_config, slope_estimator, slope_model_fn


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


def test_predict_whole_batches_and_chosen_keys(tmp_path):
    """predict yields whole batches with yield_single_examples=False, and only the predict_keys."""
    model = slope_estimator(tmp_path).train(line(), steps=1)
    whole = list(model.predict(batches({'x': X}, batch_size=3), ['y'], yield_single_examples=False))
    assert [batch['y'].shape for batch in whole] == [(3,), (1,)]
    with pytest.raises(ValueError, match='at least one output'):
        list(model.predict(batches({'x': X}), ['no such key']))


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


def test_keep_checkpoint_max(tmp_path):
    """Checkpoints are saved every save_checkpoints_steps, and the newest keep_checkpoint_max are kept."""
    slope_estimator(tmp_path, save_checkpoints_steps=2, keep_checkpoint_max=2).train(line(), steps=8)
    assert sorted(path.stem for path in tmp_path.glob('*.index')) == ['model.ckpt-6', 'model.ckpt-8']


def test_evaluate_untrained(tmp_path):
    """evaluate without a checkpoint uses the initial weights."""
    found = slope_estimator(tmp_path).evaluate(line(epochs=1))
    assert found['global_step'] == 0
    assert found['loss'] == pytest.approx(np.mean(Y**2))


def test_predict_untrained(tmp_path):
    """predict without a checkpoint uses the initial weights."""
    assert column(slope_estimator(tmp_path).predict(batches({'x': X})), 'y').tolist() == [0, 0, 0, 0]


def test_model_dir(tmp_path):
    """model_dir comes from the argument or the RunConfig, or is temporary; two different ones are
    rejected."""
    by_argument = tf.estimator.Estimator(slope_model_fn, str(tmp_path / 'a'), params={})
    assert by_argument.model_dir == by_argument.config.model_dir == str(tmp_path / 'a')
    assert slope_estimator(tmp_path / 'b').model_dir == str(tmp_path / 'b')
    with pytest.raises(ValueError, match='model_dir'):
        tf.estimator.Estimator(slope_model_fn, str(tmp_path / 'a'), run_config(tmp_path / 'b'))
    first, second = (tf.estimator.Estimator(slope_model_fn, params={}) for _ in range(2))
    assert first.model_dir != second.model_dir


def test_params_are_copied(tmp_path):
    """params are copied on the way in and on the way out."""
    params = {'rate': 0.01}
    model = slope_estimator(tmp_path, params)
    params['rate'] = 1e9
    model.params['rate'] = 1e9
    assert model.params == {'rate': 0.01}
    assert model.train(line(), steps=1).get_variable_value('w') == pytest.approx(0.3)


def test_optional_arguments_of_a_model_fn(tmp_path):
    """A model_fn receives params, config and model_dir if and only if it names them."""
    seen = []

    def model_fn(features, labels, mode, params, config):
        seen.append((params, config.model_dir, mode))
        return slope_model_fn(features, labels, mode, params)

    config = run_config(tmp_path)
    tf.estimator.Estimator(model_fn, config=config, params={'rate': 0.02}).train(line(), steps=1)
    assert seen == [({'rate': 0.02}, str(tmp_path), 'train')]


def test_model_fn_signature():
    """A model_fn without `features`, with an unknown argument, or without the params given is rejected."""
    for model_fn in (lambda labels, mode: None, lambda features, odd: None):
        with pytest.raises(ValueError, match='model_fn'):
            tf.estimator.Estimator(model_fn)
    with pytest.raises(ValueError, match='params'):
        tf.estimator.Estimator(lambda features, labels, mode: None, params={'rate': 1})


def test_labels_for_a_model_fn_that_takes_none():
    """Labels for a model_fn without a `labels` argument are rejected."""

    def model_fn(features, mode):
        raise AssertionError('not called')

    with pytest.raises(ValueError, match='labels'):
        tf.estimator.Estimator(model_fn).train(line(), steps=1)


@pytest.mark.parametrize('result', [None, 'a spec', 0], ids=['None', 'string', 'number'])
def test_model_fn_result(result):
    """A model_fn that returns anything but an EstimatorSpec is rejected."""
    model = tf.estimator.Estimator(lambda features, labels, mode: result)
    with pytest.raises(ValueError, match='EstimatorSpec'):
        model.train(line(), steps=1)


def test_required_fields_of_each_mode():
    """An EstimatorSpec without loss, train_op or predictions where its mode needs them is rejected."""
    for mode, wanting in (('train', 'train_op'), ('eval', 'loss'), ('infer', 'predictions')):
        with pytest.raises(ValueError, match=wanting):
            tf.estimator.EstimatorSpec(mode)
    with pytest.raises(ValueError, match='loss'):
        tf.estimator.EstimatorSpec('train', train_op=tf.no_op())


def test_wrong_input_fn_results(tmp_path):
    """An input_fn that returns a triple is rejected, and so is one with unexpected arguments."""
    model = slope_estimator(tmp_path)
    with pytest.raises(ValueError, match='input_fn should return'):
        model.train(lambda: (tf.constant(X), tf.constant(Y), tf.constant(X)), steps=1)
    with pytest.raises(TypeError):
        model.train(lambda odd: line()(), steps=1)


def test_input_fn_gets_mode_params_and_config(tmp_path):
    """An input_fn receives mode, params and config if it names them."""
    seen = []

    def input_fn(mode, params, config):
        seen.append((mode, params, config.model_dir))
        return line(epochs=1)()

    model = slope_estimator(tmp_path, {'rate': 0.02}).train(input_fn)
    model.evaluate(input_fn)
    assert seen == [(mode, {'rate': 0.02}, str(tmp_path)) for mode in ('train', 'eval')]


def test_metrics_are_of_all_batches(tmp_path):
    """Metrics of evaluate are means over all batches, the loss over batches, and go to eval_NAME."""
    found = slope_estimator(tmp_path).evaluate(batches({'x': X}, Y, batch_size=2), name='other')
    assert found['mae'] == pytest.approx(np.mean(Y))
    assert found['loss'] == pytest.approx(np.mean([np.mean(Y[:2] ** 2), np.mean(Y[2:] ** 2)]))
    assert list((tmp_path / 'eval_other').glob('events.*'))


def test_evaluate_some_steps(tmp_path):
    """evaluate(steps=n) evaluates n batches."""
    found = slope_estimator(tmp_path).evaluate(batches({'x': X}, Y, batch_size=1), steps=2)
    assert found['mae'] == pytest.approx(np.mean(Y[:2]))


def test_a_reserved_metric_name():
    """A metric named global_step is rejected."""

    def model_fn(features, labels, mode):
        tf.train.get_or_create_global_step()
        constant = tf.constant(1.0)
        metrics = {'global_step': tf.metrics.mean(constant)}
        return tf.estimator.EstimatorSpec(
            mode,
            loss=constant,
            train_op=tf.assign_add(tf.train.get_global_step(), 1),
            eval_metric_ops=metrics,
        )

    estimator = tf.estimator.Estimator(model_fn)
    estimator.train(line(epochs=1), max_steps=1)
    with pytest.raises(ValueError, match=r'global_step.*is not allowed'):
        estimator.evaluate(line(epochs=1))


def test_subclasses_may_not_override():
    """A subclass that overrides a method of Estimator is rejected."""

    class Mine(tf.estimator.Estimator):
        def train(self, *args, **kwargs):
            return None

    with pytest.raises(ValueError, match='override'):
        Mine(slope_model_fn)


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
