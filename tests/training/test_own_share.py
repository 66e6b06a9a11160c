"""Asynchronous training without servers: positions of workers in checkpoints, and who divides an epoch."""

import errno
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from estimator_lab.errors import DataError
from estimator_lab.runs.record import InputRecord
from estimator_lab.tf1 import tf
from estimator_lab.training.distribution import PARAMETER_SERVER, Role
from estimator_lab.training.own_share import (
    POSITIONS,
    OwnShare,
    Rosters,
    first_of_order,
    forget_rosters,
    order_key,
)
from estimator_lab.training.resumption import Resumption
from tests.training.starts import ORDER, A, B, Segment

SHARES = {**ORDER, 'shares': 3}
FIRST = Segment(0, 6, 0, 0, (A,), settings=SHARES)
SMALLER = replace(FIRST, first_step=2, examples_a_step=4, offset=12)
RESHUFFLED = Segment(3, 4, 1, 0, (A,), settings={**SHARES, 'seed': 2})


def role_of(rank=0):
    cluster = {'chief': ('h:1',), 'worker': ('h:2', 'h:3'), 'ps': ('h:4',)}
    return Role(PARAMETER_SERVER, 'worker' if rank else 'chief', max(rank - 1, 0), cluster)


def share_of(folder, rank=0, segments=(FIRST,)):
    """Returns the share of a worker with batches of 6 images."""
    plan = SimpleNamespace(
        run=SimpleNamespace(role=role_of(rank), settings=SimpleNamespace(batch_size=6)),
        inputs=SimpleNamespace(train=SimpleNamespace(has_random_access=True), examples_an_epoch=24),
        resumption=Resumption(InputRecord(segments)),
        segment=segments[-1],
        folder=folder,
    )
    return OwnShare(plan)


def train(folder, share, steps):
    """Trains as Estimator does, with an input that begins in the first step; returns where it begins."""
    found = []
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        first = tf.numpy_function(lambda: found.append(share.position()) or 0, [], tf.int64, stateful=True)
        with tf.control_dependencies([first] if share else []):
            train_op = tf.assign_add(step, 1)
        scaffold = tf.train.Scaffold(saver=tf.train.Saver(defer_build=True))
        with tf.train.MonitoredTrainingSession(
            '', True, str(folder), scaffold, [share] if share else [], save_checkpoint_steps=1000
        ) as session:
            for _ in range(steps):
                session.run(train_op)
    assert len(set(found)) <= 1
    return found[0] if found else None


def test_each_worker_goes_on_at_what_it_consumed(tmp_path):
    assert train(tmp_path, share_of(tmp_path, 1), 4) == 0
    assert train(tmp_path, share_of(tmp_path, 2), 1) == 0, 'another worker has its own'
    assert train(tmp_path, share_of(tmp_path, 1, (FIRST, SMALLER)), 1) == 24
    assert train(tmp_path, share_of(tmp_path, 2), 1) == 6
    assert train(tmp_path, share_of(tmp_path, 1), 1) == 30
    assert train(tmp_path, share_of(tmp_path, 0), 1) == 0, 'it has not come so far'


def test_another_order_begins_anew(tmp_path):
    train(tmp_path, share_of(tmp_path, 1), 3)
    share = share_of(tmp_path, 1, (FIRST, SMALLER, RESHUFFLED))
    assert train(tmp_path, share, 1) == 0
    assert share.order(None).first == 24, 'from the beginning of epoch 1'
    assert train(tmp_path, share_of(tmp_path, 1, (FIRST, SMALLER, RESHUFFLED)), 1) == 6


def test_a_checkpoint_without_positions_is_restored(tmp_path):
    """It was saved by an older version, or in a single process: the position is an estimate."""
    train(tmp_path, None, 4)
    share = share_of(tmp_path, 1)
    assert train(tmp_path, share, 1) == 8  # 4 steps * 6 images / 3 workers
    assert list(share.order(None).taking_part(7)) == [0, 1, 2]
    assert POSITIONS not in dict(tf.train.list_variables(str(tmp_path)))


def test_which_changes_begin_another_order():
    segments = (FIRST, SMALLER, RESHUFFLED)
    assert [first_of_order(segments[: n + 1], True) for n in range(3)] == [FIRST, FIRST, RESHUFFLED]
    jump = replace(SMALLER, epoch=1, offset=0)
    others = [jump, replace(SMALLER, sources=(B,)), replace(SMALLER, settings={**SHARES, 'shares': 2})]
    for other in others:
        assert first_of_order((FIRST, other), True) == other
    keys = {order_key(one, True) for one in (FIRST, RESHUFFLED, *others)}
    assert len(keys) == 5 and all(0 <= key < 2**63 for key in keys)
    buffer = replace(FIRST, settings={**SHARES, 'shuffle_buffer': 77})
    assert order_key(buffer, True) == order_key(FIRST, True)
    assert order_key(buffer, False) != order_key(FIRST, False)


def rosters_of(folder, rank, *absent):
    return Rosters(folder, 7, role_of(rank), lambda task: 'no answer' * (str(task)[:8] in absent))


def test_who_answers_divides_the_next_epoch(tmp_path):
    """The first to begin it decides, also for those that see others."""
    folder = tmp_path / 'shares'
    chief, first = rosters_of(folder, 0, 'worker 0'), rosters_of(folder, 1, 'worker 1')
    assert chief(0) == first(0) == (0, 1, 2), 'no worker has joined yet'
    assert chief(1) == first(1) == (0, 2)
    assert first(2) == chief(2) == (0, 1)
    assert rosters_of(folder, 2)(1) == (0, 2) and rosters_of(folder, 2)(3) == (0, 1, 2)
    assert sorted(path.name for path in folder.iterdir()) == ['7-1.json', '7-2.json', '7-3.json']
    forget_rosters(tmp_path)
    assert first(1) == (0, 1)


@pytest.mark.parametrize(
    'data', [b'', b'[]', b'{}', b'[1, 0]', b'[0, 0]', b'[3]', b'[true]', b'\xff', b'[' * 9999]
)
def test_a_damaged_roster(tmp_path, data):
    (tmp_path / '7-1.json').write_bytes(data)
    with pytest.raises(DataError, match=r'7-1\.json is damaged'):
        rosters_of(tmp_path, 0)(1)


def test_folders_without_links_and_full_disks(tmp_path, monkeypatch):
    """Without links, no worker can decide for all: as nothing is written, all of them divide each epoch."""

    def link(*paths):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, 'link', link)
    error = errno.EPERM
    assert rosters_of(tmp_path, 0, 'worker 0')(1) == (0, 1, 2)
    error = errno.ENOSPC
    with pytest.raises(DataError, match=r'7-1\.json cannot be written or read: No space left'):
        rosters_of(tmp_path, 0)(1)
    assert not list(tmp_path.iterdir())
