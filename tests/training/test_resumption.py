"""Resumed runs with new flags or archives: no image is lost or repeated; changes are reported or refused."""

import json
import shutil

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.data.archives import open_archives
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.runs.weights.checkpoint import write_checkpoint
from estimator_lab.tf1 import tf
from estimator_lab.training.position import CONSUMED
from tests.archive_files import encoded, picture, write_tar
from tests.small_runs import SMALL, cnn_settings, opened, values_in

SEEN = 18  # of 24 images, when `cnn_dir` had taken its three steps of 6


@pytest.fixture
def folder(cnn_dir, tmp_path):
    return shutil.copytree(cnn_dir, tmp_path / 'model')


@pytest.fixture
def archive(cnn_dir, tmp_path):
    return shutil.copy2(cnn_dir.parent / 'train.tar', tmp_path / 'train.tar')


@pytest.fixture
def more(tmp_path):
    """Another archive of the same labels."""
    files = [(f'train/n{label:06}/more_{n}.png', encoded(picture(n))) for label in range(4) for n in range(2)]
    return write_tar(tmp_path / 'more.tar', files)


@pytest.fixture
def go_on(folder, archive):
    """Opens the run again; returns it, and what was said of changes."""

    def open_again(**changes):
        experiment, lines = opened(cnn_settings(archive, folder, **{'max_steps': 9, **changes}))
        return experiment, [line for line in lines if line.startswith('Since')]

    return open_again


def batches(experiment, count):
    """Returns the features of the next batches of training."""
    with tf.Graph().as_default(), tf.Session() as session:
        features, _ = experiment.trainer.train_input_fn()().make_one_shot_iterator().get_next()
        return [session.run(features) for _ in range(count)]


def keys(experiment, count):
    return [key.decode().rpartition(':')[2] for batch in batches(experiment, count) for key in batch['key']]


def ordered(*archives, epoch=0, seed=1):
    """Returns the names of an epoch's images in their order."""
    order = open_archives([*map(str, archives)], IMAGES).order(10_000, seed)
    return [one.name for one in order.epoch(epoch)]


def test_another_batch_size_goes_on_at_the_same_image(go_on, archive):
    experiment, said = go_on(batch_size=4, max_steps=None, epochs=2)
    assert said == ['Since the last start: examples in a step were 6, are 4.']
    assert keys(experiment, 3) == [*ordered(archive)[SEEN:], *ordered(archive, epoch=1)[:6]]
    assert experiment.max_steps == 3 + 8  # 30 images are left of two epochs


@pytest.mark.parametrize(
    'changes',
    [
        {'max_steps': None, 'epochs': 7},
        {'hparams': f'{SMALL},learning_rate=0.5'},
        {'save_checkpoints_steps': 1, 'save_summary_steps': 1, 'eval_steps': 1, 'profile': True},
        {'export': ['best', 'final'], 'early_stopping': 3, 'rebuild_evaluation_graph': True},
        {'decoded_cache': 0, 'max_bad_fraction': 0.5, 'shuffle_buffer': 77},  # as it is shuffled as a whole
    ],
)
def test_changes_without_effect_on_images_are_not_reported(go_on, archive, changes):
    experiment, said = go_on(**changes)
    assert said == []
    assert keys(experiment, 1) == ordered(archive)[SEEN:]


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'seed': 2}, '--seed was 1, is 2'),
        ({'data': ['MORE']}, '--data: train.tar is gone, more.tar is new'),
    ],
)
def test_another_order_in_the_middle_of_an_epoch_is_refused(go_on, more, folder, changes, words):
    changes = {name: [str(more)] if value == ['MORE'] else value for name, value in changes.items()}
    with pytest.raises(FlagError, match='--resume_changed') as caught:
        go_on(**changes)
    assert str(caught.value).startswith(
        f'--model_dir={folder} cannot go on exactly where it stopped ({words}, in the middle of epoch 1): '
    )
    experiment, (said,) = go_on(**changes, resume_changed=True)
    assert words in said and said.endswith('; the rest of epoch 1 is left out.')
    assert experiment.trainer.plan.resumption.position % experiment.inputs.train.total == 0
    if 'seed' in changes:
        path = experiment.inputs.train.paths[0]
        assert keys(experiment, 1) == ordered(path, epoch=1, seed=2)[:6]


def test_a_new_archive_is_used_from_the_next_epoch_on(go_on, archive, more):
    data = [str(more), str(archive)]
    experiment, (said,) = go_on(data=data, resume_changed=True)
    assert said == 'Since the last start: --data: more.tar is new; the rest of epoch 1 is left out.'
    expected = ordered(archive, more, epoch=1)
    assert keys(experiment, 5)[:30] == expected[:30]
    experiment.trainer.write_record()  # as if it had been killed in its first step
    again, said = go_on(data=data)
    assert said == [] and keys(again, 5)[:30] == expected[:30]


def test_each_checkpoint_knows_its_own_position(go_on, folder, archive):
    """Also after another batch size, and with a batch that the end of an epoch divides."""
    go_on(batch_size=4, max_steps=5, save_checkpoints_steps=1)[0].train()
    positions = {
        int(path.stem.rpartition('-')[2]): tf.train.load_variable(str(path.with_suffix('')), CONSUMED)
        for path in folder.glob('model.ckpt-*.index')
    }
    assert positions == {4: SEEN + 4, 5: SEEN + 8}
    experiment, _ = go_on(batch_size=5)
    assert keys(experiment, 2) == ordered(archive, epoch=1)[2:12]


def test_an_archive_that_is_renamed_or_moved(go_on, archive, more, tmp_path):
    augmented = {'augment': 'shift=2,mirror,brightness=0.2'}
    before = batches(go_on(**augmented)[0], 3)
    (tmp_path / 'a').mkdir()
    moved = archive.rename(tmp_path / 'a' / 'another.tar')
    experiment, (said,) = go_on(data=[str(moved)], **augmented)
    assert said.endswith('; --data: another.tar was train.tar.')
    for one, other in zip(before, batches(experiment, 3), strict=True):
        assert np.array_equal(one['image'], other['image'])
    moved.rename(archive)
    experiment, said = go_on(data=[f'{archive.parent}/./a/../train.tar'])
    assert said == [] and keys(experiment, 1) == ordered(archive)[SEEN:]


def test_a_folder_without_a_record_of_its_input_begins_a_pass(go_on, folder, archive):
    record = json.loads((folder / 'experiment.json').read_text())
    del record['input']
    (folder / 'experiment.json').write_text(json.dumps({**record, 'format': 1}))
    values = dict(values_in(folder))
    del values[CONSUMED]
    write_checkpoint(folder / 'model.ckpt-3', values)
    experiment, (said,) = go_on(batch_size=4, seed=2)
    assert said == 'Since the last start: the place in the data is not known: a new pass over it begins.'
    assert keys(experiment, 1) == ordered(archive, seed=2)[:4]
    experiment.train()
    assert tf.train.load_variable(str(folder), CONSUMED) == 6 * 4


def test_an_older_checkpoint_goes_back_to_its_own_place(go_on, folder, archive):
    go_on(batch_size=4, max_steps=5)[0].train()
    state = folder / 'checkpoint'
    state.write_text('model_checkpoint_path: "model.ckpt-3"\n')
    experiment, _ = go_on(batch_size=3)
    assert keys(experiment, 2) == ordered(archive)[SEEN:]


def test_another_batch_size_in_the_middle_of_pretraining(archive, tmp_path):
    def again(**changes):
        given = {'model': 'dbn', 'hparams': 'layers=6,pretrain_epochs=0.5', **changes}
        return opened(cnn_settings(archive, tmp_path / 'dbn', **given))

    again()[0].train()
    folder = tmp_path / 'dbn'  # as if it had been killed before the last phase
    for path in (folder / 'checkpoint', folder / 'experiment.json', *folder.glob('model.ckpt*')):
        path.unlink()
    experiment, lines = again(batch_size=3)
    plans = [(one.plan.first_step, one.plan.last_step) for one in experiment.trainers]
    assert plans == [(0, 2), (2, 4)]
    assert lines == ['Since the last start: examples in a step were 6, are 3.']
    with pytest.raises(FlagError, match='--hparams=layers=6, not 5'):
        again(batch_size=3, hparams='layers=5,pretrain_epochs=0.5')
