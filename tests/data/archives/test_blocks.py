"""Orders by blocks: their numbers by counting, and how few requests they take."""

import pickle
import random
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

from estimator_lab import api
from estimator_lab.base.errors import DataError
from estimator_lab.data.archives import blocks as data_blocks
from estimator_lab.data.archives.blocks import WINDOW, BlockOrder
from estimator_lab.data.archives.order import IndexedMembers
from estimator_lab.data.archives.part import Part
from estimator_lab.data.sources import blocks as source_blocks
from estimator_lab.data.sources import remote, room
from tests.support.archive_files import tar_bytes, write_tar
from tests.support.full_disk import files_up_to
from tests.support.places import ROOT
from tests.support.streams import build_index, opened

KILO = 2**10


def archive_of(seed, count):
    """Returns the members of an archive, of 0 to 3,000 bytes."""
    rng = random.Random(seed)
    return {f'{n % 3}/{seed}-{n:03}.jpg': rng.randbytes(rng.randrange(3000)) for n in range(count)}


def stretches_of(members, part):
    """Returns how many members begin in each 4 kB: headers have 512 bytes, data end at a multiple of 512."""
    offset, found = 0, Counter()
    for name, data in members.items():
        found[offset // (4 * KILO)] += name in part
        offset += 512 + -(-len(data) // 512) * 512
    return +found


@pytest.mark.parametrize('lanes', [1, 2, 3, 8])
@pytest.mark.parametrize('counts', [[1], [3, 1, 4], [5] * WINDOW, [2, 1] * 20, [1, 90, 1]])
def test_an_epoch_has_each_example_once_and_any_position_is_known_at_once(counts, lanes):
    order, positions = BlockOrder(np.array(counts), 3, lanes=lanes), np.arange(sum(counts))
    for epoch in (0, 7):
        numbers = order.numbers(epoch, positions)
        assert sorted(numbers.tolist()) == positions.tolist()
        again = pickle.loads(pickle.dumps(order))
        for some in (positions[2:9], positions[1::3], positions[-1:], positions[:0]):
            assert again.numbers(epoch, some).tolist() == numbers[some].tolist()


def test_one_process_reads_by_blocks_as_it_always_did():
    """Runs of older versions go on: the order of one lane is that of these figures."""
    numbers = BlockOrder(np.array([2, 1] * 12), 3).numbers(5, np.arange(9)).tolist()
    assert numbers == [33, 11, 34, 22, 18, 19, 17, 29, 2]


def test_the_examples_of_each_window_are_those_of_some_blocks():
    """Of 40 blocks of 2 and 1 examples: five windows of eight whole blocks, others in each epoch."""
    counts, every = [2, 1] * 20, np.arange(60)
    block_of = np.repeat(np.arange(40), counts)
    found = []
    for seed, epoch in ((1, 0), (1, 1), (2, 0)):
        numbers, left = BlockOrder(np.array(counts), seed).numbers(epoch, every), set(range(40))
        while len(numbers):
            window = list(dict.fromkeys(block_of[numbers].tolist()))[:WINDOW]
            size = sum(counts[block] for block in window)
            assert set(block_of[numbers[:size]]) == set(window) <= left
            numbers, left = numbers[size:], left - set(window)
        assert not left
        found.append(BlockOrder(np.array(counts), seed).numbers(epoch, every).tolist())
    assert found[0] != found[1] != found[2] != found[0]
    within = BlockOrder(np.array([300]), 1).numbers(0, np.arange(300))
    assert 60 < np.abs(within - np.arange(300)).mean() < 140  # of a shuffle: 300 / 3


def test_each_lane_reads_its_own_blocks_window_by_window():
    """Of 40 blocks of 2 and 1 examples, 60 in all, each of three lanes reads 20, of 13 or 14 blocks."""
    counts = np.array([2, 1] * 20)
    block_of = np.repeat(np.arange(40), counts)
    order = BlockOrder(counts, 1, lanes=3)
    lanes = [block_of[order.numbers(4, np.arange(lane, 60, 3))].tolist() for lane in range(3)]
    assert sum(len(set(lane)) for lane in lanes) <= 40 + 2
    for lane in lanes:
        assert 12 <= len(set(lane)) <= 15 and lane != sorted(lane, key=lane.index)  # of less than two windows
    lanes = [block_of[BlockOrder(counts, 1, lanes=2).numbers(4, np.arange(lane, 60, 2))] for lane in (0, 1)]
    for lane in lanes:  # of 20 or 21 blocks, in windows of 8 and of the rest
        first = set(lane[: len(lane) // 3].tolist())
        assert len(first) <= WINDOW and not first & set(lane[len(lane) // 2 :].tolist())


@pytest.mark.parametrize('part', [Part(), Part(0.2, 0.7), Part(0, 1e-9)])
def test_a_block_has_the_members_that_begin_in_one_stretch(tmp_path, part):
    expected, indexes = [], []
    for seed, count in ((1, 80), (2, 1)):
        members = archive_of(seed, count)
        expected += stretches_of(members, part).values()
        indexes.append(build_index(str(write_tar(tmp_path / f'{seed}.tar', [*members.items()]))))
    assert IndexedMembers(indexes, part, 4 * KILO).block_counts.tolist() == expected
    assert IndexedMembers(indexes, part).block_counts is None


def test_files_of_a_folder_are_in_blocks_of_their_bytes(tmp_path):
    for number in range(10):
        (tmp_path / f'{number}.jpg').write_bytes(bytes(1500))
    index = build_index(tmp_path)
    assert IndexedMembers([index], block_size=4 * KILO).block_counts.tolist() == [3, 3, 3, 1]


def test_a_state_of_other_blocks_is_refused(tmp_path):
    path = str(write_tar(tmp_path / 'a.tar', [*archive_of(1, 9).items()]))
    state = api.stream(path, shuffle_blocks='4K').state_dict()
    assert state['shuffle_blocks'] == '4K'
    for other in ({}, {'shuffle_blocks': '8K'}):
        with pytest.raises(DataError, match="its shuffle_blocks is '4K', not"):
            api.stream(path, **other).load_state_dict(state)
    api.stream(path, shuffle_blocks='4K').load_state_dict(state)


@pytest.mark.usefixtures('short_pauses')
def test_each_block_is_read_once_and_by_one_request(web, monkeypatch):
    """A shuffled epoch in blocks of 16 kB: 118 kB in 8 requests, the next blocks before they are needed."""
    members = {f'{n % 3}/{n:03}.jpg': bytes([n]) * 1000 for n in range(80)}
    data = tar_bytes(members)
    url = web.put('/a.tar', data)
    archives = opened(url).in_blocks('16K')
    web.requests.clear()
    read = {member.name: member.read().data for member in archives.order(2, seed=5).epoch(0)}
    assert read == members
    counts = archives.order(2).stored.block_counts
    assert len(web.requests) == len(counts) == 8 and web.bytes_sent <= len(data)
    assert list(read) != sorted(read)
    for size in ('8K', '32K'):  # whose blocks begin where others end
        larger = opened(url).in_blocks(size).order(2).epoch(0)
        assert {member.name: member.read().data for member in larger} == members


@pytest.mark.usefixtures('short_pauses')
def test_blocks_that_are_smaller_than_what_is_read_ahead_are_read_once(web):
    """A stream reads 256 members ahead, which are in 86 blocks of three."""
    url = web.put('/a.tar', tar_bytes({f'{n:03}.jpg': bytes([n % 256]) * 1000 for n in range(400)}))
    read = {'shuffle_blocks': '4K', 'cache': '0'}
    stream, data = api.stream(url, batch_size=90, **read), api.dataset(url, **read)
    for examples in (stream, (data[places] for places in data.order(400))):
        source_blocks._after_fork()
        web.requests.clear()
        assert list(examples)
        blocks = [one for one in web.requests if one[2] < 8192]  # opening may still ask for a larger piece
        assert len(blocks) == len(set(blocks)) == 150


@pytest.mark.usefixtures('short_pauses')
def test_archives_of_servers_and_disks_are_read_together(web, tmp_path):
    near, far = archive_of(1, 50), archive_of(2, 50)
    (tmp_path / 'a.tar').write_bytes(tar_bytes(near))
    paths = [str(tmp_path / 'a.tar'), web.put('/b.tar', tar_bytes(far))]
    data = [example.data for example in api.stream(paths, shuffle_blocks='4K')]
    assert sorted(data) == sorted([*near.values(), *far.values()])


@pytest.mark.usefixtures('short_pauses')
def test_the_default_of_servers_is_blocks_and_of_disks_none(web, tmp_path):
    data = tar_bytes(archive_of(1, 9))
    (tmp_path / 'a.tar').write_bytes(data)
    far, near = opened(web.put('/a.tar', data)), opened(str(tmp_path / 'a.tar'))
    assert far.in_blocks('').block_size == data_blocks.SIZE == 8 * 2**20
    assert far.in_blocks('0').block_size == near.in_blocks('').block_size == 0
    assert near.in_blocks('16M').block_size == 16 * 2**20


@pytest.fixture
def epoch(web, monkeypatch, short_pauses):
    """Reads an epoch in blocks of 4 kB, as another process does; returns the blocks that were requested."""
    members = {f'{n % 3}/{n:03}.jpg': bytes([n]) * 1000 for n in range(53)}
    url = web.put('/a.tar', tar_bytes(members))
    monkeypatch.setattr(room, '_COUNTED_SECONDS', (0, 0))

    def read(cache):
        remote.keep(cache)
        archives = opened(url).in_blocks('4K')
        monkeypatch.setattr(source_blocks, '_held', source_blocks._Held())
        web.requests.clear()
        assert {one.name: one.read().data for one in archives.order(2, seed=5).epoch(0)} == members
        return len(web.requests)

    return read


def parts(tmp_path):
    return [*(tmp_path / 'cache').glob('**/remote/part-*')]


def test_blocks_are_kept_on_disk_as_far_as_there_is_room(epoch, tmp_path):
    """20 blocks of 81 kB in all: of 75 kB some go, the oldest, and are requested again."""
    assert epoch(0) == 20 and not parts(tmp_path)
    assert epoch(75_000) == 20
    kept = parts(tmp_path)
    assert 10 <= len(kept) <= 18 and sum(path.stat().st_size for path in kept) <= 75_000
    assert 20 - len(kept) <= epoch(75_000) < 20
    kept[0].write_bytes(b'cut off')
    assert 0 < epoch(75_000) < 20
    assert sum(path.stat().st_size for path in parts(tmp_path)) <= 75_000


def test_a_full_disk_costs_requests_and_no_more(epoch, tmp_path):
    with files_up_to(2000):
        assert epoch(75_000) == epoch(75_000) == 20
    assert not parts(tmp_path)


@pytest.mark.slow
def test_two_processes_share_the_blocks(epoch, web, tmp_path):
    """Both read at once: what one fetches, the other takes. The others do not wait for one that is killed."""
    room = 81_000  # for 20 blocks, and not for the archive with its padding
    program = f"""
import sys
from estimator_lab.data.sources import remote
from tests.support.streams import opened
remote.keep({room})
print('ready', flush=True)
sys.stdin.readline()
order = opened('{web.address}/a.tar').in_blocks('4K').order(2, seed=5)
print(sum(len(one.read().data) for one in order.epoch(0)))
"""
    command = [sys.executable, '-c', program]
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True, 'cwd': ROOT}
    epoch(0)
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]
    assert [process.stdout.readline() for process in processes] == ['ready\n'] * 3
    *both, killed = processes
    web.requests.clear()
    for process in both:
        process.stdin.write('\n')
        process.stdin.flush()
    assert [process.communicate()[0] for process in both] == ['53000\n'] * 2
    assert len([count for *_, count in web.requests if count > 512]) == len(parts(tmp_path)) == 20
    for path in parts(tmp_path):
        path.unlink()
    web.requests.clear()
    killed.stdin.write('\n')
    killed.stdin.flush()
    while not any(count > 512 for *_, count in web.requests):
        time.sleep(0.001)
    killed.kill()
    killed.communicate()
    assert epoch(room) <= 20


def test_failures_of_the_server_cost_attempts_and_no_example(web, short_pauses):
    members = archive_of(1, 60)
    url = web.put('/a.tar', tar_bytes(members))
    order = opened(url).in_blocks('4K').order(2)
    web.resets = web.cuts = 0.2
    assert {one.name: one.read().data for one in order.epoch(0)} == members
    source_blocks._after_fork()
    web.statuses['/a.tar'] = 403, ''
    with pytest.raises(DataError, match='cannot be read any more: access is denied'):
        [one.read() for one in order.epoch(1)]


@pytest.mark.slow
@pytest.mark.parametrize('size', ['4K', '0'])
def test_the_end_of_a_process_waits_for_no_attempts(web, short_pauses, size):
    """Requests under way fail as the process ends; a pause of ten minutes would follow."""
    url = web.put('/a.tar', tar_bytes(archive_of(1, 300)))
    program = f"""
from estimator_lab import api
from estimator_lab.data.sources import remote
remote.PAUSES = (600,)
next(api.stream('{url}', shuffle_blocks='{size}', cache='0'))
"""
    subprocess.run([sys.executable, '-c', program], cwd=ROOT, timeout=60, check=True)


def test_an_archive_that_is_replaced_is_told(web, short_pauses):
    url = web.put('/a.tar', tar_bytes(archive_of(1, 30)))
    order = opened(url).in_blocks('4K').order(2)
    web.put('/a.tar', tar_bytes(archive_of(2, 30)))
    with pytest.raises(DataError, match='has changed'):
        [one.read() for one in order.epoch(0)]


def test_a_data_set_reads_blocks_in_its_order_and_single_examples_elsewhere(web, short_pauses):
    """Also in another process, which has the cache of its parent."""
    members = archive_of(1, 30)
    blocks, values = len(stretches_of(members, Part())), [*members.values()]
    data = api.dataset(web.put('/a.tar', tar_bytes(members)), shuffle_blocks='4K', cache='10K')
    sent = pickle.dumps(data)
    remote.keep(0)
    again = pickle.loads(sent)
    for expected in (blocks, 0):
        web.requests.clear()
        (places,) = data.order(30, seed=1)
        assert [one.data for one in again[places]] == [values[place.number] for place in places]
        assert len(web.requests) == expected and remote.bytes_kept == 0
    web.requests.clear()
    source_blocks._after_fork()
    assert again[17].data == values[17] and web.bytes_sent < 4 * KILO


def test_blocks_that_are_sorted_by_label_are_warned_of(tmp_path, caplog):
    """40 labels of two blocks of 4 kB each: eight blocks have 8 of them."""
    files = [(f'{n // 16:02}/{n}.jpg', bytes(10)) for n in range(40 * 16)]
    path = str(write_tar(tmp_path / 'a.tar', files))
    next(api.stream(path, shuffle_blocks='4K'))
    assert 'sorted by label. 8 blocks of 4K, which are shuffled together, hold about 8 of 40' in caplog.text
    caplog.clear()
    next(api.stream(path, shuffle_blocks='64K'))
    assert not caplog.text
