"""A process may have few files open, and a data set many archives."""

import os
from pathlib import Path

from estimator_lab.data.storage.files import LocalFile
from estimator_lab.data.tar import random_access
from estimator_lab.data.tar.index import build_index
from estimator_lab.data.tar.random_access import OpenFiles
from tests.archive_files import write_tar

ARCHIVES = 400

_PROGRAM = f"""
import os, random, resource, sys
from concurrent.futures import ThreadPoolExecutor
from estimator_lab.data.order.archives import open_archives
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
for start in ('first', 'second'):
    archives = open_archives([sys.argv[1] + '/*.tar'])
    assert archives.total == {ARCHIVES} and archives.has_random_access
    members = [scheduled for scheduled in archives.order(shuffle_buffer=2).epoch(0)]
    with ThreadPoolExecutor(8) as pool:
        data = list(pool.map(lambda member: member.read().data, members))
    assert sorted(data) == sorted(b'%d' % number for number in range({ARCHIVES})), start
    print(start, len(os.listdir('/proc/self/fd')) <= 40)
"""


def test_more_archives_than_a_process_may_have_open(tmp_path, run_python):
    folder = tmp_path / 'archives'
    folder.mkdir()
    for number in range(ARCHIVES):
        write_tar(folder / f'{number:05}.tar', [(f'a/{number}.jpg', b'%d' % number)])
    done = run_python('-c', _PROGRAM, str(folder), XDG_CACHE_HOME=str(tmp_path / 'cache'))
    assert (done.stderr, done.stdout) == ('', 'first True\nsecond True\n')


def test_the_most_recently_used_files_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(random_access, 'share_of_limit', lambda *_: 2)
    opened = []

    class Counted(LocalFile):
        def __init__(self, path):
            super().__init__(path)
            opened.append(Path(path).name)

    monkeypatch.setattr(random_access, 'LocalFile', Counted)
    files = OpenFiles()
    for name in 'abc':
        (tmp_path / name).write_text(name)
    for name in 'abacab':
        assert os.pread(files.get(str(tmp_path / name), 0).descriptor, 9, 0) == name.encode()
    assert ''.join(opened) == 'abcb'
    files.get(str(tmp_path / 'a'), 1)
    assert opened[4:] == ['a']  # it has changed


def test_a_file_in_use_is_closed_after_its_last_use(tmp_path):
    files, path = OpenFiles(), tmp_path / 'a'
    path.write_text('a')
    file = files.get(str(path), 0)
    files.forget(str(path), 0)
    descriptor = file.descriptor
    assert os.pread(descriptor, 1, 0) == b'a'
    del file
    assert not Path(f'/proc/self/fd/{descriptor}').exists()


def test_a_closed_index_keeps_no_file_open(archive):
    index = build_index(str(archive))
    index.member(0).read()
    index.close()
    assert archive not in [descriptor.resolve() for descriptor in Path('/proc/self/fd').iterdir()]
    assert index.member(0).read().data
