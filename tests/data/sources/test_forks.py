"""A forked process reads what its parent has opened: no thread, lock, session or file crosses a fork."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from estimator_lab.api import dataset
from estimator_lab.data.images import decode
from estimator_lab.data.sources import reading, remote, room
from tests.support.archive_files import encoded, gzipped, picture, tar_bytes, write_folder
from tests.support.streams import opened, read_all

pytestmark = [
    pytest.mark.usefixtures('short_pauses'),
    pytest.mark.filterwarnings('ignore:.*use of fork:DeprecationWarning'),
]

MEMBERS = {f'{"abc"[number % 3]}/{number:02}.png': encoded(picture(number)) for number in range(12)}
SECONDS = 60


def in_fork(use):
    """Returns the exit status of a fork that calls a function: 0 if it returns something true in time."""
    process = os.fork()
    if not process:
        signal.alarm(SECONDS)
        try:
            os._exit(0 if use() else 2)
        except BaseException as error:  # noqa: BLE001 - the parent sees the status alone
            os.write(2, f'{error!r}\n'.encode())
            os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def local(tmp_path, web, count):
    paths = [tmp_path / f'{number}.tar' for number in range(count)]
    for path in paths:
        path.write_bytes(tar_bytes(MEMBERS))
    return [*map(str, paths)]


def compressed(tmp_path, web, count):
    return [str(gzipped(Path(path))) for path in local(tmp_path, web, count)]


def folders(tmp_path, web, count):
    return [str(write_folder(tmp_path / 'photos', MEMBERS))]


def on_the_web(tmp_path, web, count):
    return [web.put(f'/{number}.tar', tar_bytes(MEMBERS)) for number in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize('count', [1, 3])
@pytest.mark.parametrize(
    ('make', 'megabytes'),
    [(local, 0), (compressed, 0), (folders, 0), (on_the_web, 0), (on_the_web, 100)],
    ids=['local', 'compressed', 'folder', 'by ranges', 'kept'],
)
def test_a_fork_reads_what_its_parent_has_opened_and_read(tmp_path, web, make, megabytes, count):
    remote.keep(megabytes * 2**20)
    places = make(tmp_path, web, count)
    archives = opened(*places)
    whole = read_all(archives)
    assert in_fork(lambda: read_all(archives) == whole) == 0
    assert in_fork(lambda: read_all(opened(*places)) == whole) == 0
    assert in_fork(lambda: in_fork(lambda: read_all(archives) == whole) == 0) == 0
    assert read_all(archives) == whole


def test_no_lock_that_a_thread_of_the_parent_holds_is_held_in_a_fork(tmp_path, web):
    remote.keep(100 * 2**20)
    places = on_the_web(tmp_path, web, 2)
    held, is_over = threading.Barrier(2), threading.Event()

    def hold():
        with reading._reading, room._lock, decode._large:
            held.wait()
            is_over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    assert in_fork(lambda: read_all(opened(*places)) and decode._large.acquire(blocking=False)) == 0
    is_over.set()
    thread.join()


def test_files_that_the_parent_has_open_are_closed_in_a_fork(tmp_path, web):
    (path,) = local(tmp_path, web, 1)
    read_all(opened(path))
    assert path in _open_files()
    assert in_fork(lambda: path not in _open_files()) == 0


def _open_files():
    found = []
    for number in os.listdir('/proc/self/fd'):  # noqa: PTH208
        try:
            found.append(os.readlink(f'/proc/self/fd/{number}'))  # noqa: PTH115
        except OSError:  # that of the folder
            continue
    return found


def test_no_more_than_a_few_dozen_archives_are_open(tmp_path, web):
    before = set(_open_files())  # of other tests
    read_all(opened(*local(tmp_path, web, 100)))
    assert sum(path.endswith('.tar') for path in set(_open_files()) - before) <= 64


def test_formats_are_there_before_threads_decode(tmp_path, web):
    """A fork while they are imported would hold the import's lock for ever."""
    (path,) = local(tmp_path, web, 1)
    program = (
        'import sys; from estimator_lab.api import dataset; '
        f'dataset({path!r}, image_shape=(8, 8, 3)); sys.exit("PIL.PngImagePlugin" not in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', program], timeout=SECONDS, check=False).returncode == 0


def test_a_signal_handler_may_read_what_is_being_read(tmp_path, web):
    (path,) = local(tmp_path, web, 1)
    data, seen = dataset(path, image_shape=(8, 8, 3)), []

    def read():
        signal.signal(signal.SIGVTALRM, lambda number, frame: seen.append(data[3].key))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.001, 0.001)
        deadline = time.monotonic() + SECONDS / 2
        while len(seen) < 300 and time.monotonic() < deadline:
            data[5]
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return len(seen) >= 300 and set(seen) == {data[3].key}

    assert in_fork(read) == 0
