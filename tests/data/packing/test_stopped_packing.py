"""Packing that is stopped at any moment: nothing half done looks whole."""

import errno
import os
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


KILLED = """
import os, sys
from pathlib import Path
from estimator_lab.data.packing import packing, shards
calls = []
def counted(function):
    def call(*arguments):
        if len(calls) == int(sys.argv[3]):
            os.kill(os.getpid(), 9)
        calls.append(function)
        return function(*arguments)
    return call
shards.TarWriter.add = counted(shards.TarWriter.add)
Path.rename = counted(Path.rename)
packing.pack([sys.argv[1]], Path(sys.argv[2]), packing.PackSettings(3), print)
"""
MOVES = 4  # three shards and the manifest


@pytest.mark.parametrize('call', [1, 50, *range(-MOVES - 1, 1)])
def test_killed_at_any_moment(tmp_path, source, out, call, monkeypatch):
    """What a SIGKILL leaves has no manifest, or is complete; the next run gives the right bytes.

    The process kills itself at one of its calls that write or move, counted from the end if negative.
    """
    calls, add, rename = [], TarWriter.add, Path.rename
    monkeypatch.setattr(TarWriter, 'add', lambda *arguments: calls.append(add) or add(*arguments))
    monkeypatch.setattr(Path, 'rename', lambda *arguments: calls.append(rename) or rename(*arguments))
    expected = pack([source], tmp_path / 'expected', PackSettings(3), quiet)
    assert calls[-MOVES:] == [rename] * MOVES and calls[:-MOVES] == [add] * (len(calls) - MOVES)
    at = call if call > 0 else len(calls) + call  # 0 is after the last one
    done = subprocess.run([sys.executable, '-c', KILLED, source, str(out), str(at)], cwd=ROOT, check=False)
    assert done.returncode == (-signal.SIGKILL if at < len(calls) else 0)
    assert len(list(out.glob('*.tar'))) == min(max(at - (len(calls) - MOVES), 0), MOVES - 1)
    assert (out / MANIFEST).exists() == (at == len(calls))
    if at < len(calls):
        assert pack([source], out, PackSettings(3), quiet).shards == expected.shards
    assert verify(out, lambda *_: None).shards == expected.shards
    assert len(list(out.iterdir())) == MOVES


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_with_a_sentence_and_without_leftovers(tmp_path, source, out, number):
    """Also while it waits for a pipe, whose writer has sent half an archive and stalls."""
    pipe, data = tmp_path / 'pipe', Path(source).read_bytes()
    os.mkfifo(pipe)
    command = [sys.executable, '-m', 'estimator_lab.data.pack', str(pipe), f'--out={out}', '--shards=2']
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below nohup, commands would ignore it
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGHUP, before)
    with pipe.open('wb') as file:
        file.write(data[: len(data) // 2])
        file.flush()
        until = time.monotonic() + 300
        while not (out / '.packing').exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        _, shown = process.communicate(timeout=300)
    assert process.returncode and shown == 'error: Stopped.\n'
    assert not out.exists()
