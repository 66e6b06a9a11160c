"""What goes on around the steps of training: exports, early stopping, warm start, profile, determinism."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from tensorflow.python.framework import config

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.core.model import Task
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.models.registry import find_model
from estimator_lab.runs.serving import serving_input_receiver_fn
from estimator_lab.tf1 import tf
from estimator_lab.training.evaluations import BestEvaluation, make_exporters
from estimator_lab.training.experiment import Experiment
from tests.archive_files import encoded, picture, small_archive, write_tar
from tests.small_runs import SMALL, cnn_settings, opened, trained, values_in

CNN = find_model('cnn')


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return str(small_archive(tmp_path_factory.mktemp('images')))


@pytest.fixture
def settings(images, tmp_path):
    def make(**changes):
        return cnn_settings(images, tmp_path / 'model', **{'save_checkpoints_steps': 1, **changes})

    return make


@pytest.fixture
def accuracies(monkeypatch):
    """Decides what the evaluations at steps 1, 2, ... come to."""

    def decide(*values):
        evaluate = tf.estimator.Estimator.evaluate

        def as_decided(self, input_fn, steps=None, hooks=None, checkpoint_path=None, name=None):
            found = evaluate(self, input_fn, steps, hooks, checkpoint_path, name)
            step = int(found['global_step'])
            found['accuracy'] = values[step - 1]
            # Where Estimator has written what it found, we write what was decided.
            writer = tf.summary.FileWriterCache.get(self.eval_dir(name))
            value = tf.Summary.Value(tag='accuracy', simple_value=values[step - 1])
            writer.add_summary(tf.Summary(value=[value]), step)
            writer.flush()
            return found

        monkeypatch.setattr(tf.estimator.Estimator, 'evaluate', as_decided)

    return decide


def exported(model_dir, name):
    """The steps of the exports of that name."""
    folders = sorted((model_dir / 'export' / name).glob('*'))
    return [int(tf.train.load_variable(str(f / 'variables' / 'variables'), 'global_step')) for f in folders]


def test_early_stopping_and_exports(settings, accuracies):
    accuracies(0.25, 0.75, 0.5, 0.75, 0.9, 0.9)
    chosen = settings(early_stopping=2, max_steps=6, export=['best', 'latest', 'final'])
    result, lines = trained(chosen)
    assert (result.step, result.metrics['global_step'], result.interrupted) == (4, 4, False)
    assert result.stopped_early
    assert lines[-1] == 'No better for 2 evaluations: stopped early.'
    assert exported(chosen.model_dir, 'best') == [2]
    assert exported(chosen.model_dir, 'latest') == [4]
    assert exported(chosen.model_dir, 'final') == [4]
    (folder,) = (chosen.model_dir / 'export' / 'best').glob('*')
    with tf.Graph().as_default(), tf.Session() as session:
        meta = tf.saved_model.loader.load(session, ['serve'], str(folder))
        assert set(meta.signature_def) == {'serving_default', 'pixels:serving_default'}
    again, lines = trained(chosen)
    assert (again.step, again.metrics['accuracy']) == (4, 0.75)
    assert 'Already trained for 4 steps: evaluating only.' in lines
    assert not Experiment(settings(early_stopping=3, max_steps=6), lines.append).trainer.is_finished()


class FakeEstimator:
    """Exports a folder whose name tells the time, as SavedModels have it, and its file which checkpoint."""

    def __init__(self, model_dir):
        self.model_dir = str(model_dir)
        self._time = 1_700_000_000

    def export_saved_model(self, folder, receiver, checkpoint_path, **options):
        self._time += 1
        path = Path(folder, str(self._time))
        path.mkdir(parents=True)
        (path / 'saved_model.pb').write_text(checkpoint_path)
        return str(path).encode()


def write_primary_metric(model_dir, tag, values):
    folder = model_dir / 'eval'
    suffix = f'.{len(list(folder.glob("*")))}'  # else two files of one second would be one
    with tf.Graph().as_default(), tf.summary.FileWriter(str(folder), filename_suffix=suffix) as writer:
        for step, value in values:
            writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)]), step)


def test_a_restart_keeps_the_better_export(tmp_path):
    estimator, folder = FakeEstimator(tmp_path), tmp_path / 'export' / 'best'
    receiver = serving_input_receiver_fn(ImageReader(ImageShape(8, 8, 1)), CNN, None)
    for step, accuracy, best in ((1, 0.25, 1), (2, 0.75, 2), (3, 0.5, 2), (4, 0.75, 2), (5, 0.8, 5)):
        write_primary_metric(tmp_path, 'accuracy', [(step, accuracy)])
        (exporter,) = make_exporters(
            ['best'], receiver, BestEvaluation(tmp_path, Task())
        )  # another in each process
        exporter.export(estimator, str(folder), str(step), {'accuracy': accuracy, 'global_step': step}, False)
        assert [path.read_text() for path in folder.glob('*/saved_model.pb')] == [str(best)]


def test_a_metric_whose_smaller_values_are_better(tmp_path):
    write_primary_metric(tmp_path, 'mse', [(3, 0.5), (6, 0.25), (9, 0.25), (12, 0.375)])
    write_primary_metric(tmp_path, 'mse', [(3, 0.625)])
    found = BestEvaluation(tmp_path, Task('mse', higher_is_better=False))
    assert found.by_step() == {3: 0.625, 6: 0.25, 9: 0.25, 12: 0.375}
    assert (found.best_step(), found.since_best()) == (6, 2)
    write_primary_metric(tmp_path, 'mse', [(1, float('nan'))])
    assert (found.best_step(), found.since_best()) == (6, 2)
    nothing = BestEvaluation(tmp_path / 'none', Task())
    assert (nothing.best_step(), nothing.since_best()) == (None, 0)


def test_warm_start_takes_all_where_the_labels_are_the_same(settings, cnn_dir, tmp_path):
    source = shutil.copytree(cnn_dir, tmp_path / 'source')
    chosen = settings(warm_start=source, hparams=f'{SMALL},learning_rate=1e-9', max_steps=1)
    experiment = opened(chosen)[0]
    assert experiment.warm_start.new == ()
    result = experiment.train()
    before, after = values_in(source), values_in(chosen.model_dir)
    assert (before['global_step'], result.step) == (3, 1)
    assert set(experiment.warm_start.taken) == {n for n in after if re.fullmatch(r'[^/]+/(kernel|bias)', n)}
    for name in experiment.warm_start.taken:
        assert np.allclose(before[name], after[name], atol=1e-7), name
    shutil.rmtree(source)  # a run that goes on needs it no more
    assert opened(chosen)[0].warm_start is None


def test_warm_start_has_a_new_head_for_other_labels(settings, cnn_dir, tmp_path):
    files = [(f'x/{label}/{n}.png', encoded(picture(n))) for label in ('one', 'two') for n in range(3)]
    archive = write_tar(tmp_path / 'two.tar', files)
    chosen = settings(
        warm_start=cnn_dir,
        data=[str(archive)],
        hparams=f'{SMALL},learning_rate=1e-9',
        max_steps=1,
    )
    experiment = opened(chosen)[0]
    assert experiment.warm_start.new == ('dense_1/kernel', 'dense_1/bias')
    assert str(experiment.warm_start) == (
        f'6 variables of {cnn_dir} at step 3: conv2d/kernel, conv2d/bias, conv2d_1/kernel, conv2d_1/bias, '
        'dense/kernel, dense/bias; new: dense_1/kernel, dense_1/bias'
    )
    experiment.train()
    before, after = values_in(cnn_dir), values_in(chosen.model_dir)
    assert after['dense_1/kernel'].shape == (8, 2)
    assert np.allclose(before['dense/kernel'], after['dense/kernel'], atol=1e-7)


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'image_size': 12}, r'--warm_start=\S+ was trained on images of 8x8x1 .* not 12x12x1'),
        (
            {'hparams': 'filters=3,dense_units=8'},
            r'--warm_start=\S+ was made with --hparams=filters=2, not 3',
        ),
    ],
)
def test_warm_start_from_another_network(settings, cnn_dir, changes, sentence):
    with pytest.raises(FlagError, match=sentence):
        opened(settings(warm_start=cnn_dir, **changes))[0]


def test_warm_start_from_nothing(settings, tmp_path):
    with pytest.raises(DataError, match=r'--warm_start=.*none does not exist: name a model_dir or a file'):
        opened(settings(warm_start=tmp_path / 'none'))[0]


def test_a_deterministic_run_gives_the_same_bits_and_leaves_the_process_as_it_was(settings, tmp_path):
    def bits(folder):
        chosen = settings(
            model_dir=tmp_path / folder,
            image_size=32,
            max_steps=6,
            hparams='filters=16,dense_units=64',
            augment='shift=2,mirror',
            save_checkpoints_steps=6,
            deterministic=True,
        )
        trained(chosen)
        return {name: value.tobytes() for name, value in values_in(chosen.model_dir).items()}

    assert bits('a') == bits('b')
    assert not config.is_op_determinism_enabled()
