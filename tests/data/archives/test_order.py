"""Orders: shuffling, epochs, resuming, parts; streams that change or end."""

import collections
import itertools
import os
import random
from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.base.shares import Slice
from estimator_lab.data.archives import part as data_part
from estimator_lab.data.archives.index import Index
from estimator_lab.data.archives.opened import Archives, open_archives, open_stream
from estimator_lab.data.archives.order import (
    EVERYTHING,
    IndexedMembers,
    IndexedOrder,
    Part,
    StreamOrder,
    shuffled,
)
from estimator_lab.data.archives.shuffling import permuted
from estimator_lab.data.examples.member import Member
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources.source import source_of
from tests.support.archive_files import gzipped, piped, write_tar
from tests.support.streams import build_index, names


def light(items, buffer_size, rng):
    members = (Member('', str(item)) for item in items)
    return [int(member.name) for member in shuffled(members, buffer_size, rng, 10**9)]


@pytest.mark.parametrize('size', [0, 1, 2, 7, 20, 100])
def test_shuffling_keeps_every_item_once_and_at_most_a_buffer_early(size):
    out = light(range(50), size, random.Random(3))
    assert sorted(out) == [*range(50)]
    assert all(item - place < max(size, 1) for place, item in enumerate(out))
    assert light(range(9), 1, None) == [*range(9)]


def test_a_full_buffer_makes_all_orders_equally_likely():
    rng = random.Random(7)
    counts = collections.Counter(tuple(light(range(3), 3, rng)) for _ in range(6000))
    # 6 orders, 1,000 of each expected; the standard deviation is sqrt(6000 * 1/6 * 5/6) = 29.
    assert len(counts) == 6 and all(abs(count - 1000) < 5 * 29 for count in counts.values())


def test_a_buffer_holds_no_more_than_its_bytes():
    weights = random.Random(1).choices([0, 1, 2, 7, 30], k=500)
    held, most = [], 0

    def members():
        nonlocal most
        for weight in weights:
            held.append(weight)
            yield Member('', 'x', data=bytes(weight))
            most = max(most, sum(held) - weight)

    out = []
    for member in shuffled(members(), 50, random.Random(3), 20):
        held.remove(len(member.data))
        out.append(len(member.data))
    assert sorted(out) == sorted(weights) and out != weights and most <= 30


def indexed(paths, shuffle=False, seed=0, **options):
    return IndexedOrder(IndexedMembers([build_index(path) for path in paths], **options), shuffle, seed)


def streamed(paths, shuffle=False, seed=0, **options):
    data = Archives(tuple(map(source_of, paths)), IMAGES, **options)
    return StreamOrder(data, 30 if shuffle else 1, seed)


both = pytest.mark.parametrize('make', [indexed, streamed])


@pytest.fixture
def archives(tmp_path, archive):
    """Three archives of 24, 24 and 5 images."""
    copy, short = tmp_path / 'copy.tar', tmp_path / 'short.tar'
    copy.write_bytes(archive.read_bytes())
    write_tar(short, [(f'train/n000009/{n}.png', b'') for n in range(5)])
    return [str(archive), str(copy), str(short)]


def places(members):
    return [(member.epoch, member.archive, member.name) for member in members]


@both
def test_order_depends_on_seed_and_epoch_alone(archive, make):
    order, other = (make([archive], shuffle=True, seed=seed) for seed in (1, 2))
    assert places(order.epoch(3)) == places(make([archive], True, 1).epoch(3))
    found = [names(order.epoch(0)), names(order.epoch(1)), names(other.epoch(0))]
    assert len(set(map(tuple, found))) == 3 and len(set(map(tuple, map(sorted, found)))) == 1


def test_order_is_the_same_in_every_process_and_on_every_machine(archive, run_python):
    code = (
        'import sys; from tests.data.archives.test_order import indexed, streamed; '
        'print([t.name for make in (streamed, indexed) for t in make([sys.argv[1]], True, 1).epoch(2)])'
    )
    outputs = {run_python('-c', code, str(archive), PYTHONHASHSEED=seed).stdout for seed in ('0', '1')}
    orders = streamed([archive], True, 1), indexed([archive], True, 1)
    assert outputs == {f'{[name for order in orders for name in names(order.epoch(2))]}\n'}
    # A run resumed under other versions would else see other images.
    assert permuted(np.arange(10), 10, seed=1, epoch=0).tolist() == [5, 1, 3, 0, 7, 6, 2, 8, 4, 9]


@both
@pytest.mark.parametrize('start', [0, 1, 10, 23, 24, 25, 47, 48, 100])
@pytest.mark.parametrize('shard', [Slice(), Slice(1, 3, 3)])
def test_resuming_continues_the_uninterrupted_sequence(archive, make, start, shard):
    order = make([archive], shuffle=True, seed=4)
    whole = places(itertools.islice(order.onwards(0, shard), start + 30))
    rest = order.onwards(start * shard.count, shard)
    assert places(itertools.islice(rest, 30)) == whole[start:]


@pytest.mark.parametrize('start', [0, 7, 52, 53, 54, 106])
def test_whole_epochs_are_skipped_unread_where_their_size_is_known(archives, start, monkeypatch):
    known = [*map(build_index, archives)]
    blind, knowing = (streamed(archives, True, 4, indexes=indexes) for indexes in ((), known))
    expected = places(itertools.islice(blind.onwards(start), 40))
    epochs, epoch = [], StreamOrder.epoch
    monkeypatch.setattr(StreamOrder, 'epoch', lambda self, n: epochs.append(n) or epoch(self, n))
    assert places(itertools.islice(knowing.onwards(start), 40)) == expected and epochs[0] == start // 53


def test_random_access_reads_nothing_that_it_skips(archive, monkeypatch):
    order, read, read_index = indexed([archive], True), [], Index.read
    monkeypatch.setattr(Index, 'read', lambda self, some: read.extend(some) or read_index(self, some))
    member = next(order.onwards(24 * 1_000_000 + 7))
    assert member.epoch == 1_000_000 and not read
    member.read()
    assert len(read) == 1


def test_several_archives_change_places(archives):
    order = StreamOrder(Archives(tuple(map(source_of, archives[:2])), IMAGES), shuffle_buffer=2)
    assert {next(order.epoch(n)).archive for n in range(8)} == set(archives[:2])


@both
def test_parts_are_disjoint_and_whole(archives, make):
    train, test = Part(0, 0.7), Part(0.7, 1)
    kept = [[t.key for t in make(archives, True, part=part).epoch(0)] for part in (train, test)]
    assert sorted(kept[0] + kept[1]) == sorted(t.key for t in make(archives).epoch(0))
    assert 25 < len(kept[0]) < 50
    # The copy of an image goes where the image goes.
    names_of = [{key.rpartition(':')[2] for key in keys} for keys in kept]
    assert not names_of[0] & names_of[1]


def test_a_part_includes_its_lower_limit_and_excludes_its_upper_one(monkeypatch):
    hashes = [0, 2**62 - 2**10, 2**62, 2**62 + 2**10, 2**63 - 2**11, 2**63, 2**64 - 2**11]  # exact as floats
    expected = [False, False, True, True, True, False, False]
    index = SimpleNamespace(name_hashes=np.array(hashes, np.uint64))
    assert Part(0.25, 0.5).mask(index).tolist() == expected
    monkeypatch.setattr(data_part, 'name_hash', lambda name: hashes[int(name)])
    assert [str(number) in Part(0.25, 0.5) for number in range(7)] == expected
    assert Part() == EVERYTHING and EVERYTHING.mask([0] * 3).tolist() == [True] * 3 and 'any' in EVERYTHING


@both
def test_nothing_to_train_on_is_an_error(archive, make):
    with pytest.raises(DataError, match='No example is left to train on'):
        next(make([archive], part=Part(0, 1e-9)).onwards(0))


@pytest.mark.parametrize('way', ['size', 'time', 'inode'])
def test_an_archive_that_is_replaced_while_it_is_streamed_is_noticed_at_the_next_pass(archive, way):
    packed = gzipped(archive)
    order = streamed([packed], indexes=[build_index(packed)])
    assert len(list(order.epoch(0))) == 24
    stamp, data = packed.stat(), packed.read_bytes()
    if way == 'inode':
        packed.rename(archive)  # so that the new one gets another
    packed.write_bytes(data[:-1] if way == 'size' else data)
    os.utime(packed, ns=(0, stamp.st_mtime_ns + (way == 'time')))
    with pytest.raises(DataError, match=r"train\.tar\.gz' has changed since it was opened: start again"):
        list(order.epoch(1))


def test_a_pipe_is_one_epoch(archive, tmp_path):
    found = []
    for start in (0, 20):
        with piped(tmp_path / f'pipe{start}', archive.read_bytes()) as pipe:
            found.append([(one.epoch, one.name) for one in streamed([pipe], True, 1).onwards(start)])
    assert len(found[0]) == 24 and {epoch for epoch, _ in found[0]} == {0} and found[1] == found[0][20:]
    why = r'pipe30 ended 6 images before the 30 that were consumed when the checkpoint .*: pipe the same arch'
    with piped(tmp_path / 'pipe30', archive.read_bytes()) as pipe, pytest.raises(DataError, match=why):
        list(streamed([pipe], True, 1).onwards(30))


def test_members_of_a_pipe_are_not_stored(archive, tmp_path):
    assert open_archives([str(archive)], IMAGES).order().is_stored
    with piped(tmp_path / 'pipe', archive.read_bytes()) as pipe:
        order = open_stream([str(pipe)], IMAGES).order()
        assert not order.is_stored and len(list(order.epoch(0))) == 24
