"""Evaluations are compared, reported and exported, those of earlier starts included."""

import errno
import shutil
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.core.model import Task
from estimator_lab.core.registry import find_model
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.runs.serving import serving_input_receiver_fn
from estimator_lab.tf1 import tf
from estimator_lab.training.evaluations import Evaluations, make_exporters

pytestmark = pytest.mark.trains

ACCURACY = Task()
CNN = find_model('cnn')


def evaluations(folder, task=ACCURACY, patience=None, say=print):
    return Evaluations(folder, task, InputReport(IMAGES), patience, say)


RECEIVER = serving_input_receiver_fn(ImageReader(ImageOptions(ImageShape(8, 8, 1))), CNN, None)


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
    for step, accuracy, best in ((1, 0.25, 1), (2, 0.75, 2), (3, 0.5, 2), (4, 0.75, 2), (5, 0.8, 5)):
        write_primary_metric(tmp_path, 'accuracy', [(step, accuracy)])
        (exporter,) = make_exporters(['best'], RECEIVER, evaluations(tmp_path))  # another in each process
        exporter.export(estimator, str(folder), str(step), {'accuracy': accuracy, 'global_step': step}, False)
        assert [path.read_text() for path in folder.glob('*/saved_model.pb')] == [str(best)]


@pytest.mark.parametrize('patience', [2, 3, None])
def test_a_metric_whose_smaller_values_are_better(tmp_path, patience):
    write_primary_metric(tmp_path, 'mse', [(3, 0.5), (6, 0.25), (9, 0.25), (12, 0.375)])
    write_primary_metric(tmp_path, 'mse', [(3, 0.625), (1, float('nan'))])
    found = evaluations(tmp_path, Task('mse', higher_is_better=False), patience)
    assert found.by_step == {3: 0.625, 6: 0.25, 9: 0.25, 12: 0.375}
    assert (found.best_step, found.are_enough) == (6, patience == 2)


def test_without_evaluations_there_is_no_best(tmp_path):
    found = evaluations(tmp_path, patience=1)
    assert (found.best_step, found.are_enough) == (None, False)


def test_event_files_are_read_once(tmp_path):
    """Later evaluations are known from the metrics that Estimator hands over; a NaN compares with none."""
    write_primary_metric(tmp_path, 'accuracy', [(1, 0.5)])
    said = []
    found = evaluations(tmp_path, patience=1, say=said.append)
    assert found.best_step == 1
    shutil.rmtree(tmp_path / 'eval')
    for step, accuracy in ((2, 0.75), (3, float('nan')), (4, 0.625)):
        assert not found.are_enough
        found.export(None, '', '', {'accuracy': accuracy, 'global_step': step, 'total_examples': 8}, False)
    assert found.by_step == {1: 0.5, 2: 0.75, 4: 0.625} and found.are_enough
    assert said[0] == 'evaluated at step 2: accuracy 0.7500; over 8 images'
    assert found.last['global_step'] == 4


@pytest.mark.parametrize('place', ['eval', 'export/best'])
def test_a_folder_that_cannot_be_listed_replaces_no_export(tmp_path, monkeypatch, place):
    estimator, folder = FakeEstimator(tmp_path), tmp_path / 'export' / 'best'
    write_primary_metric(tmp_path, 'accuracy', [(1, 0.58)])
    (exporter,) = make_exporters(['best'], RECEIVER, evaluations(tmp_path))
    exporter.export(estimator, str(folder), '1', {'accuracy': 0.58, 'global_step': 1}, False)
    iterdir = Path.iterdir

    def fail_once(self):
        if self == tmp_path / place:
            monkeypatch.setattr(Path, 'iterdir', iterdir)
            raise OSError(errno.EIO, 'Input/output error', str(self))
        return iterdir(self)

    monkeypatch.setattr(Path, 'iterdir', fail_once)
    found = evaluations(tmp_path)
    (exporter,) = make_exporters(['best'], RECEIVER, found)
    with pytest.raises(DataError, match=rf'{place} cannot be read: Input/output error\.$'):
        exporter.export(estimator, str(folder), '2', {'accuracy': 0.5, 'global_step': 2}, False)
    assert Path.iterdir is iterdir  # the call has failed
    assert [path.read_text() for path in folder.glob('*/saved_model.pb')] == ['1']
