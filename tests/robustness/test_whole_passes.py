"""A hundred random histories of whole passes: see `whole_passes`."""

import pytest

from tests.robustness.whole_passes import Passes, run_passes

pytestmark = pytest.mark.slow


def test_every_image_once_an_epoch(tmp_path):
    run_passes(Passes(tmp_path), 100, seed=1)
