"""A few changes of the number of workers, each after all of them were killed: see `elastic`."""

import random

import pytest

from tests.robustness.elastic import archives, kill_readers, trained_difference

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('number', [0, 1], ids=['plain', 'compressed'])
def test_no_image_is_lost_or_repeated(tmp_path, number):
    paths = list(archives(tmp_path))[number]
    lost, repeated, epochs = kill_readers(paths, tmp_path, 8, random.Random(1))
    assert (lost, repeated) == (0, 0) and epochs


def test_weights_are_those_of_an_undisturbed_training(tmp_path):
    assert trained_difference(tmp_path, (1, 2, 1)) < 1e-6
