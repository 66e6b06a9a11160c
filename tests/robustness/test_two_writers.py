"""Two writers of each file that is written whole: threads, or processes with the same number, in containers.

Both have written all of their bytes before either renames its file. Neither fails, and the file is whole.
"""

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.api import stream
from estimator_lab.base import files
from estimator_lab.base.outputs import written
from estimator_lab.core import projector
from estimator_lab.data.demo_sets import archives as demo_archives
from estimator_lab.data.demo_sets.listops import write_listops
from estimator_lab.data.sources import room
from estimator_lab.data.trees.tokens import Tokens, write_tokens
from estimator_lab.models.fixed_network import FixedNetwork, write_network
from estimator_lab.runs.record import Record, write_record
from tests.support.archive_files import small_archive
from tests.support.streams import build_index
from tests.support.web_server import web_server

pytestmark = pytest.mark.slow


def write_index(folder: Path) -> None:
    build_index(folder / 'train.tar').write(folder / 'train.tar.index')


def write_faces(folder: Path) -> None:
    demo_archives._write_archive(folder / 'faces.tar', iter([('a/1.jpg', b'one')]))


def write_config(folder: Path) -> None:
    projector._write_config(folder, projector.ProjectorConfig(model_checkpoint_path='x'))


def write_results(folder: Path) -> None:
    with written('out', folder / 'table.csv') as file:
        file.write(b'1,2\n')


WRITERS = {
    'index': write_index,
    'experiment.json': lambda folder: write_record(folder, Record('cnn', (8, 8, 1), ('a', 'b'), {}, {})),
    'network': lambda folder: write_network(
        folder / 'style.npz', FixedNetwork('cnn', {'filters': 2}, 3, {'x': np.ones(3)})
    ),
    'tokens.txt': lambda folder: write_tokens(folder / 'tokens.txt', Tokens(['a', 'b'])),
    'built-in faces': write_faces,
    'ListOps': lambda folder: write_listops(folder, 20, 5),
    'projector': write_config,
    'results': write_results,
}


def let_meet(monkeypatch, count: int) -> None:
    """Makes the first calls of some threads that rename a file wait for each other."""
    met, move_whole = threading.Event(), files.move_whole
    barrier = threading.Barrier(count, met.set)

    def meet(partial: Path, path: Path) -> None:
        if not met.is_set():
            barrier.wait(20)
        move_whole(partial, path)

    monkeypatch.setattr(files, 'move_whole', meet)


@pytest.mark.parametrize('name', WRITERS)
def test_two_threads_write_the_same_file(tmp_path, monkeypatch, name):
    let_meet(monkeypatch, 2)
    both, alone = tmp_path / 'both', tmp_path / 'alone'
    for folder in (both, alone):
        folder.mkdir()
        small_archive(folder)
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(WRITERS[name], both) for _ in range(2)]:
            future.result()
    WRITERS[name](alone)
    found, right = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (both, alone))
    assert found == right and len(right) > 1


def _write(path: Path, data: bytes, barrier) -> None:
    os.getpid = lambda: 7  # as the first program of any container
    with files.whole_file(path) as file:
        file.write(data)
        barrier.wait(60)


def test_two_processes_with_the_same_number_write_the_same_file(tmp_path):
    forks = multiprocessing.get_context('spawn')
    barrier, path = forks.Barrier(2), tmp_path / 'file'
    processes = [forks.Process(target=_write, args=(path, data, barrier)) for data in (b'one', b'two')]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert path.read_bytes() in (b'one', b'two') and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize('has_ranges', [True, False])
def test_threads_open_an_archive_that_is_not_yet_in_the_cache(tmp_path, monkeypatch, has_ranges):
    pytest.importorskip('aiohttp')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    data = small_archive(tmp_path).read_bytes()
    let_meet(monkeypatch, 3)
    with web_server() as web, ThreadPoolExecutor(3) as pool:
        web.has_ranges = has_ranges
        url = web.put('/train.tar', data)
        found = [future.result() for future in [pool.submit(lambda: len([*stream(url)])) for _ in range(3)]]
    assert found == [24] * 3
    kept = [*(tmp_path / 'cache' / 'estimator_lab' / 'remote').iterdir()]
    # One thread fetches the archive. Those that do not wait for it may keep parts that they read.
    assert [path.read_bytes() for path in kept if room.PART not in path.name] == [data]
    assert all(path.read_bytes() in data for path in kept)
