"""Results are written under another name, then renamed, and never replace what is read."""

import errno
import os
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError, LabError
from estimator_lab.base.outputs import check_outputs, made_folder, written

pytestmark = pytest.mark.once


@pytest.mark.parametrize('error', [DataError('broken off'), KeyboardInterrupt()])
def test_a_failure_leaves_the_former_file(tmp_path, error):
    path = tmp_path / 'rows.csv'
    path.write_text('old')
    with pytest.raises(type(error)), written('out', path) as file:
        file.write(b'half')
        raise error
    assert path.read_text() == 'old' and [each.name for each in tmp_path.iterdir()] == ['rows.csv']


def test_devices_folders_and_links(tmp_path):
    with written('out', Path(os.devnull)) as file:
        assert str(file.name) == os.devnull
    with pytest.raises(FlagError, match='is a folder: name a file in it'), written('out', tmp_path):
        pass
    gone = tmp_path / 'none' / 'x'
    with pytest.raises(FlagError, match=f'its folder {gone.parent} is not there'), written('out', gone):
        pass
    link = tmp_path / 'link'
    link.symlink_to(tmp_path / 'nowhere')
    with written('out', link) as file:
        file.write(b'rows')
    assert not link.is_symlink() and link.read_text() == 'rows' and not (tmp_path / 'nowhere').exists()


def test_a_full_disk_is_no_fault_of_the_flag(tmp_path):
    message = f'^out={tmp_path}/x cannot be written: No space'
    with pytest.raises(LabError, match=message) as caught, written('out', tmp_path / 'x'):
        raise OSError(errno.ENOSPC, 'No space')
    assert caught.value.exit_status == 1


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
    with pytest.raises(FlagError, match=f'out={name} {words}'):
        check(name)
