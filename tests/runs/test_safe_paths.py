"""An untrusted model_dir can't make a run read, write or delete files elsewhere."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, LabError
from estimator_lab.runs import safe_paths
from estimator_lab.runs.safe_paths import check_safe_paths, newest_checkpoint
from estimator_lab.runs.trained import Trained
from tests.support.archive_files import small_archive
from tests.support.small_runs import cnn_settings, trained


@pytest.fixture
def copy(cnn_dir, tmp_path):
    return Path(shutil.copytree(cnn_dir, tmp_path / 'copy'))


@pytest.fixture
def precious(cnn_dir, tmp_path):
    """Another model of the user's."""
    return Path(shutil.copytree(cnn_dir, tmp_path / 'precious'))


def state(model_dir, *names):
    """Writes the file `checkpoint`; the last name is the newest one's."""
    lines = [f'model_checkpoint_path: "{names[-1]}"', *(f'all_model_checkpoint_paths: "{n}"' for n in names)]
    (model_dir / 'checkpoint').write_text('\n'.join(lines))


def listing(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob('*'))


def test_the_folder_of_a_run_passes(copy, tmp_path):
    check_safe_paths(copy)
    check_safe_paths(tmp_path / 'none')
    state(copy, copy / 'model.ckpt-3')  # as TensorFlow 1 wrote it
    check_safe_paths(copy)
    assert Trained.open(copy).step == 3
    (tmp_path / 'link').symlink_to(copy)
    check_safe_paths(tmp_path / 'link')
    (copy / 'checkpoint').unlink()
    check_safe_paths(copy)


def test_a_list_that_leads_nowhere(copy):
    (copy / 'checkpoint').unlink()
    (copy / 'checkpoint').symlink_to('checkpoint')
    with pytest.raises(DataError, match=r'cannot be used: Too many levels of symbolic links\.$'):
        check_safe_paths(copy)


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('{precious}/model.ckpt-3', 'which is outside of the folder'),
        ('link/../model.ckpt-3', 'which is outside'),  # next to the target of the link
        *((f'{folder}/model.ckpt-3', 'which is outside') for folder in ('../precious', 'sub', 'link')),
        *((name, 'which is outside') for name in ('.', './../precious/model.ckpt-3')),
        *((name, 'not the name of a checkpoint') for name in ('..', '*', 'model.ckpt-3/', 'model.ckpt-?')),
        *((f'model.ckpt-{end}', 'not the name') for end in ('[3]', r'3\000', r'\n-3')),
    ],
)
@pytest.mark.parametrize('newest', [True, False])
def test_names_in_the_state_are_those_of_checkpoints_in_the_folder(copy, precious, name, words, newest):
    (copy / 'sub').mkdir()
    (precious / 'inner').mkdir()
    (copy / 'link').symlink_to(precious / 'inner')
    name = name.format(precious=precious)
    state(copy, *(['model.ckpt-3', name] if newest else [name, 'model.ckpt-3']))
    before = listing(precious)
    with pytest.raises(DataError, match=f'checkpoint, the list .*: it names .*{words}') as caught:
        Trained.open(copy)
    assert '\n' not in str(caught.value)
    assert listing(precious) == before


def test_a_checkpoint_that_a_training_has_replaced_meanwhile_is_not_missed(copy, monkeypatch):
    now, lists = newest_checkpoint(copy), [b'model_checkpoint_path: "model.ckpt-1"']
    read = safe_paths.read_regular
    monkeypatch.setattr(safe_paths, 'read_regular', lambda *given: lists.pop() if lists else read(*given))
    assert newest_checkpoint(copy) == now and not lists


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (b'', 'names no checkpoint'),
        (b'\xff\xfe', 'it is not a text file in UTF-8'),
        (b'model_checkpoint_path: 3', 'string'),
        (b'model_checkpoint_path: "model.ckpt-4"', r"names 'model\.ckpt-4', which does not exist"),
        (b'colour: "red"', 'no field named "colour"'),
        (b'{' * 100_000, 'cannot be used'),
        (b'"' + b'x' * 5000, 'cannot be used'),
        (b'model_checkpoint_path: "a"\n' * 50_000, '1,350,000 bytes, 1,048,576 are allowed'),
    ],
)
def test_a_state_that_is_none(copy, data, words):
    """TensorFlow itself would pass over most of these, and a run begin at step 0 again."""
    (copy / 'checkpoint').write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        Trained.open(copy)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


def test_a_pipe_instead_of_the_state_is_not_opened(copy):
    (copy / 'checkpoint').unlink()
    os.mkfifo(copy / 'checkpoint')
    with pytest.raises(DataError, match='it is not a regular file'):
        check_safe_paths(copy)


@pytest.mark.parametrize(
    'place', ['eval', 'eval/codes.tsv', 'export', 'export/best/123/variables', 'profile', 'inspect', 'dreams']
)
def test_no_link_leads_what_is_written_elsewhere(copy, precious, place):
    link = copy / place
    if link.is_dir():
        shutil.rmtree(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(precious)
    precious.rename(f'{copy}2')  # whose path begins as the run's does
    for target in (precious, Path(f'{copy}2')):
        link.unlink()
        link.symlink_to(target)
        with pytest.raises(DataError, match=rf"model_dir=.* holds the link '.*{place}', through which"):
            check_safe_paths(copy)
    link.unlink()
    link.symlink_to(copy)
    check_safe_paths(copy)


def test_phases_are_checked_as_well(tmp_path, copy, precious):
    run = tmp_path / 'run'
    run.mkdir()
    copy.rename(run / 'rbm1')
    check_safe_paths(run)
    state(run / 'rbm1', precious / 'model.ckpt-3')
    with pytest.raises(DataError, match=r'rbm1/checkpoint.* is outside'):
        check_safe_paths(run)
    shutil.rmtree(run / 'rbm1')
    (run / 'rbm1').symlink_to(precious)
    with pytest.raises(DataError, match=r"holds the link '.*rbm1'"):
        check_safe_paths(run)


@pytest.mark.slow
def test_training_writes_through_no_link_whatever_its_name(tmp_path, precious):
    """Each file of a whole run, its next checkpoint too, is replaced by a link to a file of the user's."""
    victim, copy = precious / 'graph.pbtxt', tmp_path / 'model'
    before = victim.read_bytes()
    run = cnn_settings(small_archive(tmp_path), copy)
    trained(run)
    names = [path.relative_to(copy) for path in copy.rglob('*') if path.is_file()]
    assert {Path('checkpoint'), Path('model.ckpt-4.index'), Path('experiment.json')} <= set(names)
    for name in [*names, Path('model.ckpt-5.index'), Path('of_another_version')]:
        kept = (copy / name).read_bytes() if (copy / name).exists() else None
        (copy / name).unlink(missing_ok=True)
        (copy / name).symlink_to(victim)
        with pytest.raises(LabError):  # links to JSON and to lists of checkpoints are read first
            trained(dataclasses.replace(run, max_steps=5))
        assert victim.read_bytes() == before
        (copy / name).unlink()
        if kept is not None:
            (copy / name).write_bytes(kept)
    assert trained(dataclasses.replace(run, max_steps=5))[0].step == 5


def test_other_links_are_allowed(copy, precious):
    """A user may name a folder of other things as well, and link checkpoints instead of copying them."""
    (copy / 'data').symlink_to(precious.parent)
    for path in list(copy.glob('model.ckpt-3.*')):
        path.unlink()
        path.symlink_to(precious / path.name)
    check_safe_paths(copy)
    assert Trained.open(copy).step == 3
