"""What TensorFlow removed, and TPUs."""

import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, Y, batches, slope_model_fn, tf2

pytestmark = [pytest.mark.both, pytest.mark.trains]

NATIVE = tf.__version__.startswith('2.15.')


@pytest.mark.parametrize('name', ['BoostedTreesClassifier', 'BoostedTreesRegressor', 'BoostedTreesEstimator'])
def test_boosted_trees(name):
    """Boosted trees are rejected with a message that says since which version they are missing."""
    for api in (tf.estimator, tf2.estimator):
        with pytest.raises(AttributeError) as caught:
            getattr(api, name)
        since = '2.9: 2.8 is the last version that has boosted trees.'
        assert str(caught.value) == f'tf.estimator.{name} was removed in TensorFlow {since}'
        assert getattr(api, name, None) is None
        assert not hasattr(api, name)


def test_a_name_that_never_existed():
    """A name that was never in tf.estimator raises an AttributeError that names it."""
    with pytest.raises(AttributeError, match='NoSuchEstimator'):
        tf.estimator.NoSuchEstimator  # noqa: B018


@pytest.mark.slow
def test_contrib(run_forked):
    """tf.contrib is available if estimator_lab.contrib is imported, and only then."""
    look = "from estimator_lab.tf1 import tf; print(hasattr(tf, 'contrib'))"
    assert run_forked('-c', look).stdout == 'False\n'
    assert run_forked('-c', f'import estimator_lab.contrib; {look}').stdout == 'True\n'


def test_tpu_configuration():
    """tf.estimator.tpu's RunConfig and TPUConfig hold their settings."""
    tpu = tf.estimator.tpu
    config = tpu.RunConfig(tpu_config=tpu.TPUConfig(iterations_per_loop=7, num_shards=2), master='')
    assert config.tpu_config.iterations_per_loop == 7
    assert isinstance(config, tf.estimator.RunConfig)
    with pytest.raises(ValueError, match='num_shards must be positive'):
        tpu.TPUConfig(num_shards=0)


def test_tpu_estimator_without_a_tpu(tmp_path):
    """A TPUEstimator with use_tpu=False trains on the CPU."""

    def model_fn(features, labels, mode, params):
        spec = slope_model_fn(features, labels, mode, {'rate': 0.01})
        return tf.estimator.tpu.TPUEstimatorSpec(mode, loss=spec.loss, train_op=spec.train_op)

    def input_fn(params):
        return batches({'x': X}, Y, params['batch_size'])()

    config = tf.estimator.tpu.RunConfig(model_dir=str(tmp_path), log_step_count_steps=None)
    model = tf.estimator.tpu.TPUEstimator(model_fn, config=config, use_tpu=False, train_batch_size=4)
    model.train(input_fn, steps=1)
    assert model.get_variable_value('w') == pytest.approx(0.3)


def test_tpu_training():
    """TPU-only classes are rejected with a message where TensorFlow has removed them."""
    parameters = tf.tpu.experimental.AdamParameters
    if NATIVE:
        assert parameters(0.1).learning_rate == 0.1
    else:
        with pytest.raises(
            NotImplementedError, match=r'deleted in TensorFlow 2\.16.*needs TensorFlow 2\.15\.$'
        ):
            parameters(0.1)
