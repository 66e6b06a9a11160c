"""Weights of torchvision's residual networks."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from estimator_lab.base.errors import DataError
from estimator_lab.models.resnet import Params, network, torch_layout
from estimator_lab.runs.importing import import_weights
from estimator_lab.runs.trained import Trained
from estimator_lab.runs.weights.files import open_weight_file
from estimator_lab.runs.weights.layouts import own_names
from estimator_lab.runs.weights.matching import match
from estimator_lab.tf1 import tf

pytestmark = [pytest.mark.both, pytest.mark.trains]

SHAPE = (64, 64, 3)


def imported(weights, model_dir, **hparams):
    return import_weights(weights, model_dir, 'resnet', hparams, SHAPE)


def variables_of(**params):
    """Returns the shapes of a network's variables, by name."""
    with tf.Graph().as_default():
        dict(network(tf.zeros([1, *SHAPE]), Params(SHAPE, tuple('0123456'), **params)))
        return {v.op.name: v.shape.as_list() for v in tf.global_variables()}


def read(path, shapes):
    with open_weight_file(path) as file:
        return match(file, [own_names(shapes), *torch_layout(shapes)], 'this network')


NORM = {'gamma': 'weight', 'beta': 'bias', 'moving_mean': 'running_mean', 'moving_variance': 'running_var'}


def in_torch(name):
    """'resnet_18/block2/unit_1/shortcut/weights' -> 'layer2.0.downsample.0.weight', torchvision's name."""
    _, *scopes, part = name.split('/')
    is_norm = scopes[-1] == 'BatchNorm'
    scopes = scopes[: len(scopes) - is_norm]
    layer = scopes[-1]
    if layer == 'logits':
        return 'fc.weight' if part == 'weights' else 'fc.bias'
    if layer == 'shortcut':
        layer = f'downsample.{1 if is_norm else 0}'
    elif is_norm:
        layer = layer.replace('conv', 'bn')
    unit = ''
    if len(scopes) > 1:
        unit = f'layer{scopes[0][-1]}.{int(scopes[1].removeprefix("unit_")) - 1}.'
    return f'{unit}{layer}.{NORM[part] if is_norm else "weight"}'


def write_torch(path, values):
    """Writes a file as torchvision's users do."""
    tensors = {}
    for name, value in values.items():
        named = in_torch(name)
        if value.ndim == 4:
            value = value[0, 0].T if named == 'fc.weight' else value.transpose(3, 2, 0, 1)
        tensors[named] = np.ascontiguousarray(value)
    save_file({**tensors, 'bn1.num_batches_tracked': np.array(0)}, path)


def random_values(shapes):
    rng = np.random.default_rng(3)
    return {name: rng.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope='module')
def torch(tmp_path_factory):
    """(file of a small ResNet-18, its values by our names)."""
    path = tmp_path_factory.mktemp('torch') / 'resnet18.safetensors'
    values = random_values(variables_of(depth=18, filters=2))
    write_torch(path, values)
    return path, values


@pytest.mark.slow
def test_a_file_of_torchvision(torch, tmp_path):
    path, values = torch
    found = imported(path, tmp_path / 'model', depth=18, filters=2)
    # 7 classes from maps of 16: neither the smaller nor the last side decides
    assert found.labels == tuple('0123456') and found.variables == len(values) == 102
    trained = Trained.open(tmp_path / 'model')
    stored = tf.train.load_checkpoint(trained.checkpoint)
    assert all(np.array_equal(stored.get_tensor(name), value) for name, value in values.items())


# Of `torchvision.models.resnet18().state_dict()`.
PUBLISHED = {
    'conv1.weight': 'conv1/weights',
    'bn1.running_var': 'conv1/BatchNorm/moving_variance',
    'layer1.0.bn2.weight': 'block1/unit_1/conv2/BatchNorm/gamma',
    'layer2.0.downsample.0.weight': 'block2/unit_1/shortcut/weights',
    'layer2.0.downsample.1.bias': 'block2/unit_1/shortcut/BatchNorm/beta',
    'layer3.1.bn1.running_mean': 'block3/unit_2/conv1/BatchNorm/moving_mean',
    'layer4.1.conv2.weight': 'block4/unit_2/conv2/weights',
}


def test_published_names_and_axes(torch):
    """A kernel is [maps, channels, height, width] there and [height, width, channels, maps] here."""
    path, values = torch
    published = load_file(path)
    assert len(published) == 103 and published['fc.bias'].shape == (7,)
    found = read(path, {name: value.shape for name, value in values.items()})[1]
    for name, ours in PUBLISHED.items():
        theirs, value = published[name], found[f'resnet_18/{ours}']
        assert np.array_equal(value, np.moveaxis(theirs, [0, 1], [3, 2]) if theirs.ndim == 4 else theirs)
    assert np.array_equal(found['resnet_18/logits/weights'][0, 0, 5], published['fc.weight'][:, 5])


@pytest.mark.slow
def test_more_classes_than_maps(tmp_path):
    logits = {'resnet_18/logits/weights': [1, 1, 16, 99], 'resnet_18/logits/biases': [99]}
    shapes = {**variables_of(depth=18, filters=2), **logits}
    write_torch(tmp_path / 'file.safetensors', random_values(shapes))
    found = imported(tmp_path / 'file.safetensors', tmp_path / 'model', depth=18, filters=2)
    assert len(found.labels) == 99


@pytest.mark.slow
@pytest.mark.parametrize(
    ('params', 'words'),
    [
        ({'depth': 34}, r'it lacks resnet_34/block1/unit_3/conv1/weights'),
        ({'depth': 50}, "'layer1.0.conv1.weight' is 2x2x3x3 there and 2x2x1x1 here"),
        ({'depth': 18, 'filters': 4}, "'conv1.weight' is 2x3x7x7 there and 4x3x7x7 here"),
    ],
)
def test_a_network_of_torchvision_that_does_not_fit(torch, params, words):
    path, _ = torch
    with pytest.raises(DataError, match=words):
        read(path, variables_of(**{'filters': 2, **params}))
