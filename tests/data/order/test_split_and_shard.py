"""The limits of parts, and the examples of each worker."""

from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.data.order import split_and_shard
from estimator_lab.data.order.split_and_shard import EVERYTHING, Part, WorkerShard


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
    ('count', 'archives', 'expected'),
    [
        (2, 3, [['all', '', 'all'], ['', 'all', '']]),
        (2, 2, [['all', ''], ['', 'all']]),
        (3, 2, [[0, 2], [1, 0], [2, 1]]),  # the first of every third example
        (1, 1, [['all']]),
    ],
)
def test_shares_of_workers(count, archives, expected):
    shares = {'all': slice(None), '': slice(0)}
    for number, row in enumerate(expected):
        for archive, share in enumerate(row):
            wanted = shares.get(share) or slice(share, None, count)
            assert WorkerShard(number, count).images_of(archive, archives) == wanted
