import itertools
import threading
import time

import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.archives.order import IndexedMembers, IndexedOrder
from estimator_lab.data.examples.member import BadExampleError, Member
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input import bad_examples
from estimator_lab.data.input.bad_examples import BadLimit, InputReport
from estimator_lab.data.input.batches import Batch, Grouping, read_batches, read_examples
from tests.support.memory import peak_of
from tests.support.streams import build_index, keys_of, stream_order

pytestmark = pytest.mark.both

SHAPE = ImageShape(8, 10, 1)
READER = ImageReader(ImageOptions(SHAPE))


def batches(turns, batch_size=5, report=None):
    return list(read_batches(turns, batch_size, READER, report or InputReport(IMAGES)))


def with_bad(archive, *bad):
    turns = list(stream_order(archive).epoch(0))
    for n in bad:
        turns[n] = turns[n]._replace(data=b'no image', size=8)
    return turns


def quiet(**options):
    return InputReport(IMAGES, lambda line: None, **options)


def broken(members):
    yield from members
    raise DataError('cut off')


def test_a_bad_image_leaves_its_batch_shorter_and_moves_no_other(archive):
    lines, bad = [], {1, 2, 3, 7, *range(15, 20), 20}
    report = InputReport(IMAGES, lines.append)
    turns = with_bad(archive, *bad)
    got = batches(turns, report=report)
    windows = [range(24)[first : first + 5] for first in range(0, 24, 5)]
    assert [batch.keys for batch in got] == [[turns[n].key for n in w if n not in bad] for w in windows]
    found = [[(one.place, one.key) for one in batch.bad] for batch in got]
    assert found == [[(p, turns[n].key) for p, n in enumerate(w) if n in bad] for w in windows]
    assert got[1].labels == [f'n{n // 6:06}' for n in (5, 6, 8, 9)]
    assert got[0].bad[0].reason == 'not an image in a known format'
    assert got[3].data['image'].shape == (0, *SHAPE) and (report.seen, report.bad) == (24, len(bad))
    assert len(lines) == 3  # the first few are shown
    assert 'train/n000000/0001_01.png' in lines[0] and 'at byte' in lines[0] and 'train.tar' in lines[0]


def test_too_many_bad_images_end_the_input_after_the_good_batches(archive, monkeypatch):
    monkeypatch.setattr(bad_examples, 'FEWEST', 1)
    report = quiet(epoch_size=24, limit=BadLimit(2 / 24, 24))
    got = list(report.until_error(read_batches(with_bad(archive, 1, 11, 21), 5, READER, report)))
    assert [len(batch.keys) for batch in got] == [4, 5, 4, 5]
    with pytest.raises(DataError, match=r'3 of 24 images could not be decoded.*n000003/0003_01.png'):
        report.raise_error()


@pytest.mark.parametrize(
    ('count', 'size', 'grouping', 'sizes'),
    [
        (13, 5, Grouping(), [5, 5, 3]),
        (13, 100, Grouping(), [13]),
        (49, 3, Grouping(4), [3, 6, 12, 12, 12, 4]),
        (49, 3, Grouping(4, whole_only=True), [3, 6, 12, 12, 12, 3]),
    ],
)
def test_groups_of_batches_grow_and_keep_what_precedes_the_damage(archive, count, size, grouping, sizes):
    members = broken(itertools.islice(stream_order(archive).onwards(0), count))
    report = InputReport(IMAGES)
    read = read_batches(members, size, READER, report, grouping=grouping)
    assert [len(group.keys) for group in report.until_error(read)] == sizes
    assert str(report.error) == 'cut off'


def test_the_first_batch_does_not_wait_for_a_group(archive):
    """A pipe may be slow."""
    turns = stream_order(archive).onwards(0)
    taken = []
    members = (taken.append(0) or member for member in turns)
    stream = read_batches(members, 2, READER, InputReport(IMAGES), grouping=Grouping(16))
    next(stream)
    assert len(taken) <= 4 * 2  # of 96 in three groups
    stream.close()


def test_leaving_early_ends_the_threads(archive):
    before = threading.active_count()
    stream = read_batches(stream_order(archive).onwards(0), 5, READER, InputReport(IMAGES))
    assert isinstance(next(stream), Batch)
    stream.close()
    until = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before


@pytest.mark.parametrize('place', [1, 12, 21])
def test_an_archive_that_changed_ends_the_input_after_the_preceding_batches(archive, place):
    """Wherever that is, also while later members are under way."""
    index = build_index(archive)
    with archive.open('r+b') as file:
        file.seek(index.member(place).offset)
        file.write(b'X')
    stored = [index.member(row).key for row in range(24)]
    for whole_only, count in ((False, place), (True, place // 2 * 2)):
        report, members = InputReport(IMAGES), IndexedOrder(IndexedMembers([index])).epoch(0)
        read = read_batches(members, 2, READER, report, grouping=Grouping(1, whole_only, 1))
        assert keys_of(report.until_error(read)) == stored[:count]
        assert 'has changed since it was indexed' in str(report.error)


# Members that take much memory.

HEAVY = 10**7


class SizeReader:
    """Takes down how large members are; those of an odd number are no usable examples."""

    def read(self, members):
        return [BadExampleError('odd') if int(one.name) % 2 else len(one.read().data) for one in members]

    def collate(self, examples):
        return {'size': np.array(examples, np.int64)}


def heavy_members(count):
    for number in range(count):
        yield Member('a.tar', str(number), 512 * number, size=HEAVY + number, data=bytes(HEAVY + number))


@pytest.mark.parametrize('batch_size', [3, 7, 64])
def test_heavy_members_are_in_the_same_batches(batch_size):
    windows = [range(23)[first : first + batch_size] for first in range(0, 23, batch_size)]
    got = list(read_batches(heavy_members(23), batch_size, SizeReader(), quiet()))
    assert [batch.keys for batch in got] == [[f'a.tar:{n}' for n in w if n % 2 == 0] for w in windows]
    for batch, window in zip(got, windows, strict=True):
        assert batch.data['size'].tolist() == [HEAVY + n for n in window if n % 2 == 0]
        assert [bad.place for bad in batch.bad] == [place for place, n in enumerate(window) if n % 2]


def test_few_heavy_members_are_in_memory_at_once():
    def read():
        for _ in read_batches(heavy_members(60), 64, SizeReader(), quiet()):
            pass

    assert peak_of(read)[1] < 64 * 2**20 + 4 * HEAVY


class Folder:
    """A source whose reads take a while; notes how many are under way at once."""

    def __init__(self, is_slow):
        self.is_slow = is_slow
        self.lock, self.held, self.most = threading.Lock(), 0, 0

    def read(self, members):
        with self.lock:
            self.held += len(members)
            self.most = max(self.most, self.held)
        time.sleep(0.005)
        with self.lock:
            self.held -= len(members)
        return [b'x'] * len(members)


def test_members_read_by_threads_wait_for_each_other():
    """As the large files of a folder: one in each thread may be too many."""
    folder = Folder(is_slow=False)
    turns = [Member('f/', str(2 * n), n, size=70 * 2**20, source=folder) for n in range(40)]
    (batch,) = read_batches(
        turns, len(turns), SizeReader(), InputReport(IMAGES), grouping=Grouping(threads=8)
    )
    assert len(batch.keys) == len(turns) and folder.most <= 2


def test_many_members_of_a_slow_source_are_under_way_in_order():
    folder = Folder(is_slow=True)
    members = [Member('f/', str(2 * n), n, size=1, source=folder) for n in range(200)]
    (batch,) = read_batches(members, 200, SizeReader(), InputReport(IMAGES), grouping=Grouping(threads=2))
    assert batch.keys == [member.key for member in members] and folder.most > 4


def test_a_member_above_the_limit_is_read_alone():
    """The next one is asked for only after it was handed over, so that memory holds one of them."""
    yielded, before = [], []

    def members():
        for number in range(4):
            before.append(len(yielded))
            yield Member('a.tar', f'{number}', size=2**27)

    for member, _ in read_examples(members(), lambda several: [0] * len(several), 8):
        yielded.append(member.name)
    assert before == [0, 1, 2, 3] and len(yielded) == 4


@pytest.mark.parametrize(
    ('data', 'shown'), [(np.zeros((2, 8, 10, 1), np.uint8), 'uint8 [2, 8, 10, 1]'), ([b'1', b'2'], 'list')]
)
def test_what_a_batch_shows_of_itself(data, shown):
    batch = Batch(data, ['a', 'b'], ['1', '2'], np.arange(2), [None])
    assert repr(batch) == f'<Batch: 2 examples, 1 bad, data: {shown}>'
