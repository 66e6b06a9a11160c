"""Imported residual networks compute what the libraries compute that wrote their weights."""

import json
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from estimator_lab.core.model.resnet_layouts import resnet_layouts
from estimator_lab.core.model.weight_layouts import own_names
from estimator_lab.errors import DataError
from estimator_lab.models.registry import find_model
from estimator_lab.models.resnet import Network, Params
from estimator_lab.runs.importing import Import, import_weights
from estimator_lab.runs.model import open_trained
from estimator_lab.runs.weights.checkpoint import write_checkpoint
from estimator_lab.runs.weights.files import open_weight_file
from estimator_lab.runs.weights.matching import match
from estimator_lab.tf1 import tf
from tests.runs.imported import assert_computes

SIDE = 64
SHAPE = (SIDE, SIDE, 3)
CLASSES = 7
LAYERS = {
    'conv1_relu': 'conv1',
    'pool1_pool': 'pool1',
    'conv2_block3_out': 'block1_3',
    'conv3_block1_out': 'block2_1',
    'conv5_block3_out': 'block4_3',
    'avg_pool': 'global_pool',
}


# Run by itself, as Keras needs eager execution to save .keras files.
PROGRAM = """
import os, sys
os.environ['TF_USE_LEGACY_KERAS'] = '1'
import numpy as np
import tensorflow as tf

folder, side, classes, layers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
rng = np.random.default_rng(0)

def randomised(value):
    if value.ndim > 1:
        return rng.normal(0, np.sqrt(2 / np.prod(value.shape[:-1])), value.shape)
    return rng.uniform(0.5, 1.5, value.shape)  # moving averages and others

make = dict(weights=None, input_shape=(side, side, 3), classes=classes)
model = tf.keras.applications.ResNet50(**make)
values = [randomised(value) for value in model.get_weights()]
model.set_weights(values)
model.save_weights(f'{folder}/resnet50.h5')
model.save(f'{folder}/resnet50.keras')
model.save(f'{folder}/whole.h5')
images = np.load(f'{folder}/images.npy')
given = tf.keras.applications.resnet50.preprocess_input(images.copy())
outputs = [model.get_layer(name).output for name in layers]
made = tf.keras.Model(model.input, [*outputs, model.output])(given)
np.savez(f'{folder}/made.npz', *(one.numpy() for one in made))
import keras
if keras.__version__.startswith('3'):
    model = keras.applications.ResNet50(**make)
    model.set_weights(values)
    model.save_weights(f'{folder}/three.weights.h5')
    model.save(f'{folder}/three.keras')
"""


@pytest.fixture(scope='module')
def keras(tmp_path_factory):
    """(folder of Keras' files, images in 0 ... 255, what its layers make of them by our names of them)."""
    folder = tmp_path_factory.mktemp('keras')
    images = np.random.default_rng(1).integers(0, 256, (2, *SHAPE)).astype(np.float32)
    np.save(folder / 'images.npy', images)
    arguments = [str(folder), str(SIDE), str(CLASSES), *LAYERS]
    subprocess.run([sys.executable, '-c', PROGRAM, *arguments], check=True, capture_output=True)
    made = np.load(folder / 'made.npz').values()
    return folder, images, dict(zip([*LAYERS.values(), 'probabilities'], made, strict=True))


def importing(weights, **hparams):
    return Import(weights, find_model('resnet'), hparams, SHAPE)


def test_a_file_of_keras_gives_its_activations(keras, tmp_path):
    folder, images, made = keras
    found = import_weights(importing(folder / 'resnet50.h5', variant='v1'), tmp_path / 'model')
    assert found.labels == tuple('0123456') and found.variables == 320
    assert_computes(tmp_path / 'model', images, made)


def variables_of(**params):
    """Returns the shapes of a network's variables, by name."""
    with tf.Graph().as_default():
        Network(Params(SHAPE, tuple('0123456'), **params))(tf.zeros([1, *SHAPE]))
        return {v.op.name: v.shape.as_list() for v in tf.global_variables()}


def read(path, shapes):
    with open_weight_file(path) as file:
        found = match(file, [own_names(shapes), *resnet_layouts(shapes)])
        return found, dict(found.values(file))


def test_other_files_of_keras_have_the_same_weights(keras):
    folder, _, _ = keras
    shapes = variables_of(variant='v1')
    _, wanted = read(folder / 'resnet50.h5', shapes)
    for name in ('resnet50.keras', 'whole.h5', 'three.weights.h5', 'three.keras'):
        if (folder / name).exists():  # Keras 3 comes with TensorFlow 2.16 and later
            _, found = read(folder / name, shapes)
            assert len(found) == len(shapes) == 320
            assert all(np.array_equal(found[variable], wanted[variable]) for variable in wanted), name
    with pytest.raises(DataError, match=r'the names of Keras, whose network .*: give --hparams=variant=v1\.'):
        read(folder / 'resnet50.h5', variables_of())


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
    header, data = {}, b''
    for name, value in values.items():
        named = in_torch(name)
        if value.ndim == 4:
            value = value[0, 0].T if named == 'fc.weight' else value.transpose(3, 2, 0, 1)
        header[named] = {
            'dtype': 'F32',
            'shape': value.shape,
            'data_offsets': [len(data), len(data) + value.nbytes],
        }
        data += value.tobytes()
    header['bn1.num_batches_tracked'] = {
        'dtype': 'I64',
        'shape': [],
        'data_offsets': [len(data), len(data) + 8],
    }
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + data + bytes(8))


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


def test_a_file_of_torchvision(torch, tmp_path):
    path, values = torch
    found = import_weights(importing(path, depth=18, filters=2), tmp_path / 'model')
    # 7 classes from maps of 16: neither the smaller nor the last side decides
    assert found.labels == tuple('0123456') and found.variables == len(values) == 102
    trained = open_trained(tmp_path / 'model')
    stored = tf.train.load_checkpoint(trained.checkpoint)
    assert all(np.array_equal(stored.get_tensor(name), value) for name, value in values.items())


def test_more_classes_than_maps(tmp_path):
    logits = {'resnet_18/logits/weights': [1, 1, 16, 99], 'resnet_18/logits/biases': [99]}
    shapes = {**variables_of(depth=18, filters=2), **logits}
    write_torch(tmp_path / 'file.safetensors', random_values(shapes))
    found = import_weights(importing(tmp_path / 'file.safetensors', depth=18, filters=2), tmp_path / 'model')
    assert len(found.labels) == 99


@pytest.mark.parametrize(
    ('params', 'words'),
    [
        ({'depth': 18, 'variant': 'v1'}, 'the names of torchvision, whose .* --hparams=variant=v1.5'),
        ({'depth': 34}, r'it lacks resnet_34/block1/unit_3/conv1/weights'),
        ({'depth': 50}, 'it lacks|there and'),
        ({'depth': 18, 'filters': 4}, "'conv1.weight' is 2x3x7x7 there and 4x3x7x7 here"),
    ],
)
def test_a_network_of_torchvision_that_does_not_fit(torch, params, words):
    path, _ = torch
    with pytest.raises(DataError, match=words):
        read(path, variables_of(**{'filters': 2, **params}))


def test_a_checkpoint_of_slim(tmp_path):
    shapes = variables_of(variant='slim', filters=1)
    values = random_values(shapes)
    write_checkpoint(tmp_path / 'resnet.ckpt', {**values, 'resnet_v1_50/mean_rgb': np.zeros(3, np.float32)})
    matched, found = read(tmp_path / 'resnet.ckpt', shapes)
    assert not matched.lacking and all(np.array_equal(found[name], values[name]) for name in values)
    with pytest.raises(DataError, match=r'the names of tf-slim, whose .*: give --hparams=variant=slim'):
        read(tmp_path / 'resnet.ckpt', variables_of(filters=1))


def test_a_zip_file_that_is_no_model_of_keras(tmp_path):
    path = tmp_path / 'model.keras'
    for name, compression, words in [
        ('model.weights.h5', zipfile.ZIP_DEFLATED, 'its model.weights.h5 is compressed'),
        ('archive/data.pkl', zipfile.ZIP_STORED, 'pickle of PyTorch'),
        ('other', zipfile.ZIP_STORED, 'a zip file without a model.weights.h5'),
        ('model.weights.h5', zipfile.ZIP_STORED, 'cannot be used'),
    ]:
        with zipfile.ZipFile(path, 'w', compression) as archive:
            archive.writestr(name, b'text')
        with pytest.raises(DataError, match=words), open_weight_file(path):
            pass
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match='a damaged zip file'), open_weight_file(path):
        pass
