"""Two hundred random histories of runs, compared with a model: see `histories`."""

import pytest

pytest.importorskip('hypothesis')  # which environments made before it was needed lack

from tests.robustness.histories import run_histories


@pytest.mark.once
def test_histories_agree_with_the_model():
    run_histories(200, seed=1)
