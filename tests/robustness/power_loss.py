"""Cuts the power while commands write, and looks at what the disk then holds.

    python -m tests.robustness.power_loss
    python -m tests.robustness.power_loss --commands=pack --points=100

All writes, syncs, renames and removals of one command are recorded, and a beginning of them is replayed.
What was synced is kept. Of the rest, names appear and vanish in their order up to any point (as in a journal
of metadata), and each write is kept, lost, zeros, or cut off, independently of others. The files must then be
usable: the newest checkpoint whose saving had ended can be loaded, experiment.json can be read, an index is
whole or not used, shards are as their manifest says, a file of results is the old or the new one. The same
command must succeed: pack and index are run after each loss, others after every 200th. Exit status 1 if not.
"""

import argparse
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from estimator_lab.inference.report.history import read_history
from estimator_lab.runs.record import read_record
from estimator_lab.runs.safe_paths import check_safe_paths
from tests.robustness.driver import Tally, main
from tests.robustness.faults import CASES, Workshop, packed, step_of
from tests.robustness.shim import commands

_SECTOR = 512
_QUICK = ('pack', 'pack_scaled', 'index')
_RUN_AGAIN = 200  # of the others, one in 200: they take seconds
_LISTED = re.compile(rb'model_checkpoint_path: "model\.ckpt-(\d+)"')


class Call(NamedTuple):
    """A recorded call; `offset` is a new size for 'cut'."""

    name: str
    path: str
    other: str
    offset: int
    data: bytes


def calls_in(log: bytes) -> Iterator[Call]:
    """Yields the calls of a log of `faults.c`."""
    while log:
        line, _, log = log.partition(b'\n')
        name, path, other, offset, size = line.decode().split('\t')
        yield Call(name, path, other, int(offset), log[: int(size)])
        log = log[int(size) :]


@dataclass
class _File:
    """Changes of a file's content, each an offset and bytes or a size and None; how many are synced."""

    changes: list[tuple[int, bytes | None]] = field(default_factory=list)
    synced: int = 0

    def content(self, change: Callable[[bytes], bytes | None]) -> bytes:
        """Returns the content; unsynced writes are first changed, or dropped."""
        content = bytearray()
        for number, (offset, data) in enumerate(self.changes):
            if data is not None and number >= self.synced:
                data = change(data)
                if data is None:
                    continue
            end = offset + len(data or b'')
            if data is None:
                del content[offset:]
            content.extend(bytes(max(end - len(content), 0)))
            content[offset:end] = data or b''
        return bytes(content)


class Disk:
    """What a disk holds while calls are applied to it.

    Args:
      files: contents by path, all of them synced.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self._before = {path: _File([(0, data)], 1) for path, data in files.items()}
        self._names = dict(self._before)
        self._renaming: list[Callable[[dict[str, _File]], None]] = []
        self._synced = 0

    def apply(self, call: Call) -> None:
        """Applies one call."""
        name, path = call.name, call.path
        if name == 'create':
            made = _File()
            self._rename(lambda names: names.update({path: made}))
        elif name in ('rename', 'link', 'unlink'):
            self._rename(lambda names: _moved(names, path, call.other, is_kept=name == 'link'))
        elif name == 'fsync' and path not in self._names:
            self._synced = len(self._renaming)
        elif file := self._names.get(path):
            if name == 'fsync':
                file.synced = len(file.changes)
            elif name in ('truncate', 'cut'):
                file.changes.append((call.offset, None))
            elif name == 'write':
                file.changes.append((call.offset, call.data))

    def after_power_loss(self, rng: random.Random) -> dict[str, bytes]:
        """Returns contents by path as they may be found after a power loss."""
        names = dict(self._before)
        for rename in self._renaming[: rng.randint(self._synced, len(self._renaming))]:
            rename(names)
        return {path: file.content(_loss(rng)) for path, file in names.items()}

    def _rename(self, change: Callable[[dict[str, _File]], None]) -> None:
        self._renaming.append(change)
        change(self._names)


def _moved(names: dict[str, _File], path: str, other: str, is_kept: bool) -> None:
    for old in [old for old in names if old == path or old.startswith(f'{path}/')]:
        file = names[old] if is_kept else names.pop(old)
        if other:
            names[other + old[len(path) :]] = file


def _loss(rng: random.Random) -> Callable[[bytes], bytes | None]:
    """Returns what becomes of the unsynced writes of a file."""
    mode = rng.choice(('kept', 'lost', 'zeros', 'each'))

    def change(data: bytes) -> bytes | None:
        became = mode if mode != 'each' else rng.choice(('kept', 'lost', 'zeros', 'cut'))
        if became == 'cut':
            return data[: rng.randrange(len(data) // _SECTOR + 1) * _SECTOR]
        return {'kept': data, 'lost': None, 'zeros': bytes(len(data))}[became]

    return change


class Recording:
    """The calls of one command, and what a power loss at each of them may leave.

    Args:
      name: of the command in `CASES`.
      shop: runs it.
    """

    def __init__(self, name: str, shop: Workshop) -> None:
        self.name, self._shop = name, shop
        self._calls = list(calls_in(shop.record()))
        self._promised = list(_promised(self._calls, step_of(shop.template / 'run')))
        paths = [path for path in shop.template.rglob('*') if path.is_file()]
        self._before = {str(shop.home / path.relative_to(shop.template)): path for path in paths}

    def lose_power(self, rng: random.Random, again: bool) -> None:
        """Loses power at a random call; raises an exception if the files are unusable.

        Args:
          rng: random numbers.
          again: whether the command is run again.
        """
        disk = Disk({path: source.read_bytes() for path, source in self._before.items()})
        moment = rng.randrange(len(self._calls) + 1)
        for call in self._calls[:moment]:
            disk.apply(call)
        shutil.rmtree(self._shop.home)
        for name, data in disk.after_power_loss(rng).items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(data)
        for path, source in self._before.items():
            shutil.copystat(source, path) if Path(path).exists() else None
        is_finished = self._check(self._promised[moment])
        if again and not is_finished:
            self._shop.succeed_again()

    def _check(self, step: int) -> bool:
        """Raises an exception if the files are unusable; returns whether there are whole shards."""
        home = self._shop.home
        run, manifest, out = home / 'run', home / 'out' / 'manifest.json', home / 'out'
        check_safe_paths(run)
        read_record(run)
        read_history(run)
        if (found := step_of(run)) < step:
            raise RuntimeError(f'the newest checkpoint is of step {found}, {step} was saved')
        if manifest.exists():
            packed(home)
        if self.name == 'predict' and out.exists() and out.read_text() != self._shop.result:
            raise RuntimeError('half a file of results')
        return manifest.exists()


def _promised(calls: list[Call], step: int) -> Iterator[int]:
    """Yields the step of the newest checkpoint that must be there before each call, and at the end."""
    listed = step
    for call in calls:
        yield step
        if call.name == 'write' and (found := _LISTED.match(call.data)):
            listed = int(found[1])
        elif call.name == 'fsync' and Path(call.path).name == 'run':
            step = listed
    yield step


def measure(given: argparse.Namespace) -> int:
    """Loses power --points times in each of --commands; returns the failures."""
    failures = 0
    with tempfile.TemporaryDirectory(dir=given.folder or None) as folder, commands() as runner:
        for name in given.commands.split(','):
            recording = Recording(name, Workshop(CASES[name], Path(folder, name), runner))
            rng, tally = random.Random(f'{given.seed} {name}'), Tally()
            for number in range(given.points):
                again = name in _QUICK or number % _RUN_AGAIN == 0
                try:
                    recording.lose_power(rng, again)
                except Exception as error:  # noqa: BLE001 - whatever a reader raises for half a file
                    tally.problems.append(f'{name}, power loss {number}: {error!r}')
                tally.counts.update({'power losses': 1, 'run again': again})
            failures += tally.report(name)
    return failures


if __name__ == '__main__':
    main(
        __doc__,
        measure,
        commands=('start,resume,pack,index,predict', 'some of those of tests.robustness.faults'),
        points=(1000, 'of each command'),
        folder=('', 'in which to work'),
    )
