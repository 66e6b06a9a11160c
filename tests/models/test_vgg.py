import numpy as np
import pytest

from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.models.vgg import Network, Params, check, freezable, model_fn
from estimator_lab.tf1 import tf
from tests.models.coloured import red_and_blue

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


def test_it_learns_with_batch_normalisation(tmp_path):
    config = tf.estimator.RunConfig(str(tmp_path), tf_random_seed=1, save_summary_steps=None)
    model = tf.estimator.Estimator(model_fn, config=config, params={**SMALL, 'learning_rate': 0.01})
    model.train(red_and_blue(8, epochs=15))
    found = model.evaluate(red_and_blue(8))
    assert found['accuracy'] == 1
    assert {'dead_units/conv1_1', 'dead_units/conv5_2'} < set(found)
    assert len(list(model.predict(red_and_blue(8)))) == 32
    mean = model.get_variable_value('vgg_a/conv1/conv1_1/BatchNorm/moving_mean')
    assert np.abs(mean).max() > 0.1


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


@pytest.mark.parametrize(
    ('params', 'words'),
    [
        ({'image_shape': (31, 64, 3)}, '--image_size=31 is too small: 5 poolings by 2 need at least 32'),
        ({'vocabulary': ()}, '--hparams=head=dense needs labels'),
    ],
)
def test_what_cannot_be_built(params, words):
    with pytest.raises(FlagError, match=words):
        check(Params(**params))
    with pytest.raises(FlagError, match='depth=12 is not allowed: layers with weights: 11, 13, 16, 19'):
        model_fn({}, None, 'infer', {'depth': 12})
