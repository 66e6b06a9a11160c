"""Parts of batches, of sequences and of archives."""

import itertools

import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.base.shares import Slice, part_of


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ((0, 0, 1), 'world_size=0 must be at least 1'),
        ((-1, 2, 2), 'rank=-1 is not one of world_size=2: ranks go from 0 to 1'),
        ((2, 2, 2), 'rank=2 is not one of world_size=2'),
        ((0, 3, 2), 'global_batch=2 must have an example for each of world_size=3'),
    ],
)
def test_slices_that_do_not_exist(given, words):
    with pytest.raises(FlagError, match=words):
        Slice(*given)


def test_each_part_of_each_group():
    """7 places in 3 parts: every third one."""
    parts = [Slice(number, 3, 7) for number in range(3)]
    assert [list(part.places) for part in parts] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [[*itertools.islice(part.of(itertools.count(10)), 4)] for part in parts] == [
        [10, 13, 16, 17],
        [11, 14, 18, 21],
        [12, 15, 19, 22],
    ]
    assert [*itertools.islice(Slice().of(itertools.count(10)), 3)] == [10, 11, 12]
    # Of archives of 2, 0 and 5 examples, the parts have the same places.
    assert [part.within([2, 0, 5]) for part in parts[:2]] == [
        [range(2), range(0), range(0)],
        [range(2, 2), range(0), range(2)],
    ]


@pytest.mark.parametrize('text', ['0/3', '4/3', '1/0', '3', '1/3/5', 'a/b', '-1/3'])
def test_parts_that_do_not_exist(text):
    with pytest.raises(FlagError, match=f'part={text} must be one of N shares'):
        part_of(text)


def test_parts_by_their_names():
    assert part_of('') is None
    assert str(part_of('3/12')) == '3/12' and (part_of('3/12').number, part_of('3/12').count) == (2, 12)
