import numpy as np
import pytest

from estimator_lab.core.layers.generator import DeconvolutionalGenerator, DenseGenerator
from estimator_lab.tf1 import tf


@pytest.mark.parametrize('shape', [(28, 28, 1), (27, 14, 3), (9, 33, 1)])
def test_images_of_any_size(shape):
    with tf.Graph().as_default(), tf.Session() as session:
        generator = DeconvolutionalGenerator('g', shape, (3, 4), kernel_size=3)
        made = generator(tf.random.stateless_normal([5, 7], [1, 2]), None, training=True)
        session.run(tf.global_variables_initializer())
        images = session.run(made.images)
        assert images.shape == (5, *shape)
        assert -1 <= images.min() < images.max() <= 1
        assert len(made.updates) == 4
        names = {v.op.name for v in tf.trainable_variables()}
    assert {'g/dense/kernel', 'g/transposed_conv_1/kernel', 'g/transposed_conv_2/bias'} <= names
    assert 'g/dense/bias' not in names, 'the normalisation behind it has one'


def test_the_class_changes_the_image():
    with tf.Graph().as_default(), tf.Session() as session:
        generator = DenseGenerator('g', (4, 4, 1), (6,))
        latent = tf.ones([2, 3])
        made = generator(latent, tf.one_hot([0, 1], 2), training=False).images
        session.run(tf.global_variables_initializer())
        first, second = session.run(made)
    assert first.shape == (4, 4, 1) and not np.allclose(first, second)


@pytest.mark.parametrize('normalization', ['weight', 'none'])
def test_how_long_the_weights_of_a_pixel_are_counts_only_where_nothing_holds_them_back(normalization):
    """(10 w) / |10 w| = w / |w|."""
    with tf.Graph().as_default(), tf.Session() as session:
        generator = DenseGenerator('g', (4, 4, 1), (6,), normalization=normalization)
        made = generator(tf.random.stateless_normal([5, 3], [1, 2]), None).images
        (kernel,) = (v for v in tf.global_variables() if v.op.name == 'g/image/kernel')
        session.run(tf.global_variables_initializer())
        before = session.run(made)
        kernel.load(10 * session.run(kernel), session)
        assert np.allclose(before, session.run(made), atol=1e-5) == (normalization == 'weight')
