"""Resumed runs with other flags or archives: no image is lost or repeated. test_changes.py has the rules."""

import itertools
import shutil
from dataclasses import replace

import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.examples.labels import read_label_table
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.runs.record import write_record
from estimator_lab.runs.weights.checkpoint import write_checkpoint
from estimator_lab.tf1 import tf
from estimator_lab.training.position import CONSUMED, position_of
from estimator_lab.training.train import train
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.small_runs import cnn_settings, opened, values_in
from tests.support.streams import stream_members

pytestmark = pytest.mark.trains

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
    """Plans the run again; returns the plan, and what was said of changes."""

    def plan_again(**changes):
        plan, lines = opened(cnn_settings(archive, folder, **{'max_steps': 9, **changes}))
        return plan, [line for line in lines if line.startswith('Since')]

    return plan_again


def keys(plan, count):
    """Returns the names of the images that training takes next."""
    (phase,) = plan.stages
    position = position_of(phase.folder, phase.resumption.input)
    order = phase.inputs.train.order(plan.settings.shuffle_buffer, plan.settings.seed)
    return [each.name for each in itertools.islice(order.onwards(position), count)]


def ordered(*archives, epoch=0, seed=1):
    """Returns the names of an epoch's images in their order."""
    order = open_archives([*map(str, archives)], IMAGES).order(10_000, seed)
    return [one.name for one in order.epoch(epoch)]


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'seed': 2}, 'seed was 1, is 2'),
        ({'weights': 'train.tar=2'}, 'weights was none, is train.tar=1'),
        ({'data': ['MORE']}, 'data: train.tar is gone, more.tar is new'),
    ],
)
def test_another_order_in_the_middle_of_an_epoch_is_rejected(go_on, more, folder, changes, words):
    changes = {name: [str(more)] if value == ['MORE'] else value for name, value in changes.items()}
    with pytest.raises(FlagError, match='resume_changed') as caught:
        go_on(**changes)
    assert str(caught.value).startswith(
        f'model_dir={folder} cannot go on exactly where it stopped ({words}, in the middle of epoch 1): '
    )
    plan, (said,) = go_on(**changes, resume_changed=True)
    assert words in said and '; the rest of epoch 1 is left out; the cosine schedule' in said
    assert plan.stages[0].resumption.position % plan.inputs.train.total == 0
    if 'seed' in changes:
        assert keys(plan, 6) == ordered(plan.inputs.train.paths[0], epoch=1, seed=2)[:6]


def test_an_order_keeps_the_number_of_workers_that_began_it(go_on, folder):
    """Which deals out its blocks and its mixtures; another order begins with the workers of now."""
    plan, _ = go_on()
    began = plan.stages[0].record
    assert began.input.lanes == 1
    write_record(folder, replace(began, input=replace(began.input, lanes=3)))
    assert go_on()[0].stages[0].record.input.lanes == 3
    assert go_on(seed=2, resume_changed=True)[0].stages[0].record.input.lanes == 1


def test_another_choice_of_images_is_another_order(go_on, archive, tmp_path):
    chosen = tmp_path / 'keys.txt'
    chosen.write_text('\n'.join(member.key for member in [*stream_members(archive)][1:]))
    with pytest.raises(FlagError, match=r'the images of only were none, are [0-9a-f]{16}, in the middle of'):
        go_on(only=chosen)


def test_labels_that_are_exchanged_between_starts(go_on, folder, archive, tmp_path):
    """By a table that exchanges those of two persons, and by one that sets them right again."""
    found = {member.name: member.label for member in stream_members(archive)}
    exchange = {'n000000': 'n000001', 'n000001': 'n000000'}
    tables = tmp_path / 'right.csv', tmp_path / 'wrong.csv'
    for table, others in zip(tables, ({}, exchange), strict=True):
        lines = [f'{name},{others.get(label, label)}\n' for name, label in found.items()]
        table.write_text(''.join(lines))
    right, wrong = (read_label_table(table).fingerprint for table in tables)
    with pytest.raises(FlagError, match=r'data: train\.tar has changed, in the middle of epoch 1'):
        go_on(labels=tables[1])
    plan, (said,) = go_on(labels=tables[1], resume_changed=True)
    assert f': the table of --labels was none, is {wrong}; --data: train.tar has changed; ' in said
    write_record(folder, plan.stages[0].record)
    assert go_on(labels=tables[1])[1] == []
    plan, (said,) = go_on(labels=tables[0])
    assert f': the table of --labels was {wrong}, is {right}; --data: train.tar has changed' in said


def test_a_new_archive_is_used_from_the_next_epoch_on(go_on, folder, archive, more):
    data = [str(more), str(archive)]
    plan, (said,) = go_on(data=data, resume_changed=True)
    assert '--data: more.tar is new; the rest of epoch 1 is left out' in said
    expected = ordered(archive, more, epoch=1)
    assert keys(plan, 30) == expected[:30]
    write_record(folder, plan.stages[0].record)  # as if it had been killed in its first step
    again, said = go_on(data=data)
    assert said == [] and keys(again, 30) == expected[:30]


@pytest.mark.slow
def test_each_checkpoint_knows_its_own_position(go_on, folder, archive):
    """Also after another batch size, and with a batch that the end of an epoch divides."""
    train(go_on(batch_size=4, max_steps=5, save_checkpoints_steps=1)[0])
    positions = {
        int(path.stem.rpartition('-')[2]): tf.train.load_variable(str(path.with_suffix('')), CONSUMED)
        for path in folder.glob('model.ckpt-*.index')
    }
    assert positions == {4: SEEN + 4, 5: SEEN + 8}
    assert keys(go_on(batch_size=5)[0], 10) == ordered(archive, epoch=1)[2:12]
    (folder / 'checkpoint').write_text('model_checkpoint_path: "model.ckpt-4"\n')
    assert keys(go_on(batch_size=3)[0], 6) == [*ordered(archive)[SEEN + 4 :], *ordered(archive, epoch=1)[:4]]


def test_a_checkpoint_that_does_not_know_its_place_is_refused(go_on, folder):
    values = dict(values_in(folder))
    del values[CONSUMED]
    write_checkpoint(folder / 'model.ckpt-3', values)
    with pytest.raises(DataError, match=r'model\.ckpt-3 does not say which examples it has seen'):
        go_on()


@pytest.mark.slow
def test_another_batch_size_in_the_middle_of_pretraining(archive, tmp_path):
    def again(**changes):
        given = {'model': 'dbn', 'hparams': 'layers=6,pretrain_epochs=0.5', **changes}
        return opened(cnn_settings(archive, tmp_path / 'dbn', **given))

    def interrupt(line):
        if line.startswith('Phase') and 'last:' in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(replace(again()[0], say=interrupt))
    plan, lines = again(batch_size=3)
    assert [(phase.first_step, phase.last_step) for phase in plan.stages] == [(0, 2), (2, 4)]
    assert lines[-1] == 'Since the last start: examples in a step were 6, are 3.'
    with pytest.raises(FlagError, match='layers=6, not 5'):
        again(batch_size=3, hparams='layers=5,pretrain_epochs=0.5')
