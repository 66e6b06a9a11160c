"""Packing that is stopped at any moment: nothing half done looks whole."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from estimator_lab.data.packing.packing import pack
from estimator_lab.data.packing.shards import MANIFEST, PackSettings, TarWriter, verify
from estimator_lab.errors import LabError
from tests.pack_files import FILES, quiet
from tests.places import ROOT


@pytest.mark.parametrize('after', [1, 100, len(FILES) + 2, 2 * len(FILES)])
@pytest.mark.parametrize('error', [OSError(errno.ENOSPC, 'No space left on device'), KeyboardInterrupt()])
def test_full_disk_and_interrupt_leave_nothing(source, out, monkeypatch, after, error):
    add, calls = TarWriter.add, []

    def failing_add(self, *pieces):
        calls.append(pieces)
        if len(calls) == after:
            raise error
        add(self, *pieces)

    monkeypatch.setattr(TarWriter, 'add', failing_add)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else LabError
    with pytest.raises(expected) as caught:
        pack([source], out, PackSettings(3), quiet)
    assert not out.exists()
    if expected is LabError:
        assert str(caught.value) == f'--out={out} cannot be written: No space left on device.'


@pytest.mark.parametrize('moved', range(4))
def test_stopped_as_shards_are_moved(source, out, monkeypatch, moved):
    rename, calls = Path.rename, []

    def stop(self, target):
        if len(calls) == moved:
            raise KeyboardInterrupt
        calls.append(target)
        return rename(self, target)

    monkeypatch.setattr(Path, 'rename', stop)
    with pytest.raises(KeyboardInterrupt):
        pack([source], out, PackSettings(3), quiet)
    assert not out.exists()


def test_killed_at_any_moment(tmp_path, source):
    """Whatever a SIGKILL leaves has no manifest, or is complete; the next run gives the right bytes."""
    rng = random.Random(3)
    expected = pack([source], tmp_path / 'expected', PackSettings(3), quiet)
    slowly = (
        'import sys, time\n'
        'from pathlib import Path\n'
        'from estimator_lab.data.packing import packing, shards\n'
        'def slow(function):\n'
        '    def call(*arguments): time.sleep(0.0005); return function(*arguments)\n'
        '    return call\n'
        'shards.TarWriter.add = slow(shards.TarWriter.add)\n'
        'Path.rename = slow(Path.rename)\n'
        'print(flush=True)\n'
        'packing.pack([sys.argv[1]], Path(sys.argv[2]), packing.PackSettings(3), print)\n'
    )
    unfinished = 0
    for round_ in range(12):
        out = tmp_path / f'out{round_}'
        command = [sys.executable, '-c', slowly, source, str(out)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.communicate()
        finished = (out / MANIFEST).exists()
        if not finished:
            unfinished += 1
            pack([source], out, PackSettings(3), quiet)
        assert verify(out, lambda *_: None).shards == expected.shards
        assert len(list(out.iterdir())) == 4
    assert unfinished


@pytest.mark.parametrize('moved', range(4))
def test_killed_as_shards_are_moved(tmp_path, source, out, moved):
    expected = pack([source], tmp_path / 'expected', PackSettings(3), quiet)
    stop = (
        'import os, sys\n'
        'from pathlib import Path\n'
        'from estimator_lab.data.packing import packing\n'
        'rename, calls = Path.rename, []\n'
        'def stop(self, target):\n'
        f'    if len(calls) == {moved}: os.kill(os.getpid(), 9)\n'
        '    calls.append(target)\n'
        '    return rename(self, target)\n'
        'Path.rename = stop\n'
        'packing.pack([sys.argv[1]], Path(sys.argv[2]), packing.PackSettings(3), print)\n'
    )
    done = subprocess.run([sys.executable, '-c', stop, source, str(out)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(out.glob('*.tar'))) == moved
    assert not (out / MANIFEST).exists()
    assert pack([source], out, PackSettings(3), quiet).shards == expected.shards
    assert verify(out, lambda *_: None)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_with_a_sentence_and_without_leftovers(tmp_path, source, out, number):
    """Also while it waits for a pipe, whose writer has sent half an archive and stalls."""
    pipe, data = tmp_path / 'pipe', Path(source).read_bytes()
    os.mkfifo(pipe)
    command = [sys.executable, '-m', 'estimator_lab.data.pack', str(pipe), f'--out={out}', '--shards=2']
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    with pipe.open('wb') as file:
        file.write(data[: len(data) // 2])
        file.flush()
        until = time.monotonic() + 60
        while not (out / '.packing').exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        _, shown = process.communicate(timeout=60)
    assert process.returncode and shown == 'error: Stopped.\n'
    assert not out.exists()
