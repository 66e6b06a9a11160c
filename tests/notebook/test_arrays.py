"""Images in memory are examples whose keys are their numbers."""

import io

import numpy as np
import pytest
from PIL import Image

from estimator_lab.base.errors import FlagError
from estimator_lab.notebook.arrays import ArrayInput


def decoded(member):
    return np.asarray(Image.open(io.BytesIO(member.data)))


def test_each_image_is_a_member_with_the_same_pixels():
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3)).astype(np.uint8)
    members = list(ArrayInput(images).epoch(0))
    assert [member.key for member in members] == ['0', '1', '2']
    np.testing.assert_array_equal([decoded(member) for member in members], images)
    assert [member.key for member in ArrayInput(images).onwards(1)] == ['1', '2']


def test_floats_are_shares_of_white():
    (member,) = ArrayInput(np.array([0.0, 0.2, 1.0]).reshape(1, 1, 3, 1)).epoch(0)
    assert decoded(member).tolist() == [[0, 51, 255]]


@pytest.mark.parametrize(
    ('images', 'words'),
    [
        (np.zeros((2, 2, 1)), 'An array of images has the shape'),
        (np.zeros((1, 2, 2, 2)), 'An array of images has the shape'),
        (np.zeros((1, 2, 2, 1), str), 'An array of images is uint8 or floats'),
        (np.full((1, 2, 2, 1), 255.0), 'has pixels in .0, 1., not'),
        (np.full((1, 2, 2, 1), -0.1), 'has pixels in .0, 1., not'),
        (np.full((1, 2, 2, 1), np.nan), 'has pixels in .0, 1., not'),
    ],
)
def test_other_arrays_are_refused(images, words):
    with pytest.raises(FlagError, match=words):
        ArrayInput(images)
