"""The two networks of a GAN, against NumPy and the definitions of their papers."""

import numpy as np
import pytest

from estimator_lab.core.noise import Noise
from estimator_lab.models.gan import model
from estimator_lab.models.gan.networks import (
    AVERAGE,
    GENERATOR,
    discriminator,
    generator,
    power_steps,
    spectral_norm,
)
from estimator_lab.tf1 import tf
from tests.support.differences import assert_gradients

PARAMS = model.Params((9, 8, 1), tuple('abc'), filters='2-3', latent_size=4)
CONDITIONAL = model.Params((9, 8, 1), tuple('abc'), filters='2-3', latent_size=4, conditional=True)
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (5, 9, 8, 1)).astype(np.float32)


def settled(session, steps=60):
    """Initializes the variables, and the discriminator's singular vectors to those of its kernels."""
    session.run(tf.global_variables_initializer())
    moves = power_steps()
    for _ in range(steps):
        session.run(moves)


def values():
    return {v.op.name: v for v in tf.global_variables()}


def test_the_spectral_norm_is_the_first_singular_value(session):
    """A kernel of 3x3x2 pixels and 5 maps counts as a matrix of 18x5 (Miyato et al. 2018, appendix)."""
    with tf.variable_scope('discriminator/x'):
        kernel = tf.get_variable('kernel', [3, 3, 2, 5], initializer=tf.glorot_uniform_initializer())
        divided = spectral_norm(kernel)
    settled(session)
    found, plain = session.run([divided, kernel])
    norm = np.linalg.svd(plain.reshape(18, 5), compute_uv=False)[0]
    assert np.allclose(found, plain / norm, atol=1e-5) and norm != pytest.approx(1, abs=0.05)


def test_the_gradient_passes_through_the_norm(session):
    with tf.variable_scope('discriminator/x'):
        kernel = tf.get_variable('kernel', [2, 3], initializer=tf.glorot_uniform_initializer())
        product = tf.matmul(tf.constant(RNG.normal(size=(4, 2)), tf.float32), spectral_norm(kernel))
    loss = tf.reduce_sum(tf.square(product) * np.arange(3, dtype=np.float32))
    settled(session)  # at the exact singular vectors, their own derivatives have no effect
    assert_gradients(session, loss, [kernel])
    weights, gradient = session.run([kernel, tf.gradients(loss, kernel)[0]])
    # W / |W| does not change with the length of W.
    assert np.sum(gradient * weights) == pytest.approx(0, abs=1e-4)


def test_the_discriminator_by_hand(session):
    layers = dict(discriminator(tf.constant(IMAGES), None, PARAMS))
    assert [*layers] == ['conv_1', 'conv_2', 'hidden', 'realness']
    assert [layer.shape.as_list() for layer in layers.values()] == [
        [5, 5, 4, 2],
        [5, 3, 2, 3],
        [5, 18],
        [5, 1],
    ]
    settled(session)
    found, weights = session.run([layers, values()])
    kernel = weights['discriminator/conv_1/kernel']
    kernel = kernel / np.linalg.svd(kernel.reshape(16, 2), compute_uv=False)[0]
    padded = np.pad(IMAGES[..., 0], [(0, 0), (1, 2), (1, 1)])  # 'SAME' of 9x8 with filters of 4 and stride 2
    windows = np.lib.stride_tricks.sliding_window_view(padded, (4, 4), axis=(1, 2))[:, ::2, ::2]
    first = np.einsum('nyxab,abm->nyxm', windows, kernel[:, :, 0])
    assert np.allclose(found['conv_1'], np.maximum(first, 0.2 * first), atol=1e-4)
    last = weights['discriminator/logits/kernel']
    expected = found['hidden'] @ (last / np.linalg.norm(last)) + weights['discriminator/logits/bias']
    assert np.allclose(found['realness'], expected, atol=1e-4)


def test_a_label_adds_its_projection(session):
    """Without a label, the most real one counts (Miyato and Koyama 2018, eq. 2)."""
    labels = tf.one_hot([0, 1, 2, 1, 0], 3)
    known = dict(discriminator(tf.constant(IMAGES), labels, CONDITIONAL))
    unknown = dict(discriminator(tf.constant(IMAGES), None, CONDITIONAL))
    settled(session)
    hidden, given, best, weights = session.run(
        [known['hidden'], known['realness'], unknown['realness'], values()]
    )
    logit, projection = (weights[f'discriminator/{name}/kernel'] for name in ('logits', 'projection'))
    plain = hidden @ (logit / np.linalg.norm(logit)) + weights['discriminator/logits/bias']
    products = hidden @ (projection / np.linalg.svd(projection, compute_uv=False)[0])
    assert np.allclose(given[:, 0], plain[:, 0] + products[np.arange(5), [0, 1, 2, 1, 0]], atol=1e-4)
    assert np.allclose(best[:, 0], plain[:, 0] + products.max(axis=1), atol=1e-4)


def test_the_generator_uses_the_batch_in_training_and_its_averages_otherwise(session):
    latent = tf.constant(RNG.normal(size=(6, 4)), tf.float32)
    learning = generator(latent, None, PARAMS, GENERATOR, Noise(tf.constant([1, 2], tf.int64)))
    plain = generator(latent, None, PARAMS, GENERATOR)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    assert learning.shape.as_list()[1:] == [9, 8, 1] and len(updates) == 4
    session.run(tf.global_variables_initializer())
    before = session.run([learning, plain])
    assert not np.allclose(*before, atol=0.1) and np.abs(before).max() < 1
    for _ in range(200):
        session.run(updates)
    # The moving variance is the unbiased one, of 36 values here.
    assert np.allclose(session.run(learning), session.run(plain), atol=0.03)


def test_all_calls_share_the_variables_of_their_scope(session):
    latent = tf.zeros([2, 4])
    for _ in range(2):
        for scope in (GENERATOR, AVERAGE):
            generator(latent, tf.one_hot([0, 1], 3), CONDITIONAL, scope)
    of = {
        scope: {v.op.name.partition('/')[2] for v in tf.global_variables(f'{scope}/')}
        for scope in (GENERATOR, AVERAGE)
    }
    assert of[GENERATOR] == of[AVERAGE] and 'transposed_conv_2/bias' in of[AVERAGE]
    assert all(v.op.name.startswith(f'{GENERATOR}/') for v in tf.trainable_variables())


@pytest.mark.parametrize(
    ('side', 'filters'),
    [
        *((8, (128,)), (28, (64, 128)), (32, (64, 128, 256))),
        *((64, (32, 64, 128, 256)), (128, (16, 32, 64, 128, 256))),
    ],
)
def test_filters_by_the_size_of_the_image(side, filters):
    assert model.Params((side, side, 1)).chosen_filters == filters
