import numpy as np

from estimator_lab.core.layers.discriminator import Discriminator, convolutions, dense_layers
from estimator_lab.core.step.noise import Noise
from estimator_lab.tf1 import tf

IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 6, 6, 1)).astype(np.float32)


def run(fetches):
    with tf.Session() as session:
        tf.set_random_seed(1)
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def test_a_class_adds_the_hidden_values_in_its_direction():
    with tf.Graph().as_default():
        network = Discriminator('d', dense_layers('d', [5], 'none'), classes=2, normalization='none')
        told = network(tf.constant(IMAGES), tf.one_hot([0, 1, 0], 2))
        asked = network(tf.constant(IMAGES))
        neither = network(tf.constant(IMAGES), tf.zeros([3, 2]))
        names = ['logits/kernel', 'projection/kernel']
        kernels = [v for v in tf.trainable_variables() for name in names if v.op.name == f'd/{name}']
        found = run([told.realness, asked.realness, neither.realness, told.hidden, *kernels])
    told, asked, neither, hidden, logits, projection = found
    directions = hidden @ projection
    assert np.allclose(neither, (hidden @ logits)[:, 0], atol=1e-5)
    assert np.allclose(told, neither + directions[[0, 1, 2], [0, 1, 0]], atol=1e-5)
    assert np.allclose(asked, neither + directions.max(1), atol=1e-5)


def test_a_fake_is_one_class_more():
    """Salimans et al. 2016, section 5: its logit is 0: D(x) = Z / (Z + 1), Z the sum of the others."""
    with tf.Graph().as_default():
        network = Discriminator('d', convolutions('d', [2], 4, 'spectral'), classes=4, tells_classes=True)
        said = network(tf.constant(IMAGES))
        realness, classes = run([said.realness, said.classes])
    assert list(said.endpoints) == ['conv_1'] and classes.shape == (3, 4)
    together = np.exp(classes).sum(1)
    assert np.allclose(1 / (1 + np.exp(-realness)), together / (together + 1), atol=1e-5)


def test_noise_is_there_in_training_only():
    with tf.Graph().as_default():
        layers = dense_layers('d', [5], 'weight')
        network = Discriminator(
            'd', layers, normalization='weight', dropout_rate=0.5, noise=0.5, input_noise=0.3
        )
        images = tf.constant(IMAGES)
        seeds = [Noise(tf.constant([1, step], tf.int64)) for step in (1, 1, 2)]
        quiet, again, *noisy = run([network(images, noise=n).realness for n in (None, None, *seeds)])
    assert np.array_equal(quiet, again) and np.array_equal(noisy[0], noisy[1])
    assert not np.allclose(noisy[0], noisy[2]) and not np.allclose(quiet, noisy[0])
