"""Archives that are read in several processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from estimator_lab.data import check, side_by_side, tar_index
from tests.support.archive_files import tar_bytes
from tests.support.places import ROOT

needs_proc = pytest.mark.skipif(
    not Path('/proc/self/status').exists(), reason='the system lists no processes'
)
pytestmark = pytest.mark.once


@pytest.fixture
def archives(tmp_path):
    """Four archives: two with a name that occurs twice, one damaged after an image, one without images."""
    twice = tar_bytes({'a/1.jpg': b'1', 'b/2.jpg': b'22'}) + tar_bytes({'a/1.jpg': b'333'})
    damaged = tar_bytes({'c/1.jpg': b'4' * 1000, 'c/2.jpg': b'5' * 1000})[:2500]
    paths = []
    without = tar_bytes({'x.txt': b''})
    for name, data in (('1', twice), ('2', twice), ('damaged', damaged), ('without', without)):
        paths.append(tmp_path / f'{name}.tar')
        paths[-1].write_bytes(data)
    return paths


@pytest.fixture
def in_both_ways(run_command, monkeypatch):
    """Runs a command in one process, and again in several, which has to print the same; returns that."""

    def run(command, *arguments):
        monkeypatch.setattr(side_by_side, '_LEAST_BYTES', 10**9)
        alone = run_command(command, *arguments)
        written = indexes(arguments)
        monkeypatch.setattr(side_by_side, '_LEAST_BYTES', 0)
        monkeypatch.setattr(os, 'sched_getaffinity', lambda process: {0, 1}, raising=False)
        assert run_command(command, *arguments) == alone
        assert indexes(arguments) == written
        return alone

    return run


def indexes(arguments):
    """Removes the indexes next to archives, and returns their bytes."""
    found = {}
    for path in [Path(f'{argument}.index') for argument in arguments]:
        if path.exists():
            found[path] = path.read_bytes()
            path.unlink()
    return found


def test_headers_are_checked_in_order_and_damage_is_reported(archives, in_both_ways):
    for words in ([], ['--json']):
        status, text, errors = in_both_ways(check, '--quick', *words, *archives)
        assert status == 1 and 'error: 2 of 4 archives are damaged or empty' in errors
        assert text.index('1.tar') < text.index('damaged.tar') < text.index('without.tar')


def test_indexes_are_the_same(archives, in_both_ways):
    first, second, damaged, without = archives
    status, text, errors = in_both_ways(tar_index, first, second)
    assert status == 0 and text.count('3 images') == 2
    for archive, words in ((damaged, 'ends where the archive does'), (without, 'holds no images')):
        status, text, errors = in_both_ways(tar_index, first, archive)
        assert status == 1 and text.startswith(f'{first}: 3 images')
        assert errors.startswith('error: ') and words in errors and errors.count('\n') == 1


def test_small_archives_are_read_in_this_process(archives, run_command, monkeypatch):
    monkeypatch.setattr(side_by_side, 'ProcessPoolExecutor', None)
    assert run_command(tar_index, *archives[:2])[0] == 0
    assert run_command(check, '--quick', *archives[:2])[0] == 0


@needs_proc
@pytest.mark.parametrize(
    ('number', 'is_for_all', 'status', 'sentence'),
    [
        (signal.SIGINT, True, 130, 'error: Stopped.\n'),
        (signal.SIGTERM, False, 143, 'error: Stopped.\n'),
        (signal.SIGKILL, False, -signal.SIGKILL, ''),
    ],
)
@pytest.mark.parametrize('command', [['tar_index'], ['check', '--quick']], ids=' '.join)
def test_a_signal_ends_all_processes(tmp_path, command, number, is_for_all, status, sentence):
    with started(tmp_path, command) as process:
        children = wait_for(lambda: workers(process.pid))
        (os.killpg if is_for_all else os.kill)(process.pid, number)
        assert process.communicate(timeout=60)[1].endswith(sentence)
        assert process.returncode == status
        wait_for(lambda: not any(is_running(child) for child in children))


@needs_proc
def test_a_process_that_the_system_ends_is_an_error(tmp_path):
    with started(tmp_path, ['tar_index']) as process:
        children = wait_for(lambda: workers(process.pid))
        os.kill(children[0], signal.SIGKILL)
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 1
        assert errors == 'error: The system has ended a process that read archives: is memory short?\n'
        wait_for(lambda: not any(is_running(child) for child in children))


@contextlib.contextmanager
def started(folder, command):
    """A command in a group of its own that reads two archives, of a terabyte that takes no room."""
    archives = [folder / 'a.tar', folder / 'b.tar']
    for archive in archives:
        archive.write_bytes(tar_bytes({'a/1.jpg': b'1', 'a/2.jpg': b'2'}))
        os.truncate(archive, 10**12)
    process = subprocess.Popen(
        [sys.executable, '-m', f'estimator_lab.data.{command[0]}', *command[1:], *map(str, archives)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def workers(process):
    """Returns the processes that read archives, once both do."""
    children = Path(f'/proc/{process}/task/{process}/children').read_text().split()
    found = [int(child) for child in children if has_opened(child, '.tar')]
    return found if len(found) == 2 else []


def has_opened(process, suffix):
    with contextlib.suppress(OSError):
        return any(str(file.readlink()).endswith(suffix) for file in Path(f'/proc/{process}/fd').iterdir())
    return False


def is_running(process):
    with contextlib.suppress(OSError):
        return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    return False


def wait_for(condition):
    until = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found
