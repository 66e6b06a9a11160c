"""The command that writes indexes."""

import errno
import os
import subprocess
import sys

from estimator_lab.data import tar_index
from estimator_lab.data.sources.entries import Forward
from tests.support.archive_files import encoded, picture, tar_bytes
from tests.support.places import ROOT
from tests.support.streams import open_index


def test_a_closed_pipe_is_no_error(tmp_path):
    """As in `tar_index a.tar b.tar | true`."""
    for name in ('a.tar', 'b.tar'):
        (tmp_path / name).write_bytes(tar_bytes({'a/1.jpg': b'1'}))
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, '-m', 'estimator_lab.data.tar_index', tmp_path / 'a.tar', tmp_path / 'b.tar']
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, timeout=600, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b'')
    assert (tmp_path / 'a.tar.index').exists() and (tmp_path / 'b.tar.index').exists()


def test_command(archive, run_command):
    whole = archive.read_bytes()
    described = f'{archive}: 24 images, 4 labels; random access; index in {archive}.index\n'
    assert run_command(tar_index, archive) == (0, described, '')
    assert len(open_index(str(archive))) == 24
    archive.write_bytes(whole + whole)
    assert '48 images, 4 labels' in run_command(tar_index, archive)[1]
    archive.write_bytes(whole[:9000])
    status, _, errors = run_command(tar_index, archive)
    assert status == 1 and errors.startswith('error: The index ends where the archive does:')


def test_a_disk_that_fails_leaves_no_index(archive, run_command, monkeypatch):
    """Unlike damage, which stays, it may read the rest the next time."""
    seek = Forward.seek

    def fail(stream, offset):
        if offset > 9000:
            raise OSError(errno.EIO, 'Input/output error')
        return seek(stream, offset)

    monkeypatch.setattr(Forward, 'seek', fail)
    status, _, errors = run_command(tar_index, archive)
    assert status == 1 and 'Input/output error' in errors and not list(archive.parent.glob('*.index'))


def test_one_image_has_one_label(tmp_path, run_command):
    (tmp_path / 'a.png').write_bytes(encoded(picture(1)))
    assert '1 image, 1 label;' in run_command(tar_index, tmp_path / 'a.png')[1]


def test_where_an_index_goes_and_archives_that_have_none(archive, tmp_path, monkeypatch, run_command):
    """Into the cache where the archive's folder cannot be written; nowhere if it holds no whole member."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (archive.parent / f'{archive.name}.index').mkdir()
    status, text, _ = run_command(tar_index, archive)
    assert status == 0 and f'index in {tmp_path}/cache/' in text
    whole = archive.read_bytes()
    archive.write_bytes(whole[:700])
    status, _, errors = run_command(tar_index, archive)
    assert status == 1 and "is cut off at byte 700 of its tar stream, in member 'train/n000000/" in errors


def test_the_index_of_an_archive_on_a_server_is_in_the_cache(web, tmp_path, monkeypatch, run_command):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    web.put('/a.tar', tar_bytes({'a/1.jpg': b'1', 'b/2.jpg': b'2'}))
    status, text, _ = run_command(tar_index, f'{web.address}/a.tar')
    assert status == 0 and f'2 images, 2 labels; random access; index in {tmp_path}/cache/' in text
