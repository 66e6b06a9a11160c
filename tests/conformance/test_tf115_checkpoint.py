"""Checkpoints of TensorFlow 1.15.

The committed one was written by 1.15.5 (tests/golden/remake_tf115_checkpoint.py). Where an interpreter with
TensorFlow 1.15 is at hand, ESTIMATOR_LAB_TF115=PYTHON makes the reverse direction run as well.
"""

import json
import os
import subprocess

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import run_config
from tests.support.places import GOLDEN, load_script

pytestmark = [pytest.mark.both, pytest.mark.trains]

WRITTEN = GOLDEN / 'tf115_checkpoint'
SCRIPT = GOLDEN / 'remake_tf115_checkpoint.py'
FIGURES = json.loads((WRITTEN / 'figures.json').read_text())


@pytest.fixture
def script():
    """The very lines that 1.15.5 ran."""
    return load_script(SCRIPT)


@pytest.fixture
def model_dir(script, tmp_path):
    script.copy_checkpoint(WRITTEN, tmp_path / 'model')
    return tmp_path / 'model'


def logits(figures):
    return pytest.approx(np.array(figures), abs=2e-5)


def test_same_logits(script, model_dir):
    """A checkpoint of TensorFlow 1.15 restores, with the same names and the same logits."""
    model = script.estimator(model_dir, config=run_config())
    assert list(model.get_variable_names()) == FIGURES['names']
    assert script.logits_of(model) == logits(FIGURES['logits'])


def test_training_continues(script, model_dir):
    """Training continues from a checkpoint of TensorFlow 1.15 as 1.15 itself does, including momentum."""
    model = script.estimator(model_dir, config=run_config())
    model.train(script.input_fn, steps=1)
    assert model.get_variable_value('global_step') == 4
    assert script.logits_of(model) == logits(FIGURES['logits_one_step_later'])


def test_warm_start(script, model_dir, tmp_path):
    """Warm start from a checkpoint of TensorFlow 1.15 loads weights and, by name, optimizer slots."""
    settings = tf.estimator.WarmStartSettings(str(model_dir), vars_to_warm_start=['conv2d', 'dense'])
    model = script.estimator(tmp_path / 'new', config=run_config(), warm_start_from=settings)
    model.train(script.input_fn, steps=1)
    assert model.get_variable_value('global_step') == 1
    assert script.logits_of(model) == logits(FIGURES['logits_one_step_later'])


def test_warm_start_without_slots(script, model_dir, tmp_path):
    """Warm start from a folder of TensorFlow 1.15 loads the weights only, so that momentum starts at 0."""
    model = script.estimator(tmp_path / 'new', config=run_config(), warm_start_from=str(model_dir))
    model.train(script.input_fn, steps=1)
    moved = script.logits_of(model)
    assert moved != logits(FIGURES['logits_one_step_later'])
    assert model.get_variable_value('dense/kernel/Momentum').any()


@pytest.fixture
def real(tmp_path):
    """Runs the script under real TensorFlow 1.15; returns what it prints."""
    python = os.environ.get('ESTIMATOR_LAB_TF115')
    if not python:
        pytest.skip('ESTIMATOR_LAB_TF115 names no Python with TensorFlow 1.15')

    def run(*arguments):
        environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
        command = [python, str(SCRIPT), *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_reverse(script, real, tmp_path):
    """TensorFlow 1.15 restores our checkpoints, with the same names and the same logits."""
    model = script.estimator(tmp_path, config=run_config()).train(script.input_fn, steps=script.STEPS)
    theirs = json.loads(real(tmp_path, '--read').splitlines()[-1])
    assert theirs['names'] == FIGURES['names']
    assert theirs['logits'] == logits(script.logits_of(model))
    assert theirs['logits'] == logits(FIGURES['logits'])


def test_document_both_ways(script, real, tmp_path):
    """The notes' network at its original size goes from TensorFlow 1.15 to ours and back, including slots."""
    if not os.environ.get('ESTIMATOR_LAB_TF115_FULL'):
        pytest.skip('takes two minutes and 1 GB of disk: ESTIMATOR_LAB_TF115_FULL=1 runs it')
    real(tmp_path / 'theirs', '--document')
    figures = json.loads((tmp_path / 'theirs' / 'figures.json').read_text())
    model = script.estimator(tmp_path / 'theirs', script.DOCUMENT, config=run_config())
    assert script.logits_of(model) == logits(figures['logits'])
    model.train(script.input_fn, steps=1)
    assert script.logits_of(model) == logits(figures['logits_one_step_later'])
    back = json.loads(real(tmp_path / 'theirs', '--document', '--read').splitlines()[-1])
    assert back['logits'] == logits(figures['logits_one_step_later'])
