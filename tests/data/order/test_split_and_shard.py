"""The limits of parts, and the examples of each worker."""

from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.data.order import split_and_shard
from estimator_lab.data.order.split_and_shard import EVERYTHING, Part, WorkerShard
from estimator_lab.errors import FlagError


def test_a_part_includes_its_lower_limit_and_excludes_its_upper_one(monkeypatch):
    hashes = [0, 2**62 - 2**10, 2**62, 2**62 + 2**10, 2**63 - 2**11, 2**63, 2**64 - 2**11]  # exact as floats
    expected = [False, False, True, True, True, False, False]
    index = SimpleNamespace(name_hashes=np.array(hashes, np.uint64), __len__=lambda: 7)
    assert Part(0.25, 0.5).mask(index).tolist() == expected
    monkeypatch.setattr(split_and_shard, 'name_hash', lambda name: hashes[int(name)])
    assert [str(number) in Part(0.25, 0.5) for number in range(7)] == expected


def test_everything_is_all_without_a_hash():
    assert Part() == EVERYTHING == Part(0.0, 1.0)
    assert EVERYTHING.mask([0] * 3).tolist() == [True] * 3
    assert 'any name' in EVERYTHING


@pytest.mark.parametrize(
    ('world_size', 'global_batch', 'sizes'),
    [(1, 0, [1]), (3, 0, [1, 1, 1]), (2, 6, [3, 3]), (3, 8, [2, 3, 3]), (4, 4, [1] * 4), (1, 5, [5])],
)
def test_workers_divide_a_global_batch(world_size, global_batch, sizes):
    shards = [WorkerShard(rank, world_size, global_batch) for rank in range(world_size)]
    window = shards[0].window
    assert [len(range(window)[shard.places]) for shard in shards] == sizes
    parts = [list(shard.of(range(3 * window))) for shard in shards]
    for batch in range(3):
        whole = [one for part, size in zip(parts, sizes, strict=True) for one in part[batch * size :][:size]]
        assert whole == list(range(batch * window, (batch + 1) * window))


@pytest.mark.parametrize(
    ('world_size', 'global_batch', 'sizes'),
    [(2, 8, [4, 4]), (3, 10, [2, 4, 4]), (2, 7, [4, 3]), (2, 2, [0, 2])],
)
def test_pairs_stay_together(world_size, global_batch, sizes):
    shards = [WorkerShard(rank, world_size, global_batch, True) for rank in range(world_size)]
    assert [shard.own for shard in shards] == sizes
    assert all(shard.places.start % 2 == 0 for shard in shards)
    assert sorted(one for shard in shards for one in range(global_batch)[shard.places]) == [
        *range(global_batch)
    ]


@pytest.mark.parametrize(
    ('shard', 'words'),
    [
        ((0, 0), 'world_size=0 must be at least 1.'),
        ((0, -2), 'world_size=-2 must be at least 1.'),
        ((3, 3), 'rank=3 is not one of world_size=3: ranks go from 0 to 2.'),
        ((-1, 3), 'rank=-1 is not one of world_size=3: ranks go from 0 to 2.'),
        ((0, 3, 2), 'global_batch=2 must have an example for each of world_size=3.'),
        ((0, 1, -1), 'global_batch=-1 must have an example for each of world_size=1.'),
    ],
)
def test_a_worker_that_there_is_not(shard, words):
    with pytest.raises(FlagError) as caught:
        WorkerShard(*shard)
    assert str(caught.value) == words
