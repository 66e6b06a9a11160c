"""Images in memory are examples like those of an archive."""

import io

import numpy as np
import pytest
from PIL import Image

from estimator_lab import api
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.archives import open_archives
from estimator_lab.data.arrays import array_source, is_array
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.order import WorkerShard

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (12, 4, 5, 3)).astype(np.uint8)
Y = np.arange(12) % 3


def opened(data):
    return open_archives([array_source(data)], IMAGES)


def pixels(member):
    return np.asarray(Image.open(io.BytesIO(member.read().data)))


def test_each_image_is_a_member_with_its_pixels_and_its_label():
    archives = opened((X, Y))
    members = list(archives.order().epoch(0))
    assert [member.label for member in members] == [str(label) for label in Y]
    assert archives.labels == ('0', '1', '2') and archives.total == 12
    np.testing.assert_array_equal([pixels(member) for member in members], X)


def test_floats_are_shares_of_white():
    (member,) = opened(np.array([0.0, 0.2, 1.0]).reshape(1, 1, 3, 1)).order().epoch(0)
    assert pixels(member).tolist() == [[0, 51, 255]]


def test_they_are_shuffled_as_a_whole_and_resumed_anywhere():
    order = opened((X, Y)).order(10, seed=1)
    first = [member.row for member in order.epoch(0)]
    assert sorted(first) == list(range(12)) != first
    rest = order.onwards(5, WorkerShard())
    assert [next(rest).row for _ in range(7)] == first[5:]


def test_equal_arrays_are_recognised():
    (one,), (same,), (other,) = (opened(data).identities for data in ((X, Y), (X.copy(), Y), (X, Y * 0)))
    assert one == same != other
    assert one.fingerprint != other.fingerprint


def test_arrays_are_told_from_paths():
    assert is_array(X) and is_array((X, Y))
    assert not is_array('a.tar') and not is_array(['a.tar', 'b.tar']) and not is_array(())


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (np.zeros((2, 2, 1)), 'An array of images has the shape'),
        (np.zeros((1, 2, 2, 2)), 'An array of images has the shape'),
        (np.zeros((1, 2, 2, 1), str), 'An array of images is uint8 or floats'),
        (np.full((1, 2, 2, 1), 255.0), 'has pixels in .0, 1., not'),
        (np.full((1, 2, 2, 1), -0.1), 'has pixels in .0, 1., not'),
        (np.full((1, 2, 2, 1), np.nan), 'has pixels in .0, 1., not'),
        ((X, Y[:3]), '12 images need as many labels'),
        ((X, np.eye(12)), r'12 images need as many labels, .n., not an array .12, 12.'),
    ],
)
def test_other_arrays_are_rejected(data, words):
    with pytest.raises(FlagError, match=words):
        array_source(data)


def test_fit_trains_on_arrays_and_goes_on(tmp_path):
    x = np.zeros((24, 8, 8, 1))
    x[1::2] = 1
    y = np.where(np.arange(24) % 2, 'white', 'black')
    given = {
        'eval_data': (x[:6], y[:6]),
        'model_dir': tmp_path / 'm',
        'batch_size': 6,
        'hparams': 'layers=4',
    }
    run = api.fit('mlp', (x, y), max_steps=4, say=lambda line: None, **given)
    assert run.labels == ('black', 'white') and run.shape == (8, 8, 1)
    said = []
    again = api.fit('mlp', (x, y), max_steps=8, say=said.append, **given)
    assert again.step == 8
    assert not any('array' in line for line in said), 'the same data'
    assert set(run.metrics) >= {'accuracy'}


def test_fit_needs_labels_for_a_classifier(tmp_path):
    with pytest.raises(DataError, match=r'has no label: give a pair, \(images, labels\)'):
        api.fit('mlp', X, model_dir=tmp_path / 'm', say=lambda line: None)
