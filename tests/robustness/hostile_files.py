"""Reads files from untrusted sources: indexes, the files of a model_dir, TF_CONFIG.

    python -m tests.robustness.hostile_files --count=10000                    of each kind
    python -m tests.robustness.hostile_files --count=100000 --kinds=index,tf_config --seed=2

Each file is an intact one that was broken at random, or in which parts were replaced: by other parts of it,
by values of another type, by paths that lead elsewhere. Checksums, as that of an index, are often corrected.
The program must end with a sentence or go on, and must not change a neighbouring folder. Exit status 1
otherwise.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import DataError, LabError
from estimator_lab.data.index_file import Contents, Header, read_index_file, write_index_file
from estimator_lab.data.labels import label_of
from estimator_lab.tf1 import tf
from estimator_lab.training.cluster import MIRRORED, MULTI_WORKER, NONE, PARAMETER_SERVER, read_cluster
from tests.robustness.driver import Tally, main
from tests.robustness.hostile_runs import BadListCase, Case, EventsCase, RecordCase, StateCase
from tests.robustness.mutation import mutate, mutate_json
from tests.support.archive_files import write_tar
from tests.support.streams import build_index, open_index, stream_members

_ADDRESSES = ('h0:1', 'h:0', 'h:65536', 'a..b:1', ':1', 'h:²', 'h:1/', 'h 1:1')
_OUTSIDE = (
    *('precious', 'precious.index', 'precious.meta', 'shard-00000-of-00002.tar', 'manifest.json'),
    *(f'model.ckpt-3.{end}' for end in ('index', 'data-00000-of-00001', 'meta')),
)


class IndexCase(Case):
    """An index next to its archive: an index that is accepted must agree with the archive.

    A checksum is not a signature: with a valid one, members may be others.
    """

    def prepare(self) -> None:
        self.archive = str(self.folder / 'a.tar')
        names = [f'train/n{n // 6:06}/{"é" * (n % 3)}{n}.jpg' for n in range(24)]
        write_tar(Path(self.archive), ((name, self.rng.randbytes(700)) for name in names))
        self.members = list(stream_members(self.archive))
        build_index(self.archive).write(Path(f'{self.archive}.index'))
        contents = read_index_file(Path(f'{self.archive}.index'))
        if contents is None:
            raise RuntimeError('an intact index is rejected')
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
        """Returns false contents, to be written with a valid checksum."""
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
            raise RuntimeError('the index has other members than the archive')
        labels = [index.labels[number] for number in index.label_ids]
        if (not self.is_lie and labels != [label_of(member.name) for member in found]) or len(found) != len(
            self.members
        ):
            raise RuntimeError('the index has other labels than the names')


class TfConfigCase(Case):
    """TF_CONFIG: if it is accepted, TensorFlow accepts it too."""

    def spoil(self) -> None:
        addresses = {'chief': ['h0:1'], 'worker': ['h1:1', '10.0.0.1:22'], 'ps': ['[::1]:65535']}
        task = {'type': self.rng.choice(list(addresses)), 'index': self.rng.choice([0, 0, 1, '0'])}
        right: dict[str, Any] = {'cluster': addresses, 'task': task, 'environment': 'cloud'}
        if self.rng.random() < 0.2:
            right |= {'session_master': '', 'eval_session_master': '', 'service': {}, 'model_dir': 'x'}
        self.strange = ['chief', 'worker', 'evaluator', 'master', *_ADDRESSES]
        self.given = self.text(right).replace(b'\0', b'').decode('utf-8', 'surrogateescape')

    def use(self) -> None:
        os.environ['TF_CONFIG'] = self.given
        try:
            cluster = read_cluster(self.rng.choice([MIRRORED, MULTI_WORKER, NONE, PARAMETER_SERVER]))
            str(cluster), cluster.shard(64)
            with cluster.scope():
                tf.estimator.RunConfig()
        finally:
            del os.environ['TF_CONFIG']


KINDS: dict[str, type[Case]] = {
    'index': IndexCase,
    'record': RecordCase,
    'checkpoints': StateCase,
    'tf_config': TfConfigCase,
    'events': EventsCase,
    'bad_members': BadListCase,
}


def measure_kind(kind: str, count: int, seed: int) -> int:
    """Uses `count` broken files of a kind; returns the failures."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as place:
        os.environ['XDG_CACHE_HOME'] = f'{place}/cache'
        folder, outside = Path(place, 'folder'), Path(place, 'outside')
        folder.mkdir()
        outside.mkdir()
        for name in _OUTSIDE:
            (outside / name).write_text('mine')
        before = _listing(outside)
        case = KINDS[kind](folder, outside, random.Random(seed))
        for number in range(count):
            case.spoil()
            with tally.case(f'{kind} {number}'):
                tally.counts[_outcome(case)] += 1
                if _listing(outside) != before:
                    before = _listing(outside)
                    raise RuntimeError('a file outside was touched')
    return tally.report(f'{kind:<12} {count:,} files')


def _outcome(case: Case) -> str:
    try:
        case.use()
        return 'accepted'
    except LabError as error:
        if not str(error).isprintable() or len(str(error)) > 1000:
            raise RuntimeError(f'no sentence: {str(error)[:2000]!r}') from None
        return 'rejected'


def _listing(folder: Path) -> list[tuple[str, int, int, int]]:
    """Returns name, size, modification time and checksum of all files."""
    found = []
    for path in sorted(folder.rglob('*')):
        status = path.stat()
        found.append((str(path), status.st_size, status.st_mtime_ns, zlib.crc32(path.read_bytes())))
    return found


def measure(given: argparse.Namespace) -> int:
    """Measures the kinds of --kinds; returns the failures."""
    sys.setrecursionlimit(1000)
    return sum(measure_kind(kind, given.count, given.seed) for kind in given.kinds.split(','))


if __name__ == '__main__':
    main(__doc__, measure, count=(10_000, 'of each kind'), kinds=(','.join(KINDS), 'some of these'))
