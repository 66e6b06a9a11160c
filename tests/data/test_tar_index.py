"""The command that writes indexes."""

import os
import subprocess
import sys

from estimator_lab.data.tar.index import build_index
from tests.archive_files import tar_bytes
from tests.places import ROOT


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
        timeout=100,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b'')
    assert all((tmp_path / f'{archive.name}.index').exists() for archive in archives)


def test_unusual_archives_are_reported(tmp_path, run_python):
    archive = tmp_path / 'a.tar'
    archive.write_bytes(tar_bytes({'a/1.jpg': b'1'}) + tar_bytes({'b/1.jpg': b'2'}))
    done = run_python('-m', 'estimator_lab.data.tar_index', str(archive))
    note, described = done.stdout.splitlines()
    assert note.endswith(
        'continues after its end-of-archive block at byte 1024: all is used, from byte 2048 on.'
    )
    assert '2 images, 2 labels' in described
    assert len(build_index(str(archive))) == 2
