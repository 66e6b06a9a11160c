"""The global order: every image once an epoch, whatever the workers, and the same batches for any number."""

import itertools
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator_lab.base.shares import Slice
from estimator_lab.data.archives.mixture import Mixture
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.archives.order import IndexedMembers, IndexedOrder, StreamOrder
from estimator_lab.data.archives.places import Places
from estimator_lab.data.images.reader import IMAGES
from tests.support.archive_files import write_tar
from tests.support.streams import build_index

pytestmark = pytest.mark.both

SIZES = (1, 2, 7, 40)


@pytest.fixture(scope='module')
def indexes(tmp_path_factory):
    """Indexes of two archives of each size."""
    folder = tmp_path_factory.mktemp('archives')

    def made(size, copy):
        files = [(f'a/{copy}_{n}.jpg', b'') for n in range(size)]
        return build_index(str(write_tar(folder / f'{size}_{copy}.tar', files)))

    return {(size, copy): made(size, copy) for size in SIZES for copy in range(2)}


sizes = st.lists(st.sampled_from(SIZES), min_size=1, max_size=4)
worlds = st.integers(1, 7)


def order_of(indexes, sizes, seed):
    members = IndexedMembers([indexes[size, n % 2] for n, size in enumerate(sizes)])
    return IndexedOrder(members, True, seed)


def places(members):
    return [(member.epoch, member.archive, member.row) for member in members]


@settings(deadline=None, max_examples=100)
@given(sizes, st.integers(0, 3), worlds, st.integers(0, 40), st.integers(0, 300))
def test_global_batches_do_not_depend_on_the_number_of_workers(indexes, sizes, seed, world_size, more, start):
    order, group = order_of(indexes, sizes, seed), world_size + more
    expected = places(itertools.islice(order.onwards(start), 3 * group))
    found = [Counter() for _ in range(3)]
    for rank in range(world_size):
        shard = Slice(rank, world_size, group)
        own = order.onwards(start, shard)
        for batch in found:
            batch.update(places(itertools.islice(own, len(shard.places))))
    assert found == [Counter(expected[first : first + group]) for first in range(0, 3 * group, group)]


@settings(deadline=None, max_examples=60)
@given(sizes, worlds, st.integers(0, 100))
def test_workers_at_their_own_pace_share_each_epoch_in_another_way(indexes, sizes, world_size, start):
    order, epoch = order_of(indexes, sizes, 1), sum(sizes)
    for stream in (order, streamed(order)):
        seen, shares = Counter(), []
        for rank in range(world_size):
            own = stream.onwards(start, Slice(rank, world_size, world_size, turns=True))
            last = start // epoch + 2
            share = places(itertools.takewhile(lambda one, last=last: one.epoch < last, own))
            seen.update(share)
            shares.append(sum(row[0] == last - 1 for row in share))
        assert seen == Counter(places(itertools.islice(order.onwards(start), last * epoch - start)))
        if epoch >= 2 * world_size > 2:  # each has as many as the others, but one
            assert max(shares) - min(shares) <= 1


def streamed(order):
    """The same order without random access."""
    data = SimpleNamespace(total=len(order.stored), sources=(), own=None, indexes=())
    found = StreamOrder(data)
    found.epoch = order.epoch
    return found


def test_a_slow_worker_costs_steps_but_no_classes(tmp_path):
    """In an archive sorted by label, the steps of the only fast one of two workers have all labels."""
    files = [(f'{label}/{n}.jpg', b'') for label in range(10) for n in range(40)]
    order = open_archives([str(write_tar(tmp_path / 'a.tar', files))], IMAGES).order(9, seed=1)
    own = Slice(0, 2, 2, turns=True)
    fast = itertools.islice(order.onwards(0, own), 200)
    counts = Counter(member.label for member in fast)
    assert len(counts) == 10 and min(counts.values()) > 8
    both = [order.onwards(start, own) for start in (0, 400)]
    first, second = ({one.name for one in itertools.islice(share, 200)} for share in both)
    assert len(first | second) > 250  # an epoch later it reads others


def test_one_worker_reads_as_it_always_did(indexes):
    """Runs of older versions go on: the order is that of these figures."""
    order = order_of(indexes, [7, 2], seed=1)
    rows = [(one.epoch, one.row) for one in itertools.islice(order.onwards(4, Slice(0, 1, 5)), 9)]
    assert rows == [(one.epoch, one.row) for one in [*list(order.epoch(0))[4:], *list(order.epoch(1))[:4]]]
    assert [one.row for one in order_of(indexes, [7], 1).epoch(0)] == [4, 5, 0, 3, 1, 2, 6]


def test_each_worker_has_all_labels_of_a_sorted_archive(tmp_path):
    """Else each would normalize its batches by its own labels. The 400 examples have a third of each."""
    files = [(f'{n // 400}/{n}.jpg', b'') for n in range(1200)]
    order = open_archives([str(write_tar(tmp_path / 'a.tar', files))], IMAGES).order(9, seed=1)
    for rank in range(3):
        counts = Counter(one.label for one in itertools.islice(order.onwards(0, Slice(rank, 3, 96)), 400))
        assert len(counts) == 3 and all(100 < count < 170 for count in counts.values())


BLOCKS = np.array([7, 3, 12, 1] * 10)
HALF = np.arange(230) // 115
SIXTH = (np.arange(230) % 6 == 0).astype(np.int64)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from([1, 2, 3, 4, 7]),
    st.lists(st.tuples(st.integers(1, 7), st.integers(0, 9), st.integers(1, 3)), min_size=1, max_size=5),
    st.sampled_from([None, (HALF, [1, 1]), (HALF, [7, 3]), (SIXTH, [2, 1])]),
    st.booleans(),
)
def test_any_ranks_go_on_exactly_in_an_order_that_others_began(lanes, runs, groups, by_blocks):
    """Runs of some ranks follow each other: together they read what one process reads, batch by batch."""
    mixture = Mixture(*groups) if groups else None
    order = Places(range(230), True, 1, BLOCKS if by_blocks else None, mixture, lanes)
    position, found = 5, []
    for world_size, more, batches in runs:
        group = world_size + more
        end = position + batches * group
        ranks = [Slice(rank, world_size, group) for rank in range(world_size)]
        parts = [np.concatenate([*order.batches(position, end, own)], None) for own in ranks]
        found += sorted(np.concatenate(parts).tolist())
        expected = np.concatenate([*order.batches(position, end), np.empty(0, np.int64)], None)
        assert found[len(found) - len(expected) :] == sorted(expected.tolist())
        position = end


@pytest.mark.parametrize('by_blocks', [False, True])
@pytest.mark.parametrize(('groups', 'shares'), [(HALF, [1, 1]), (HALF, [2, 1]), (SIXTH, [7, 3])])
@pytest.mark.parametrize('ranks', [1, 2, 3, 8])
def test_each_rank_has_the_shares_of_a_mixture_and_each_group_its_epochs(groups, shares, ranks, by_blocks):
    """A rank's first n examples are within one of each share; of a group of 38, no example comes a third time
    before each came twice."""
    order = Places(range(230), True, 1, BLOCKS if by_blocks else None, Mixture(groups, shares), ranks)
    own = [next(order.batches(0, own=Slice(rank, ranks, 32 * ranks)))[:4].ravel() for rank in range(ranks)]
    for places in own:
        first = np.cumsum(groups[places % 230]) - np.arange(1, len(places) + 1) * shares[1] / sum(shares)
        assert np.abs(first).max() < 1
    sequence = np.stack(own, axis=1).ravel() % 230
    for group in (0, 1):
        numbers, size = sequence[groups[sequence] == group], np.bincount(groups)[group]
        epochs, rest = divmod(len(numbers), size)
        seen = np.bincount(numbers, minlength=230)[groups == group]
        # Lanes draw side by side, so that as many examples as there are others may be an epoch ahead.
        assert seen.sum() == epochs * size + rest
        assert (seen < epochs).sum() <= ranks and (seen > epochs + 1).sum() <= ranks


@pytest.mark.parametrize('ranks', [2, 8, 16])
def test_ranks_read_the_blocks_once_and_have_the_labels_of_one_process(ranks):
    """120 blocks of 50 examples, sorted by 20 labels, in batches of 32."""
    counts = np.full(120, 50)

    def bits(places):
        shares = np.stack([np.bincount(row, minlength=20) / 32 for row in places // 300])
        return -np.sum(shares * np.log2(np.where(shares, shares, 1)), axis=1).mean()

    alone = bits(next(Places(range(6000), True, 1, counts).batches(0, 5984, Slice(group=32))))
    order = Places(range(6000), True, 1, counts, lanes=ranks)
    read = labels = 0.0
    for rank in range(ranks):
        parts = [*order.batches(0, 6000, Slice(rank, ranks, 32 * ranks))]
        read += len(np.unique(np.concatenate(parts, None) // 50))
        labels += bits(parts[0]) / ranks
    assert read <= 120 + ranks - 1
    assert labels > 0.9 * alone
