"""Archives opened together: counts, orders, and messages about damage."""

import os
import re
from dataclasses import replace
from itertools import islice

import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.archives.opened import Identity, distinct_examples, open_archives
from estimator_lab.data.archives.order import IndexedOrder, StreamOrder
from estimator_lab.data.archives.part import EVERYTHING, Part
from estimator_lab.data.examples.labels import label_of
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources import reading
from tests.support.archive_files import gzipped, piped, write_tar
from tests.support.streams import found_in, stream_members


def test_counts_over_all_archives(tmp_path):
    first = write_tar(tmp_path / '1.tar', [(name, b'') for name in ('t/b/1.jpg', 't/b/2.jpg', 't/10/1.jpg')])
    second = write_tar(tmp_path / '2.tar', [(name, b'') for name in ('t/a/1.jpg', 't/b/3.jpg', 't/notes')])
    archives = open_archives([str(tmp_path / '?.tar')], IMAGES)
    assert archives.paths == (str(first), str(second))
    assert archives.counts == {'10': 1, 'a': 1, 'b': 3}
    assert list(archives.counts) == ['10', 'a', 'b']
    assert archives.total == 5


@pytest.mark.parametrize('other', [b'new', b'longer'])
def test_an_archive_that_is_replaced_is_another_one(tmp_path, other):
    """What was opened before goes on with the old one, as long as its file stays open."""
    path, put = tmp_path / 'a.tar', tmp_path / 'put.tar'

    def read(archives):
        return [member.read().data for member in archives.order().epoch(0)]

    old = open_archives([str(write_tar(path, [('a/1.jpg', b'old'), ('a/2.jpg', b'two')]))], IMAGES)
    assert read(old) == [b'old', b'two']
    write_tar(put, [('a/1.jpg', other), ('a/2.jpg', b'two')]).replace(path)
    assert read(open_archives([str(path)], IMAGES)) == [other, b'two'] and read(old) == [b'old', b'two']
    reading._opened.cache_clear()
    with pytest.raises(DataError, match='has changed since it was indexed'):
        read(old)


def test_uncompressed_archives_are_shuffled_as_a_whole(archive):
    packed = gzipped(archive)
    plain, compressed = open_archives([str(archive)], IMAGES), open_archives([str(packed)], IMAGES)
    mixed = open_archives([str(archive), str(packed)], IMAGES)
    assert isinstance(plain.order(2), IndexedOrder)
    assert isinstance(compressed.order(2), StreamOrder) and isinstance(mixed.order(2), StreamOrder)
    # A buffer of 2 moves no image far; a whole shuffle does.
    first_labels = {label_of(turn.name) for turn in islice(plain.order(2).epoch(0), 8)}
    assert len(first_labels) > 2
    for archives in (plain, compressed):
        assert found_in(archives.order(1).epoch(0)) == found_in(stream_members(archive))


def test_a_stream_that_is_sorted_by_label_is_reported(archive):
    lines = []
    archives = open_archives([str(gzipped(archive))], IMAGES, say=lines.append)
    archives.order()
    assert not lines
    archives.order(5, 3)
    assert len(lines) == 1 and 'sorted by label. Its first 5 images' in lines[0]


def test_examples_of_overlapping_parts_are_counted_once(archive, tmp_path):
    other = write_tar(tmp_path / 'other.tar', [('a/1.jpg', b''), ('a/2.jpg', b'')])
    whole = open_archives([str(archive)], IMAGES)
    low, middle = replace(whole, part=Part(0, 0.6)), replace(whole, part=Part(0.4, 0.7))
    both = replace(whole, part=Part(0, 0.7))
    assert low.total + middle.total > both.total
    assert distinct_examples([low, middle]) == both.total
    assert distinct_examples([low, open_archives([str(other)], IMAGES)]) == low.total + 2
    assert distinct_examples([whole, open_archives(['-'], IMAGES)]) is None
    assert distinct_examples([]) == 0 and whole.part is EVERYTHING


def test_the_examples_of_a_pipe_cannot_be_counted(tmp_path, archive):
    os.mkfifo(tmp_path / 'pipe')
    for source in (str(tmp_path / 'pipe'), '-'):
        archives = open_archives([source], IMAGES)
        assert archives.total is None and archives.counts == {} and not archives.has_random_access
        archives.check_labels()


def test_an_archive_without_images(tmp_path):
    write_tar(tmp_path / 'full.tar', [('a/1.jpg', b'')])
    write_tar(tmp_path / 'none.tar', [('a/notes.txt', b'')])
    with pytest.raises(DataError, match=r'none\.tar.* holds no images'):
        open_archives([str(tmp_path / '*.tar')], IMAGES)


@pytest.mark.parametrize(
    ('names', 'words'),
    [
        (['a/1.jpg', 'x.jpg'], r"'x\.jpg' at byte 512 has no label: {}\.$"),
        (
            ['y.jpg', 'x.jpg', 'z.jpg', 'a/1.jpg'],
            r"'y\.jpg' at byte 0 has no label: {} \(nor have 2 more\)\.$",
        ),
    ],
)
def test_an_image_outside_folders(tmp_path, names, words):
    flat = write_tar(tmp_path / 'flat.tar', [(name, b'') for name in names])
    why = r'it is not in a folder, and no \.cls or \.json file is directly before or after it, as .* table'
    with pytest.raises(DataError, match=rf"flat\.tar': member {words.format(why)}"):
        open_archives([str(flat)], IMAGES).check_labels()


@pytest.mark.parametrize('mode', ['w', 'w:gz'])
def test_damage_is_an_error_or_a_warning(tmp_path, mode):
    files = [(f'a/{n}.jpg', os.urandom(3000)) for n in range(40)]
    path = write_tar(tmp_path / 'a.tar', files, mode)
    os.truncate(path, 60_000)
    with pytest.raises(DataError, match=r"a\.tar' is cut off") as error:
        open_archives([str(path)], IMAGES)
    assert re.search(r' --use_damaged trains on the 1\d images', error.value.sentence)
    lines = []
    archives = open_archives([str(path)], IMAGES, use_damaged=True, say=lines.append)
    assert 10 < archives.total < 20
    assert len(list(archives.order(5).epoch(0))) == archives.total
    assert len(lines) == 1 and lines[0].startswith(f"Warning: '{path}' is cut off")


def test_a_damaged_pipe_gives_a_warning_when_it_is_read(tmp_path):
    files = [(f'a/{n}.jpg', os.urandom(3000)) for n in range(40)]
    data = write_tar(tmp_path / 'a.tar', files).read_bytes()[:60_000]
    lines = []
    with piped(tmp_path / 'pipe', data) as pipe:
        archives = open_archives([str(pipe)], IMAGES, use_damaged=True, say=lines.append)
        assert len(list(archives.order(1).epoch(0))) == 16
    assert len(lines) == 1 and 'is cut off at byte 60000' in lines[0]


def test_a_pipe_is_one_whatever_its_name_and_stays_where_it_is(tmp_path):
    with piped(tmp_path / 'pipe', b'') as pipe:
        archives = open_archives([str(pipe)], IMAGES)
        assert archives.identities == (Identity('pipe', 0, 'pipe'),)
        assert archives.arranged([Identity('a.tar', 3, 'f')]) is archives
        assert pipe.read_bytes() == b''


def test_only_archives_that_can_be_read_anywhere_are_shuffled_by_blocks(archive):
    assert open_archives([str(archive)], IMAGES).in_blocks('1M').block_size == 2**20
    packed = open_archives([str(gzipped(archive))], IMAGES)
    assert packed.in_blocks('').block_size == packed.in_blocks('0').block_size == 0
    with pytest.raises(
        FlagError, match=rf"^shuffle_blocks=1M is for archives .*, but '{packed.paths[0]}' is read"
    ):
        packed.in_blocks('1M')
