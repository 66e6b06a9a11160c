"""Runs commands whose system calls fail or are recorded: a preloaded library, and a process that forks.

The library of `faults.c` counts only calls on files below a folder, so that imports do not count. Commands
are forked from a process that has imported TensorFlow, which takes seconds, and has not started a session.
"""

import contextlib
import ctypes
import errno
import gc
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from tests.support.places import ROOT

_OPEN, _CREATE, _READ, _WRITE, _SYNC, _RENAME, _REMOVE, _MAKE, _MAP, _ASK = (1 << n for n in range(10))
KINDS = {
    errno.ENOSPC: _CREATE | _WRITE | _SYNC | _RENAME | _MAKE,
    errno.EIO: _OPEN | _CREATE | _READ | _WRITE | _SYNC | _RENAME | _REMOVE | _MAKE | _MAP | _ASK,
    errno.EMFILE: _OPEN | _CREATE,
    errno.EACCES: _OPEN | _CREATE | _RENAME | _REMOVE | _MAKE | _MAP | _ASK,
}
"""The kinds of calls that fail with an error number."""

COMPILER = shutil.which('cc') or shutil.which('gcc')
SECONDS = 600  # after which a command counts as hanging, on a busy machine
_IMPORTED = (
    *('train', 'evaluate', 'predict', 'inspect', 'export', 'report', 'import_weights', 'api'),
    *('data.pack', 'data.tar_index'),
    *('training.train', 'inference.evaluation', 'inference.prediction_files'),
    *('inference.exporting', 'inference.inspection', 'inference.report.page', 'runs.importing'),
)


class Fault(NamedTuple):
    """The `number`-th call, from 1, of the kinds of `error` fails; with `sticky`, all later ones too.

    Calls on paths that match `paths`, relative to the folder, count.
    """

    error: int
    number: int
    sticky: bool = False
    paths: str = '*'

    def __str__(self) -> str:
        return f'{errno.errorcode[self.error]} at call {self.number}{" and later" if self.sticky else ""}'


class Done(NamedTuple):
    """What a command did: exit status, both outputs, and the call that failed, '' if none did."""

    status: int
    out: str
    err: str
    struck: str


@dataclass
class Commands:
    """Runs commands in forks of one process."""

    _process: subprocess.Popen[str]
    _folder: Path

    def run(
        self,
        words: Sequence[str],
        home: Path,
        fault: Fault | None = None,
        log: Path | None = None,
        user: int | None = None,
    ) -> Done:
        """Runs a command.

        Args:
          words: module within estimator_lab, and arguments.
          home: the folder whose calls count; it has the cache folder.
          fault: the call that fails.
          log: file for all calls that change files.
          user: number of the user who runs it; None for this one.
        """
        out, err, struck = (self._folder / name for name in ('out', 'err', 'struck'))
        files = [str(path) for path in (out, err, log or struck)]
        request = [list(words), str(home), fault, files, bool(log), user]
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request) + '\n')
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        texts = (path.read_text() if path.exists() else '' for path in (out, err, struck))
        done = Done(status, *texts)
        struck.unlink(missing_ok=True)
        return done


@contextlib.contextmanager
def commands() -> Iterator[Commands]:
    """Compiles the library and yields the runner of commands."""
    assert COMPILER
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library, source = folder / 'faults.so', Path(__file__).with_name('faults.c')
        words = [COMPILER, '-shared', '-fPIC', '-O1', '-o', str(library), str(source), '-ldl', '-lpthread']
        subprocess.run(words, check=True)
        environment = {**os.environ, 'LD_PRELOAD': str(library), 'PYTHONPATH': str(ROOT)}
        words, pipe = [sys.executable, '-m', __spec__.name], subprocess.PIPE
        with subprocess.Popen(words, stdin=pipe, stdout=pipe, env=environment, text=True, cwd=ROOT) as server:
            yield Commands(server, folder)  # it ends with its standard input


def _serve() -> None:
    """Forks for each line of standard input, and prints the exit statuses."""
    modules = {name: importlib.import_module(f'estimator_lab.{name}') for name in _IMPORTED}
    modules['stream'] = importlib.import_module('tests.robustness.stream_rows')
    for name in ('tensorboard.plugins.hparams.summary_v2', 'tensorflow_estimator'):
        importlib.import_module(name)
    gc.freeze()  # so that forks share its pages
    while line := sys.stdin.readline():
        request = json.loads(line)
        child = os.fork()
        if not child:
            _run(modules, *request)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(
    modules: Any, words: list[str], home: str, fault: Any, files: list[str], records: bool, user: int | None
) -> NoReturn:
    out, err, log = (os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for path in files)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    signal.alarm(SECONDS)
    os.environ['XDG_CACHE_HOME'] = f'{home}/cache'
    sys.argv = list(words)
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    error, number, sticky, paths = fault or (0, 0, False, '*')
    arm = ctypes.CDLL(None).faults_arm
    arm.argtypes = [*[ctypes.c_char_p] * 2, *[ctypes.c_int] * 2, ctypes.c_long, *[ctypes.c_int] * 3]
    arm(home.encode(), paths.encode(), KINDS.get(error, 0), error, number, sticky, log, records)
    try:
        modules[words[0]].COMMAND.run()
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)  # taking TensorFlow down takes longer than many commands


if __name__ == '__main__':
    _serve()
