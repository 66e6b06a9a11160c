"""Models are opened and used while a training saves, and deletes its older checkpoints."""

import shutil
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.examples import ExampleInput
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.inference.evaluation import evaluate
from estimator_lab.inference.prediction import predicted_batches
from estimator_lab.runs import model
from estimator_lab.runs.model import open_trained
from estimator_lab.runs.pinned import PinnedCheckpoint
from estimator_lab.runs.serving import export_saved_model
from estimator_lab.tf1 import tf


@pytest.fixture
def copy(cnn_dir, tmp_path):
    return Path(shutil.copytree(cnn_dir, tmp_path / 'copy'))


def replace_newest(model_dir, old, new):
    """What a training does that keeps one checkpoint."""
    for path in model_dir.glob(f'model.ckpt-{old}.*'):
        shutil.copyfile(path, path.with_name(path.name.replace(f'ckpt-{old}', f'ckpt-{new}')))
    (model_dir / 'checkpoint').write_text(f'model_checkpoint_path: "model.ckpt-{new}"\n')
    for path in model_dir.glob(f'model.ckpt-{old}.*'):
        path.unlink()


def test_a_model_is_used_after_its_checkpoint_was_deleted(copy, archive, tmp_path):
    trained = open_trained(copy)
    replace_newest(copy, 3, 4)
    images = ExampleInput([str(archive)], IMAGES)
    assert evaluate(trained, images, InputReport(IMAGES)).images == 24
    assert len(list(predicted_batches(trained, images, trained.reader, 24, InputReport(IMAGES)))) == 1
    assert (export_saved_model(trained, tmp_path / 'export') / 'saved_model.pb').exists()
    with tf.Graph().as_default():
        trained.predictions({'image': tf.zeros([1, *trained.shape])})
        trained.session().close()


@pytest.mark.parametrize('moment', ['latest_checkpoint', 'load_checkpoint'])
def test_the_newest_checkpoint_is_taken_again_if_it_is_deleted_at_opening(copy, monkeypatch, moment):
    steps = iter((3, 4, 5))
    genuine = getattr(tf.train, moment)

    def deleted_meanwhile(*arguments):
        found = genuine(*arguments) if moment == 'latest_checkpoint' else None
        step = next(steps, 5)
        if step < 5:
            replace_newest(copy, step, step + 1)
        return found or genuine(*arguments)

    monkeypatch.setattr(model.tf.train, moment, deleted_meanwhile)
    assert Path(open_trained(copy).checkpoint).name == 'model.ckpt-5'


def test_opening_ends_if_every_checkpoint_is_deleted(copy, monkeypatch):
    steps = iter(range(3, 1000))
    genuine = tf.train.latest_checkpoint

    def deleted_meanwhile(folder):
        found, step = genuine(folder), next(steps)
        replace_newest(copy, step, step + 1)
        return found

    monkeypatch.setattr(model.tf.train, 'latest_checkpoint', deleted_meanwhile)
    with pytest.raises(DataError, match='cannot be read'):
        open_trained(copy)
    assert next(steps) < 20


def test_the_links_are_gone_with_the_model(copy):
    pinned = PinnedCheckpoint(str(copy / 'model.ckpt-3'))
    folder = Path(pinned.path).parent
    assert folder != copy and sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in copy.glob('model.ckpt-3.*') if path.suffix != '.meta'
    )
    del pinned
    assert not folder.exists()
