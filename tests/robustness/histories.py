"""Random histories of a run: starts, steps, stops, and what users do to archives, flags and checkpoints.

    python -m tests.robustness.histories --count=10000

Each start is planned by the package, from archives and a record on disk, but trains no network. The model of
`history_model` says which examples have to come in which order, and what has to be reported or refused.
hypothesis makes up the histories, and shortens one that fails. Exit status 1 if one does.
"""

import argparse
import contextlib
import gzip
import itertools
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import hypothesis
import pytest
from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from estimator_lab.base.errors import FlagError, LabError
from estimator_lab.base.keys import RECORD
from estimator_lab.base.shares import Slice
from estimator_lab.core.params import resolve
from estimator_lab.core.registry import find_model
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.runs.record import Record, read_record, write_record
from estimator_lab.training import stages
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.settings import TrainSettings
from estimator_lab.training.stages import Stage
from tests.robustness.driver import Tally, main
from tests.robustness.history_model import BUFFERS, Contents, File, Flags, Last, Place, expected
from tests.support.archive_files import tar_bytes
from tests.support.full_disk import files_up_to

_LIVES = 12  # of a history
_KEPT = 3  # checkpoints
_MOST_STEPS = 10**6
_MEMORY = Path('/dev/shm')


class Files:
    """The archives of a run, and what users do to them.

    Args:
      folder: for them.

    Attributes:
      by_path: those that are named, in order.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = 0
        self.by_path: dict[Path, File] = {}

    @property
    def all(self) -> list[File]:
        return list(self.by_path.values())

    def add(self, number: int) -> None:
        """A new archive, which is compressed if the number is odd."""
        path = self._new_path()
        names = tuple(f'n{n % 2}/{path.stem}_{n}.jpg' for n in range(4 + number))
        self._write(path, names, number % 2 == 0)

    def copy(self, number: int) -> None:
        """An archive under a second name."""
        _, file = self._some(number)
        self._write(self._new_path(), file.contents, file.is_plain)

    def leave_out(self, number: int) -> None:
        if len(self.by_path) > 1:
            del self.by_path[self._some(number)[0]]

    def rename(self, number: int) -> None:
        self._move(number, self._new_path())

    def move(self, number: int) -> None:
        """Another folder."""
        path, _ = self._some(number)
        new = self._new_path().with_suffix('') / path.name
        new.parent.mkdir()
        self._move(number, new)

    def change_labels(self, number: int) -> None:
        path, file = self._some(number)
        self._write(path, tuple(f'other{name}' for name in file.contents), file.is_plain)

    def compress_or_expand(self, number: int) -> None:
        path, file = self._some(number)
        self._write(path, file.contents, not file.is_plain)

    def reorder(self, number: int) -> None:
        self.by_path = dict(reversed(self.by_path.items()))

    def _some(self, number: int) -> tuple[Path, File]:
        return list(self.by_path.items())[number % len(self.by_path)]

    def _new_path(self) -> Path:
        self._written += 1
        return self._folder / f'{self._written}.tar'

    def _write(self, path: Path, contents: Contents, is_plain: bool) -> None:
        data = tar_bytes(dict.fromkeys(contents, b'x'))
        path.write_bytes(data if is_plain else gzip.compress(data))
        self.by_path[path] = File(path.name, contents, is_plain)

    def _move(self, number: int, new: Path) -> None:
        path, file = self._some(number)
        path.rename(new)
        moved = {path: (new, file._replace(name=new.name))}
        self.by_path = dict(moved.get(one, (one, other)) for one, other in self.by_path.items())


_ON_FILES = ('add', 'copy', 'leave_out', 'rename', 'move', 'change_labels', 'compress_or_expand', 'reorder')
_ON_FLAGS = ('batch_size', 'seed', 'shuffle_buffer', 'workers')
_DELETE = 'delete the newest checkpoint'
_CHANGES = strategies.tuples(
    strategies.sampled_from((*_ON_FILES, *_ON_FLAGS, _DELETE)), strategies.integers(0, 5)
)
_ENDS = ('signal', 'kill', 'failure')


class History(RuleBasedStateMachine):
    """The history of one run.

    Attributes:
      saved: the model's places by the global steps of the checkpoints.
      last: what is known of the last start that recorded something.
    """

    histories = starts = refused = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=_MEMORY if _MEMORY.is_dir() else None))
        self.cache = mock.patch.dict(os.environ, XDG_CACHE_HOME=str(self.folder / 'cache'))
        self.cache.start()
        self.model_dir = self.folder / 'model'
        self.model_dir.mkdir()
        self.files = Files(self.folder)
        self.files.add(2)
        self.saved: dict[int, Place] = {}
        self.last = Last()
        self.flags = Flags()
        History.histories += 1

    def teardown(self) -> None:
        self.cache.stop()
        shutil.rmtree(self.folder)

    @rule(
        changes=strategies.lists(_CHANGES, max_size=3),
        resume_changed=strategies.booleans(),
        is_full=strategies.sampled_from((False, False, False, True)),
        steps=strategies.lists(strategies.integers(0, 6), max_size=3),
        unsaved=strategies.integers(0, 6),
        end=strategies.sampled_from(_ENDS),
    )
    def life(
        self,
        changes: list[tuple[str, int]],
        resume_changed: bool,
        is_full: bool,
        steps: list[int],
        unsaved: int,
        end: str,
    ) -> None:
        """One process, and what was changed before it.

        Args:
          changes: names and numbers of changes.
          resume_changed: the flag.
          is_full: whether the disk is full at the start.
          steps: numbers of steps before each checkpoint.
          unsaved: number of steps after the last.
          end: one of _ENDS; a signal saves a checkpoint.
        """
        for name, number in changes:
            self._change(name, number)
        before, step = read_record(self.model_dir), max(self.saved, default=None)
        plan = self._plan(step, before)
        known = None if step is None else self.saved[step]
        place, broken, said, now = expected(self.flags, self.files.all, self.last, step, known)
        _same(str(plan.resumption), f'Since the last start: {"; ".join(said)}.' if said else '')
        if broken and not resume_changed:
            History.refused += 1
            with pytest.raises(FlagError, match=rf'in the middle of epoch {broken}\).*resume_changed'):
                plan.resumption.check(self.model_dir)
            return
        if not broken:
            plan.resumption.check(self.model_dir)
        try:
            self._record(plan, is_full)
            self.saved = self.saved if step is None else {**self.saved, step: place}
            self.last = now
            self._train(plan, place, step or 0, steps, unsaved, end)
        except LabError:
            if before is None and not self._saved_step():  # a new run that has learned nothing
                (self.model_dir / RECORD).unlink(missing_ok=True)
                self.saved, self.last = {}, Last()

    def _change(self, name: str, number: int) -> None:
        if name in _ON_FILES:
            getattr(self.files, name)(number)
        elif name in _ON_FLAGS:
            value = {
                'batch_size': number + 1,
                'seed': number % 2,
                'shuffle_buffer': BUFFERS[number % len(BUFFERS)],
                'workers': max(number - 2, 1),
            }[name]
            self.flags = replace(self.flags, **{name: value})
        elif self.saved:
            self.saved = {step: self.saved[step] for step in sorted(self.saved)[:-1]}

    def _plan(self, step: int | None, before: Record | None) -> Stage:
        flags, paths = self.flags, list(map(str, self.files.by_path))
        archives = open_archives(paths, IMAGES, say=lambda line: None)
        settings = TrainSettings(
            data=paths,
            model_dir=self.model_dir,
            batch_size=flags.batch_size,
            seed=flags.seed,
            shuffle_buffer=flags.shuffle_buffer,
            max_steps=_MOST_STEPS,
        )
        inputs = Inputs(archives, archives, None, unseen=False)
        cluster: Any = SimpleNamespace(workers=flags.workers, batches_a_step=flags.workers)
        model = find_model('rbm')
        params = resolve(model.params, {'image_shape': (8, 8, 1)})
        at = None if step is None else self.saved[step].position
        with (
            mock.patch.object(stages, 'saved_step', return_value=step),
            mock.patch.object(stages, 'position_of', return_value=at),
        ):
            (planned,) = stages.plan_stages(settings, cluster, model, params, inputs, inputs)
        return planned

    def _record(self, plan: Stage, is_full: bool) -> None:
        record = plan.record
        try:
            with files_up_to(0) if is_full else contextlib.nullcontext():
                write_record(self.model_dir, record)
        except OSError as error:
            raise LabError('as commands raise it') from error
        _same(is_full, False)
        written = read_record(self.model_dir)
        _same(written and written.input, record.input)

    def _train(self, plan: Stage, place: Place, step: int, steps: list[int], unsaved: int, end: str) -> None:
        """Takes steps from a place on, and ends."""
        History.starts += 1
        flags, start, together = self.flags, plan.resumption.position, self.flags.together
        order = plan.inputs.train.order(flags.shuffle_buffer, flags.seed)
        shards = [Slice(worker, flags.workers, together) for worker in range(flags.workers)]
        read = [(member.name for member in order.onwards(start, shard)) for shard in shards]
        right = place.names(plan.inputs.train)
        for count, is_saved in [*((count, True) for count in steps), (unsaved, end == 'signal')]:
            for _ in range(count):
                parts = [_next(names, flags.batch_size) for names in read]
                _same(sorted(itertools.chain(*parts)), sorted(_next(right, together)))
                place = place.after(together)
            step += count
            if is_saved:
                saved = {**self.saved, step: place}
                self.saved = {step: saved[step] for step in sorted(saved)[-_KEPT:]}
        if end == 'failure':
            raise LabError('out of memory')

    def _saved_step(self) -> int:
        return max(self.saved, default=0)


def _next(names: Iterator[str], count: int) -> list[str]:
    return list(itertools.islice(names, count))


def _same(found: object, right: object) -> None:
    assert found == right, f'{found}\n  is not\n{right}'


def run_histories(count: int, seed: int) -> None:
    """Runs histories; raises the exception of the shortest one that fails."""
    settings = hypothesis.settings(
        max_examples=count,
        stateful_step_count=_LIVES,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.seed(seed)(run_state_machine_as_test)(History, settings=settings)


def measure(given: argparse.Namespace) -> int:
    """Runs `--count` histories; returns 1 if one fails."""
    tally = Tally()
    try:
        run_histories(given.count, given.seed)
    except Exception:  # noqa: BLE001 - of a history
        tally.problems.append(traceback.format_exc())
    tally.counts.update(histories=History.histories, starts=History.starts, refused=History.refused)
    return tally.report('in all')


if __name__ == '__main__':
    main(__doc__, measure, count=(10_000, 'histories'))
