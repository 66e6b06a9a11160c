"""Makes each system call of a command fail once, one run for each call.

    python -m tests.robustness.faults
    python -m tests.robustness.faults --commands=predict,pack --share=0.1
    python -m tests.robustness.faults --commands=best --paths='run/export/*'

A call on a path of the command (open, opendir, readdir, stat, access, read, write, fsync, rename, link,
unlink, rmdir, mkdir, mmap) fails with EIO, EMFILE or EACCES, or it and all later ones with ENOSPC, as on a
full disk. The command must then end with one sentence and status 1 (2 if it names a flag), or with its whole
result, bit for bit, and status 0; a warning may name the file that is missing from the result. No file that
was there before is lost or half written, and the same command succeeds afterwards, with the same result: it
is run again from each different state that failures leave. Exit status 1 if anything differs.
"""

import argparse
import errno
import random
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorflow.python.saved_model.loader_impl import parse_saved_model

from estimator_lab.data.archives.index_file import read_index_file
from estimator_lab.runs.record import read_record
from estimator_lab.tf1 import tf
from tests.robustness.driver import main
from tests.robustness.shim import KINDS, Commands, Done, Fault, commands
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.pack_files import verified

_STEPS = 2
_SHOWN = 300  # characters of a message
_PROGRESS = re.compile(r'error: |Warning: ')


@dataclass(frozen=True)
class Case:
    """A command and what it needs.

    Attributes:
      words: the command line; {} stands for its folder.
      before: command lines that make what it finds.
      result: returns what it wrote, to be compared; raises an exception if that is not whole.
      changes: pattern of the paths, relative to the folder, of files that were there and may change.
    """

    words: str
    result: Callable[[Path], Any]
    before: tuple[str, ...] = ()
    changes: str = 'cache/.*'


def trained(home: Path, folder: str = 'run') -> Any:
    """Returns the bytes of each variable in the newest checkpoint."""
    if read_record(home / folder) is None:
        raise ValueError('there is no experiment.json')
    return _values(home / folder)


def _values(checkpoint: Path) -> dict[str, bytes]:
    reader = tf.train.load_checkpoint(str(checkpoint))
    return {name: reader.get_tensor(name).tobytes() for name in reader.get_variable_to_shape_map()}


def _imported(home: Path) -> Any:
    return trained(home, 'out')


def _pretrained(home: Path) -> Any:
    return [trained(home, folder) for folder in ('run/pretrain_1', 'run/pretrain_2', 'run')]


def _trained_and_exported(home: Path) -> Any:
    return trained(home), [_exported(home, f'run/export/{path.name}') for path in home.glob('run/export/*')]


def _exported(home: Path, folder: str = 'out') -> Any:
    """Returns the variables of SavedModels; there is nothing else."""
    found = [path for path in home.glob(f'{folder}/*') if not path.name.startswith('.')]
    for path in found:
        parse_saved_model(str(path))
    return [_values(path / 'variables' / 'variables') for path in found]


def indexed(home: Path) -> bytes:
    """Returns the index of the archive."""
    found = next(filter(None, map(read_index_file, home.rglob('*.index'))))
    return found.rows.tobytes() + bytes(found.names)


def packed(home: Path) -> Any:
    """Returns the manifest of the shards."""
    return verified(home / 'out')


def _rows(home: Path) -> str:
    return (home / 'out').read_text()


def _files(home: Path) -> Any:
    return {path.name: path.read_bytes() for path in (home / 'out').iterdir()}


def _page(home: Path) -> Any:
    return re.sub(r'[\d.]+', '', (home / 'out.html').read_text())


_SIZES = '--batch_size=6 --image_size=8 --save_checkpoints_steps=9 --keep_checkpoints=1 --deterministic'
_DATA = '--data={}/train.tar --model_dir={}/run'
_TRAIN = f'train --model=mlp --hparams=layers=4 {_DATA} {_SIZES} --max_steps='
_DBN = (
    f'train --model=dbn --hparams=layers=4-3,pretrain_epochs=0.5,head_steps=1 {_DATA} {_SIZES} --max_steps=9'
)
_RUN = r'cache/.*|run/(?!notes).*'
_READ = '--model_dir={}/run --out={}/out'
_TRAINED = f'{_TRAIN}{_STEPS}'
CASES: Mapping[str, Case] = {
    'start': Case(f'{_TRAIN}{_STEPS}', trained, changes=_RUN),
    'resume': Case(f'{_TRAIN}{_STEPS + 1}', trained, (_TRAINED,), _RUN),
    'evaluate_only': Case(_TRAINED, trained, (_TRAINED,), _RUN),
    'end': Case(f'{_TRAIN}{_STEPS + 1} --export=final', _trained_and_exported, (_TRAINED,), _RUN),
    'best': Case(
        f'{_TRAIN}{_STEPS + 1} --export=best', _trained_and_exported, (f'{_TRAINED} --export=best',), _RUN
    ),
    'early_stopping': Case(
        f'{_TRAIN}{_STEPS + 9} --early_stopping=1 --save_checkpoints_steps=1', trained, (_TRAINED,), _RUN
    ),
    'mirrored': Case(
        f'{_TRAIN}{_STEPS + 1} --distribution=mirrored',
        trained,
        (f'{_TRAINED} --distribution=mirrored',),
        _RUN,
    ),
    'pretraining': Case(_DBN, _pretrained, changes=_RUN),
    'evaluate': Case(f'evaluate {_READ} --data={{}}/train.tar', _files, (_TRAINED,)),
    'predict': Case(f'predict {_READ} {{}}/train.tar', _rows, (_TRAINED,)),
    'export': Case(f'export {_READ}', _exported, (_TRAINED,)),
    'inspect': Case(
        f'inspect {_READ} --image={{}}/train.tar:n0/0.png', _files, (_TRAINED,), 'cache/.*|run/inspect.*'
    ),
    'import_weights': Case(
        'import_weights {}/run/model.ckpt-2 --model=mlp --hparams=layers=4 --image_size=8 --channels=1 '
        '--model_dir={}/out',
        _imported,
        (_TRAINED,),
    ),
    'stream': Case('stream {}/train.tar --out={}/out', _rows),
    'report': Case(f'report {_READ}.html', _page, (_TRAINED,)),
    'pack': Case('data.pack {}/train.tar --out={}/out --shards=2 --seed=3', packed),
    'pack_scaled': Case('data.pack {}/train.tar --out={}/out --shards=2 --image_size=4', packed),
    'index': Case('data.tar_index {}/train.tar', indexed),
}


class Workshop:
    """A folder in which one command is tried again and again.

    Args:
      case: the command.
      folder: for its files.
      runner: of commands.

    Attributes:
      home: where the command works.
      template: what it finds there.
      result: what it writes.
    """

    def __init__(self, case: Case, folder: Path, runner: Commands) -> None:
        self.home = folder / 'home'
        self._case, self._runner, self.template = case, runner, folder / 'template'
        self._seen: set[Any] = set()
        self._words = case.words.replace('{}', str(self.home)).split()
        self.home.mkdir(parents=True)
        files = [(f'n{n % 2}/{n}.png', encoded(picture(n, 8, 8, 'L'))) for n in range(12)]
        write_tar(self.home / 'train.tar', files)
        for line in case.before:
            self._succeed(line.replace('{}', str(self.home)).split())
        if case.before:
            (self.home / 'run' / 'notes.txt').write_text('of the user')
        shutil.copytree(self.home, self.template)
        self._succeed(self._words)
        self.result = case.result(self.home)

    def fail(self, fault: Fault) -> tuple[Done, list[str]]:
        """Runs the command with a failing call; returns what it did, and what is wrong."""
        self._restore()
        done = self._runner.run(self._words, self.home, fault)
        if not done.struck:
            return done, []
        problems = [*(() if is_crash_of_tensorflow(done) else _wrong_words(done)), *self._lost()]
        if done.status == 0:
            path = done.struck.split('\t')[1]
            said = any(line.startswith(f'Warning: {path} ') for line in done.err.splitlines())
            problems += self._wrong_result(said)
        elif (state := self._state()) not in self._seen:
            self._seen.add(state)
            was_whole = not any(self._wrong_result())
            again = self._runner.run(self._words, self.home)
            if not again.status:
                problems += [f'afterwards: {problem}' for problem in self._wrong_result()]
            elif not was_whole:  # whole shards are not replaced
                problems.append(f'afterwards: status {again.status}: {again.err[-_SHOWN:]}')
        return done, problems

    def record(self) -> bytes:
        """Runs the command; returns all calls that change files."""
        self._restore()
        log = self.template.with_name('log')
        self._succeed(self._words, log)
        return log.read_bytes()

    def _restore(self) -> None:
        shutil.rmtree(self.home)
        shutil.copytree(self.template, self.home)

    @property
    def states(self) -> int:
        """The number of different states that failures have left."""
        return len(self._seen)

    def _succeed(self, words: list[str], log: Path | None = None) -> None:
        done = self._runner.run(words, self.home, log=log)
        if done.status:
            raise RuntimeError(f'{words}: {done}')

    def _lost(self) -> Iterator[str]:
        for path in self.template.rglob('*'):
            name = path.relative_to(self.template)
            kept = self.home / name
            if path.is_dir() or re.fullmatch(self._case.changes, str(name)):
                continue
            if not kept.exists() or kept.read_bytes() != path.read_bytes():
                yield f'{name} is lost or changed'
        if 'run' in self._case.changes and (self.template / 'run').exists():
            before, after = (step_of(folder / 'run') for folder in (self.template, self.home))
            if after < before:
                yield f'the newest checkpoint is of step {after}, was {before}'

    def _wrong_result(self, said: bool = False) -> Iterator[str]:
        try:
            found = self._case.result(self.home)
        except Exception as error:  # noqa: BLE001 - whatever a reader raises for half a file
            yield f'no whole result: {error!r}'
            return
        if found != self.result and not said:
            yield f'another result: {str(found)[-_SHOWN:]}'

    def _state(self) -> Any:
        files = sorted(path for path in self.home.rglob('*') if path.is_file())
        return tuple((re.sub(r'\d{5,}|tmp\w+', '', str(path)), path.stat().st_size) for path in files)


def step_of(model_dir: Path) -> int:
    """Returns the step of the newest checkpoint; -1 without one."""
    try:
        return int(tf.train.load_checkpoint(str(model_dir)).get_tensor('global_step'))
    except (tf.errors.OpError, ValueError, RuntimeError):
        return -1


# Where TensorFlow's own code crashes: the signal, and the call that failed.
_CRASHES = (
    (signal.SIGSEGV, r'read\t.*ckpt-\d+\.index\t'),  # an index that can be read once but not twice
)


def is_crash_of_tensorflow(done: Done) -> bool:
    """Whether TensorFlow crashed in one of the known ways."""
    return any(done.status == -number and re.match(call, done.struck) for number, call in _CRASHES)


def _wrong_words(done: Done) -> Iterator[str]:
    lines = done.err.splitlines()
    errors = [line for line in lines if line.startswith('error: ')]
    if 'Traceback' in done.out + done.err:
        yield f'a traceback: {done.err}'
    elif done.status not in (0, 1) and not (done.status == 2 and errors and '--' in errors[0]):
        yield f'status {done.status}: {done.err[-_SHOWN:]}'
    elif len(errors) != bool(done.status) or not all(map(_PROGRESS.match, lines)):
        yield f'status {done.status} with {len(errors)} sentences: {done.err[-_SHOWN:]}'


def faults(share: float, rng: random.Random, paths: str = '*') -> Iterator[tuple[int, Iterator[Fault]]]:
    """Yields each error number with its faults, without end; a share of them at random places."""
    for error in KINDS:
        yield error, _faults_of(error, share, rng, paths)


def _faults_of(error: int, share: float, rng: random.Random, paths: str) -> Iterator[Fault]:
    number = 0
    while True:
        number += 1
        if rng.random() < share:
            yield Fault(error, number, error == errno.ENOSPC, paths)


def measure(given: argparse.Namespace) -> int:
    """Fails the calls of each of --commands; returns the number of failures."""
    problems, total = 0, Counter[str]()
    with tempfile.TemporaryDirectory(dir=given.folder or None) as folder, commands() as runner:
        for name in given.commands.split(','):
            shop = Workshop(CASES[name], Path(folder, name), runner)
            tally = Counter[str]()
            rng = random.Random(f'{given.seed} {name}')
            for error, some in faults(given.share, rng, given.paths):
                for fault in some:
                    done, wrong = shop.fail(fault)
                    if not done.struck:
                        break
                    tally.update([errno.errorcode[error], f'status {done.status}', *map(_class_of, wrong)])
                    tally['problems'] += len(wrong)
                    for problem in wrong:
                        print(f'{name}: {fault}: {" ".join(done.struck.split())}: {problem}', flush=True)
            problems += tally['problems']
            total += tally
            print(f'{name}: {_shown(tally)}; {shop.states} states run again', flush=True)
    print(f'in all: {_shown(total)}')
    return problems


def _class_of(problem: str) -> str:
    """Returns what a problem counts as."""
    if problem.startswith(('no whole result', 'another result')):
        return 'wrong with status 0'
    return 'tracebacks' if problem.startswith('a traceback') else 'others'


def _shown(tally: Counter[str]) -> str:
    points = sum(count for name, count in tally.items() if name.startswith('E'))
    return f'{points} calls failed: ' + ', '.join(f'{count} {name}' for name, count in sorted(tally.items()))


if __name__ == '__main__':
    main(
        __doc__,
        measure,
        commands=(','.join(CASES), 'some of these'),
        share=(1.0, 'of the calls'),
        paths=('*', 'pattern of the paths, relative to the folder of the command, whose calls fail'),
        folder=('', 'in which to work'),
    )
