import json

import numpy as np
import pytest

from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.models.cnn import Network, Params, check, model_fn
from estimator_lab.tf1 import tf
from tests.places import GOLDEN, load_script

FIGURES = json.loads((GOLDEN / 'document_cnn_tf115.json').read_text())
INPUTS = load_script(GOLDEN / 'inputs.py')
SMALL = {'image_shape': (8, 12, 1), 'vocabulary': tuple('abcdefg'), 'dense_units': 5, 'filters': 3}


def test_the_figures_of_real_tensorflow_1_15():
    params = {'optimizer': 'sgd', 'learning_rate': 0.001, 'learning_rate_schedule': 'constant'}
    params |= {'warmup_steps': 0, 'dropout_rate': 0.0}
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        image = tf.constant(INPUTS.image())
        spec = model_fn(image, tf.constant([1]), tf.estimator.ModeKeys.TRAIN, params)
        logits = tf.get_default_graph().get_tensor_by_name('logits/dense/BiasAdd:0')
        session.run(tf.global_variables_initializer())
        trained = tf.trainable_variables()
        for variable in trained:
            variable.load(INPUTS.weights(variable.op.name, variable.shape.as_list()), session)
        variables = [[v.op.name, v.shape.as_list(), v.dtype.base_dtype.name] for v in trained]
        assert variables == FIGURES['variables']
        assert [v.op.name for v in tf.global_variables()] == FIGURES['global_variables']
        assert np.allclose(session.run(logits), FIGURES['logits'], atol=1e-5)
        losses = [session.run([spec.loss, spec.train_op])[0] for _ in range(5)]
        assert np.allclose(losses, FIGURES['losses'], atol=1e-5)
        assert np.allclose(session.run(logits), FIGURES['logits_after_5'], atol=1e-5)


def arrays(with_labels=True, epochs=1):
    images = np.random.default_rng(1).random((6, 8, 12, 1), np.float32)
    features = {'image': images, 'key': np.array([f'k{n}' for n in range(6)])}
    labels = np.arange(6) if with_labels else None
    return tf.estimator.inputs.numpy_input_fn(features, labels, 4, epochs, shuffle=False)


def test_train_eval_predict(tmp_path):
    params = {**SMALL, 'dropout_rate': 0.0, 'learning_rate': 0.01, 'dense_units': 32}
    model = tf.estimator.Estimator(model_fn, str(tmp_path), params=params).train(arrays(epochs=100))
    metrics = model.evaluate(arrays())
    assert metrics['accuracy'] == 1.0
    assert set(metrics) == {
        *('accuracy', 'mean_per_class_accuracy', 'top_5_accuracy', 'unknown_labels', 'total_examples'),
        *(f'dead_units/{layer}' for layer in ('conv1', 'conv2', 'dense')),
        *('loss', 'global_step'),
    }
    predictions = list(model.predict(arrays(with_labels=False)))
    assert [p['labels'].decode() for p in predictions] == list('abcdef')
    assert [p['key'].decode() for p in predictions] == [f'k{n}' for n in range(6)]


def test_dropout_works_in_training_only():
    images = np.random.default_rng(0).random((2, 8, 12, 1), np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        network = Network(Params((8, 12, 1), filters=3, dense_units=64))
        train, _ = network(tf.constant(images), Noise(tf.stack([1, step])))
        quiet, endpoints = network(tf.constant(images))
        session.run(tf.global_variables_initializer())
        assert len(tf.trainable_variables()) == 8, 'called twice, it has one set of weights'
        assert list(endpoints) == ['conv1', 'pool1', 'conv2', 'pool2', 'dense']
        first, again, other = (session.run(train, {step: at}) for at in (1, 1, 2))
        assert np.array_equal(first, again), 'the step decides'
        assert not np.array_equal(first, other)
        assert not np.array_equal(first, session.run(quiet, {step: 1}))


@pytest.mark.parametrize('side', [1, 3])
def test_images_too_small_for_two_poolings(side):
    with pytest.raises(FlagError, match=f'--image_size={side} is too small: 2 poolings'):
        check(Params(image_shape=(side, side, 1)))
    check(Params(image_shape=(4, 4, 1)))


def test_one_seed_decides_weights_and_dropout(tmp_path):
    def trained(folder, seed):
        config = tf.estimator.RunConfig(tf_random_seed=seed, save_summary_steps=None)
        model = tf.estimator.Estimator(model_fn, str(tmp_path / folder), config, SMALL)
        model.train(arrays(epochs=3))
        return model.get_variable_value('dense/kernel')

    first = trained('a', 1)
    assert np.array_equal(first, trained('b', 1))
    assert not np.array_equal(first, trained('c', 2))
