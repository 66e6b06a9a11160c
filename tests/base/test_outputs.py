"""Results are written under another name, then renamed, and never replace what is read."""

import errno
import os
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError, LabError
from estimator_lab.base.outputs import check_outputs, made_folder, written_together, written_whole

pytestmark = pytest.mark.once


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / 'rows.csv'
    path.write_text('old')
    with written_whole('out', path) as partial:
        partial.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert [each.name for each in tmp_path.iterdir()] == ['rows.csv']


@pytest.mark.parametrize('error', [DataError('broken off'), KeyboardInterrupt()])
def test_what_broke_off_stays_beside(tmp_path, capsys, error):
    path = tmp_path / 'rows.csv'
    path.write_text('old')
    with pytest.raises(type(error)), written_whole('out', path) as partial:
        partial.write_text('half')
        raise error
    assert path.read_text() == 'old'
    assert (tmp_path / 'rows.partial.csv').read_text() == 'half'
    assert capsys.readouterr().err == f'What was written so far is in {tmp_path / "rows.partial.csv"}.\n'


def test_nothing_written_leaves_nothing(tmp_path):
    with pytest.raises(DataError), written_whole('out', tmp_path / 'x') as partial:
        partial.touch()
        raise DataError('broken off')
    assert not list(tmp_path.iterdir())


def test_files_appear_together_or_not_at_all(tmp_path):
    (tmp_path / 'a').write_text('old')
    with (
        pytest.raises(LabError, match='cannot be written: No space'),
        written_together('out', tmp_path) as new,
    ):
        (new / 'a').write_text('new')
        raise OSError(errno.ENOSPC, 'No space')
    assert [path.name for path in tmp_path.iterdir()] == ['a'] and (tmp_path / 'a').read_text() == 'old'
    (tmp_path / '.partial').mkdir()
    (tmp_path / '.partial' / 'b').write_text('of a process that was killed')
    with written_together('out', tmp_path) as new:
        (new / 'a').write_text('new')
    assert [path.name for path in tmp_path.iterdir()] == ['a'] and (tmp_path / 'a').read_text() == 'new'


def test_bytes_and_name_are_on_disk_before_a_result_counts_as_written(tmp_path, monkeypatch):
    path, calls, replace = tmp_path / 'rows.csv', [], Path.replace
    monkeypatch.setattr(os, 'fsync', lambda number: calls.append(Path(f'/proc/self/fd/{number}').readlink()))
    monkeypatch.setattr(Path, 'replace', lambda self, to: calls.append(to) or replace(self, to))
    with written_whole('out', path) as partial:
        partial.write_text('rows')
    assert calls == [partial, path, tmp_path]


def test_devices_and_folders(tmp_path):
    with written_whole('out', Path(os.devnull)) as path:
        assert str(path) == os.devnull
    with pytest.raises(FlagError, match='is a folder: name a file in it'), written_whole('out', tmp_path):
        pass
    gone = tmp_path / 'none' / 'x'
    with (
        pytest.raises(FlagError, match=f'its folder {gone.parent} is not there'),
        written_whole('out', gone) as partial,
    ):
        partial.write_text('x')


def test_a_folder_that_stays_empty_is_not_left(tmp_path):
    for error in (DataError('broken off'), KeyboardInterrupt()):
        with pytest.raises(type(error)), made_folder('out', tmp_path / 'a' / 'b'):
            assert (tmp_path / 'a' / 'b').is_dir()
            raise error
        assert not list(tmp_path.iterdir())
    (tmp_path / 'own').mkdir()
    with pytest.raises(DataError), made_folder('out', tmp_path / 'own'):
        raise DataError('broken off')
    with pytest.raises(DataError), made_folder('out', tmp_path / 'half'):
        (tmp_path / 'half' / 'x').touch()
        raise DataError('broken off')
    with made_folder('out', tmp_path / 'done'):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ['done', 'half', 'own']


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an archive, a folder of images, and the files of a model."""
    monkeypatch.chdir(tmp_path)
    for name in (
        *('a.tar', 'b.csv', 'images/0.jpg', 'model/checkpoint', 'model/experiment.json', 'model/report.html'),
        *('model/model.ckpt-3.index', 'model/events.out.tfevents.1'),
    ):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    Path('link.tar').symlink_to('a.tar')


def check(name, **more):
    inputs = ['-', 'none', 'https://example.com/a.tar', 'a.tar', 'images']
    check_outputs({'out': name, 'files': None, **more}, inputs, Path('model'), lambda name: '.jpg' in name)


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('a.tar', "is 'a.tar', which is read: name another"),
        ('link.tar', "is 'a.tar', which is read: name another"),
        ('images/0.jpg', "is in the folder 'images', which is read: name another"),
        *(
            (f'model/{name}', 'is a file of the model: name another')
            for name in ('checkpoint', 'experiment.json', 'model.ckpt-3.index', 'events.out.tfevents.1')
        ),
    ],
)
def test_results_do_not_replace_what_is_read(place, name, words):
    with pytest.raises(FlagError, match=f'--out={name} {words}'):
        check(name)
