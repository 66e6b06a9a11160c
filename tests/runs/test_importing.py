"""A network of imported weights computes what tf.keras.applications.VGG16 computes with the same ones."""

import errno

import h5py
import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError, LabError
from estimator_lab.core.endpoints import published
from estimator_lab.models import vgg
from estimator_lab.runs import importing as runs_importing
from estimator_lab.runs.importing import import_weights
from estimator_lab.runs.trained import Trained
from estimator_lab.runs.weights.files import open_weight_file
from estimator_lab.tf1 import tf
from tests.support.weight_files import random_values, write_keras_2, write_slim

pytestmark = [pytest.mark.both, pytest.mark.trains]

SIDE = 64
SHAPE = (SIDE, SIDE, 3)
CLASSES = 7
SMALL = {'filters': 2, 'dense_units': 5}
LAYERS = {'block1_conv1': 'conv1_1', 'block3_pool': 'pool3', 'block5_pool': 'pool5', 'fc1': 'fc6'}


@pytest.fixture(scope='module')
def keras(tmp_path_factory):
    """(its file with the top, images in 0 ... 255, what its layers make of them by our names of them)."""
    path = tmp_path_factory.mktemp('keras') / 'vgg16.h5'
    images = np.random.default_rng(1).integers(0, 256, (2, *SHAPE)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.keras.backend.set_session(session)
        model = tf.keras.applications.VGG16(weights=None, input_shape=SHAPE, classes=CLASSES)
        session.run(tf.global_variables_initializer())
        model.save_weights(str(path))
        outputs = {ours: model.get_layer(theirs).output for theirs, ours in LAYERS.items()}
        outputs['probabilities'] = model.output
        given = tf.keras.applications.vgg16.preprocess_input(images.copy())
        made = session.run(outputs, {model.input: given})
    tf.keras.backend.clear_session()
    return path, images, made


def imported(weights, model_dir, **changes):
    given = {'model_name': 'vgg', 'hparams': {}, 'image_shape': SHAPE, **changes}
    return import_weights(weights, model_dir, **given)


def assert_computes(model_dir, images, wanted):
    """Asserts that endpoints and predictions, by name, are the wanted values to 1e-5 of their scale."""
    trained = Trained.open(model_dir)
    with tf.Graph().as_default() as graph:
        predictions = trained.predictions({'image': tf.constant(images / np.float32(255))}).predictions
        made = published(graph)
        with trained.session() as session:
            found = session.run({**made, **predictions})
    for name, values in wanted.items():
        scale = max(np.abs(values).max(), 1)
        assert np.allclose(found[name].reshape(values.shape) / scale, values / scale, atol=1e-5), name
        assert np.ptp(values) > 1e-3, 'all alike would prove nothing'


@pytest.mark.slow
def test_keras_2_with_the_top(keras, tmp_path):
    path, images, made = keras
    found = imported(path, tmp_path / 'vgg')
    assert found.variables == 32 and found.labels == tuple('0123456')
    assert_computes(tmp_path / 'vgg', images, made)


@pytest.mark.slow
def test_convolutions_alone_by_the_names_of_slim(keras, tmp_path):
    path, images, made = keras
    with open_weight_file(path) as file:
        values = dict(_by_slims_names(file))
    write_slim(tmp_path / 'file', values)
    found = imported(tmp_path / 'file', tmp_path / 'vgg', hparams={'head': 'pool'})
    assert found.labels == () and found.variables == 26
    assert_computes(tmp_path / 'vgg', images, {name: made[name] for name in ('conv1_1', 'pool3', 'pool5')})


def _by_slims_names(file):
    """Yields the convolutions of Keras' file, turned round by hand."""
    for tensor in file.tensors:
        layer, *_, part = tensor.split('/')
        if layer.startswith('block'):
            block, number = layer.removeprefix('block').split('_conv')
            value = file.read(tensor)
            if layer == 'block1_conv1' and value.ndim == 4:
                value = np.stack([value[:, :, 2], value[:, :, 1], value[:, :, 0]], axis=2)
            kind = {'kernel:0': 'weights', 'bias:0': 'biases'}[part]
            yield f'vgg_16/conv{block}/conv{block}_{number}/{kind}', value


def small_file(tmp_path, write=write_keras_2, **params):
    path = tmp_path / 'small.h5'
    write(path, random_values(**{'image_shape': SHAPE, 'vocabulary': tuple('abc'), **SMALL, **params}))
    return path


@pytest.mark.slow
def test_names_of_the_classes(tmp_path):
    names = tmp_path / 'names.txt'
    names.write_text('cat\ndog\neel\n')
    path, given = small_file(tmp_path), {'hparams': SMALL, 'vocabulary': names}
    assert imported(path, tmp_path / 'vgg', **given).labels == ('cat', 'dog', 'eel')
    trained = Trained.open(tmp_path / 'vgg')
    assert trained.step == 0 and trained.record.vocabulary == ('cat', 'dog', 'eel')
    assert trained.params.dense_units == 5
    (tmp_path / 'without').mkdir()
    without = small_file(tmp_path / 'without', head='pool', vocabulary=())
    with pytest.raises(DataError, match=rf'it has no classes for vocabulary={names} to name'):
        imported(without, tmp_path / 'none', hparams={**SMALL, 'head': 'pool'}, vocabulary=names)
    names.write_text('cat\ndog\n')
    with pytest.raises(DataError, match=r'names.txt names 2 classes, but \S+small.h5 has 3\.'):
        imported(path, tmp_path / 'other', **given)


def test_a_checkpoint_of_another_model(cnn_dir, tmp_path):
    hparams = {'filters': 2, 'dense_units': 8}
    made = import_weights(cnn_dir / 'model.ckpt-3', tmp_path / 'cnn', 'cnn', hparams, (8, 8, 1))
    assert len(made.labels) == 4
    old, new = Trained.open(cnn_dir), Trained.open(tmp_path / 'cnn')
    for name in ('conv2d/kernel', 'dense_1/bias'):
        assert np.array_equal(*(one.estimator.get_variable_value(name) for one in (old, new)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('written', 'changes', 'error', 'words'),
    [
        ({}, {'hparams': {}}, DataError, "'block1_conv1/.*' is 3x3x3x2 there and 3x3x3x64 here"),
        ({}, {'image_shape': (32, 32, 3)}, DataError, "'fc1/fc1/kernel:0' is 64x5 there and 16x5 here"),
        ({'head': 'pool', 'vocabulary': ()}, {}, FlagError, 'has no classes: head=dense needs labels'),
        ({}, {'image_shape': (16, 16, 3)}, FlagError, '^image_size=16 is too small: five poolings by 2 need'),
        ({'vocabulary': ('a',)}, {}, DataError, 'it has 1 classes, 2 to 100,000 are possible'),
        ({}, {'model_name': 'cnn', 'hparams': {}}, DataError, 'holds no weights of model=cnn: name an'),
    ],
)
def test_the_wrong_file(tmp_path, written, changes, error, words):
    path = small_file(tmp_path, **written)
    with pytest.raises(error, match=words):
        imported(path, tmp_path / 'vgg', **{'hparams': SMALL, **changes})
    assert not (tmp_path / 'vgg').exists()


def test_a_setting_that_the_classes_do_not_suit(tmp_path, monkeypatch):
    def check(params):
        if params.num_classes == 5:
            raise FlagError('five are too many.')

    path = small_file(tmp_path, vocabulary=tuple('abcde'))
    monkeypatch.setattr(vgg.Params, 'check', check)
    with pytest.raises(FlagError, match=r'^five are too many\.$'):
        imported(path, tmp_path / 'vgg', hparams=SMALL)


def test_an_incomplete_top(tmp_path):
    path = small_file(tmp_path)
    with h5py.File(path, 'a') as file:
        del file['fc2/fc2/bias:0']
    with pytest.raises(DataError, match='it lacks vgg_16/fc7/biases, but has predictions'):
        imported(path, tmp_path / 'vgg', hparams=SMALL)


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / 'vgg').mkdir()
    (tmp_path / 'vgg' / 'checkpoint').write_text('of another model')
    with pytest.raises(FlagError, match='is not empty: name a new folder'):
        imported(small_file(tmp_path), tmp_path / 'vgg', hparams=SMALL)
    (left,) = (tmp_path / 'vgg').iterdir()
    assert left.read_text() == 'of another model'


def test_a_failure_leaves_the_folder_empty(tmp_path, monkeypatch):
    def fail(folder, record):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(runs_importing, 'write_record', fail)
    path = small_file(tmp_path)
    with pytest.raises(LabError, match='vgg cannot be written: No space left'):
        imported(path, tmp_path / 'vgg', hparams=SMALL)
    monkeypatch.undo()
    assert imported(path, tmp_path / 'vgg', hparams=SMALL).variables == 32
