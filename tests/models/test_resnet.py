import numpy as np
import pytest

from estimator_lab.core.layers.imagenet import less_mean, standardised
from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.models.resnet import MODEL, Network, Params, check, freezable, model_fn
from estimator_lab.tf1 import tf
from tests.models.coloured import red_and_blue

SMALL = {'image_shape': (32, 32, 3), 'vocabulary': tuple('ab'), 'depth': 18, 'filters': 2}


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def noise():
    return Noise(tf.constant([1, 2], tf.int64))


@pytest.mark.parametrize(
    ('depth', 'variant', 'wanted'),
    [  # as published by torchvision and by Keras, which counts another 53,120 moving averages
        (18, 'v1.5', 11_689_512),
        (34, 'v1.5', 21_797_672),
        (50, 'v1.5', 25_557_032),
        (101, 'v1.5', 44_549_160),
        (152, 'v1.5', 60_192_808),
        (50, 'v1', 25_636_712 - 53_120),
        (50, 'slim', 25_557_032),
    ],
)
def test_the_published_number_of_parameters(session, depth, variant, wanted):
    vocabulary = tuple(map(str, range(1000)))
    _, endpoints, _ = Network(Params((32, 32, 3), vocabulary, depth=depth, variant=variant))(
        tf.zeros([1, 224, 224, 3])
    )
    assert sum(v.shape.num_elements() for v in tf.trainable_variables()) == wanted
    sides = [endpoints[name].values.shape.as_list()[1] for name in ('conv1', 'pool1', 'block4_2')]
    assert sides == [112, 56, 7]


def test_variables_have_the_names_of_slim(session):
    Network(Params((32, 32, 3), filters=1, variant='slim'))(tf.zeros([1, 32, 32, 3]))
    names = [v.op.name.removeprefix('resnet_v1_50/') for v in tf.global_variables()]
    norm = [f'BatchNorm/{part}' for part in ('gamma', 'beta', 'moving_mean', 'moving_variance')]
    assert names[:5] == [f'conv1/{part}' for part in ['weights', *norm]]
    assert {
        f'block1/unit_1/bottleneck_v1/{layer}/weights' for layer in ('shortcut', 'conv1', 'conv2', 'conv3')
    } < set(names)
    assert names[-2:] == ['logits/weights', 'logits/biases']


@pytest.mark.parametrize(
    ('variant', 'sides'),
    [  # of the units, for 64 pixels: tf-slim halves them at the end of a block
        ('v1.5', '16 16 16 8 8 8 8 4 4 4 4 4 4 2 2 2'),
        ('v1', '16 16 16 8 8 8 8 4 4 4 4 4 4 2 2 2'),
        ('slim', '16 16 8 8 8 8 4 4 4 4 4 4 2 2 2 2'),
    ],
)
def test_where_the_sides_are_halved(session, variant, sides):
    params = Params((64, 64, 3), depth=50, filters=1, variant=variant)
    _, endpoints, _ = Network(params)(tf.zeros([1, 64, 64, 3]))
    found = [e.values.shape.as_list()[1] for name, e in endpoints.items() if name.startswith('block')]
    assert found == list(map(int, sides.split()))
    operations = tf.get_default_graph().get_operations()
    strided = {
        (op.inputs[1].shape.as_list()[0], op.get_attr('strides')[1])
        for op in operations
        if op.type == 'Conv2D' and 'conv1' not in op.name.split('/')[1] and op.get_attr('strides')[1] == 2
    }
    # In the 3x3 of v1.5 and tf-slim, in the first 1x1 of v1; in those of shortcuts.
    assert strided == {'v1.5': {(3, 2), (1, 2)}, 'v1': {(1, 2)}, 'slim': {(3, 2)}}[variant]


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
    logits, _, updates = Network(Params(**SMALL))(tf.constant(images))
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
    assert np.ptp(wanted) > 0.1 and updates == []


def test_pixels(session):
    grey = np.random.default_rng(0).random((2, 3, 4, 1), np.float32)
    found = session.run([scaled(tf.constant(grey)) for scaled in (less_mean, standardised)])
    same = session.run([scaled(tf.constant(grey.repeat(3, 3))) for scaled in (less_mean, standardised)])
    assert np.array_equal(found, same)
    assert np.allclose(found[0], grey * 255 - [123.68, 116.779, 103.939], atol=1e-4)
    assert np.allclose(found[1][..., 2], (grey[..., 0] - 0.406) / 0.225, atol=1e-5)


def test_frozen_layers_do_not_change(tmp_path):
    frozen = tuple(freezable(Params(**SMALL))[:4])
    assert frozen == ('conv1', 'block1_1', 'block1_2', 'block2_1')
    config = tf.estimator.RunConfig(str(tmp_path), tf_random_seed=1, save_summary_steps=None)
    params = {**SMALL, 'frozen': frozen, 'learning_rate': 0.01}
    model = tf.estimator.Estimator(model_fn, config=config, params=params)
    model.train(red_and_blue(16), max_steps=1)
    before = {name: model.get_variable_value(name) for name in model.get_variable_names()}
    model.train(red_and_blue(16), max_steps=2)
    changed = {name for name in before if not np.array_equal(before[name], model.get_variable_value(name))}
    scopes = tuple(f'resnet_18/{scope}/' for scope in ('conv1', 'block1', 'block2/unit_1'))
    assert not any(name.startswith(scopes) for name in changed)
    parts = ('weights', 'BatchNorm/moving_mean')
    assert {f'resnet_18/block2/unit_2/conv1/{part}' for part in parts} < changed
    assert not any('conv1/weights/Adam' in name and 'block' not in name for name in before), 'it has slots'


def test_the_batchs_statistics_in_training_only(session):
    network = Network(Params(**SMALL, dropout_rate=0.5))
    images = tf.random.stateless_uniform([4, 32, 32, 3], [1, 2])
    quiet, _, none = network(images)
    noisy, _, updates = network(images, noise())
    session.run(tf.global_variables_initializer())
    assert not np.allclose(*session.run([quiet, noisy]))
    assert none == [] and len(updates) == 2 * 20  # 17 convolutions and three shortcuts


@pytest.mark.parametrize(
    ('params', 'words'),
    [
        ({'image_shape': (31, 64, 3)}, '--image_size=31 is too small: the network needs at least 32 pixels'),
        (
            {'variant': 'slim', 'depth': 34},
            '--hparams=variant=slim exists with depth=50, 101, 152, not 34',
        ),
    ],
)
def test_what_cannot_be_built(params, words):
    with pytest.raises(FlagError, match=words):
        check(Params(**params))
    assert MODEL.layered(Params(**SMALL)).smallest == 32
