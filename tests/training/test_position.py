"""Folders in which version 0.1.0 trained, before its rooms were laid out anew: they still do all they did.

tests/golden/README.md says what they hold.
"""

import json
import shutil

import numpy as np
import pytest

from estimator_lab.inference.run import open_run
from estimator_lab.training.position import CONSUMED
from tests.support.places import GOLDEN
from tests.support.small_runs import cnn_settings, trained, values_in

pytestmark = pytest.mark.once

FOLDERS = GOLDEN / 'model_dirs'
FIGURES = json.loads((FOLDERS / 'figures.json').read_text())
HPARAMS = {
    'cnn': 'filters=2,dense_units=8',
    'dbn': 'layers=6-5,pretrain_epochs=0.5,head_steps=2',
    'autoencoder': 'layers=6-3',
}
# Dropout draws other numbers now, and a new pass begins, which three steps of a small rate can show only so
# far.
TOLERANCE = {'cnn': 1e-3, 'dbn': 1e-3, 'autoencoder': 1e-3}
REMOVED = ('pca_squared_error', 'bits_per_image')  # metrics of earlier versions alone


@pytest.fixture(params=sorted(HPARAMS))
def model(request):
    return request.param


@pytest.fixture
def folder(model, tmp_path):
    return shutil.copytree(FOLDERS / model, tmp_path / model)


def test_it_evaluates_and_predicts(model, folder, archive):
    opened = open_run(folder)
    assert opened.step == 7
    found = opened.evaluate(archive, batch_size=6)
    for name, value in FIGURES[model]['at_7'].items():
        if name not in ('global_step', *REMOVED):
            assert found.metrics[name] == pytest.approx(value, rel=1e-4), name
    assert len(list(opened.predict(archive))) == 24


def test_training_goes_on(model, folder, archive):
    settings = cnn_settings(archive, folder, model=model, hparams=HPARAMS[model], max_steps=10)
    before = values_in(folder)
    result, _ = trained(settings)
    assert result.step == 10
    for name, value in FIGURES[model]['at_10'].items():
        if name in REMOVED:
            continue
        assert result.metrics[name] == pytest.approx(value, rel=TOLERANCE[model]), name
    after = values_in(folder)
    assert after.pop(CONSUMED) == 3 * 6  # their place in the data is not known: a pass begins
    assert {n: v.shape for n, v in before.items()} == {n: v.shape for n, v in after.items()}
    slots = [name for name in before if name.endswith('/Adam')]
    assert slots and all(np.any(after[name]) for name in slots)
