"""Two hundred random histories of runs, compared with a model: see `histories`."""

import pytest

from tests.robustness.histories import run_histories

pytestmark = pytest.mark.slow


def test_histories_agree_with_the_model():
    run_histories(200, seed=1)
