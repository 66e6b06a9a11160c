"""Generators and discriminators."""

import numpy as np
import pytest

from estimator_lab.core.adversarial.discriminator import Discriminator, convolutions, dense_layers
from estimator_lab.core.adversarial.generator import deconvolutional_generator, dense_generator
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import tf
from tests.graphs import evaluate

IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 6, 6, 1)).astype(np.float32)


def test_a_class_adds_the_projection_of_the_hidden_values():
    def build():
        network = Discriminator('d', dense_layers('d', [5], 'none'), classes=2, normalization='none')
        given, best, neither = (
            network(tf.constant(IMAGES), classes)
            for classes in (tf.one_hot([0, 1, 0], 2), None, tf.zeros([3, 2]))
        )
        variables = {v.op.name: v for v in tf.trainable_variables()}
        kernels = [variables[f'd/{name}/kernel'] for name in ('logits', 'projection')]
        return given.realness, best.realness, neither.realness, given.hidden, *kernels

    given, best, neither, hidden, logits, projection = evaluate(build)
    directions = hidden @ projection
    assert np.allclose(neither, (hidden @ logits)[:, 0], atol=1e-5)
    assert np.allclose(given, neither + directions[[0, 1, 2], [0, 1, 0]], atol=1e-5)
    assert np.allclose(best, neither + directions.max(1), atol=1e-5)


def test_fake_is_an_additional_class_with_logit_0():
    """Salimans et al. 2016, section 5: D(x) = Z / (Z + 1), with the sum Z over the other classes."""

    def build():
        network = Discriminator('d', convolutions('d', [2], 4, 'spectral'), classes=4, tells_classes=True)
        judged = network(tf.constant(IMAGES))
        assert list(judged.endpoints) == ['conv_1']
        return judged.realness, judged.classes

    realness, classes = evaluate(build)
    together = np.exp(classes).sum(1)
    assert classes.shape == (3, 4)
    assert np.allclose(1 / (1 + np.exp(-realness)), together / (together + 1), atol=1e-5)


def test_a_discriminator_has_noise_in_training_only():
    def build():
        layers = dense_layers('d', [5], 'weight')
        network = Discriminator(
            'd', layers, normalization='weight', dropout_rate=0.5, noise=0.5, input_noise=0.3
        )
        seeds = [Noise(tf.constant([1, step], tf.int64)) for step in (1, 1, 2)]
        return [network(tf.constant(IMAGES), noise=noise).realness for noise in (None, None, *seeds)]

    quiet, again, *noisy = evaluate(build)
    assert np.array_equal(quiet, again) and np.array_equal(noisy[0], noisy[1])
    assert not np.allclose(noisy[0], noisy[2]) and not np.allclose(quiet, noisy[0])


@pytest.mark.parametrize('shape', [(28, 28, 1), (27, 14, 3), (9, 33, 1)])
def test_a_deconvolutional_generator_makes_images_of_any_size(shape):
    def build():
        generator = deconvolutional_generator('g', shape, (3, 4), kernel_size=3)
        made = generator(tf.random.stateless_normal([5, 7], [1, 2]), None, training=True)
        assert len(made.updates) == 4
        names = {v.op.name for v in tf.trainable_variables()}
        assert {'g/dense/kernel', 'g/transposed_conv_1/kernel', 'g/transposed_conv_2/bias'} <= names
        assert 'g/dense/bias' not in names, 'the batch normalisation after it has one'
        return made.images

    images = evaluate(build)
    assert images.shape == (5, *shape) and -1 <= images.min() < images.max() <= 1


def test_the_class_changes_the_image():
    def build():
        generator = dense_generator('g', (4, 4, 1), (6,))
        return generator(tf.ones([2, 3]), tf.one_hot([0, 1], 2), training=False).images

    first, second = evaluate(build)
    assert first.shape == (4, 4, 1) and not np.allclose(first, second)


@pytest.mark.parametrize('normalization', ['weight', 'none'])
def test_weight_normalisation_makes_the_length_of_the_last_weights_irrelevant(normalization):
    """(10 w) / |10 w| = w / |w|."""
    with tf.Graph().as_default(), tf.Session() as session:
        generator = dense_generator('g', (4, 4, 1), (6,), normalization=normalization)
        made = generator(tf.random.stateless_normal([5, 3], [1, 2]), None).images
        (kernel,) = (v for v in tf.global_variables() if v.op.name == 'g/image/kernel')
        session.run(tf.global_variables_initializer())
        before = session.run(made)
        kernel.load(10 * session.run(kernel), session)
        assert np.allclose(before, session.run(made), atol=1e-5) == (normalization == 'weight')
