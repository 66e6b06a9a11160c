"""A few random histories of data sets in PyTorch's loaders: see `loaders`."""

import random

import pytest

from tests.robustness.loaders import history

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('kills', [0, 1])
def test_no_image_is_lost_or_repeated(tmp_path, kills):
    pytest.importorskip('torchdata', reason='PyTorch and torchdata are in the extra `bench`')
    assert history(tmp_path, random.Random(3), kills) <= kills
