import io
import itertools
import tarfile
import threading
import time
import tracemalloc
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.budget import ENCODED
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.order.order import IndexedOrder, StreamOrder
from estimator_lab.data.pipeline.bad_examples import BadExamples
from estimator_lab.data.pipeline.batches import Batch, look_ahead, read_batches
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.data.tar.index import build_index
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError
from tests.archive_files import encoded

SHAPE = ImageShape(8, 10, 1)


def batches(turns, batch_size=5, report=None):
    return list(read_batches(turns, batch_size, ImageReader(SHAPE), report or InputReport()))


def with_bad(archive, *bad):
    turns = list(StreamOrder([str(archive)]).epoch(0))
    for n in bad:
        turns[n] = turns[n]._replace(data=b'no image')
    return turns


def test_batches_hold_all_images_in_order(archive):
    members = list(stream_members(archive))
    got = batches(StreamOrder([str(archive)]).epoch(0))
    assert [len(batch.keys) for batch in got] == [5, 5, 5, 5, 4]
    assert [key for batch in got for key in batch.keys] == [member.key for member in members]
    assert [label for batch in got for label in batch.labels] == [f'n{n // 6:06}' for n in range(24)]
    expected = np.stack([decode_image(member.data, *SHAPE) for member in members])
    assert np.array_equal(np.concatenate([batch.arrays['image'] for batch in got]), expected)


def test_a_bad_image_leaves_its_batch_shorter_and_moves_no_other(archive):
    lines = []
    report = InputReport(lines.append, epoch_size=24)
    got = batches(with_bad(archive, 1, 2, 3, 7, 20), report=report)
    assert [len(batch.keys) for batch in got] == [2, 4, 5, 5, 3]
    assert got[2].keys == batches(StreamOrder([str(archive)]).epoch(0))[2].keys
    assert (report.seen, report.bad) == (24, 5)
    assert len(lines) == 3  # the first few are shown
    assert 'train/n000000/0001_01.png' in lines[0] and 'at byte' in lines[0] and 'train.tar' in lines[0]


def test_bad_images_have_their_places(archive):
    turns = with_bad(archive, 1, 3, 20)
    first, *_, last = batches(turns, report=InputReport(lambda line: None))
    assert [(bad.place, bad.key) for bad in first.bad] == [(n, turns[n].key) for n in (1, 3)]
    assert [(bad.place, bad.key) for bad in last.bad] == [(0, turns[20].key)]
    assert last.bad[0].reason == 'not an image in a known format'


def test_a_batch_of_bad_images_only_is_empty(archive):
    got = batches(with_bad(archive, 5, 6, 7, 8, 9), report=InputReport(lambda line: None, 24))
    assert got[1].arrays['image'].shape == (0, *SHAPE)


def test_too_many_bad_images_end_the_input_after_the_good_batches(archive, monkeypatch):
    monkeypatch.setattr('estimator_lab.data.pipeline.bad_examples._FEWEST', 1)
    report = InputReport(lambda line: None, 24, BadExamples(2 / 24, 24))
    got = list(report.until_error(read_batches(with_bad(archive, 1, 11, 21), 5, ImageReader(SHAPE), report)))
    assert [len(batch.keys) for batch in got] == [4, 5, 4, 5]
    with pytest.raises(DataError, match=r'3 of 24 images could not be decoded.*n000003/0003_01.png'):
        report.raise_error()


@pytest.mark.parametrize(
    ('batch_size', 'at_once', 'sizes'), [(5, 1, [5, 5, 3]), (2, 8, [2, 2, 2, 4, 3]), (100, 1, [13])]
)
def test_members_before_the_damage_are_yielded(archive, batch_size, at_once, sizes):
    def broken():
        yield from itertools.islice(StreamOrder([str(archive)]).epoch(0), 13)
        raise DataError('cut off')

    report = InputReport()
    read = read_batches(broken(), batch_size, ImageReader(SHAPE), report, at_once)
    assert [len(batch.keys) for batch in report.until_error(read)] == sizes
    assert str(report.error) == 'cut off'


def test_leaving_early_ends_the_threads(archive):
    before = threading.active_count()
    stream = read_batches(StreamOrder([str(archive)]).onwards(0), 5, ImageReader(SHAPE), InputReport())
    assert isinstance(next(stream), Batch)
    stream.close()
    assert threading.active_count() == before


@pytest.mark.parametrize('mode', ['w', 'w:gz'])
def test_duplicates_links_empty_and_oversized_members(tmp_path, mode, monkeypatch):
    monkeypatch.setattr('estimator_lab.data.member.MAX_MEMBER_BYTES', 500)
    path, lines = str(tmp_path / 'a.tar'), []
    shades = [encoded(Image.new('L', SHAPE[:2], grey)) for grey in (10, 20, 30)]
    names = 'a/1.png', 'b/2.png', 'a/1.png', 'a/3.png', 'a/4.png'
    with tarfile.open(path, mode) as archive:
        for name, data in zip(names, (*shades, b'', bytes(501)), strict=True):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for kind in (tarfile.LNKTYPE, tarfile.SYMTYPE):
            link = tarfile.TarInfo(f'b/{kind.decode()}.png')
            link.type, link.linkname = kind, 'a/1.png'
            archive.addfile(link)
    (batch,) = batches(open_archives([path]).order().epoch(0), report=InputReport(lines.append))
    assert batch.keys == [f'{path}:{name}' for name in names[:3]]
    assert batch.arrays['image'][:, 0, 0, 0].tolist() == [10, 20, 30]
    assert len(lines) == 2 and 'no data (0 bytes)' in lines[0] and 'it claims 501 bytes' in lines[1]


def test_an_archive_that_changed_ends_the_input_after_the_preceding_batches(archive):
    index = build_index(str(archive))
    with archive.open('r+b') as file:
        file.seek(index.member(12).offset)
        file.write(b'X')
    report = InputReport()
    got = list(
        report.until_error(read_batches(IndexedOrder([index]).epoch(0), 5, ImageReader(SHAPE), report))
    )
    assert [len(batch.keys) for batch in got] == [5, 5]
    assert 'has changed since it was indexed' in str(report.error)


# Members that take much memory.

HEAVY = 10**7


class SizeReader:
    """Takes down how large members are; those of an odd number are no usable examples."""

    signature: ClassVar = {}

    def begin(self, count):
        return np.zeros(count, np.int64)

    def read_into(self, batch, first, several):
        members = [scheduled.read() for scheduled in several]
        batch[first : first + len(members)] = [len(member.data) for member in members]
        return [BadExampleError('odd') if int(member.name) % 2 else None for member in members]

    def finish(self, batch, good):
        return {'size': batch[np.array(good)]}


def heavy_members(count):
    for number in range(count):
        yield Member('a.tar', str(number), 512 * number, bytes(HEAVY + number))


@pytest.mark.parametrize('batch_size', [3, 7, 64])
def test_heavy_members_are_in_the_same_batches(batch_size):
    count = 23
    got = list(read_batches(heavy_members(count), batch_size, SizeReader(), InputReport(lambda line: None)))
    windows = [range(count)[first : first + batch_size] for first in range(0, count, batch_size)]
    assert [batch.keys for batch in got] == [[f'a.tar:{n}' for n in w if n % 2 == 0] for w in windows]
    assert [batch.arrays['size'].tolist() for batch in got] == [
        [HEAVY + n for n in window if n % 2 == 0] for window in windows
    ]
    assert [[bad.place for bad in batch.bad] for batch in got] == [
        [place for place, n in enumerate(window) if n % 2] for window in windows
    ]


def test_few_heavy_members_are_in_memory_at_once(monkeypatch):
    tracemalloc.start()
    try:
        for _ in read_batches(heavy_members(60), 64, SizeReader(), InputReport(lambda line: None)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Members about to be decoded, one more that was read, and those pending in the next batch.
    assert peak < 128 * 2**20 + 4 * HEAVY
    assert ENCODED.held == 0


def test_members_read_by_threads_wait_for_each_other(monkeypatch):
    """As the large files of a folder: one in each thread may be too many."""
    lock, held, most = threading.Lock(), [0], [0]

    class Folder:
        is_slow = False

        def read(self, members):
            with lock:
                held[0] += len(members)
                most[0] = max(most[0], held[0])
            time.sleep(0.005)
            with lock:
                held[0] -= len(members)
            return [member._replace(source=None) for member in members]

    monkeypatch.setattr('os.cpu_count', lambda: 8)
    folder = Folder()
    turns = [Member('f/', str(2 * n), n, unread=70 * 2**20, source=folder) for n in range(12 * 16)]
    (batch,) = read_batches(turns, len(turns), SizeReader(), InputReport())
    assert len(batch.keys) == len(turns)
    assert most == [1]
    assert ENCODED.held == 0


def test_a_damaged_archive_releases_its_memory():
    def broken():
        yield from heavy_members(4)
        raise DataError('cut off')

    report = InputReport(lambda line: None)
    got = list(report.until_error(read_batches(broken(), 64, SizeReader(), report)))
    assert [batch.keys for batch in got] == [['a.tar:0', 'a.tar:2']]
    assert str(report.error) == 'cut off' and ENCODED.held == 0


def test_looking_ahead_is_limited_by_weight_too():
    made = []
    items = (made.append(n) or n for n in [1, 1, 1, 9, 1, 1, 30, 1])
    seen = [(n, len(made)) for n in look_ahead(items, 3, lambda n: n, 10)]
    assert [n for n, _ in seen] == [1, 1, 1, 9, 1, 1, 30, 1]
    # Of those that wait, three at most, or as many as weigh 10: what is heavier is not kept at all.
    assert [count for _, count in seen] == [4, 4, 5, 6, 7, 7, 7, 8]


@pytest.mark.parametrize(
    ('cores', 'batch_size', 'most'),
    [(1, 32, 16), (2, 32, 16), (16, 32, 6), (16, 128, 23), (2, 256, 32), (63, 32, 2), (2, 1, 1)],
)
def test_every_thread_gets_members_of_the_batches_under_way(monkeypatch, cores, batch_size, most):
    monkeypatch.setattr('os.cpu_count', lambda: cores)
    taken = []

    class Counting(SizeReader):
        def read_into(self, batch, first, several):
            taken.append(len(several))
            return super().read_into(batch, first, several)

    members = [Member('a.tar', str(2 * n), 512 * n, b'x') for n in range(batch_size)]
    (batch,) = read_batches(members, batch_size, Counting(), InputReport())
    assert len(batch.keys) == batch_size
    assert max(taken) == most and sum(taken) == batch_size


def test_batches_are_grouped_but_the_first(archive):
    order = StreamOrder([str(archive)], shuffle_buffer=24, seed=3)
    got = read_batches(order.onwards(0), 2, ImageReader(SHAPE), InputReport(), at_once=5)
    sizes, keys = [], []
    for _, batch in zip(range(7), got, strict=False):
        sizes.append(len(batch.keys))
        keys += batch.keys
    assert sizes == [2, 2, 2, 4, 8, 10, 10]
    expected = [scheduled.key for scheduled in order.epoch(0)]
    expected += [scheduled.key for scheduled in order.epoch(1)]
    assert keys == expected[:38]
