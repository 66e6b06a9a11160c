import numpy as np
import pytest

from estimator_lab.core.step.noise import Noise
from estimator_lab.models.vgg import Network, Params, freezable
from estimator_lab.tf1 import tf

SMALL = {
    'image_shape': (32, 32, 3),
    'vocabulary': tuple('ab'),
    'depth': 11,
    'filters': 4,
    'head': 'pool',
    'batch_norm': True,
}


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def noise():
    return Noise(tf.constant([1, 2], tf.int64))


@pytest.mark.parametrize(
    ('depth', 'scope', 'blocks'), [(11, 'vgg_a', '11222'), (16, 'vgg_16', '22333'), (19, 'vgg_19', '22444')]
)
def test_variables_have_the_names_of_slim(session, depth, scope, blocks):
    Network(Params((32, 32, 3), depth=depth, filters=1, dense_units=2))(tf.zeros([1, 32, 32, 3]))
    layers = [f'conv{b}/conv{b}_{n}' for b, count in enumerate(blocks, 1) for n in range(1, int(count) + 1)]
    assert [v.op.name for v in tf.global_variables()] == [
        f'{scope}/{layer}/{part}'
        for layer in [*layers, 'fc6', 'fc7', 'fc8']
        for part in ('weights', 'biases')
    ]


def test_endpoints_of_the_published_size(session):
    logits, endpoints, updates = Network(Params((224, 224, 3)))(tf.zeros([1, 224, 224, 3]))
    shapes = {name: endpoint.values.shape.as_list()[1:] for name, endpoint in endpoints.items()}
    assert shapes['conv1_1'] == [224, 224, 64] and shapes['conv5_3'] == [14, 14, 512]
    assert shapes['pool5'] == [7, 7, 512] and shapes['fc6'] == shapes['fc7'] == [4096]
    assert logits.shape.as_list() == [1, 10] and updates == []
    assert endpoints['fc6'].kernel.shape.as_list() == [7, 7, 512, 4096]


def test_a_larger_image_gives_the_mean_over_its_places(session):
    params = Params((256, 224, 3), depth=11, filters=1, dense_units=2)
    logits, endpoints, _ = Network(params)(tf.random.stateless_uniform([1, 256, 224, 3], [1, 2]))
    assert endpoints['fc7'].values.shape.as_list() == [1, 2, 1, 2]
    session.run(tf.global_variables_initializer())
    fc7, found, (kernel, bias) = session.run([endpoints['fc7'].values, logits, tf.global_variables()[-2:]])
    assert np.allclose(found, (fc7 @ kernel[0, 0] + bias).mean(axis=(1, 2)), atol=1e-5)


def test_dropout_and_the_batchs_statistics_in_training_only(session):
    network = Network(Params(**SMALL))
    images = tf.random.stateless_uniform([4, 32, 32, 3], [1, 2])
    quiet, _, none = network(images)
    noisy, _, updates = network(images, noise())
    session.run(tf.global_variables_initializer())
    assert not np.allclose(*session.run([quiet, noisy]))
    assert none == [] and len(updates) == 2 * 8
    assert len(tf.trainable_variables()) == 3 * 8 + 2


def test_frozen_layers_have_no_trainable_weights(session):
    params = Params(**SMALL)
    assert freezable(params)[:2] == ['conv1_1', 'conv2_1'] and freezable(params)[-1] == 'conv5_2'
    assert freezable(Params())[-2:] == ['fc6', 'fc7']
    _, _, updates = Network(Params(**SMALL, frozen=('conv1_1',)))(tf.zeros([4, 32, 32, 3]), noise())
    assert len(updates) == 2 * 7
    assert len(tf.trainable_variables()) == 3 * 7 + 2
