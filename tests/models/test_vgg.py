import numpy as np
import pytest

from estimator_lab.core.noise import Noise
from estimator_lab.models.vgg import Params, freezable, keras_layout, network
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.trains

SMALL = {'image_shape': (32, 32, 3), 'vocabulary': tuple('ab'), 'depth': 11, 'filters': 4}
SMALL |= {'head': 'pool', 'batch_norm': True}


@pytest.mark.parametrize(
    ('depth', 'scope', 'blocks'), [(11, 'vgg_a', '11222'), (16, 'vgg_16', '22333'), (19, 'vgg_19', '22444')]
)
def test_variables_have_the_names_of_slim(session, depth, scope, blocks):
    dict(network(tf.zeros([1, 32, 32, 3]), Params((32, 32, 3), depth=depth, filters=1, dense_units=2)))
    layers = [f'conv{b}/conv{b}_{n}' for b, count in enumerate(blocks, 1) for n in range(1, int(count) + 1)]
    assert [v.op.name for v in tf.global_variables()] == [
        f'{scope}/{layer}/{part}'
        for layer in [*layers, 'fc6', 'fc7', 'fc8']
        for part in ('weights', 'biases')
    ]


def test_endpoints_of_the_published_size(session):
    layers = dict(network(tf.zeros([1, 224, 224, 3]), Params((224, 224, 3))))
    shapes = {name: tensor.shape.as_list()[1:] for name, tensor in layers.items()}
    assert shapes['conv1_1'] == [224, 224, 64] and shapes['conv5_3'] == [14, 14, 512]
    assert shapes['pool5'] == [7, 7, 512] and shapes['fc6'] == shapes['fc7'] == [4096]
    assert shapes['logits'] == [10] and not tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    (kernel,) = (v for v in tf.global_variables() if v.op.name == 'vgg_16/fc6/weights')
    assert kernel.shape.as_list() == [7, 7, 512, 4096]


def test_convolutions_can_be_built_for_images_of_unknown_size(graph):
    found = []
    unknown = tf.placeholder(tf.float32, [None, None, None, 3])
    layers = network(unknown, Params((32, 32, 3), depth=11, filters=1))
    with pytest.raises(ValueError, match='fc6 needs images of a known size'):
        found.extend(name for name, _ in layers)
    assert found[-1] == 'pool5'


def test_a_larger_image_gives_the_mean_over_its_places(session):
    params = Params((256, 224, 3), depth=11, filters=1, dense_units=2)
    layers = dict(network(tf.random.stateless_uniform([1, 256, 224, 3], [1, 2]), params))
    assert layers['fc7'].shape.as_list() == [1, 2, 1, 2]
    session.run(tf.global_variables_initializer())
    fc7, found, (kernel, bias) = session.run([layers['fc7'], layers['logits'], tf.global_variables()[-2:]])
    assert np.allclose(found, (fc7 @ kernel[0, 0] + bias).mean(axis=(1, 2)), atol=1e-5)


def test_dropout_and_the_batchs_statistics_in_training_only(session):
    images, params = tf.random.stateless_uniform([4, 32, 32, 3], [1, 2]), Params(**SMALL)
    quiet = dict(network(images, params))['logits']
    assert not tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    noisy = dict(network(images, params, Noise(tf.constant([1, 2], tf.int64))))['logits']
    session.run(tf.global_variables_initializer())
    assert not np.allclose(*session.run([quiet, noisy]))
    assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2 * 8
    assert len(tf.trainable_variables()) == 3 * 8 + 2


def test_frozen_layers_have_no_trainable_weights(session):
    params = Params(**SMALL)
    assert freezable(params)[:2] == ['conv1_1', 'conv2_1'] and freezable(params)[-1] == 'conv5_2'
    assert freezable(Params())[-2:] == ['fc6', 'fc7']
    noise = Noise(tf.constant([1, 2], tf.int64))
    dict(network(tf.zeros([4, 32, 32, 3]), Params(**SMALL, frozen=('conv1_1',)), noise))
    assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2 * 7
    assert len(tf.trainable_variables()) == 3 * 7 + 2


def test_the_names_and_shapes_of_keras():
    shapes = {
        'vgg_16/conv1/conv1_1/weights': (3, 3, 3, 64),
        'vgg_16/conv5/conv5_3/biases': (512,),
        'vgg_16/fc6/weights': (7, 7, 512, 4096),
        'vgg_16/fc8/biases': (1000,),
    }
    (layout,) = keras_layout(shapes)
    first, last, dense, bias = layout.sources.values()
    for name in ('block1_conv1/kernel:0', 'model_weights/block1_conv1/block1_conv1/kernel:0'):
        assert first.names.fullmatch(name) and not last.names.fullmatch(name)
    assert last.names.fullmatch('block5_conv3/bias')
    assert bias.names.fullmatch('predictions/predictions/bias:0')
    assert dense.names.fullmatch('fc1/kernel') and dense.shape == (7 * 7 * 512, 4096)
    kernel = np.random.default_rng(0).random((3, 3, 3, 2))
    assert np.array_equal(first.convert(kernel), kernel[:, :, ::-1]), 'blue, green, red'
    assert layout.layers.fullmatch('block6_conv1/kernel:0')
