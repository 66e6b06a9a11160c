"""What weight normalization takes from the first batch (Salimans and Kingma 2016, section 3)."""

import numpy as np

from estimator_lab.core.layers.discriminator import Discriminator, convolutions, dense_layers
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import tf

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (50, 6, 6, 1)).astype(np.float32) - 0.7
OTHERS = RNG.uniform(-1, 1, (50, 6, 6, 1)).astype(np.float32)


def network_of(hidden):
    return Discriminator('d', hidden, normalization='weight', noise=0.5, input_noise=0.3)


def noise():
    return Noise(tf.constant([1, 2], tf.int64))


def test_the_first_batch_gives_each_unit_mean_0_and_deviation_1():
    """Arithmetic of the first layer: (w.x / |w|) without noise, over its own mean and deviation."""
    network = Discriminator('d', dense_layers('d', [5, 4], 'weight'), normalization='weight')
    with tf.Graph().as_default(), tf.Session() as session:
        network(tf.constant(IMAGES))
        take = network.take_scales(tf.constant(IMAGES), noise())
        session.run(tf.global_variables_initializer())
        session.run(take)
        found = {v.op.name: value for v in tf.global_variables() for value in [session.run(v)]}
    values = IMAGES.reshape(50, -1)
    for name in ('layer_1', 'layer_2'):
        kernel = found[f'd/{name}/kernel']
        product = values @ (kernel / np.linalg.norm(kernel, axis=0))
        assert np.allclose(found[f'd/{name}/scale'], 1 / product.std(0), rtol=1e-3)
        assert np.allclose(found[f'd/{name}/bias'], -product.mean(0) / product.std(0), atol=1e-3)
        said = product * found[f'd/{name}/scale'] + found[f'd/{name}/bias']
        assert np.allclose(said.mean(0), 0, atol=1e-3) and np.allclose(said.std(0), 1, atol=1e-3)
        values = np.maximum(said, 0)


def test_later_batches_change_nothing():
    network = network_of(convolutions('d', [3, 2], 4, 'weight'))
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 6, 6, 1])
        network(images)
        take = network.take_scales(images, noise())
        scales = [v for v in tf.global_variables() if v.op.name.endswith('/scale')]
        session.run(tf.global_variables_initializer())
        found = []
        for batch in (IMAGES, OTHERS):
            session.run(take, {images: batch})
            found.append(session.run(scales))
    assert len(scales) == 2 and not any(v in tf.trainable_variables() for v in scales)
    for first, second in zip(*found, strict=True):
        assert np.array_equal(first, second) and np.isfinite(first).all() and not np.allclose(first, 1)


def test_a_blank_batch_leaves_the_scales_to_the_next_one():
    network = network_of(dense_layers('d', [5], 'weight'))
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 6, 6, 1])
        network(images)
        take = network.take_scales(images, noise())
        scale, bias = (
            v for v in tf.global_variables() for n in ('scale', 'bias') if v.op.name == f'd/layer_1/{n}'
        )
        session.run(tf.global_variables_initializer())
        session.run(take, {images: IMAGES[:1]})  # one image has no deviation
        blank = session.run([scale, bias])
        session.run(take, {images: IMAGES})
        assert not np.allclose(session.run(scale), 1)
    assert sorted(value.mean() for value in blank) == [0, 1]


def test_no_other_normalization_takes_scales():
    for normalization in ('spectral', 'none'):
        assert not Discriminator(
            'd', dense_layers('d', [5], normalization), normalization=normalization
        ).takes_scales
