"""The global order: every image once an epoch, whatever the workers, and the same batches for any number."""

import itertools
import pickle
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


@pytest.mark.parametrize('groups', [1, 2])
def test_each_worker_reads_few_blocks_for_a_batch_but_others_in_each_epoch(groups):
    """Of the eight blocks of a window, each of four workers reads about two, and its share of each group."""
    counts, of_each = np.full(40, 100), np.arange(4000) // (4000 // groups)
    mixture = Mixture(of_each, [3, 1]) if groups == 2 else None
    order = pickle.loads(pickle.dumps(Places(range(4000), True, 1, counts, mixture)))
    read, labels = [], Counter()
    for rank in range(4):
        parts = [next(order.batches(epoch * 4000, own=Slice(rank, 4, 400)))[0] for epoch in range(30)]
        for places in parts:
            numbers = places % 4000
            read.append(len(np.unique(numbers // 100)))
            labels.update((rank, label) for label in (numbers // 1000).tolist())
            shares = np.bincount(of_each[numbers], minlength=groups)
            assert np.all(np.abs(shares - [100] if groups == 1 else shares - [75, 25]) <= 1)
    assert np.mean(read) < 4.5
    assert len(labels) == 16 and min(labels.values()) > 200
