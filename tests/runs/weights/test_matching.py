import h5py
import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.models.vgg import keras_layout
from estimator_lab.runs.weights.files import open_weight_file
from estimator_lab.runs.weights.layouts import own_names
from estimator_lab.runs.weights.matching import match
from tests.support.weight_files import random_values, write_keras_2, write_slim

pytestmark = pytest.mark.both

SMALL = {'image_shape': (64, 64, 3), 'filters': 2, 'dense_units': 5, 'vocabulary': tuple('abc')}
CONVOLUTIONS = {'image_shape': (64, 64, 3), 'filters': 2, 'head': 'pool', 'vocabulary': ()}
WRITERS = {'slim': write_slim, 'keras_2': write_keras_2}


def matched(path, values, wanted=None):
    """Returns what a file holds for the variables of `wanted`, by default those of `values`."""
    shapes = {name: value.shape for name, value in (wanted or values).items()}
    with open_weight_file(path) as file:
        _, found = match(file, [own_names(shapes), *keras_layout(shapes)], 'this network')
        return found


@pytest.mark.parametrize('params', [SMALL, CONVOLUTIONS, {**CONVOLUTIONS, 'depth': 19}], ids=str)
@pytest.mark.parametrize('name', sorted(WRITERS))
def test_each_layout_gives_the_same_values(tmp_path, name, params):
    values = random_values(**params)
    WRITERS[name](tmp_path / 'file', values)
    read = matched(tmp_path / 'file', values)
    assert list(read) == list(values)
    assert all(np.array_equal(read[variable], values[variable]) for variable in values)


def test_names_of_whole_models(tmp_path):
    values = random_values(**CONVOLUTIONS)
    write_keras_2(tmp_path / 'two', values)
    with h5py.File(tmp_path / 'two') as two, h5py.File(tmp_path / 'whole', 'w') as whole:
        for layer in two:
            for part in ('kernel', 'bias'):
                data = two[f'{layer}/{layer}/{part}:0'][()]
                whole[f'model_weights/vgg16/{layer}/{part}:0'] = data
                whole[f'optimizer_weights/Adam/m/vgg16/{layer}/{part}:0'] = data
    read = matched(tmp_path / 'whole', values)
    assert all(np.array_equal(read[variable], values[variable]) for variable in values)


def test_a_file_without_the_top_lacks_the_last_layers(tmp_path):
    values = random_values(**SMALL)
    write_keras_2(tmp_path / 'file', without('fc')(values))
    with pytest.raises(DataError, match='it lacks vgg_16/fc6/weights, which this network has'):
        matched(tmp_path / 'file', values)


def without(name):
    return lambda values: {n: v for n, v in values.items() if name not in n}


def changed(name, change):
    return lambda values: {n: change(v) if name in n else v for n, v in values.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('write', 'params', 'change', 'words'),
    [
        (write_slim, {'depth': 19}, dict, r"it holds 'global_step', .*, but no vgg_16/conv1/conv1_1/weights"),
        (write_keras_2, {'depth': 19}, dict, r"it holds 'block3_conv4/.*', for which this network has no"),
        (write_keras_2, {'depth': 13}, dict, r'it lacks vgg_16/conv3/conv3_3/weights, but has block5_conv2'),
        (write_slim, {}, without('conv2_1/biases'), 'it lacks vgg_16/conv2/conv2_1/biases'),
        (write_slim, {'filters': 3}, dict, "'vgg_16/conv1/conv1_1/weights' is 3x3x3x3 there and 3x3x3x2 h"),
        (write_keras_2, {}, changed('conv4_2/weights', np.float64), "kernel:0' is of type float64, not"),
        *(
            (
                write_keras_2,
                {},
                changed('conv4_2/biases', lambda v, n=n: v + n),
                'holds values that are not fin',
            )
            for n in (np.nan, np.inf, -np.inf)
        ),
    ],
)
def test_weights_of_another_network_name_the_tensor(tmp_path, write, params, change, words):
    write(tmp_path / 'file', change(random_values(**{**CONVOLUTIONS, **params})))
    with pytest.raises(DataError, match=words):
        matched(tmp_path / 'file', random_values(**CONVOLUTIONS))


def test_the_same_layer_twice(tmp_path):
    values = random_values(**CONVOLUTIONS)
    write_keras_2(tmp_path / 'file', values)
    with h5py.File(tmp_path / 'file', 'a') as file:
        file['other/block1_conv1/kernel:0'] = np.zeros([3, 3, 3, 2], np.float32)
    with pytest.raises(DataError, match=r"'block1_conv1/.*' and 'other/.*' are the same weights twice"):
        matched(tmp_path / 'file', values)
