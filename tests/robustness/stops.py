"""Sends signals to commands at random moments, and measures how long they take to end.

    python -m tests.robustness.stops --count=200

Each command gets SIGINT, SIGTERM or SIGHUP between its start and its end, and in a third of the cases another
one soon after. It must end with status 130 (before Python has imported it, by the signal), without a
traceback, and within the seconds allowed. Standard inputs and pipes are those of a writer that
sends half of an archive and then nothing.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.robustness.driver import Tally, main
from tests.support.archive_files import small_archive
from tests.support.places import ROOT
from tests.support.small_runs import SMALL, cnn_settings, trained

_STEPS = '--image_size=8 --batch_size=4 --max_steps=99999 --model_dir=HOME/NAME'
_RUN = f'--hparams={SMALL} {_STEPS}'
_PIPE = '--data=HOME/pipe --eval_data=HOME/train.tar --vocabulary=HOME/labels.txt'
_PHASES = '--model=dbn --hparams=layers=6-5,pretrain_epochs=50'
_READ = '--model_dir=HOME/model'
COMMANDS = {
    'train': f'train --data=HOME/train.tar --save_checkpoints_steps=50 {_RUN}',
    'train on a pipe': f'train {_PIPE} {_RUN}',
    'train in phases': f'train --data=HOME/train.tar {_PHASES} {_STEPS}',
    'evaluate': f'evaluate {_READ} --data=HOME/train.tar --out=HOME/out',
    'predict': f'predict {_READ} HOME/train.tar',
    'predict standard input': f'predict {_READ} -',
    'export': f'export {_READ} --out=HOME/out',
    'report': f'report {_READ} --data=HOME/train.tar --out=HOME/out.html',
    'inspect': f'inspect {_READ} --image=HOME/train.tar:train/n000000/0000_01.png --out=HOME/out',
    'dream': f'dream {_READ} --layer=conv2 --out=HOME/out.png',
    'pack': 'data.pack HOME/train.tar --out=HOME/out --shards=2',
}
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST = 20.0  # seconds until the signal
_PYTHON_STARTS = 0.5


def stop(name: str, home: Path, rng: random.Random) -> float | None:
    """Runs a command and stops it; returns the seconds that it took to end, None if it had ended before."""
    words = COMMANDS[name].replace('HOME', str(home)).replace('NAME', name.replace(' ', '_')).split()
    begun = [sys.executable, '-m', f'estimator_lab.{words[0]}', *words[1:]]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.DEVNULL, 'stderr': subprocess.PIPE}
    with subprocess.Popen(begun, env=environment, **pipes) as process:
        try:
            if words[-1] == '-':
                os.write(process.stdin.fileno(), _half(home))
            time.sleep(rng.uniform(_PYTHON_STARTS, _LONGEST))
            if process.poll() is not None:
                return None
            process.send_signal(rng.choice(_SIGNALS))
            started = time.monotonic()
            if rng.random() < 1 / 3:
                time.sleep(rng.choice([0.01, 0.1, 1]))
                process.send_signal(rng.choice(_SIGNALS))
            process.wait()
            seconds = time.monotonic() - started
        finally:
            process.kill()
        errors = process.stderr.read().decode()
    if process.returncode == 0:  # it was about to end
        return None
    if process.returncode not in (130, *(-number for number in _SIGNALS)) or 'Traceback' in errors:
        raise RuntimeError(f'status {process.returncode}: {errors}')
    return seconds


def _half(home: Path) -> bytes:
    data = (home / 'train.tar').read_bytes()
    return data[: len(data) // 2]


def _feed(home: Path) -> None:
    """Writes half of an archive into the pipe each time that a process reads it."""
    while True:
        with (home / 'pipe').open('wb') as file:
            file.write(_half(home))
            file.flush()
            time.sleep(2 * _LONGEST)


def measure(given: argparse.Namespace) -> int:
    """Stops commands; returns how many did not end as they should."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below nohup, commands would ignore it
    rng, tally, taken = random.Random(given.seed), Tally(), [0.0]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        trained(cnn_settings(small_archive(home), home / 'model'))
        (home / 'labels.txt').write_text(''.join(f'n{n:06}\n' for n in range(4)))
        os.mkfifo(home / 'pipe')
        threading.Thread(target=_feed, args=[home], daemon=True).start()
        for number in range(given.count):
            name = list(COMMANDS)[number % len(COMMANDS)]
            with tally.case(f'{number}: {name}'):
                seconds = stop(name, home, rng)
                tally.counts['stopped' if seconds is not None else 'ended before'] += 1
                taken.append(seconds or 0)
                if taken[-1] > given.seconds:
                    raise RuntimeError(f'it took {seconds:.1f} s')
    return tally.report(f'at most {max(taken):.1f} s, {sorted(taken)[len(taken) // 2]:.2f} s in the median')


if __name__ == '__main__':
    main(__doc__, measure, count=(200, 'signals'), seconds=(5, 'that a command may take to end'))
