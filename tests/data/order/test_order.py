import collections
import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.data.order.order import IndexedOrder, StreamOrder
from estimator_lab.data.order.shuffling import permutation, shuffled
from estimator_lab.data.order.split_and_shard import Part, WorkerShard
from estimator_lab.data.tar.index import Index, build_index
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError
from tests.archive_files import write_tar


@pytest.mark.parametrize('buffer_size', [0, 1, 2, 7, 20, 100])
def test_shuffling_keeps_every_item_once(buffer_size):
    assert sorted(shuffled(range(20), buffer_size, random.Random(3))) == list(range(20))


def test_without_a_buffer_the_order_is_kept_and_nothing_is_held():
    given = []
    items = (given.append(n) or n for n in range(5))
    assert [(n, len(given)) for n in shuffled(items, 1, random.Random(1))] == [(n, n + 1) for n in range(5)]
    assert list(shuffled([], 5, random.Random(3))) == []


def test_an_item_is_at_most_a_buffer_early():
    out = list(shuffled(range(1000), 10, random.Random(5)))
    assert all(item - place < 10 for place, item in enumerate(out))


def test_a_full_buffer_makes_all_orders_equally_likely():
    rng = random.Random(7)
    counts = collections.Counter(tuple(shuffled('abc', 3, rng)) for _ in range(6000))
    # 6 orders, 1,000 of each expected; the standard deviation is sqrt(6000 * 1/6 * 5/6) = 29.
    assert len(counts) == 6
    assert all(abs(count - 1000) < 5 * 29 for count in counts.values())


def by_weight(items, size=50, heaviest=20, seed=3, **more):
    return shuffled(items, size, random.Random(seed), weigh=lambda item: item, heaviest=heaviest, **more)


def test_a_buffer_holds_no_more_than_its_weight():
    weights = random.Random(1).choices([0, 1, 2, 7, 30], k=500)
    held, out, most = [], [], 0

    def items():
        nonlocal most
        for weight in weights:
            held.append(weight)
            yield weight
            most = max(most, sum(held) - weight)

    for weight in by_weight(items()):
        held.remove(weight)
        out.append(weight)
    assert sorted(out) == sorted(weights)
    assert out != weights
    assert most <= 20 + 30  # one that is heavier than all is in it alone
    assert list(by_weight(weights)) == out != list(by_weight(weights, seed=4))


def test_light_items_are_shuffled_as_without_weights():
    assert list(by_weight([1] * 10, heaviest=10)) == [1] * 10
    plain = list(shuffled(range(100), 7, random.Random(5)))
    assert list(by_weight(range(100), 7, 10**6, 5)) == plain


def test_a_buffer_full_by_weight_is_reported_with_its_size():
    told, watched = [], []
    list(by_weight([5] * 20, tell=told.append, watch=watched.append))
    assert set(told) == {4} and len(watched) == 1
    told.clear()
    list(by_weight([5] * 20, size=4, tell=told.append))
    assert not told


def names(turns):
    return [(turn.epoch, turn.name) for turn in turns]


def streamed(archives, shuffle=False, seed=0, **more):
    return StreamOrder(archives, 24 if shuffle else 1, seed, **more)


def indexed(archives, shuffle=False, seed=0, **more):
    return IndexedOrder([build_index(archive) for archive in archives], shuffle, seed, **more)


both = pytest.mark.parametrize('make', [streamed, indexed])


@pytest.fixture
def archives(archive, tmp_path):
    """Three archives of 24, 24 and 5 images."""
    copy, short = tmp_path / 'copy.tar', tmp_path / 'short.tar'
    copy.write_bytes(archive.read_bytes())
    write_tar(short, [(f'train/n000009/{n}.png', b'') for n in range(5)])
    return [str(archive), str(copy), str(short)]


@both
def test_stored_order_without_shuffling(archive, make):
    turns = make([str(archive)]).epoch(0)
    assert [turn.read() for turn in turns] == list(stream_members(archive))


@both
def test_order_depends_on_seed_and_epoch_alone(archive, make):
    order = make([str(archive)], shuffle=True, seed=1)
    assert names(order.epoch(3)) == names(make([str(archive)], True, 1).epoch(3))
    first, second = ([name for _, name in names(order.epoch(n))] for n in (0, 1))
    other_seed = [name for _, name in names(make([str(archive)], True, 2).epoch(0))]
    assert first != second and first != other_seed
    assert sorted(first) == sorted(second) == sorted(other_seed)


def test_order_is_the_same_in_every_process(archive, run_python):
    code = (
        'import sys; from estimator_lab.data.order.order import IndexedOrder, StreamOrder; '
        'from estimator_lab.data.tar.index import build_index; a = sys.argv[1]; '
        'print([t.name for o in (StreamOrder([a], 24, 1), IndexedOrder([build_index(a)], True, 1))'
        ' for t in o.epoch(2)])'
    )
    outputs = {run_python('-c', code, str(archive), PYTHONHASHSEED=seed).stdout for seed in ('0', '1', '2')}
    orders = streamed([str(archive)], True, 1), indexed([str(archive)], True, 1)
    assert outputs == {f'{[turn.name for order in orders for turn in order.epoch(2)]}\n'}


def test_order_is_the_same_on_every_machine():
    # Figures of NumPy's RandomState, whose stream is promised never to change: a run resumed under other
    # versions would else see other images.
    assert permutation(10, seed=1, epoch=0).tolist() == [7, 4, 0, 6, 5, 8, 9, 2, 3, 1]


@both
@pytest.mark.parametrize('start', [0, 1, 10, 23, 24, 25, 47, 48, 100])
@pytest.mark.parametrize('shard', [WorkerShard(), WorkerShard(1, 3)])
def test_resuming_continues_the_uninterrupted_sequence(archive, make, start, shard):
    order = make([str(archive)], shuffle=True, seed=4)
    whole = names(itertools.islice(order.onwards(0, shard), start + 30))
    place = start * shard.world_size
    assert names(itertools.islice(order.onwards(place, shard), 30)) == whole[start:]


@pytest.mark.parametrize('start', [0, 7, 52, 53, 54, 106])
def test_whole_epochs_are_skipped_unread_where_their_size_is_known(archives, start, monkeypatch):
    blind = streamed(archives, True, 4)
    knowing = streamed(archives, True, 4, sizes=[24, 24, 5])
    expected = names(itertools.islice(blind.onwards(start), 40))
    epochs = []
    epoch = StreamOrder.epoch
    monkeypatch.setattr(StreamOrder, 'epoch', lambda self, n: epochs.append(n) or epoch(self, n))
    assert names(itertools.islice(knowing.onwards(start), 40)) == expected
    assert epochs[0] == start // 53


def test_random_access_reads_nothing_that_it_skips(archive, monkeypatch):
    order = indexed([str(archive)], True)
    read = []
    read_index = Index.read
    monkeypatch.setattr(Index, 'read', lambda self, some: read.extend(some) or read_index(self, some))
    turn = next(order.onwards(24 * 1_000_000 + 7))
    assert turn.epoch == 1_000_000 and not read
    turn.read()
    assert len(read) == 1


def test_random_access_shuffles_evenly(archive):
    """Where each of 24 images stands, over 2,000 epochs: 83.3 times in each place, standard deviation 8.9."""
    order = indexed([str(archive)], True)
    counts = np.zeros((24, 24))
    for number in range(2000):
        counts[range(24), [turn.row for turn in order.epoch(number)]] += 1
    assert abs(counts - 2000 / 24).max() < 5 * 8.9
    # Chi-square with 23 * 23 degrees of freedom: mean 529, standard deviation 32.5.
    assert abs(((counts - 2000 / 24) ** 2 / (2000 / 24)).sum() - 529) < 4 * 32.5


def test_several_archives_change_places(archives):
    order = StreamOrder(archives[:2], shuffle_buffer=2, seed=0)
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


@both
def test_nothing_to_train_on_is_an_error(archive, make):
    order = make([str(archive)], part=Part(0, 1e-9))
    with pytest.raises(DataError, match='No example is left to train on'):
        next(order.onwards(0))


def test_damage_is_an_error_or_ignored_on_request(archives):
    with Path(archives[0]).open('r+b') as file:
        file.truncate(9000)
    with pytest.raises(DataError, match='cut off at byte 9000'):
        list(streamed(archives).epoch(0))
    errors = []
    turns = list(streamed(archives, on_damage=errors.append).epoch(0))
    assert 5 + 24 < len(turns) < 24 + 24 + 5
    assert len(errors) == 1


def test_the_first_buffer_is_watched_in_stored_order(archive):
    shown = []
    order = StreamOrder([str(archive)], 10, watch=lambda members: shown.append([m.name for m in members]))
    list(order.epoch(0))
    assert shown == [[member.name for member in itertools.islice(stream_members(archive), 10)]]


STDIN_ORDER = """
import itertools, sys
from estimator_lab.data.order.order import StreamOrder
from estimator_lab.errors import DataError
from tests.archive_files import write_tar
try:
    for turn in StreamOrder(['-'], 5, 1).onwards(int(sys.argv[1])):
        print(turn.epoch, turn.name)
except DataError as error:
    print(error)
"""


def test_standard_input_is_one_epoch(archive, run_python):
    lines = [
        run_python('-c', STDIN_ORDER, start, stdin=archive.read_bytes()).stdout.splitlines()
        for start in ('0', '20', '30')
    ]
    assert len(lines[0]) == 24 and all(line.startswith('0 train/') for line in lines[0])
    assert lines[1] == lines[0][20:]
    assert lines[2] == [
        '- ended 6 images before the 30 that were consumed when the checkpoint was saved: pipe the same '
        'archive in again.'
    ]


def test_a_buffer_of_heavy_members_is_reported_once(archive, monkeypatch):
    lines = []
    monkeypatch.setattr('estimator_lab.data.order.order.SHUFFLED', 8_000)
    order = StreamOrder([str(archive)], 20, 1, note=lines.append)
    members = list(stream_members(archive))
    for number in range(2):
        assert sorted(t.data for t in order.epoch(number)) == sorted(m.data for m in members)
    (line,) = lines
    assert line.startswith('Shuffling within a buffer of ') and 'not 20, because these already take' in line
    monkeypatch.undo()
    list(StreamOrder([str(archive)], 20, 1, note=lines.append).epoch(0))
    assert len(lines) == 1
