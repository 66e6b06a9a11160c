"""Examples, labels and settings of a training that do not fit each other, before any step is taken."""

import json
import shutil
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.sources import remote
from estimator_lab.training import checks
from tests.support.archive_files import encoded, picture, piped, write_tar
from tests.support.small_runs import opened
from tests.support.streams import build_index, names_of

pytestmark = pytest.mark.trains

SMALL_GAN = {'model': 'gan', 'hparams': 'filters=2,latent_size=3'}


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'data': None}, '^eval_data needs data: the built-in faces have their own evaluation images'),
        ({'data': None, 'eval_data': (), 'split': '0.9,0.1'}, '^split needs data: the built-in faces have'),
        (
            {'model': 'mlp', 'hparams': 'layers=4', 'freeze': 'layer_1'},
            'mlp has no layers that can be frozen; ',
        ),
        (
            {**SMALL_GAN, 'batch_size': 1},
            '^batch_size=1 is too small: a step of model=gan .* takes 2 examples',
        ),
        (
            {'model': 'dbn', 'hparams': 'layers=4-3', 'warm_start': Path(), 'max_steps': None},
            'takes the place of pre-training: give',
        ),
        ({'hparams': 'optimizer=lbfgs', 'precision': 'bfloat16'}, 'compares losses'),
        ({'pretrain_data': ['x.tar']}, 'pretrain_data has no use here: this run has no pre-training'),
    ],
)
def test_settings_that_cannot_work_change_nothing(settings, cnn_dir, tmp_path, changes, words):
    if 'warm_start' in changes:
        changes = {**changes, 'warm_start': cnn_dir}
    with pytest.raises(FlagError, match=words):
        opened(settings(**changes))
    assert not (tmp_path / 'model').exists()


def test_the_built_in_faces_are_trained_on_where_no_data_is_named(settings, monkeypatch):
    monkeypatch.setattr(checks, 'demo_faces', lambda say: (Path('one.tar'), Path('two.tar')))
    found = checks.prepared(settings(data=None, eval_data=()), print)
    assert (found.data, found.eval_data) == (('one.tar',), ('two.tar',))


def test_too_few_examples(settings, tmp_path):
    one = str(write_tar(tmp_path / 'one.tar', [('a/1.png', encoded(picture(1)))]))
    with pytest.raises(
        DataError, match=r'one\.tar holds too few examples, 1: model=gan .* learns from 2 or more'
    ):
        opened(settings(data=[one], eval_data=[one], **SMALL_GAN))
    with pytest.raises(DataError, match=r'^split=0\.01,0\.99 leaves no image to train on'):
        opened(settings(split='0.01,0.99', eval_data=()))


@pytest.mark.parametrize('alone', [{'early_stopping': 2}, {'model': 'dbn', 'hparams': 'layers=4-3'}])
def test_what_takes_one_process(settings, monkeypatch, alone):
    cluster = {'chief': ['localhost:1'], 'worker': ['localhost:2']}
    monkeypatch.setenv('TF_CONFIG', json.dumps({'cluster': cluster, 'task': {'type': 'chief', 'index': 0}}))
    with pytest.raises(
        FlagError, match=r'^(early_stopping=2|Pre-training) takes one process, but TF_CONFIG na'
    ):
        opened(settings(distribution='multi_worker', **alone))


def test_room_for_remote_data(settings, monkeypatch):
    kept = []
    monkeypatch.setattr(remote, 'keep', kept.append)
    opened(settings(cache='3M'))
    assert kept == [3 * 2**20]


def test_labels_of_what_is_read_once(settings, archive, tmp_path):
    """From the table of labels, if there is one; pre-training would read it again for each layer."""
    table = tmp_path / 'labels.csv'
    names = names_of(build_index(archive))  # of six images of each label
    table.write_text(''.join(f'{name},{"dbca"[number // 6]}\n' for number, name in enumerate(names)))
    once = {'labels': table, 'max_steps': 1}
    with piped(tmp_path / 'pipe', archive.read_bytes()) as pipe:
        plan = opened(settings(data=[str(pipe)], **once))[0]
    assert plan.inputs.labels == ('a', 'b', 'c', 'd')
    with (
        piped(tmp_path / 'other', archive.read_bytes()) as pipe,
        pytest.raises(FlagError, match=rf'^data={pipe} can be read only once, and pre-training reads it'),
    ):
        opened(settings(data=[str(pipe)], model='dbn', hparams='layers=4-3', **once))


def test_a_network_may_be_pre_trained_on_other_data(settings, tmp_path):
    other = str(write_tar(tmp_path / 'other.tar', [(f'{n}.png', encoded(picture(n))) for n in range(7)]))
    plan, _ = opened(settings(model='dbn', hparams='layers=4-3', pretrain_data=[other], max_steps=None))
    assert [stage.inputs.train.total for stage in plan.stages] == [7, 7, 24]


def test_labels_of_a_run_that_goes_on_with_a_pipe_are_its_own(settings, archive, cnn_dir, tmp_path):
    shutil.copytree(cnn_dir, tmp_path / 'model')
    with piped(tmp_path / 'pipe', archive.read_bytes()) as pipe:
        plan = opened(settings(data=[str(pipe)], resume_changed=True))[0]
    assert plan.inputs.labels == ('n000000', 'n000001', 'n000002', 'n000003')
    with piped(tmp_path / 'other', archive.read_bytes()) as pipe:
        with pytest.raises(FlagError, match=rf'data={pipe} can be read only once'):
            opened(settings(data=[str(pipe)], model_dir=tmp_path / 'new'))
        pipe.read_bytes()
