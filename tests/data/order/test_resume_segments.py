"""Where the input stands: against counting one example after the other, whatever changed on the way."""

import gzip
import random
from itertools import islice

import pytest

from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.order.order import IndexedOrder, StreamOrder
from estimator_lab.data.order.resume_segments import (
    PIPE,
    STREAM,
    Place,
    Segment,
    Source,
    segments_until,
    step_after,
)
from tests.archive_files import write_tar

A, B, C = (Source(name, images, name) for name, images in (('a', 24), ('b', 7), ('c', 1)))


class Counter:
    """Counts one example after the other."""

    def __init__(self, sources):
        self.step, self.epoch, self.offset = 0, 0, 0
        self.sources = self.newest = sources

    def take(self, examples):
        for _ in range(examples):
            self.offset += 1
            if self.offset == sum(source.images for source in self.sources):
                self.epoch, self.offset, self.sources = self.epoch + 1, 0, self.newest
        self.step += 1

    @property
    def place(self):
        return Place(self.epoch, self.offset, self.sources)


def change(counter, segment, batch_size, newest):
    """Begins the next segment, as a run with another batch size or other archives does."""
    place = segment.place_at(counter.step)
    if not place.offset:
        counter.sources = newest
        place = Place(place.epoch, 0, newest)
    counter.newest = newest
    later = newest if newest != place.sources else ()
    return Segment(counter.step, batch_size, place.epoch, place.offset, place.sources, later)


@pytest.mark.parametrize('seed', range(20))
def test_places_and_steps_are_those_of_a_count(seed):
    rng = random.Random(seed)
    counter = Counter((A,))
    segments = [Segment(0, 6, 0, 0, (A,))]
    places = {}
    for _ in range(6):
        for _ in range(rng.randrange(12)):
            places[counter.step] = counter.place
            counter.take(segments[-1].examples_a_step)
        following = change(counter, segments[-1], rng.randint(1, 40), rng.choice([(A,), (A, B), (A, B, C)]))
        segments = [*(segment for segment in segments if segment.first_step < counter.step), following]
    for _ in range(9):
        places[counter.step] = counter.place
        counter.take(segments[-1].examples_a_step)
    for step, place in places.items():
        assert segments_until(segments, step)[-1].place_at(step) == place
    for epochs in range(1, max(place.epoch for place in places.values()) + 1):
        reached = min(step for step, place in places.items() if place.epoch >= epochs)
        assert step_after(segments, epochs) == reached


def test_parts_of_an_epoch():
    segment = Segment(10, 6, 2, 3, (A,), (A, B))
    assert segment.step_after(2.5) == 10 + 2  # 12 - 3 images are left to the middle of the epoch
    assert segment.step_after(4) == 10 + 9  # 21 of the old archive, 31 of both
    assert segment.step_after(1) == 10


def test_an_older_checkpoint_finds_its_segment():
    segments = (Segment(0, 6, 0, 0, (A,)), Segment(3, 4, 0, 18, (A,)), Segment(9, 2, 1, 18, (A,)))
    assert segments_until(segments, 8) == segments[:2]
    assert segments_until(segments, 9) == segments
    assert segments_until(segments[1:], 0) == segments[1:2]


def test_of_a_pipe_examples_are_counted():
    segment = Segment(0, 6, 0, 0, (Source('-', 0, PIPE),))
    assert (segment.examples_at(9), segment.place_at(9).epoch, segment.place_at(9).offset) == (54, 0, 54)


@pytest.fixture
def folder(tmp_path):
    for name, count in (('b', 5), ('a', 4), ('c', 3)):
        write_tar(tmp_path / f'{name}.tar', [(f'x/{name}{n}.jpg', name.encode() * n) for n in range(count)])
    return tmp_path


def names(scheduled):
    return [(one.epoch, one.name) for one in scheduled]


def opened(folder, *letters):
    return open_archives([str(folder / f'{letter}.tar') for letter in letters])


def test_another_name_or_place_keeps_the_order(folder):
    before = opened(folder, 'b', 'a')
    (folder / 'moved').mkdir()
    (folder / 'b.tar').rename(folder / 'moved' / 'z.tar')
    now = open_archives([str(folder / 'a.tar'), str(folder / 'moved' / 'z.tar')])
    assert [s.name for s in now.sources] == ['a.tar', 'z.tar']
    arranged = now.arranged(before.sources)
    assert [s.fingerprint for s in arranged.sources] == [s.fingerprint for s in before.sources]
    assert names(arranged.order(9, 1).epoch(2)) == names(before.order(9, 1).epoch(2))


def test_new_archives_go_last_and_a_lost_one_leaves_no_gap(folder):
    before = opened(folder, 'b', 'a')
    now = opened(folder, 'a', 'c').arranged(before.sources)
    assert [s.name for s in now.sources] == ['a.tar', 'c.tar']
    now = opened(folder, 'a', 'b', 'c').arranged(before.sources)
    assert [s.name for s in now.sources] == ['b.tar', 'a.tar', 'c.tar']
    assert [s.name for s in now.only(before.sources).sources] == ['b.tar', 'a.tar']


@pytest.mark.parametrize('compress', [bytes, gzip.compress], ids=['plain', 'gz'])
def test_an_epoch_ends_with_its_own_archives(folder, compress):
    for path in folder.glob('*.tar'):
        path.write_bytes(compress(path.read_bytes()))
    before, after = opened(folder, 'a', 'b'), opened(folder, 'a', 'b', 'c')
    segment = Segment(7, 2, 3, 4, before.sources, after.sources)
    order = after.order_of(segment, shuffle_buffer=9, seed=1)
    old, new = before.order(9, 1), after.order(9, 1)
    assert isinstance(new, IndexedOrder if compress is bytes else StreamOrder)
    expected = [*list(old.epoch(3))[4:], *new.epoch(4), *new.epoch(5)]
    for step in range(7, 12):  # at each of them it could be killed
        start = segment.examples_at(step)
        seen = 2 * (step - 7)
        found = names(islice(order.onwards(start), len(expected) - seen))
        assert found == names(expected)[seen:]
        assert (step < 10) == (segment.place_at(step).sources == before.sources)
    assert names(order.epoch(3)) == names(old.epoch(3)) and names(order.epoch(4)) == names(new.epoch(4))


def test_fingerprints_distinguish_archives(folder, tmp_path):
    found = {s.fingerprint for s in opened(folder, 'a', 'b', 'c').sources}
    other = write_tar(tmp_path / 'other.tar', [(f'x/a{n}.jpg', b'a' * n) for n in (0, 1, 3, 2)])
    found.add(open_archives([str(other)]).sources[0].fingerprint)
    assert len(found) == 4


def test_all_pipes_have_the_same_source():
    one, other = (open_archives([path]).sources for path in ('-', '/dev/null'))
    assert one == other == (Source(PIPE, 0, PIPE, STREAM),)


def test_names_are_short_and_printable(tmp_path):
    path = write_tar(tmp_path / f'a\n{"x" * 230}.tar', [('x/1.jpg', b'')])
    (source,) = open_archives([str(path)]).sources
    assert source.name.isprintable() and len(source.name) == 200
