import numpy as np
import pytest

from estimator_lab.core.noise import Noise
from estimator_lab.models.published import less_mean, standardised
from estimator_lab.models.resnet import Params, freezable, model_fn, network, torch_layout
from estimator_lab.tf1 import tf
from tests.support.graphs import initialize

pytestmark = pytest.mark.trains

SMALL = {'image_shape': (32, 32, 3), 'vocabulary': tuple('ab'), 'depth': 18, 'filters': 2}


@pytest.mark.parametrize(
    ('depth', 'wanted'),  # as published by torchvision; that of 50 layers is in test_contract.py
    [
        (18, 11_689_512),
        pytest.param(34, 21_797_672, marks=pytest.mark.slow),
        (101, 44_549_160),
        pytest.param(152, 60_192_808, marks=pytest.mark.slow),
    ],
)
def test_the_published_number_of_parameters(session, depth, wanted):
    params = Params((32, 32, 3), tuple(map(str, range(1000))), depth=depth)
    layers = dict(network(tf.zeros([1, 224, 224, 3]), params))
    assert sum(v.shape.num_elements() for v in tf.trainable_variables()) == wanted
    assert [layers[name].shape.as_list()[1] for name in ('conv1', 'pool1', 'block4_2')] == [112, 56, 7]


def test_variables_have_the_names_of_slim(session):
    dict(network(tf.zeros([1, 32, 32, 3]), Params((32, 32, 3), filters=1)))
    names = [v.op.name.removeprefix('resnet_50/') for v in tf.global_variables()]
    norm = [f'BatchNorm/{part}' for part in ('gamma', 'beta', 'moving_mean', 'moving_variance')]
    assert names[:5] == [f'conv1/{part}' for part in ['weights', *norm]]
    layers = ('shortcut', 'conv1', 'conv2', 'conv3')
    assert {f'block1/unit_1/{layer}/weights' for layer in layers} < set(names)
    assert names[-2:] == ['logits/weights', 'logits/biases']


def test_where_the_sides_are_halved(session):
    layers = dict(network(tf.zeros([1, 64, 64, 3]), Params((64, 64, 3), depth=50, filters=1)))
    found = [tensor.shape.as_list()[1] for name, tensor in layers.items() if name.startswith('block')]
    assert found == [16] * 3 + [8] * 4 + [4] * 6 + [2] * 3
    strided = {
        (op.inputs[1].shape.as_list()[0], op.get_attr('strides')[1])
        for op in tf.get_default_graph().get_operations()
        if op.type == 'Conv2D' and 'block' in op.name and op.get_attr('strides')[1] == 2
    }
    assert strided == {(3, 2), (1, 2)}, 'in the 3x3, and in those of shortcuts'


def convolved(images, kernel, stride):
    """Correlates with a kernel, with half of it as a border of zeros, by the definition."""
    size = kernel.shape[0]
    half = size // 2
    padded = np.pad(images, [(0, 0), (half, half), (half, half), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return np.einsum('nhwcij,ijcm->nhwm', windows[:, ::stride, ::stride], kernel)


class ByHand:
    """ResNet-18 in NumPy, from values by the variables' names."""

    def __init__(self, values):
        self._values = values

    def layer(self, images, name, stride=1):
        gamma, beta, mean, variance = (
            self._values[f'resnet_18/{name}/BatchNorm/{part}']
            for part in ('gamma', 'beta', 'moving_mean', 'moving_variance')
        )
        maps = convolved(images, self._values[f'resnet_18/{name}/weights'], stride)
        return (maps - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    def __call__(self, images):
        pixels = (images - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        maps = np.maximum(self.layer(pixels, 'conv1', 2), 0)
        border = np.pad(maps, [(0, 0), (1, 1), (1, 1), (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(border, (3, 3), axis=(1, 2))
        maps = windows[:, ::2, ::2].max(axis=(4, 5))
        for block in (1, 2, 3, 4):
            for unit in (1, 2):
                name, stride = f'block{block}/unit_{unit}', 2 if block > 1 and unit == 1 else 1
                inner = np.maximum(self.layer(maps, f'{name}/conv1', stride), 0)
                inner = self.layer(inner, f'{name}/conv2')
                short = self.layer(maps, f'{name}/shortcut', 2) if stride == 2 else maps
                maps = np.maximum(inner + short, 0)
        return maps.mean(axis=(1, 2)) @ self._values['resnet_18/logits/weights'][0, 0]


def test_the_same_network_in_numpy(session):
    images = np.random.default_rng(0).random((2, 40, 32, 3), np.float32)
    logits = dict(network(tf.constant(images), Params(**SMALL)))['logits']
    variables, rng = tf.global_variables(), np.random.default_rng(1)
    values = {}
    for variable in variables:
        shape = variable.shape.as_list()
        values[variable.op.name] = rng.normal(0, 1, shape) if len(shape) > 1 else rng.uniform(0.5, 1.5, shape)
    values['resnet_18/logits/biases'] = np.zeros(2)
    for variable in variables:
        variable.load(values[variable.op.name], session)
    wanted = ByHand(values)(images.astype(float))
    assert np.allclose(session.run(logits), wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    assert np.ptp(wanted) > 0.1 and not tf.get_collection(tf.GraphKeys.UPDATE_OPS)


def test_pixels(session):
    grey = np.random.default_rng(0).random((2, 3, 4, 1), np.float32)
    found, same = (
        session.run([scaled(tf.constant(images)) for scaled in (less_mean, standardised)])
        for images in (grey, grey.repeat(3, 3))
    )
    assert np.array_equal(found, same)
    assert np.allclose(found[0], grey * 255 - [123.68, 116.779, 103.939], atol=1e-4)
    assert np.allclose(found[1][..., 2], (grey[..., 0] - 0.406) / 0.225, atol=1e-5)


@pytest.mark.slow
def test_frozen_layers_do_not_change(session):
    frozen = tuple(freezable(Params(**SMALL))[:4])
    assert frozen == ('conv1', 'block1_1', 'block1_2', 'block2_1')
    tf.train.create_global_step()
    images = np.random.default_rng(1).random((16, 32, 32, 3), np.float32)
    features = {'image': tf.constant(images), 'key': tf.constant([*'abcdefghijklmnop'])}
    params = {**SMALL, 'frozen': frozen, 'learning_rate': 0.01}
    spec = model_fn(features, tf.constant(np.arange(16) % 2), tf.estimator.ModeKeys.TRAIN, params)
    initialize(session)
    variables = {v.op.name: v for v in tf.global_variables()}
    before = session.run(variables)
    session.run(spec.train_op)
    after = session.run(variables)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    scopes = tuple(f'resnet_18/{scope}/' for scope in ('conv1', 'block1', 'block2/unit_1'))
    assert not any(name.startswith(scopes) for name in changed)
    parts = ('weights', 'BatchNorm/moving_mean')
    assert {f'resnet_18/block2/unit_2/conv1/{part}' for part in parts} < changed
    assert not any('conv1/weights/Adam' in name and 'block' not in name for name in before), 'it has slots'


@pytest.mark.slow
def test_the_batchs_statistics_in_training_only(session):
    images, params = tf.random.stateless_uniform([4, 32, 32, 3], [1, 2]), Params(**SMALL, dropout_rate=0.5)
    quiet = dict(network(images, params))['logits']
    assert not tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    noisy = dict(network(images, params, Noise(tf.constant([1, 2], tf.int64))))['logits']
    session.run(tf.global_variables_initializer())
    assert not np.allclose(*session.run([quiet, noisy]))
    assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2 * 20  # 17 convolutions and three shortcuts


def test_the_names_and_shapes_of_torchvision():
    shapes = {
        'resnet_50/conv1/weights': (7, 7, 3, 64),
        'resnet_50/block2/unit_1/shortcut/BatchNorm/moving_mean': (512,),
        'resnet_50/block2/unit_4/conv3/weights': (1, 1, 128, 512),
        'resnet_50/logits/weights': (1, 1, 2048, 5),
    }
    (layout,) = torch_layout(shapes)
    stem, mean, third, dense = layout.sources.values()
    assert stem.names.fullmatch('conv1.weight') and stem.names.fullmatch('module.conv1.weight')
    assert mean.names.fullmatch('layer2.0.downsample.1.running_mean')
    assert third.names.fullmatch('layer2.3.conv3.weight') and dense.names.fullmatch('fc.weight')
    rng = np.random.default_rng(0)
    kernel, matrix = rng.random((64, 3, 7, 7)), rng.random((5, 2048))
    assert (stem.shape, dense.shape) == (kernel.shape, matrix.shape)
    assert np.array_equal(stem.convert(kernel), kernel.transpose(2, 3, 1, 0))
    assert np.array_equal(dense.convert(matrix), matrix.T[np.newaxis, np.newaxis])
