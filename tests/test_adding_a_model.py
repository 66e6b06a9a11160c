"""Follows docs/adding_a_model.md: the model that it shows learns, and does all that the others do.

Its commands are run by test_readme.py, as those of all pages.
"""

import re
import shutil
import sys
import tarfile
import types

import numpy as np
import pytest

from estimator_lab import api, dream, evaluate, export, inspect, predict, report, train
from estimator_lab.core.abilities import Drawing
from estimator_lab.core.picture import heat_map
from estimator_lab.core.registry import MODELS, ModelEntry, find_model
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf
from tests.models.contract import declarations, runs
from tests.models.contract.subject import Subject
from tests.support.altered_models import altered
from tests.support.archive_files import small_archive
from tests.support.commands import invoke
from tests.support.places import ROOT

pytestmark = [pytest.mark.both, pytest.mark.trains]

PAGE = (ROOT / 'docs' / 'adding_a_model.md').read_text(encoding='utf-8')
FILE, LINE, SMALL = re.findall(r'^```python\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)


NAME = 'estimator_lab.models.maxout'


@pytest.fixture
def maxout(monkeypatch):
    """The module of the page, in the registry."""
    module = types.ModuleType(NAME)
    monkeypatch.setitem(sys.modules, NAME, module)
    exec(compile(FILE, 'maxout.py', 'exec'), vars(module))
    monkeypatch.setitem(MODELS, 'maxout', eval(f'{{{LINE}}}', {'ModelEntry': ModelEntry})['maxout'])
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


@pytest.mark.slow
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


def companions(params, model_dir, resumed):
    if resumed is not None:
        assert resumed['dropout_rate'] == 0.25 and (model_dir / 'teacher.txt').exists()
        return {'dropout_rate': 0.25}, {}
    teacher = Trained.open(model_dir.parent / 'teacher')
    with teacher.tensors() as reader:
        step = reader.get_tensor('global_step')
    text = f'{teacher.model} at step {step}'
    return {'dropout_rate': 0.25}, {'teacher.txt': lambda path: path.write_text(text)}


def inspect_units(params, example, layers):
    return {'pixels_and_units': heat_map(np.outer(example['image'], layers['layer_1']))}


def draw(run, *, count, seed, label):
    def batches():
        with run.tensors() as reader:
            first = np.full((count, *run.shape), abs(reader.get_tensor('layer_1/bias')[0]) % 1, np.float32)
        yield first, [label or run.labels[seed]] * count

    return Drawing(f'Samples of {run.model}', batches)


@pytest.mark.slow
def test_what_a_model_owns_is_in_every_command(maxout, monkeypatch, tmp_path, cnn_dir, capsys):
    """Its companions, pictures and samples, from training to the report."""
    own = {'companions': companions, 'inspect': inspect_units, 'draw': draw}
    monkeypatch.setattr(maxout, 'MODEL', altered(maxout.MODEL, **own))
    shutil.copytree(cnn_dir, tmp_path / 'teacher')
    data, model_dir = small_archive(tmp_path), tmp_path / 'model'
    place = f'--model_dir={model_dir}'

    def run(command, *flags):
        status = invoke(command, place, *flags)
        printed = capsys.readouterr()
        assert (status, printed.err) == (0, ''), printed.err
        return printed.out

    training = ['--model=maxout', f'--data={data}', '--hparams=layers=6-5,pieces=2', '--image_size=8']
    assert 'on 24 training images after 2 steps' in run(train, *training, '--max_steps=2')
    assert (model_dir / 'teacher.txt').read_text() == 'cnn at step 3'
    assert 'on 24 training images after 3 steps' in run(train, *training, '--max_steps=3')
    assert api.load(model_dir).params.dropout_rate == 0.25
    assert 'on 24 images after 3 steps' in run(evaluate, f'--data={data}')
    assert run(predict, str(data)).count('\n') == 25
    image = f'--image={data}:train/n000002/0003_01.png'
    assert 'pixels_and_units.png' in run(inspect, image, f'--out={tmp_path / "inspected"}')
    assert (tmp_path / 'inspected' / 'pixels_and_units.png').stat().st_size
    out = tmp_path / 'drawn.tar'
    assert 'Samples of maxout' in run(dream, '--count=3', '--label=n000001', f'--out={out}')
    with tarfile.open(out) as tar:
        assert tar.getnames() == [f'n000001/{number:06}.png' for number in range(3)]
    assert invoke(dream, place, '--truncation=1') == 2
    assert '--truncation has no meaning for samples of --model=maxout' in capsys.readouterr().err
    run(dream, '--layer=layer_1', '--steps=1', f'--out={tmp_path / "dream.png"}')
    assert 'maxout at step 3' in run(export, f'--out={tmp_path / "exported"}')
    run(report, f'--data={data}', f'--out={tmp_path / "report.html"}')
    assert 'maxout' in (tmp_path / 'report.html').read_text(encoding='utf-8')
