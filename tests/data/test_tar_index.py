"""The command that writes indexes."""

import os
import subprocess
import sys

import pytest

from estimator_lab.data import tar_index
from tests.support.archive_files import encoded, picture, tar_bytes
from tests.support.places import ROOT
from tests.support.streams import open_index

pytestmark = pytest.mark.once


def test_a_closed_pipe_is_no_error(tmp_path):
    """As in `tar_index a.tar b.tar | true`."""
    archives = [tmp_path / name for name in ('a.tar', 'b.tar')]
    for archive in archives:
        archive.write_bytes(tar_bytes({'a/1.jpg': b'1'}))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, '-m', 'estimator_lab.data.tar_index', *map(str, archives)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=600,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b'')
    assert all((tmp_path / f'{archive.name}.index').exists() for archive in archives)


def test_command(archive, tmp_path, run_python):
    def run(*arguments):
        return run_python('-m', 'estimator_lab.data.tar_index', *arguments)

    done = run(str(archive))
    assert (done.returncode, done.stderr) == (0, '')
    described = '24 images, 4 labels; random access'
    assert done.stdout == f'{archive}: {described}; index in {archive}.index\n'
    assert len(open_index(str(archive))) == 24
    whole = archive.read_bytes()
    archive.write_bytes(whole + whole)
    (described,) = run(str(archive)).stdout.splitlines()
    assert '48 images, 4 labels' in described
    archive.write_bytes(whole[:9000])
    done = run(str(archive))
    assert done.returncode == 1
    assert done.stderr.startswith('error: The index ends where the archive does:')
    for arguments, status, words in (
        ([], 2, 'ARCHIVE|FOLDER... is missing'),
        ([str(tmp_path / 'gone.tar')], 1, 'There is no file'),
        (['--nonsense'], 2, 'nonsense'),
    ):
        done = run(*arguments)
        assert done.returncode == status and words in done.stderr and done.stderr.count('\n') == 1


def test_command_needs_no_tensorflow(run_python):
    code = "import sys, estimator_lab.data.tar_index; assert 'tensorflow' not in sys.modules"
    assert run_python('-c', code).returncode == 0


def test_one_image_has_one_label(tmp_path, run_command):
    (tmp_path / 'a.png').write_bytes(encoded(picture(1)))
    assert '1 image, 1 label;' in run_command(tar_index, tmp_path / 'a.png')[1]
