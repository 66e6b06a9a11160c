import collections
import itertools
import random

import pytest

from estimator_lab.data.order import Order, shuffled
from estimator_lab.data.tar_stream import stream_members


@pytest.mark.parametrize('buffer_size', [0, 1, 2, 7, 20, 100])
def test_shuffling_keeps_every_item_once(buffer_size):
    assert sorted(shuffled(range(20), buffer_size, random.Random(3))) == list(range(20))


def test_no_buffer_keeps_the_order():
    assert list(shuffled(range(9), 1, random.Random(3))) == list(range(9))
    assert list(shuffled([], 5, random.Random(3))) == []


def test_an_item_comes_at_most_a_buffer_early():
    out = list(shuffled(range(1000), 10, random.Random(5)))
    assert all(item - place < 10 for place, item in enumerate(out))


def test_a_full_buffer_makes_all_orders_equally_likely():
    rng = random.Random(7)
    counts = collections.Counter(tuple(shuffled('abc', 3, rng)) for _ in range(6000))
    # 6 orders, 1,000 of each expected; the standard deviation is sqrt(6000 * 1/6 * 5/6) = 29.
    assert len(counts) == 6
    assert all(abs(count - 1000) < 5 * 29 for count in counts.values())


def names(turns):
    return [(turn.epoch, turn.member.name) for turn in turns]


def test_stored_order_without_shuffling(archive):
    assert [turn.member for turn in Order([str(archive)]).epoch(0)] == list(stream_members(archive))


def test_order_depends_on_seed_and_epoch_alone(archive):
    order = Order([str(archive)], shuffle_buffer=24, seed=1)
    assert names(order.epoch(3)) == names(Order([str(archive)], 24, 1).epoch(3))
    first, second = ([name for _, name in names(order.epoch(n))] for n in (0, 1))
    other_seed = [name for _, name in names(Order([str(archive)], 24, 2).epoch(0))]
    assert first != second and first != other_seed
    assert sorted(first) == sorted(second) == sorted(other_seed)


def test_order_is_the_same_in_every_process(archive, run_python):
    code = (
        'import sys; from estimator_lab.data.order import Order; '
        'print([t.member.name for t in Order([sys.argv[1]], 24, 1).epoch(2)])'
    )
    outputs = {run_python('-c', code, str(archive), PYTHONHASHSEED=seed).stdout for seed in ('0', '1', '2')}
    assert outputs == {f'{[t.member.name for t in Order([str(archive)], 24, 1).epoch(2)]}\n'}


@pytest.mark.parametrize('start', [0, 1, 10, 23, 24, 25, 47, 48, 100])
def test_going_on_is_the_rest_of_the_uninterrupted_sequence(archive, start):
    order = Order([str(archive)], shuffle_buffer=5, seed=4)
    whole = names(itertools.islice(order.onwards(0, 24), start + 30))
    assert names(itertools.islice(order.onwards(start, 24), 30)) == whole[start:]


def test_several_archives_change_places(archive, tmp_path):
    copy = tmp_path / 'copy.tar'
    copy.write_bytes(archive.read_bytes())
    order = Order([str(archive), str(copy)], shuffle_buffer=2, seed=0)
    first = {next(order.epoch(n)).member.archive for n in range(8)}
    assert first == {str(archive), str(copy)}
