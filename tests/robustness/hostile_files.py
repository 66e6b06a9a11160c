"""Prints what files of a stranger do: indexes, manifests, what lies in the folder of a run, TF_CONFIG.

    python -m tests.robustness.hostile_files --count=10000                    of each kind
    python -m tests.robustness.hostile_files --count=100000 --kinds=index,tf_config --seed=2

Each file is a right one that was broken at random, or in which some parts were exchanged: for others of its
own, for values of another type, for paths that lead elsewhere. What is right about it otherwise, as the
checksum of an index, often is right again. The program has to end with a sentence or to go on; a folder
beside stays as it is. The package has to be installed (`pip install -e '.[test]'`). Exit status 1 if
anything went wrong.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import types
import zlib
from pathlib import Path
from typing import Any

from estimator_lab.data.labels import label_of
from estimator_lab.data.packing.packing import PackSettings, pack
from estimator_lab.data.packing.shards import MANIFEST, verify
from estimator_lab.data.tar.index import build_index, open_index, path_next_to
from estimator_lab.data.tar.index_file import Contents, Header, read_index_file, write_index_file
from estimator_lab.data.tar.sources import stamp_of
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError, LabError
from tests.robustness.hostile_case import Case, quiet, write_tar
from tests.robustness.hostile_runs import BadListCase, EventsCase, RecordCase, StateCase
from tests.robustness.mutation import mutate, mutate_json

_SECONDS_ALLOWED = 20
_CRASHES_SHOWN = 5
_RECORD, _STATE = 'experiment.json', 'checkpoint'
_NO_CHECKPOINTS = ('', '.', '*', '?', 'model.ckpt-[0-9]', 'model.ckpt-4', 'x' * 5000)
_ADDRESSES = ('h0:1', 'h:0', 'h:65536', 'a..b:1', ':1', 'h:²', 'h:1/', 'h 1:1')


class IndexCase(Case):
    """An index beside its archive. One that is believed has to give what the archive holds.

    A checksum is no signature: where a right one goes with other names, labels have to go with the names.
    """

    def prepare(self) -> None:
        self.archive = str(self.folder / 'a.tar')
        names = [f'train/n{n // 6:06}/{"é" * (n % 3)}{n}.jpg' for n in range(24)]
        write_tar(Path(self.archive), {name: self.rng.randbytes(700) for name in names})
        self.members = list(stream_members(self.archive))
        build_index(self.archive).write(path_next_to(self.archive))  # type: ignore[arg-type]
        contents = read_index_file(path_next_to(self.archive), stamp_of(self.archive))  # type: ignore[arg-type]
        if contents is None:
            raise RuntimeError('a right index is not believed')
        self.right = contents

    def spoil(self) -> None:
        shutil.rmtree(os.environ['XDG_CACHE_HOME'], ignore_errors=True)
        path = Path(f'{self.archive}.index')
        write_index_file(path, self.right)
        kind = self.rng.randrange(4)
        self.is_lie = kind >= 2
        if kind == 0:
            path.write_bytes(mutate(path.read_bytes(), self.rng))
        elif kind == 1:
            rest = path.read_bytes().partition(b'\n')[2]
            path.write_bytes(self.text(self.right.header._asdict()) + b'\n' + rest)
        else:
            with contextlib.suppress(TypeError, ValueError, AttributeError, UnicodeEncodeError):
                write_index_file(path, self._lie(kind == 2))

    def _lie(self, in_rows: bool) -> Contents:
        """Returns contents that will be written with a right checksum."""
        header, rows, names = self.right
        if in_rows:
            rows = rows.copy()
            column, row = self.rng.choice(rows.dtype.names or ()), self.rng.randrange(len(rows))
            near = int(rows[column][row]) + self.rng.choice([-512, -1, 1, 512])
            others = int(self.rng.choice(rows[column]))
            values = [0, 1, 511, 512, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1, near, near, others]
            rows[column][row] = self.rng.choice(values) % 2 ** (8 * rows.dtype[column].itemsize)
            return Contents(header, rows, names)
        changed = json.loads(mutate_json(header._asdict(), self.rng, header.labels))
        return Contents(Header(**changed), rows, names)

    def use(self) -> None:
        try:
            index = open_index(self.archive)
            found = [index.member(row).read() for row in range(len(index))]
        except DataError as error:
            if 'Start again' not in str(error):
                raise
            index = open_index(self.archive)
            found = [index.member(row).read() for row in range(len(index))]
        if not self.is_lie and found != self.members:
            raise RuntimeError('the index gives other members than the archive')
        labels = [index.labels[number] for number in index.label_ids]
        if labels != [label_of(member.name) for member in found] or len(found) != len(self.members):
            raise RuntimeError('the index gives other labels than the names')


class ManifestCase(Case):
    """A manifest beside shards, or in the hidden folder that a killed packing leaves."""

    def prepare(self) -> None:
        self.archive = str(self.folder / 'a.tar')
        write_tar(Path(self.archive), {f'n{n}/{n}.jpg': self.rng.randbytes(50) for n in range(6)})
        self.out = self.folder / 'out'
        pack([self.archive], self.out, PackSettings(2), quiet)
        self.right = json.loads((self.out / MANIFEST).read_text())
        self.shards = {path.name: path.read_bytes() for path in self.out.glob('*.tar')}

    def spoil(self) -> None:
        shutil.rmtree(self.out)
        self.hidden = self.rng.random() < 0.5
        place = self.out / '.packing' if self.hidden else self.out
        place.mkdir(parents=True)
        (place / MANIFEST).write_bytes(self.text(self.right))
        for name, data in self.shards.items():
            (self.rng.choice([place, self.out]) / name).write_bytes(data)
        (self.out / 'precious').write_text('mine')
        (self.out / 'link').symlink_to(self.beside)

    def use(self) -> None:
        try:
            if self.hidden:
                pack([self.archive], self.out, PackSettings(1), quiet)
            verify(self.out, lambda *_: None)
        finally:
            if (self.out / 'precious').read_text() != 'mine' or not (self.out / 'link').is_symlink():
                raise RuntimeError("a file of the user's was touched")


class TfConfigCase(Case):
    """TF_CONFIG: what is taken has to be good enough for TensorFlow."""

    def spoil(self) -> None:
        addresses = {'chief': ['h0:1'], 'worker': ['h1:1', '10.0.0.1:22'], 'ps': ['[::1]:65535']}
        task = {'type': self.rng.choice(list(addresses)), 'index': self.rng.choice([0, 0, 1, '0'])}
        right: dict[str, Any] = {'cluster': addresses, 'task': task, 'environment': 'cloud'}
        if self.rng.random() < 0.2:
            right |= {'session_master': '', 'eval_session_master': '', 'service': {}, 'model_dir': 'x'}
        self.strange = ['chief', 'worker', 'evaluator', 'master', *_ADDRESSES]
        self.given = self.text(right).replace(b'\0', b'').decode('utf-8', 'surrogateescape')

    def use(self) -> None:
        from estimator_lab.tf1 import tf
        from estimator_lab.training.distribution import DISTRIBUTIONS, read_role

        os.environ['TF_CONFIG'] = self.given
        try:
            role = read_role(self.rng.choice([*DISTRIBUTIONS, 'none', 'parameter_server']), self.given)
            str(role), role.shard, role.trainers
            with role.scope():
                tf.estimator.RunConfig()
        finally:
            del os.environ['TF_CONFIG']


KINDS: dict[str, type[Case]] = {
    'index': IndexCase,
    'manifest': ManifestCase,
    'record': RecordCase,
    'checkpoints': StateCase,
    'tf_config': TfConfigCase,
    'events': EventsCase,
    'bad_members': BadListCase,
}


def measure(kind: str, count: int, seed: int) -> int:
    """Breaks `count` files of a kind, prints what came of them, and returns how much of that was wrong."""
    signal.signal(signal.SIGALRM, _give_up)
    taken = refused = hangs = touched = 0
    crashes: list[str] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        os.environ['XDG_CACHE_HOME'] = f'{place}/cache'
        beside = Path(place, 'beside')
        folder = Path(place, 'folder')
        beside.mkdir()
        folder.mkdir()
        for name in ('precious', 'precious.index', 'precious.meta', 'shard-00000-of-00002.tar', MANIFEST):
            (beside / name).write_text('mine')
        for name in ('index', 'data-00000-of-00001', 'meta'):
            (beside / f'model.ckpt-3.{name}').write_text('mine')
        before = _listing(beside)
        case = KINDS[kind](folder, beside, random.Random(seed))
        for number in range(count):
            case.spoil()
            signal.alarm(_SECONDS_ALLOWED)
            try:
                case.use()
                taken += 1
            except LabError as error:
                refused += 1
                if not str(error).isprintable() or len(str(error)) > 1000:
                    crashes.append(f'{kind} {number}: no sentence: {str(error)[:2000]!r}')
            except _Hang:
                hangs += 1
            except Exception:
                crashes.append(f'{kind} {number}:\n{traceback.format_exc()}')
            finally:
                signal.alarm(0)
            if _listing(beside) != before:
                touched += 1
                before = _listing(beside)
    seconds = time.monotonic() - started
    print(
        f'{kind:<12} {count:,} files: {taken:,} taken, {refused:,} refused, {len(crashes)} tracebacks, '
        f'{hangs} hangs, {touched} times a file outside was touched; {seconds:.0f} s',
        *crashes[:_CRASHES_SHOWN],
        sep='\n',
        flush=True,
    )
    return len(crashes) + hangs + touched


class _Hang(BaseException):
    """No Exception, as readers turn these into DataErrors."""


def _give_up(number: int, frame: types.FrameType | None) -> None:
    raise _Hang


def _listing(folder: Path) -> list[tuple[str, int, int, int]]:
    """Returns name, size, modification time and checksum of all files."""
    found = []
    for path in sorted(folder.rglob('*')):
        status = path.stat()
        found.append((str(path), status.st_size, status.st_mtime_ns, zlib.crc32(path.read_bytes())))
    return found


def main() -> int:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--count', type=int, default=10_000, help='of each kind')
    parser.add_argument('--kinds', default=','.join(KINDS), help=f'of {", ".join(KINDS)}')
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    sys.setrecursionlimit(1000)
    return 1 if sum(measure(kind, given.count, given.seed) for kind in given.kinds.split(',')) else 0


if __name__ == '__main__':
    raise SystemExit(main())
