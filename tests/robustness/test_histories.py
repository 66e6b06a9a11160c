"""Two hundred random histories of runs, compared with a model: see `histories`."""

from tests.robustness.histories import run_histories


def test_histories_agree_with_the_model():
    run_histories(200, seed=1)
