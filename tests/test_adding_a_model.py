"""Follows docs/adding_a_model.md: the model that it shows learns, and does all that the others do.

Its commands are run by test_readme.py, as those of all pages.
"""

import re
import sys
import types

import numpy as np
import pytest

from estimator_lab import api
from estimator_lab.models.registry import MODELS, Entry, find_model
from estimator_lab.tf1 import tf
from tests.models.contract import declarations, runs
from tests.models.contract.subject import Subject
from tests.support.places import ROOT

PAGE = (ROOT / 'docs' / 'adding_a_model.md').read_text(encoding='utf-8')
FILE, LINE, SMALL = re.findall(r'^```python\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)


NAME = 'estimator_lab.models.maxout'


@pytest.fixture
def maxout(monkeypatch):
    """The module of the page, in the registry."""
    module = types.ModuleType(NAME)
    monkeypatch.setitem(sys.modules, NAME, module)
    exec(compile(FILE, 'maxout.py', 'exec'), vars(module))
    monkeypatch.setitem(MODELS, 'maxout', eval(f'{{{LINE}}}', {'Entry': Entry})['maxout'])
    return module


def test_the_model_that_is_shown_learns(maxout, session):
    images = np.random.default_rng(1).random((16, 4, 4, 1), np.float32)
    labels = np.arange(16) % 2
    images[:, :2] += labels[:, np.newaxis, np.newaxis, np.newaxis]
    small = eval(f'{{{SMALL}}}')['maxout']
    params = {**small, 'image_shape': (4, 4, 1), 'vocabulary': ('a', 'b'), 'learning_rate': 0.02}
    tf.train.create_global_step()
    features = {'image': tf.constant(images)}
    spec = maxout.MODEL.model_fn(features, tf.constant(labels), tf.estimator.ModeKeys.TRAIN, params)
    session.run(tf.global_variables_initializer())
    losses = [session.run([spec.loss, spec.train_op])[0] for _ in range(60)]
    kernels = [v.shape.as_list() for v in tf.trainable_variables()[::2]]
    assert losses[-1] < 0.5 * losses[0] and kernels == [[16, 12], [6, 10], [5, 2]]


def test_the_model_does_all_that_others_do(maxout, tmp_path):
    """Train, resume, export and the rest of the contract; then predict and inspect, as a user calls them."""
    small = eval(f'{{{SMALL}}}')['maxout']
    subject = Subject(find_model('maxout'), small, (8, 8, 1), tmp_path)
    for check in (*declarations.CHECKS, *runs.CHECKS):
        check(subject)
    run = api.load(subject.run.model_dir)
    (row,) = run.predict(subject.images(1))
    assert row['label'] in run.labels
    image = (subject.images(1)[0] * 255).astype(np.uint8)
    run.inspect(image).save(tmp_path / 'inspected.png')
    assert (tmp_path / 'inspected.png').stat().st_size
