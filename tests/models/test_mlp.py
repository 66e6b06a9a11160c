import numpy as np
import pytest
from scipy.special import log_softmax

from estimator_lab.core.noise import Noise
from estimator_lab.models.mlp import Params, model_fn, network, virtual_adversarial_loss
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.trains

SHAPE = (4, 4, 1)
SMALL = {'image_shape': SHAPE, 'vocabulary': tuple('ab'), 'layers': '16-8', 'learning_rate': 0.01}


def test_the_network_by_hand(session):
    params = Params(SHAPE, vocabulary=tuple('abc'), layers='5', activation='tanh')
    images = np.random.default_rng(0).random((2, *SHAPE), np.float32)
    layers = dict(network(tf.constant(images), params))
    session.run(tf.global_variables_initializer())
    found, hidden = session.run([layers['logits'], layers['layer_1']])
    kernel, bias, last, last_bias = session.run(tf.trainable_variables())
    wanted = np.tanh(images.reshape(2, 16) @ kernel + bias)
    assert np.allclose(hidden, wanted, atol=1e-6)
    assert np.allclose(found, wanted @ last + last_bias, atol=1e-6)


def test_max_norm_bounds_the_weights_after_each_step(session):
    params = {**SMALL, 'max_norm': 0.5, 'optimizer': 'sgd', 'learning_rate': 1.0, 'dropout_rate': 0.0}
    tf.train.create_global_step()
    features = {'image': tf.ones([2, *SHAPE]), 'weight': tf.ones([2])}
    spec = model_fn(features, tf.constant([0, 1]), tf.estimator.ModeKeys.TRAIN, params)
    kernel = tf.trainable_variables()[0]
    session.run(tf.global_variables_initializer())
    assert np.linalg.norm(session.run(kernel), axis=0).max() > 0.6
    session.run(spec.train_op)
    assert np.linalg.norm(session.run(kernel), axis=0).max() == pytest.approx(0.5, rel=1e-5)


@pytest.mark.slow
def test_virtual_adversarial_training_adds_its_loss_in_training_only():
    def loss(mode, distance):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            tf.train.create_global_step()
            features = {'image': tf.constant(np.random.default_rng(1).random((4, *SHAPE), np.float32))}
            params = {**SMALL, 'virtual_adversarial': distance}
            spec = model_fn(features, tf.constant([0, 1, 0, 1]), mode, params)
            session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            return session.run(spec.loss)

    modes = tf.estimator.ModeKeys
    # At distance 0 nothing changes: the same units are dropped.
    added = [loss(modes.TRAIN, distance) - loss(modes.TRAIN, 0.0) for distance in (1e-5, 0.5, 1.0)]
    assert abs(added[0]) < 1e-5 < added[1] < added[2]
    assert loss(modes.EVAL, 1.0) == loss(modes.EVAL, 0.0)


@pytest.mark.parametrize(('units', 'pixels'), [(0.5, 0.0), (0.0, 0.9), (0.0, 0.0)])
def test_dropout_drops_pixels_or_units(units, pixels, session):
    params = Params(SHAPE, layers='1000', dropout_rate=units, input_dropout_rate=pixels)
    noise = Noise(tf.constant([1, 2], tf.int64))
    noisy, clean = (dict(network(tf.ones([1, *SHAPE]), params, way))['logits'] for way in (noise, None))
    session.run(tf.global_variables_initializer())
    assert np.allclose(*session.run([noisy, clean])) == (units == pixels == 0)


# The loss against NumPy: the worst direction by finite differences, the divergence by its definition.

IMAGES = np.random.default_rng(1).random((3, 2, 2, 1))
KERNEL = np.random.default_rng(2).normal(size=(4, 5))
SEED = (1, 2)


def divergences(images, kernel, moved):
    here, there = (log_softmax(values.reshape(-1, 4) @ kernel, axis=1) for values in (images, moved))
    return (np.exp(here) * (here - there)).sum(axis=1)


def directions(images):
    return images / np.sqrt((images**2).sum(axis=(1, 2, 3), keepdims=True))


def worst_steps(images, kernel, distance):
    """The steps to which finite differences lead from the drawn directions."""
    with tf.Graph().as_default(), tf.Session() as session:
        probe = session.run(Noise(tf.constant(SEED, tf.int64)).normal(tf.constant(images.shape)))
    probe = directions(np.float64(probe))
    steepest = np.empty_like(images)
    for place in np.ndindex(images.shape[1:]):
        shift = np.zeros(images.shape[1:])
        shift[place] = 1e-5
        ahead, behind = (divergences(images, kernel, images + probe + s) for s in (shift, -shift))
        steepest[(slice(None), *place)] = (ahead - behind) / 2e-5
    return distance * directions(steepest)


def computed(weights, distance=0.7, kernel=KERNEL):
    """Returns the loss and its gradient with respect to the kernel."""
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.constant(kernel, tf.float32)
        images = tf.constant(IMAGES, tf.float32)

        def classify(images):
            return tf.reshape(images, [-1, 4]) @ variable

        given = tf.constant(weights, tf.float32), distance, Noise(tf.constant(SEED, tf.int64))
        loss = virtual_adversarial_loss(classify, classify(images), images, *given)
        return session.run([loss, tf.gradients(loss, variable)[0]])


@pytest.mark.parametrize(
    ('weights', 'kept', 'confidence'),
    [(1.0, [0, 1, 2], 1), ([1.0, 1.0, 1.0], [0, 1, 2], 1), ([1, 0, 1], [0, 2], 1), (1.0, [0, 1, 2], 8)],
)
def test_the_loss_is_the_mean_divergence_after_the_worst_steps(weights, kept, confidence):
    kernel = confidence * KERNEL
    assert (log_softmax(IMAGES.reshape(-1, 4) @ kernel, axis=1).max() > -1e-4) == (confidence == 8)
    wanted = divergences(IMAGES, kernel, IMAGES + worst_steps(IMAGES, kernel, 0.7))[kept].mean()
    assert computed(weights, kernel=kernel)[0] == pytest.approx(wanted, rel=1e-4 if confidence == 1 else 1e-3)


def test_the_gradient_takes_the_first_prediction_and_the_step_as_given():
    moved = IMAGES + worst_steps(IMAGES, KERNEL, 0.7)
    here, there = (log_softmax(values.reshape(-1, 4) @ KERNEL, axis=1) for values in (IMAGES, moved))
    # Of the cross-entropy of a softmax with targets p: the inputs times q - p.
    wanted = moved.reshape(3, 4).T @ (np.exp(there) - np.exp(here)) / 3
    np.testing.assert_allclose(computed(1.0)[1], wanted, atol=1e-5)


def test_equal_predictions_everywhere_cost_nothing():
    loss, gradient = computed(1.0, kernel=np.zeros((4, 5)))
    assert loss == 0 and np.abs(gradient).max() < 1e-6
