import json

import numpy as np
import pytest

from estimator_lab.core.noise import Noise
from estimator_lab.models.cnn import Params, model_fn, network
from estimator_lab.tf1 import tf
from tests.support.places import GOLDEN, load_script

pytestmark = [pytest.mark.both, pytest.mark.trains]

FIGURES = json.loads((GOLDEN / 'document_cnn_tf115.json').read_text())
INPUTS = load_script(GOLDEN / 'inputs.py')


def test_the_figures_of_real_tensorflow_1_15(session):
    params = {'optimizer': 'sgd', 'learning_rate': 0.001, 'learning_rate_schedule': 'constant'}
    params |= {'warmup_steps': 0, 'dropout_rate': 0.0}
    tf.train.create_global_step()
    image = tf.constant(INPUTS.image())
    spec = model_fn(image, tf.constant([1]), tf.estimator.ModeKeys.TRAIN, params)
    logits = tf.get_default_graph().get_tensor_by_name('dense_1/BiasAdd:0')
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


def test_dropout_works_in_training_only(session):
    images = np.random.default_rng(0).random((2, 8, 12, 1), np.float32)
    step = tf.placeholder(tf.int64, [])
    params = Params((8, 12, 1), filters=3, dense_units=64)
    train = dict(network(tf.constant(images), params, Noise(tf.stack([1, step]))))['logits']
    layers = dict(network(tf.constant(images), params))
    quiet = layers['logits']
    session.run(tf.global_variables_initializer())
    assert len(tf.trainable_variables()) == 8, 'called twice, it has one set of weights'
    assert list(layers) == ['conv1', 'pool1', 'conv2', 'pool2', 'dense', 'logits']
    first, again, other = (session.run(train, {step: at}) for at in (1, 1, 2))
    assert np.array_equal(first, again), 'the step decides'
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, session.run(quiet, {step: 1}))
