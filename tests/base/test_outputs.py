"""Results are written under another name, then renamed, and never replace what is read."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError, LabError
from estimator_lab.base.outputs import (
    check_folder,
    check_outputs,
    check_suffix,
    locked,
    made_folder,
    why_refused,
    written,
    written_folder,
)
from tests.support.archive_files import write_folder


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


OF_THE_MODEL = (
    *('checkpoint', 'experiment.json', 'model.ckpt-3.index', 'events.out.tfevents.1', 'graph.pbtxt'),
    *('tokens.txt', 'principal_components.npz', 'style.npz'),
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an archive, a folder of images, and the files of a model."""
    monkeypatch.chdir(tmp_path)
    names = 'a.tar', 'b.csv', 'images/0.jpg', 'model/report.html', *(f'model/{name}' for name in OF_THE_MODEL)
    write_folder(tmp_path, dict.fromkeys(names, b''))
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
        *((f'model/{name}', 'is a file of the model: name another') for name in OF_THE_MODEL),
    ],
)
def test_results_do_not_replace_what_is_read(place, name, words):
    with pytest.raises(FlagError, match=f'out={name} {words}'):
        check(name)


def test_two_results_are_two_files(place):
    Path('same.csv').symlink_to('new.csv')
    with pytest.raises(FlagError, match=r'table=same\.csv is the file of .*out as well: name two'):
        check('new.csv', table='same.csv')
    check('new.csv', table='newer.csv')
    check('', table='')


@pytest.mark.parametrize('name', ['b.csv', 'model/report.html'])
def test_only_files_of_the_same_kind_are_replaced(place, name):
    suffix = Path(name).suffix
    (other,) = {'.csv', '.html'} - {suffix}

    def check_replacing(name, *replaced):
        check_outputs({'out': name}, [], Path('model'), replaced=replaced)

    check_replacing(name)
    check_replacing(name, '.txt', suffix)
    check_replacing(f'new{suffix}', other)
    with pytest.raises(FlagError, match=rf'out={name} is there already, and .* ends in \{other}: name'):
        check_replacing(name, other)


@pytest.mark.parametrize(('in_between', 'is_typed'), [(True, True), (True, False), (False, False)])
def test_a_pipe_that_the_user_did_not_type_is_replaced(tmp_path, in_between, is_typed):
    pipe = path = tmp_path / 'pipe'
    os.mkfifo(pipe)
    if in_between:
        path = tmp_path / 'report.html'
        path.symlink_to(pipe)
    with written('out', path, is_typed) as file:  # else it would wait for a reader
        file.write(b'page')
    assert path.read_bytes() == b'page' and not path.is_symlink()


def test_a_pipe_or_device_that_the_user_typed_is_written(tmp_path):
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for path in (pipe, Path(f'/dev/fd/{os.open(pipe, os.O_WRONLY)}')):
        with written('out', path) as file:
            file.write(b'rows')
        assert os.read(reader, 9) == b'rows'


def test_a_folder_gets_all_files_or_none_and_no_link_is_followed(tmp_path):
    victim, folder = tmp_path / 'victim', tmp_path / 'out'
    victim.write_text('of the user')
    folder.mkdir()
    (folder / 'b').symlink_to(victim)
    with pytest.raises(DataError), written_folder('out', folder) as hidden:
        (hidden / 'a').touch()
        raise DataError('broken off')
    assert [path.name for path in folder.iterdir()] == ['b']
    with written_folder('out', folder) as hidden:
        (hidden / 'b').write_text('new')
    assert victim.read_text() == 'of the user' and (folder / 'b').read_text() == 'new'
    assert [path.name for path in folder.iterdir()] == ['b']


def test_a_lock_holds_out_another_process_until_it_is_released(tmp_path):
    """`flock` locks what was opened, so that a second opening in one process stands for another process."""

    def again():
        with locked(tmp_path, 'busy'):
            return 'taken'

    with locked(tmp_path, 'busy'), pytest.raises(FlagError, match=r'^busy$'):
        again()
    with pytest.raises(KeyError), locked(tmp_path, 'busy'):
        raise KeyError
    assert again() == 'taken'
    code = 'import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); '
    other = [sys.executable, '-c', f'{code}print(flush=True); input()', str(tmp_path)]
    with subprocess.Popen(other, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(FlagError, match=r'^busy$'):
            again()
        holder.kill()
        holder.wait()
        assert again() == 'taken'


def test_a_file_system_without_locks_locks_nothing(tmp_path, monkeypatch):
    def fail(descriptor, operation):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr('fcntl.flock', fail)
    with locked(tmp_path, 'busy'), locked(tmp_path, 'busy'):
        assert not list(tmp_path.iterdir())


def test_a_folder_for_results_holds_no_examples(tmp_path):
    write_folder(tmp_path, {'data/a/1.png': b'', 'mixed/b/2.png': b'', 'results/x/rows.csv': b''})

    def check(name, model_dir=None):
        check_folder(
            'out', tmp_path / name, [str(tmp_path / 'data')], lambda n: n.endswith('.png'), model_dir
        )

    for name in ('results', 'new'):
        check(name)
    with pytest.raises(FlagError, match=r'data/out is in the folder .*data., which is read: name another'):
        check('data/out')
    with pytest.raises(FlagError, match=r'mixed holds examples, such as \S+/mixed/b/2\.png, with which'):
        check('mixed')
    check('mixed', tmp_path / 'mixed')  # a model has pictures of its own


def test_the_name_of_a_picture(tmp_path):
    check_suffix('out', tmp_path / 'x.PNG', ['.png', '.jpg'])
    with pytest.raises(FlagError, match=r'x\.gif is not a name for a picture: end it in \.png or \.jpg\.'):
        check_suffix('out', tmp_path / 'x.gif', ['.png', '.jpg'])
    with pytest.raises(FlagError, match=r'x\.png cannot be written: its folder is not there'):
        check_suffix('out', tmp_path / 'none' / 'x.png', ['.png'])


def test_why_a_folder_cannot_be_made(tmp_path):
    (tmp_path / 'file').touch()
    (tmp_path / 'link').symlink_to(tmp_path / 'nowhere')
    for place, error, words in (
        ('file/x', NotADirectoryError(20, 'Not a directory'), f'{tmp_path}/file is a file, not a folder'),
        ('file', FileExistsError(17, 'File exists'), f'{tmp_path}/file is a file, not a folder'),
        ('link', FileExistsError(17, 'File exists'), 'it is a link that leads nowhere'),
        ('none/x', FileNotFoundError(2, 'No such file'), f'its folder {tmp_path}/none is not there'),
        ('new', PermissionError(13, 'Permission denied'), 'Permission denied'),
        ('new', OSError('broken'), 'broken'),
    ):
        assert why_refused(tmp_path / place, error) == words
