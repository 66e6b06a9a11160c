"""Settings of a small training."""

import pytest

from tests.support.small_runs import cnn_settings


@pytest.fixture
def settings(archive, tmp_path):
    """Makes the settings of a run in `tmp_path`/model that trains and evaluates on `archive`."""

    def make(**changes):
        return cnn_settings(archive, tmp_path / 'model', **{'eval_data': [str(archive)], **changes})

    return make
