"""A signal ends a command in every state, without a traceback and with what was learned saved."""

import array
import fcntl
import itertools
import os
import re
import signal
import termios
import threading
import time
from pathlib import Path

import pytest

from tests.support.archive_files import encoded, picture, write_tar
from tests.support.forks import Process
from tests.support.places import ROOT
from tests.support.small_runs import SMALL

pytestmark = pytest.mark.trains

SECONDS = 100  # five on a machine with nothing else to do; without an end, 600


@pytest.fixture
def started(tmp_path):
    """Starts a command in a process of its own."""
    numbers = itertools.count()

    def start(*arguments, **more):
        out, err = (tmp_path / f'{name}{next(numbers)}' for name in ('out', 'err'))
        return Process(['-m', *map(str, arguments)], out, err, **more)

    return start


def wait_for(condition, process):
    end = time.monotonic() + 600
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.1)


def is_empty(pipe):
    """Whether all that was written into a pipe has been read, so that its reader waits or soon will."""
    unread = array.array('i', [0])
    fcntl.ioctl(pipe, termios.FIONREAD, unread)
    return unread[0] == 0


def stopped(process, number):
    """Sends a signal; returns what the process prints, and how many seconds it takes to end."""
    begun = time.monotonic()
    process.send_signal(number)
    shown = process.communicate(timeout=600)
    assert process.returncode == 128 + number, shown
    return *shown, time.monotonic() - begun


def test_ctrl_c_saves_and_the_same_command_goes_on(archive, tmp_path, started):
    model_dir = tmp_path / 'model'
    flags = (f'--data={archive}', f'--model_dir={model_dir}', '--image_size=8', f'--hparams={SMALL}')
    process = started('estimator_lab.train', *flags, '--max_steps=100000', '--save_checkpoints_steps=40')
    wait_for(lambda: (model_dir / 'model.ckpt-40.index').exists(), process)
    out, err, _ = stopped(process, signal.SIGINT)
    step = int(re.search(r'Stopped at step (\d+) of 100000', out)[1])
    assert err == '' and step >= 40 and (model_dir / f'model.ckpt-{step}.index').exists()
    assert re.search(r'^Go on with +\S+ -m estimator_lab.train .*--data', out, re.MULTILINE)
    out, err = started('estimator_lab.train', *flags, f'--max_steps={step + 2}').communicate(timeout=600)
    assert f'Training         step {step} to {step + 2}' in out and err == ''


PROGRAM = """
import signal, sys, threading
from pathlib import Path
from estimator_lab import api
data, folder, handles = sys.argv[1:]
if handles == 'True':
    signal.signal(signal.SIGTERM, lambda *ignored: print('handled'))
hook = threading.excepthook
run = api.fit('cnn', data, model_dir=folder, image_size=8, hparams='{small}', max_steps=100_000,
              save_checkpoints_steps=40, say=print)
assert threading.excepthook is hook
assert run.result.interrupted
print('went on after', run.result.step)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('number', 'handles', 'status', 'lines'),
    [
        (signal.SIGTERM, False, -signal.SIGTERM, []),
        (signal.SIGTERM, True, 0, ['handled', 'went on']),
        (signal.SIGINT, False, 0, ['went on']),
    ],
)
def test_a_signal_reaches_a_program_after_fit_has_saved(archive, tmp_path, number, handles, status, lines):
    (tmp_path / 'program.py').write_text(PROGRAM.format(small=SMALL))
    process = Process(
        [str(tmp_path / 'program.py'), str(archive), str(tmp_path / 'run'), str(handles)],
        *(tmp_path / 'out', tmp_path / 'err'),
    )
    wait_for(lambda: newest(tmp_path / 'run') >= 40, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert (process.returncode, err) == (status, ''), (out, err)
    found = re.findall(r'^(handled|went on)(?: after (\d+))?$', out, re.MULTILINE)
    assert [line for line, _ in found] == lines
    steps = [int(step) for _, step in found if step]
    assert newest(tmp_path / 'run') >= 40 and steps in ([], [newest(tmp_path / 'run')])


def newest(folder):
    """Returns the step of the newest checkpoint; -1 without one."""
    path = folder / 'checkpoint'
    return int(re.search(r'ckpt-(\d+)', path.read_text())[1]) if path.exists() else -1


@pytest.fixture
def waiting_pipe(tmp_path):
    """Makes a pipe whose writer sends some images of an archive, and no more; and says when all is read."""
    sent, is_read = threading.Event(), threading.Event()

    def write(pipe, data):
        with pipe.open('wb') as file:
            file.write(data)
            file.flush()
            while not sent.wait(0.1):
                if is_empty(file):
                    is_read.set()

    def make(images):
        pipe = tmp_path / 'pipe'
        os.mkfifo(pipe)
        files = [(f'train/n{n % 4:06}/{n:04}.png', encoded(picture(n))) for n in range(images + 1)]
        data = write_tar(tmp_path / 'sent.tar', files).read_bytes()
        data = data[: data.index(files[-1][0].encode())]
        threading.Thread(target=write, args=(pipe, data), daemon=True).start()
        return pipe, is_read

    yield make
    sent.set()


def training_of(pipe, tmp_path, archive):
    labels = tmp_path / 'labels.txt'
    labels.write_text(''.join(f'n{n:06}\n' for n in range(4)))
    return (
        *('estimator_lab.train', f'--data={pipe}', f'--eval_data={archive}', f'--vocabulary={labels}'),
        *(f'--model_dir={tmp_path / "model"}', '--image_size=8', f'--hparams={SMALL}', '--batch_size=2'),
        *('--max_steps=9999', '--shuffle_buffer=2', '--save_checkpoints_steps=2'),
    )


def test_training_that_waits_for_a_pipe_saves_what_it_learned(archive, tmp_path, started, waiting_pipe):
    """The input is stuck in the read of a pipe whose writer sends no more."""
    (pipe, is_read), model_dir = waiting_pipe(60), tmp_path / 'model'
    process = started(*training_of(pipe, tmp_path, archive))
    wait_for(lambda: (model_dir / 'model.ckpt-2.index').exists(), process)
    wait_for(is_read.is_set, process)
    out, err, seconds = stopped(process, signal.SIGTERM)
    step = int(re.search(r'Stopped at step (\d+) of 9999; saved in ', out)[1])
    assert step >= 2 and (model_dir / f'model.ckpt-{step}.index').exists()
    assert err == '' and seconds < SECONDS


def test_training_that_waits_for_the_first_images_of_a_pipe_ends(archive, tmp_path, started, waiting_pipe):
    pipe, is_read = waiting_pipe(20)
    process = started(*training_of(pipe, tmp_path, archive))
    wait_for(is_read.is_set, process)
    _, err, seconds = stopped(process, signal.SIGTERM)
    assert err == 'error: Stopped.\n' and seconds < SECONDS


def test_predicting_that_waits_for_standard_input(cnn_dir, archive, tmp_path, started):
    """The rows of the images that it has read are kept, also if a second signal follows at once."""
    out, pipe = tmp_path / 'rows.csv', tmp_path / 'pipe'
    os.mkfifo(pipe)
    flags = (f'--model_dir={cnn_dir}', '-', f'--out={out}', '--batch_size=2')
    process = started('estimator_lab.predict', *flags, stdin=pipe)
    data = archive.read_bytes()
    with pipe.open('wb', buffering=0) as stdin:
        stdin.write(data[: len(data) // 2])
        wait_for(lambda: any(path.stat().st_size for path in tmp_path.glob('.rows.csv.*')), process)
        process.send_signal(signal.SIGINT)
        _, err, seconds = stopped(process, signal.SIGINT)
    unfinished = Path(f'{out}.unfinished')
    kept = re.fullmatch(
        rf'{unfinished} has the first (\d+) rows; the rest is missing\.\nerror: Stopped\.\n', err
    )
    header, *rows = unfinished.read_text().splitlines()
    assert header == 'key,label,probability,problem' and len(rows) == int(kept[1]) and len(rows) % 2 == 0
    assert not list(tmp_path.glob('.rows.csv.*')) and seconds < SECONDS


INTERRUPTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(
    ('module', 'status', 'words'),
    [('absl', -signal.SIGINT, ''), ('tensorflow.python', 130, 'error: Stopped.\n')],
)
def test_ctrl_c_while_python_imports(archive, tmp_path, run_python, module, status, words):
    (tmp_path / 'sitecustomize.py').write_text(INTERRUPTING.format(module=module))
    arguments = (f'--data={archive}', f'--model_dir={tmp_path / "model"}')
    places = os.pathsep.join(map(str, (tmp_path, ROOT)))
    done = run_python('-m', 'estimator_lab.train', *arguments, PYTHONPATH=places)
    assert (done.returncode, done.stderr) == (status, words)
