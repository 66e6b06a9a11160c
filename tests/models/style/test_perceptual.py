import io
import json
import math
import zipfile

import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.models import fixed_network
from estimator_lab.models.fixed_network import FixedNetwork, read_array
from estimator_lab.models.style.perceptual import (
    FILE,
    RANDOM_LAYERS,
    built_in_perceptual_loss,
    load_perceptual_loss,
    pattern,
    random_network,
)
from estimator_lab.tf1 import tf
from tests.support.graphs import evaluate


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp('perceptual_loss') / FILE
    built_in_perceptual_loss(1).save(path)
    return path


def test_a_saved_perceptual_loss_is_loaded_unchanged(saved):
    perceptual_loss, found = built_in_perceptual_loss(1), load_perceptual_loss(saved)
    assert found.content_layer == perceptual_loss.content_layer and found.styles == 1
    assert found.network.model == '' and found.network.channels == 1
    assert list(found.grams) == list(perceptual_loss.grams) == ['conv1', 'conv2', 'conv3', 'conv4']
    for name, values in perceptual_loss.network.weights.items():
        assert np.array_equal(found.network.weights[name], values)
    maps = evaluate(lambda: found.network.perceive(tf.ones([1, 8, 8, 1]), ['conv4']))
    assert maps['conv4'].shape == (1, 1, 1, 128)


def test_the_pattern():
    colour, grey = pattern(3), pattern(1)
    assert colour.shape == (128, 128, 3) and grey.shape == (128, 128, 1)
    assert colour.min() >= 0 and colour.max() <= 1
    assert np.ptp(colour.mean((0, 1))) > 0.05, 'it has colours'


def about(path, **fields):
    with np.load(path) as arrays:
        found = json.loads(arrays['about'].tobytes())
    return np.frombuffer(json.dumps({**found, **fields}).encode(), np.uint8)


def zeros(*shape, kind=np.float32):
    return np.zeros(shape, kind)


KERNEL = {'weights': {'conv1': [3, 3, 1, 8]}}
# Other fields of `about`, other arrays, and words of the sentence.
CASES = {
    'older': ({}, {'about': np.frombuffer(b'{"pictures": "x"}', np.uint8)}, 'it names no model'),
    'model': ({'model': 'nothing'}, {}, 'model=nothing is unknown'),
    'no network': ({'model': 'recursive', 'hparams': {}}, {}, 'has no network'),
    'hparams': ({'model': 'cnn', 'hparams': {'filters': 'x'}}, {}, "filters='x'"),
    'content': ({'content_layer': 'conv9'}, {}, "has no layer 'conv9'"),
    'no layers': ({'style_layers': []}, {}, 'it has no layers'),
    'name': ({'weights': {'other': [3, 3, 1, 32]}}, {}, 'no weights conv1'),
    'values': (KERNEL, {'weights_0': zeros(3, 3, 1, 8)}, 'conv1 is (3, 3, 1, 8), not (3, 3, 1, 32)'),
    'shape': ({}, {'weights_0': zeros(3, 3, 1, 2**8)}, 'its weights_0 is float32'),
    'type': ({}, {'weights_0': zeros(3, 3, 1, 32, kind=np.float64)}, 'its weights_0 is float64'),
    'gram': ({}, {'gram_1': zeros(1, 64, 63)}, 'the Gram matrices of a layer'),
    'styles': ({}, {'gram_1': zeros(2, 64, 64)}, 'the Gram matrices of a layer'),
    'finite': ({}, {'gram_1': zeros(1, 64, 64) + np.nan}, 'some of its numbers are not finite'),
    'infinity': ({'weights': {'conv1': [math.inf, 3]}}, {}, 'Infinity'),
    'pickle': ({}, {'about': np.array({'a': 1}, object)}, ''),
}


@pytest.mark.parametrize(('fields', 'arrays', 'words'), CASES.values(), ids=CASES)
def test_untrusted_files_are_checked(saved, tmp_path, fields, arrays, words):
    with zipfile.ZipFile(saved) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name, array in {**({'about': about(saved, **fields)} if fields else {}), **arrays}.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        files[f'{name}.npy'] = buffer.getvalue()
    with zipfile.ZipFile(tmp_path / FILE, 'w') as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    refused(tmp_path / FILE, words)


def refused(path, words):
    with pytest.raises(DataError, match=r'style\.npz has no usable style: ') as error:
        load_perceptual_loss(path)
    assert words in str(error.value) and '\n' not in str(error.value)


def test_a_file_of_another_format(tmp_path):
    (tmp_path / FILE).write_bytes(b'not a zip file')
    refused(tmp_path / FILE, '')


def test_a_file_of_any_size_is_not_read(tmp_path):
    with (tmp_path / FILE).open('wb') as file:
        file.truncate(3 * 2**29)  # sparse
    refused(tmp_path / FILE, 'it has 1,610,612,736 bytes, 1,073,741,824 are')


def test_weights_that_could_not_be_read_again_are_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(fixed_network, '_MOST_BYTES', 100)
    with pytest.raises(DataError, match='bytes of weights, too many to be kept in'):
        fixed_network.write_network(tmp_path / FILE, random_network(1))
    assert not list(tmp_path.iterdir())


def test_arrays_in_columns_are_read_and_compressed_ones_refused(tmp_path):
    for name, save in (('plain', np.savez), ('compressed', np.savez_compressed)):
        save(tmp_path / f'{name}.npz', a=np.asfortranarray(np.eye(3)[:2]))
    with zipfile.ZipFile(tmp_path / 'plain.npz') as archive:
        assert np.array_equal(read_array(archive, 'a', '<f8', (None, 3)), np.eye(3)[:2])
    refused = pytest.raises(ValueError, match='its a is compressed')
    with zipfile.ZipFile(tmp_path / 'compressed.npz') as archive, refused:
        read_array(archive, 'a', '<f8', (None, 3))


def test_random_filters_against_numpy():
    """The first layer at one pixel; the filters are the same each time."""
    network = random_network(3)
    picture = np.random.default_rng(0).random((1, 5, 6, 3)).astype(np.float32)
    found = evaluate(lambda: network.perceive(tf.constant(picture), list(RANDOM_LAYERS)))
    kernel = network.weights['conv1']
    by_hand = np.maximum(np.tensordot(picture[0, 1:4, 2:5] - 0.5, kernel, 3), 0)
    assert np.allclose(found['conv1'][0, 2, 3], by_hand, atol=1e-5)
    assert found['conv2'].shape == (1, 3, 3, RANDOM_LAYERS['conv2'])
    assert np.array_equal(kernel, random_network(3).weights['conv1'])


def test_weights_are_not_trained_saved_or_constants_of_the_graph(graph):
    network = random_network(1)
    network.perceive(tf.zeros([1, 8, 8, 1]), ['conv4'])
    assert not tf.global_variables() and not tf.trainable_variables()
    assert len(tf.local_variables()) == len(RANDOM_LAYERS)
    assert graph.as_graph_def().ByteSize() < min(w.nbytes for n, w in network.weights.items() if n != 'conv1')


def test_a_trained_network_is_built_again_from_its_weights():
    """The first layer of a cnn by hand, for a grey picture of another size than in training."""
    kernel = np.random.default_rng(0).normal(size=(5, 5, 3, 2)).astype(np.float32)
    bias = np.array([0.5, -0.5], np.float32)
    weights = {'conv2d/kernel': kernel, 'conv2d/bias': bias}
    network = FixedNetwork('cnn', {'filters': 2}, 3, weights)
    picture = np.random.default_rng(1).random((1, 7, 9, 1)).astype(np.float32)
    found = evaluate(lambda: network.perceive(tf.constant(picture), ['conv1']))['conv1']
    patch = picture[0, 1:6, 2:7].repeat(3, 2)
    assert np.allclose(found[0, 3, 4], np.maximum(np.tensordot(patch, kernel, 3) + bias, 0), atol=1e-5)
