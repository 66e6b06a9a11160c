"""Streams in a DataLoader's workers: PyTorch's worker info, and loops over its batches."""

import itertools
import json
import pickle
import sys
from types import SimpleNamespace

import pytest

from estimator_lab.api import stream
from estimator_lab.base.errors import DataError
from estimator_lab.data.input import stream as data_stream
from estimator_lab.data.input.stream import Passes

pytestmark = pytest.mark.once


def keys(examples):
    return [example.key for example in examples]


LOOPS = """
import json, sys
from tests.support.data_loader import DataLoader
from estimator_lab.api import stream

path, workers, persistent, passes, start, batch_size = json.loads(sys.argv[1])
data = stream(path, seed=3, batch_size=batch_size)
if start:
    data.load_state_dict(data.state_at(start))
loader = DataLoader(data, batch_size=None, num_workers=workers, persistent_workers=persistent)
found = []
for _ in range(passes):
    found.append([key for batch in loader for key in batch.keys])
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ('workers', 'persistent'), [(0, False), (1, False), (1, True), (2, False), (2, True)]
)
@pytest.mark.parametrize('start', [0, 9, 24, 30])
def test_a_loop_over_a_loader_has_each_example_once_a_pass(archive, run_python, workers, persistent, start):
    whole = keys(stream(archive, seed=3, epochs=4))
    arguments = json.dumps([str(archive), workers, persistent, 3, start, 3])
    done = run_python('-c', LOOPS, arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first = start // 24
    expected = [whole[max(24 * n, start) : 24 * (n + 1)] for n in range(first, first + 3)]
    assert found[: len(expected)] == expected[:3] if first + 3 <= 4 else found[:2] == expected[:2]
    assert [sorted(one) for one in found[1:]] == [sorted(whole[:24])] * 2


EARLY = """
import sys
from tests.support.data_loader import DataLoader
from estimator_lab.api import stream
for persistent in (False, True):
    data = stream(sys.argv[1], seed=3, batch_size=3)
    loader, firsts = DataLoader(data, batch_size=None, num_workers=2, persistent_workers=persistent), set()
    for _ in range(3):
        for batch in loader:
            firsts.add(tuple(batch.keys))
            break
    print(len(firsts))
"""


def test_a_loop_that_is_left_early_begins_another_pass(archive, run_python):
    """As the workers of a loader see it, which the stream in the main process is not told of."""
    assert run_python('-c', EARLY, str(archive)).stdout == '3\n3\n'


def test_a_loader_begins_where_the_stream_was_left(archive, monkeypatch):
    whole = keys(stream(archive))
    data = stream(archive)
    next(data)
    copy = pickle.loads(pickle.dumps(data))
    info = SimpleNamespace(id=0, num_workers=1, seed=1)
    monkeypatch.setattr(data_stream, '_torch_worker', lambda: info)
    assert keys(copy) == whole[1:]


@pytest.mark.parametrize('batch_size', [None, 5])
@pytest.mark.parametrize('worker', [0, 1])
def test_a_worker_of_a_stateful_loader_goes_on(archive, monkeypatch, worker, batch_size):
    """Which iterates over its copy first, and then loads the state that it had, also that of the end."""
    info = SimpleNamespace(id=worker, num_workers=2, seed=worker)
    monkeypatch.setattr(data_stream, '_torch_worker', lambda: info)

    def begun():
        return iter(stream(archive, batch_size=batch_size))

    def names(found):
        return [key for one in found for key in ([one.key] if batch_size is None else one.keys)]

    whole = names(begun())
    for count in range(16):
        first, second = begun(), begun()
        seen = names(itertools.islice(first, count))
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert seen + names(iter(iter(second))) == whole
    info.num_workers = 3
    with pytest.raises(DataError, match='is of a worker of a DataLoader'):
        begun().load_state_dict(first.state_dict() | {'loader': [2, batch_size or 1, 1]})


def test_the_same_worker_with_the_same_seed_begins_another_pass(monkeypatch):
    """As when PyTorch is seeded before each loop: a seed that is known does not make it the same loop."""
    monkeypatch.setitem(sys.modules, 'torch.utils.data', None)
    passes = Passes()
    workers = [SimpleNamespace(id=number, seed=7 + number) for number in (0, 1, 0, 1)]
    assert [passes.begin(worker, has_run=False) for worker in workers] == [0, 0, 1, 1]


# Random histories.
