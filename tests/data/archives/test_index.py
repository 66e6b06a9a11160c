"""Indexes: what they hold, when they are believed, and forged ones."""

import itertools
import json
import os
import random
import tarfile
import zlib

import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.archives import indexing
from estimator_lab.data.archives.index import name_hash
from estimator_lab.data.archives.index_file import ROW, path_in_cache, path_next_to, read_index_file
from estimator_lab.data.examples.labels import read_label_table
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources.arrays import array_source
from estimator_lab.data.sources.entries import Forward
from estimator_lab.data.sources.source import source_of
from estimator_lab.data.trees.kind import TREES
from tests.support.archive_files import gzipped, tar_bytes, write_folder, write_tar
from tests.support.kinds import TextFile
from tests.support.memory import peak_of
from tests.support.streams import (
    build_index,
    counts_of,
    found_in,
    members_of,
    names,
    names_of,
    open_index,
    read_until_error,
    scan_headers,
    stream_members,
)


@pytest.fixture
def builds(monkeypatch):
    """The archives that `open_index` has indexed, instead of using an index that is there."""
    made, build = [], indexing.build_index
    monkeypatch.setattr(
        indexing, 'build_index', lambda source, *args: made.append(source.name) or build(source, *args)
    )
    return made


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """The cache folder, empty at first."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def test_first_use_makes_an_index_and_later_ones_read_it(archive, own_cache, builds):
    first, again = open_index(archive), open_index(archive)
    assert builds == [str(archive)]
    assert path_in_cache(source_of(archive)).is_file() and not path_next_to(source_of(archive)).exists()
    assert members_of(again) == members_of(first) == found_in(stream_members(archive))
    assert counts_of(again) == counts_of(first) and again.fingerprint == first.fingerprint


def test_an_index_next_to_the_archive_comes_first(archive, own_cache, builds):
    build_index(archive).write(path_next_to(source_of(archive)))
    builds.clear()
    os.utime(archive, (1, 1))  # copied, as into a bucket and back
    assert len(open_index(archive)) == 24 and not builds and not own_cache.exists()


@pytest.mark.parametrize('compressed', [False, True])
def test_an_index_of_another_archive_is_not_used(archive, own_cache, builds, compressed):
    archive = gzipped(archive) if compressed else archive
    open_index(archive)
    stamp, data = archive.stat(), archive.read_bytes()
    # The same bytes at another time, then another size at the same time.
    for number, contents in enumerate((data, data + bytes(512)), start=2):
        archive.write_bytes(contents)
        os.utime(archive, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
        open_index(archive)
        open_index(archive)
        assert len(builds) == number


def test_an_archive_that_is_cut_off_while_it_is_read(archive):
    index = build_index(archive)
    with archive.open('r+b') as file:
        file.truncate(index.member(7).offset + 600)
    with pytest.raises(DataError, match='has changed since'):
        index.member(7).read()
    index.write(path_next_to(source_of(archive)))
    with pytest.raises(DataError, match=r"Remove '\S+train\.tar\.index', and start again"):
        index.member(7).read()


def test_a_damaged_archive_is_indexed_up_to_the_damage(archive, own_cache, builds):
    with archive.open('r+b') as file:
        file.truncate(9000)
    for _ in range(2):
        index = open_index(archive)
        assert 3 < len(index) < 24 and 'cut off at byte 9000 of its tar stream' in index.damage
        assert members_of(index) == found_in(read_until_error(archive)[0])
    assert len(builds) == 1


def test_an_index_up_to_a_failing_read_is_not_stored(archive, own_cache, monkeypatch):
    read, reads = Forward.read, itertools.count()

    def read_three(stream, count):
        if next(reads) >= 3:
            raise OSError(5, 'Input/output error')
        return read(stream, count)

    with monkeypatch.context() as patch:
        patch.setattr(Forward, 'read', read_three)
        assert len(open_index(archive)) == 3
    assert len(open_index(archive)) == 24


def test_pipes_and_empty_archives(tmp_path, own_cache):
    os.mkfifo(tmp_path / 'pipe')
    for path in (tmp_path / 'pipe', '-'):
        with pytest.raises(DataError, match='can be read only once'):
            open_index(path)
    empty = write_tar(tmp_path / 'empty.tar', [])
    for _ in range(2):  # made, then read
        index = open_index(empty)
        assert len(index) == 0 and counts_of(index) == {} and index.labels == ()


def test_name_hashes_are_uniform_and_the_same_everywhere():
    assert name_hash('train/n000001/0001_01.jpg') == 0xFDF1F018D72A6357  # b2sum -l 64
    hashes = [name_hash(f'train/n{n:06}/0001_01.jpg') / 2**64 for n in range(4000)]
    # 200 expected in each bin, standard deviation 13.8.
    assert abs(np.histogram(hashes, 20, (0, 1))[0] - 200).max() < 5 * 13.8


def test_hashes_of_all_names_are_those_of_each():
    """Of more names than are read at once: 65,536."""
    index = indexing.build_index(array_source(np.zeros((65_538, 1, 1, 1), np.uint8)), IMAGES)
    assert index.name_hashes.tolist() == [*map(name_hash, names_of(index))]
    assert index.name_hashes.dtype == np.uint64


@pytest.mark.slow
def test_building_keeps_no_python_object_for_each_member(tmp_path):
    path = write_tar(tmp_path / 'a.tar', [(f'train/n{n % 7:06}/{n:06}_01.jpg', b'') for n in range(20_000)])
    index, peak = peak_of(lambda: build_index(path))
    assert len(index) == 20_000 and peak < 3.5 * 20_000 * (36 + 27)


def test_an_index_depends_on_its_kind_and_its_labels(tmp_path, own_cache):
    files = [('a/1.png', b'image'), ('a/1.txt', b'a text'), ('b/2.txt', b'another'), ('b/2.png', b'x')]
    archive = write_tar(tmp_path / 'a.tar', files)
    (tmp_path / 'labels.csv').write_text('1.png,even\n2.png,odd\n')
    table = read_label_table(tmp_path / 'labels.csv')
    for kind, given, labels in (
        *((IMAGES, None, ('a', 'b')), (TextFile(), None, ('a', 'b'))),
        *((IMAGES, table, ('even', 'odd')), (IMAGES, None, ('a', 'b'))),
    ):
        for _ in range(2):  # made, then read
            index = open_index(archive, kind, given)
            assert index.labels == labels
            assert names_of(index) == names(scan_headers(archive, kind, table=given))


def test_unusual_archives_are_reported_at_each_use_of_an_index(tmp_path, own_cache):
    archive, said = tmp_path / 'a.tar', []
    archive.write_bytes(tar_bytes({'a/1.jpg': b'1'})[:-1024])
    for _ in range(3):
        assert len(open_index(archive, note=said.append)) == 1
    assert len(said) == 3 and len(set(said)) == 1 and 'no end-of-archive block' in said[0]


def test_large_members_are_read_in_two_parts(tmp_path):
    large = bytes(range(256)) * 2**13
    index = build_index(write_tar(tmp_path / 'a.tar', [('a/1.jpg', large), ('a/2.jpg', b'2')]))
    member, peak = peak_of(index.member(0).read)
    assert member.data == large and peak < 1.5 * len(large)


def test_an_index_that_is_older_than_its_archive_is_not_used(tmp_path, own_cache):
    """Labels beside the images are exchanged, which leaves the size as it was."""
    files = {'a/1.jpg': b'x', 'a/1.cls': b'cat', 'a/2.jpg': b'y', 'a/2.cls': b'dog'}
    path = tmp_path / 'a.tar'
    path.write_bytes(tar_bytes(files))
    stored = path_next_to(source_of(path))
    build_index(path).write(stored)
    os.utime(path, ns=(0, 0))
    said = []
    assert open_index(path, note=said.append).label(0) == 'cat' and not said
    path.write_bytes(tar_bytes({**files, 'a/1.cls': b'dog', 'a/2.cls': b'cat'}))
    os.utime(stored, ns=(0, path.stat().st_mtime_ns - 1))
    assert open_index(path, note=said.append).label(0) == 'dog'
    assert said[0].startswith(f"'{stored}' is older than the archive, and is not used: python -m ")


# Forged ones.


@pytest.fixture
def stored(archive, own_cache):
    """The index next to an archive, as a path."""
    path = path_next_to(source_of(archive))
    build_index(archive).write(path)
    return path


def rewritten(path, change):
    """Changes header, rows and names, and writes them with a right checksum."""
    contents = read_index_file(path)
    header, rows, names = contents.header._asdict(), contents.rows.copy(), bytearray(contents.names)
    change(header, rows, names)
    rest = rows.view(np.uint8).tobytes() + bytes(names)
    header['checksum'], line = 0, b''
    for _ in range(2):
        header['checksum'] = zlib.crc32(line + rest) if line else 0
        text = json.dumps(header).encode()
        line = text + b' ' * (-(len(text) + 1) % 64) + b'\n'
    path.write_bytes(line + rest)


def put(column, row, value):
    return lambda header, rows, names: rows[column].__setitem__(row, value)


def changed(**fields):
    return lambda header, rows, names: header.update(fields)


@pytest.mark.parametrize(
    'change',
    [
        *(put('offset', 3, 2**63), put('offset', 3, 0), put('size', 3, 2**63)),
        *(put('headers', 3, 2**32 - 1), put('name_end', 3, 0), put('name_end', 23, 2**40)),
        *(put('label', 3, 9), put('label', 3, 4)),  # one more than the last of four
        lambda header, rows, names: names.__setitem__(3, 0xFF),
        lambda header, rows, names: names.__setitem__(3, 0x1B),
        *(changed(labels=['a\x1b', 'b', 'c', 'd']), changed(labels=[]), changed(notes=['\x1b[2J'])),
        *(changed(members=-1), changed(members=10**15), changed(size=1), changed(more=1)),
        changed(format='estimator_lab index 4'),
    ],
)
def test_an_index_with_impossible_contents_is_replaced(archive, stored, builds, change):
    rewritten(stored, change)
    assert members_of(open_index(archive)) == found_in(stream_members(archive)) and len(builds) == 1


def test_an_index_that_differs_from_its_checksum_is_replaced(archive, stored, builds):
    """Its last byte is that of a name, and another letter would be as possible."""
    data = stored.read_bytes()
    stored.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert members_of(open_index(archive)) == found_in(stream_members(archive)) and len(builds) == 1


def test_a_forged_place_is_not_read(archive, stored):
    rewritten(stored, put('offset', 5, read_index_file(stored).rows['offset'][5] + 512))
    index = open_index(archive)
    with pytest.raises(DataError, match=r'has changed since it was indexed\. Remove'):
        index.member(5).read()


def test_no_change_of_an_index_does_worse_than_a_bad_example(archive, stored):
    """Bits flipped and cuts, also with a right checksum: what is read begins with a member's header."""
    rng, whole, expected = random.Random(1), stored.read_bytes(), archive.read_bytes()
    for number in range(300):
        stored.write_bytes(whole)
        if number % 2:
            data = bytearray(whole[: rng.randrange(len(whole))] if number % 3 else whole)
            if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            stored.write_bytes(data)
        else:
            column = rng.choice(ROW.names)
            rewritten(
                stored, put(column, rng.randrange(24), rng.randrange(2 ** (64 if number % 4 else 9)) % 2**32)
            )
        index = open_index(archive)
        for row in range(len(index)):
            try:
                assert index.member(row).read().data in expected
            except DataError:
                continue


def _labelled(folder, how, labels):
    """Writes two images or trees with labels; returns their source, its kind and the table of labels."""
    if how == 'lines':
        lines = ''.join(f'{label}\t(a {n})\n' for n, label in enumerate(labels))
        return write_folder(folder, {'trees.tsv': lines.encode()}) / 'trees.tsv', TREES, None
    images = {'0.jpg': b'0', '1.jpg': b'1'}
    if how == 'table':
        lines = ''.join(f'{n}.jpg,{label}\n' for n, label in enumerate(labels))
        write_folder(folder, {'labels.csv': lines.encode()})
        return write_tar(folder / 'a.tar', images.items()), IMAGES, read_label_table(folder / 'labels.csv')
    images |= {f'{n}.cls': label.encode() for n, label in enumerate(labels)}
    write_folder(folder, images)
    return write_tar(folder / 'a.tar', sorted(images.items())) if how == 'archive' else folder, IMAGES, None


@pytest.mark.parametrize('how', ['archive', 'folder', 'table', 'lines'])
def test_exchanged_labels_are_another_fingerprint(tmp_path, how):
    """Also of an archive whose members, except for those with labels, are the same."""
    first, same, exchanged = (
        build_index(*_labelled(tmp_path / name, how, labels))
        for name, labels in (('1', 'ab'), ('2', 'ab'), ('3', 'ba'))
    )
    assert counts_of(first) == counts_of(exchanged) == {'a': 1, 'b': 1}
    assert first.fingerprint == same.fingerprint != exchanged.fingerprint


@pytest.mark.parametrize('kind', [tarfile.AREGTYPE, tarfile.DIRTYPE])
def test_a_folder_is_no_skipped_file(tmp_path, kind):
    """Writers older than the type of folders ended its name in a slash instead."""
    info = tarfile.TarInfo('a/photo.jpg/')
    info.type = kind
    path = tmp_path / 'old.tar'
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    with pytest.raises(DataError) as caught:
        build_index(path).check_any()
    assert str(caught.value).endswith('holds no images.')


@pytest.mark.slow
@pytest.mark.parametrize('filling', [b'', b'\xff'], ids=['cut off', 'overwritten'])
def test_an_index_is_not_read_again_from_a_file_that_changes(tmp_path, own_cache, filling):
    """A mapped file that is cut off would end the process by a signal."""
    wanted = [f'{"n" * 100}{number:05}.png' for number in range(10_000)]
    path = write_tar(tmp_path / 'many.tar', [(name, b'') for name in wanted])
    open_index(path)
    index = open_index(path)
    (stored,) = own_cache.rglob('*.index')
    size = stored.stat().st_size
    assert size > 2**20
    with stored.open('r+b') as file:
        file.truncate(0)
        file.write(filling * size)
    assert names_of(index) == wanted
