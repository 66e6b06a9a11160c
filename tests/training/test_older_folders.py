"""Folders in which version 0.1.0 trained, before its rooms were laid out anew: they still do all they did.

tests/golden/README.md says what they hold.
"""

import json
import shutil

import numpy as np
import pytest

from estimator_lab.data.pipeline.paths import ExampleInput
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.inference.evaluation import evaluate
from estimator_lab.inference.prediction import predicted_batches
from estimator_lab.runs.model import open_trained
from estimator_lab.tf1 import tf
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings
from tests.places import GOLDEN

FOLDERS = GOLDEN / 'model_dirs'
FIGURES = json.loads((FOLDERS / 'figures.json').read_text())
HPARAMS = {
    'cnn': 'filters=2,dense_units=8',
    'dbn': 'layers=6-5,pretrain_epochs=0.5,head_steps=2',
    'autoencoder': 'layers=6-3',
}
# Dropout draws other numbers now, which three steps of a small rate can show only so far.
TOLERANCE = {'cnn': 1e-3, 'dbn': 1e-3, 'autoencoder': 1e-5}


@pytest.fixture(params=sorted(HPARAMS))
def model(request):
    return request.param


@pytest.fixture
def folder(model, tmp_path):
    return shutil.copytree(FOLDERS / model, tmp_path / model)


def test_it_evaluates_and_predicts(model, folder, archive):
    trained = open_trained(folder)
    assert trained.step == 7
    images = ExampleInput([str(archive)])
    found = evaluate(trained, images, InputReport(), batch_size=6)
    for name, value in FIGURES[model]['at_7'].items():
        if name != 'global_step':
            assert found.metrics[name] == pytest.approx(value, rel=1e-4), name
    (predicted,) = predicted_batches(trained, images, trained.reader, 24, InputReport())
    assert len(predicted.keys) == 24


def test_training_goes_on(model, folder, archive):
    settings = Settings(
        model=model,
        data=[str(archive)],
        model_dir=folder,
        batch_size=6,
        max_steps=10,
        image_size=8,
        hparams=HPARAMS[model],
        save_checkpoints_steps=100,
    )
    before = tf.train.load_checkpoint(str(folder))
    result = Experiment(settings, lambda line: None).train()
    assert result.step == 10
    for name, value in FIGURES[model]['at_10'].items():
        assert result.metrics[name] == pytest.approx(value, rel=TOLERANCE[model]), name
    after = tf.train.load_checkpoint(str(folder))
    assert before.get_variable_to_shape_map() == after.get_variable_to_shape_map()
    slots = [name for name in before.get_variable_to_shape_map() if name.endswith('/Adam')]
    assert slots and all(np.any(after.get_tensor(name)) for name in slots)
