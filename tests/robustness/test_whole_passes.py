"""A hundred random histories of whole passes: see `whole_passes`."""

import pytest

pytest.importorskip('hypothesis')  # which environments made before it was needed lack

from tests.robustness.whole_passes import Passes, run_passes


@pytest.mark.once
def test_every_image_once_an_epoch(tmp_path):
    run_passes(Passes(tmp_path), 100, seed=1)
