"""Asynchronous training: which share of each epoch a worker reads, and how far it has come.

Each worker's position is kept in a variable on the parameter servers, and thus in each checkpoint. The first
worker that begins an epoch writes a file that says who divides it: those that answer at that time.
"""

import errno
import functools
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.json_input import parse_json
from estimator_lab.base.regular_files import read_regular
from estimator_lab.base.whole_files import sync
from estimator_lab.data.order.order import Order
from estimator_lab.data.order.own_share import OwnShareOrder
from estimator_lab.data.order.resume_segments import Segment
from estimator_lab.errors import DataError
from estimator_lab.tf1 import tf
from estimator_lab.training.cluster import of_each, why_silent
from estimator_lab.training.distribution import Role, Task
from estimator_lab.training.plans import Plan, saved_step

POSITIONS = 'input/positions_of_workers'
"""Variable, int64 [workers, 2]: the key of an order, and the examples of it that a worker has consumed."""
_LEAST_ROWS = 1024  # so that another number of workers can restore it
_FOLDER = 'shares'
_MOST_BYTES = 1 << 20
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class OwnShare(tf.train.SessionRunHook):
    """A worker's share, and a hook that keeps its position in each checkpoint.

    A checkpoint that an older version or a single process has saved lacks the positions. Then they are
    estimated, and all workers divide each epoch, whether they are there or not.

    Args:
      plan: of the phase, whose role trains with a share of its own.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._role = role = plan.run.role
        self._rows = max(role.workers, _LEAST_ROWS)
        self._begin: int | None = None  # of this session
        self._consumed = 0
        has_random_access = plan.inputs.train.has_random_access
        self._first = first_of_order(plan.resumption.input.segments, has_random_access)
        self._key = order_key(self._first, has_random_access)

    def order(self, order: Order) -> OwnShareOrder:
        """Returns the order of this worker's examples, given that of all workers."""
        inputs, role, first = self._plan.inputs, self._role, self._first
        epoch, size = inputs.examples_an_epoch, None
        if epoch:  # as many epochs at once as give each worker an example
            size = epoch * -(-role.workers // epoch)
        taking_part: Callable[[int], Sequence[int]] = lambda number: range(role.workers)  # noqa: E731
        if self._is_kept:
            taking_part = Rosters(self._plan.folder / _FOLDER, self._key, role)
        begin = first.epoch * (epoch or 0) if self._is_kept else 0
        is_stream = not inputs.train.has_random_access
        return OwnShareOrder(order, role.rank, size, taking_part, begin, is_stream)

    def position(self) -> int:
        """Returns how many examples of its shares this worker had consumed when its session was created.

        The input, which asks for it, begins in the first step; see `OwnShareOrder`.
        """
        if self._is_kept:
            assert self._begin is not None, 'a session has been created'
            return self._begin
        step = saved_step(self._plan.folder) or 0
        return self._plan.segment.examples_at(step) // self._role.workers

    @functools.cached_property
    def _is_kept(self) -> bool:
        """Whether the newest checkpoint, if there is one, has the positions: the same for all processes."""
        checkpoint = tf.train.latest_checkpoint(str(self._plan.folder))
        if checkpoint is None:
            return True
        shapes = tf.train.load_checkpoint(checkpoint).get_variable_to_shape_map()
        return bool(shapes.get(POSITIONS) == [self._rows, 2])

    def begin(self) -> None:
        """Creates the variable; Estimator's Saver, which is built later, includes it."""
        if not self._is_kept:
            return
        nothing = tf.constant_initializer(-1)
        positions = tf.get_variable(POSITIONS, [self._rows, 2], tf.int64, nothing, trainable=False)
        self._row = positions[self._role.rank]
        self._new_row = tf.placeholder(tf.int64, [2])
        self._write = tf.scatter_update(positions, [self._role.rank], self._new_row[tf.newaxis])

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Looks up where this worker goes on: also what it consumed after the newest checkpoint counts."""
        if not self._is_kept:
            return
        key, consumed = session.run(self._row).tolist()
        # A worker that has never come reads its share of the first epoch, as no other worker does.
        begin = self._first.offset // self._role.workers
        self._begin = self._consumed = consumed if key == self._key and consumed >= begin else begin

    def before_run(self, run_context: Any) -> Any:
        """Requests the update of the position in the same step.

        It is set, not added to: if the chief goes back to a checkpoint, this worker goes on where it is.
        """
        if not self._is_kept:
            return None
        self._consumed += self._plan.run.settings.batch_size
        row = np.array([self._key, self._consumed])
        return tf.train.SessionRunArgs(self._write.op, {self._new_row: row})


@dataclass(frozen=True)
class Rosters:
    """Which workers divide each epoch: all of them in the first one, later those that answer as it begins.

    The first worker to begin an epoch decides, in a file that is never changed. A worker that comes back
    finishes its share of the epoch in which it left, and takes part in the next one that is undecided.

    Attributes:
      folder: of the files, which all workers see.
      key: of the order; see `order_key`.
      role: of this process.
      silent: returns why a task does not answer, '' if it does.
    """

    folder: Path
    key: int
    role: Role
    silent: Callable[[Task], str] = why_silent

    def __call__(self, number: int) -> tuple[int, ...]:
        """Returns the ranks that divide an epoch, ascending.

        Args:
          number: of the epoch, from 0 for the first.

        Raises:
          DataError: the file can't be written or read.
        """
        if not number:
            return tuple(range(self.role.workers))
        path = self.folder / f'{self.key:x}-{number}.json'
        try:
            if not path.exists() and not self._decide(path):
                return tuple(range(self.role.workers))
            return self._read(path)
        except OSError as error:
            raise DataError(f'{path} cannot be written or read: {error.strerror}.') from error

    def _decide(self, path: Path) -> bool:
        """Writes who takes part, unless another worker is faster; returns whether the file exists now."""
        own, trainers = self.role.rank, self.role.trainers
        why = of_each((task for task in trainers if task != self.role.task), self.silent)
        ranks = [rank for rank, task in enumerate(trainers) if not why.get(task)]
        self.folder.mkdir(exist_ok=True)
        partial = path.with_name(f'.{path.name}.{own}.partial')
        partial.unlink(missing_ok=True)
        try:
            with partial.open('xb') as file:
                file.write(json.dumps(ranks).encode())
                sync(file)
            os.link(partial, path)  # appears whole, and fails if there is one
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno in _NO_LINKS:  # of this file system, for all workers
                return False
            raise
        finally:
            partial.unlink(missing_ok=True)
        return True

    def _read(self, path: Path) -> tuple[int, ...]:
        try:
            ranks = parse_json(read_regular(path, _MOST_BYTES).decode())
        except ValueError as error:
            raise DataError(f'{path} is damaged: {error}.') from error
        everyone = range(self.role.workers)
        is_list = isinstance(ranks, list) and all(type(rank) is int and rank in everyone for rank in ranks)
        if not is_list or not ranks or ranks != sorted(set(ranks)):
            raise DataError(f'{path} is damaged: it must be a list of the ranks of workers, ascending.')
        return tuple(ranks)


def forget_rosters(folder: Path) -> None:
    """Removes what an earlier run, without a checkpoint, has left in the folder of a phase."""
    for path in (folder / _FOLDER).glob('*-*.json'):
        path.unlink(missing_ok=True)


def first_of_order(segments: Sequence[Segment], has_random_access: bool) -> Segment:
    """Returns the segment since which workers have gone through their shares in one and the same order.

    Args:
      segments: of a run; the last one is the newest.
      has_random_access: whether the archives have; the size of a shuffle buffer then has no effect.
    """
    first = segments[-1]
    for before, after in reversed(list(pairwise(segments))):
        place = before.place_at(after.first_step)
        goes_on = (place.epoch, place.offset) == (after.epoch, after.offset)
        if not goes_on or _order_of(before, has_random_access) != _order_of(after, has_random_access):
            break
        first = before
    return first


def order_key(first: Segment, has_random_access: bool) -> int:
    """Returns a number of 63 bits that identifies an order, given the first segment that has it."""
    place = first.first_step, first.epoch, first.offset
    text = repr((place, _order_of(first, has_random_access)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], 'big') >> 1


def _order_of(segment: Segment, has_random_access: bool) -> tuple[Any, ...]:
    settings = dict(segment.settings)
    buffer = settings.get('shuffle_buffer')
    if has_random_access and isinstance(buffer, int):
        settings['shuffle_buffer'] = buffer > 1
    sources = [
        [(source.fingerprint, source.images) for source in several]
        for several in (segment.sources, segment.later)
    ]
    return sorted(settings.items()), sources
