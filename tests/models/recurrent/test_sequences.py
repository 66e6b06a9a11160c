import numpy as np
import pytest

from estimator_lab.models.recurrent.model import READS, as_sequence, permutation, steps_and_values
from estimator_lab.tf1 import tf
from tests.support.graphs import evaluate

pytestmark = pytest.mark.both

# 4 rows of 6 pixels in 2 colours, all values different.
IMAGES = np.arange(2 * 4 * 6 * 2, dtype=np.float32).reshape(2, 4, 6, 2)


def read(way, **options):
    return evaluate(lambda: as_sequence(tf.constant(IMAGES), way, **options))


@pytest.mark.parametrize('number', range(4))
def test_rows_and_columns(number):
    assert np.array_equal(read('rows')[:, number], IMAGES[:, number].reshape(2, 12))
    assert np.array_equal(read('columns')[:, number], IMAGES[:, :, number].reshape(2, 8))


def test_pixels_and_patches_are_read_row_by_row():
    assert np.array_equal(read('pixels'), IMAGES.reshape(2, 24, 2))
    assert np.array_equal(read('permuted'), IMAGES.reshape(2, 24, 2)[:, permutation(24)])
    assert np.array_equal(read('patches', patch_size=2)[:, 3 * 1 + 2], IMAGES[:, 2:4, 4:6].reshape(2, 8))


def test_the_order_never_changes():
    # Trained models depend on it: these are NumPy's numbers since 1.0.
    assert permutation(24).tolist() == np.random.RandomState(1).permutation(24).tolist()
    assert permutation(8).tolist() == [7, 2, 1, 6, 0, 4, 3, 5]


@pytest.mark.parametrize('way', READS)
def test_steps_and_values(way):
    assert read(way, patch_size=2).shape[1:] == steps_and_values((4, 6, 2), way, 2)
