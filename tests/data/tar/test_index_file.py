"""Damaged and untrusted indexes: impossible contents are ignored, without an error."""

import gzip
import json
import os
import random
import tarfile
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.data.tar import index as tar_index
from estimator_lab.data.tar import index_file
from estimator_lab.data.tar.index import build_index, open_index, path_in_cache, path_next_to
from estimator_lab.data.tar.index_file import read_index_file, write_index_file
from estimator_lab.data.tar.sources import stamp_of
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError
from tests.archive_files import write_tar
from tests.streams import members_of

pytestmark = pytest.mark.usefixtures('own_cache')
NAMES = [f'train/n{number // 6:06}/{number:02}.jpg' for number in range(24)]


@pytest.fixture
def archive(tmp_path):
    return str(write_tar(tmp_path / 'a.tar', [(name, name.encode() * 60) for name in NAMES]))


@pytest.fixture
def index_path(archive):
    """The path of a right index next to the archive."""
    build_index(archive).write(path_next_to(archive))
    return path_next_to(archive)


def contents_of(archive):
    return read_index_file(path_next_to(archive), stamp_of(archive))


def check_it_is_made_anew(archive, builds):
    """Also that the new one is kept, so that later starts are as quick as ever."""
    for _ in range(2):
        index = open_index(archive)
        assert members_of(index) == list(stream_members(archive))
        assert index.labels == tuple(f'n{number:06}' for number in range(4))
        assert index.label_ids.tolist() == [number // 6 for number in range(24)]
    assert builds == [archive]


def test_a_valid_index_is_used(archive, index_path, builds):
    assert members_of(open_index(archive)) == list(stream_members(archive))
    assert not builds


# With a correct checksum, as an attacker would write it.


def in_row(row, **values):
    def change(contents):
        for column, value in values.items():
            contents.rows[column][row] = value
        return contents

    return change


def in_header(**values):
    return lambda contents: contents._replace(header=contents.header._replace(**values))


def in_names(start, replacement):
    def change(contents):
        names = bytearray(contents.names)
        names[start : start + len(replacement)] = replacement
        return contents._replace(names=memoryview(bytes(names)))

    return change


LABELS = [f'n{number:06}' for number in range(4)]

LIES = {
    'offset beyond the archive': in_row(23, offset=2**40),
    'offset beyond all': in_row(23, offset=2**64 - 512),
    'offset in the member before': in_row(5, offset=512),
    'data beyond the archive': in_row(23, size=2**20),
    'data beyond all': in_row(23, size=2**63 + 5),
    'data in the member behind': in_row(4, size=4000),
    'no headers where there are some': in_row(7, headers=100),
    'headers of 512 MB': in_row(23, headers=2**29),
    'name that ends before it begins': in_row(3, name_end=1),
    'name that is empty': in_row(3, name_end=NAMES[0].__len__() * 3),
    'name beyond the names': in_row(23, name_end=10**6),
    'name beyond all': in_row(9, name_end=2**64 - 1),
    'names left over': in_row(23, name_end=24 * len(NAMES[0]) - 1),
    'name that cannot be printed': in_names(0, b'\x1b'),
    'note too long': in_header(notes=['x' * 2**17]),
    'too many notes': in_header(notes=['x'] * 1000),
    'names in another encoding': in_names(3, b'\xff'),
    'name that begins within a character': in_names(len(NAMES[0]) - 1, '€'.encode()),
    'label without members': in_row(11, label=4),
    'label beyond all': in_row(11, label=2**32 - 1),
    'label that comes too early': in_row(0, label=1),
    'first member of a label in another': in_row(6, label=0),
    'member in another label': in_row(16, label=0),
    'labels swapped': in_header(labels=[LABELS[1], LABELS[0], *LABELS[2:]]),
    'label more': in_header(labels=[*LABELS, 'n000004']),
    'label less': in_header(labels=LABELS[:3]),
    'label longer than all names': in_header(labels=['x' * 100 * 24, *LABELS[1:]]),
    'label twice': in_header(labels=[LABELS[0], LABELS[0], *LABELS[2:]]),
    'no random access': in_header(random_access=False),
    'member less': in_header(members=23),
    'members below zero': in_header(members=-1, name_bytes=24 * len(NAMES[0]) + 25 * 36),
    'names below zero': in_header(name_bytes=-1),
    'another header': in_row(0, checksum=77),
}


@pytest.mark.parametrize('lie', LIES.values(), ids=LIES.keys())
@pytest.mark.parametrize('chunk', [2**16, 6, 1])
def test_an_impossible_index_is_not_used(archive, index_path, builds, lie, chunk, monkeypatch):
    monkeypatch.setattr(index_file, '_CHUNK', chunk)
    contents = contents_of(archive)
    write_index_file(index_path, lie(contents._replace(rows=contents.rows.copy())))
    check_it_is_made_anew(archive, builds)


def test_an_index_of_a_compressed_archive_that_claims_random_access(archive, builds):
    packed = f'{archive}.gz'
    Path(packed).write_bytes(gzip.compress(Path(archive).read_bytes()))
    index = build_index(packed)
    index._header = index._header._replace(random_access=True)
    index.write(path_next_to(packed))
    assert not open_index(packed).random_access
    assert builds == [packed]


# Without one.


@pytest.mark.parametrize(
    'spoil',
    [
        lambda data: b'',
        lambda data: data[:100],
        lambda data: data[:-1],
        lambda data: data + b'x',
        lambda data: b'junk' + data,
        lambda data: data.replace(b'index 4', b'index 1'),  # an old format
        *(
            lambda data, line=line: line + b'\n'
            for line in (
                b'[1, 2]',
                b'{}',
                b'\xff',
                b'[' * 10**5,
                b'{"format":' * 50_000,
                b'x' * 300_000,
                b'NaN',
            )
        ),
        *(
            lambda data, change=change: (
                json.dumps({**json.loads(data.partition(b'\n')[0]), **change}).encode()
                + data[data.index(b'\n') :]
            )
            for change in (
                *({'labels': labels} for labels in ('abcd', [1, 2, 3, 4], ['\ud800', *LABELS[1:]])),
                *({'members': members} for members in ('24', 24.0, True, 10**40)),
                *({'name_bytes': None}, {'size': [1]}, {'random_access': 1}, {'damage': {}}),
                *({'checksum': 'x'}, {'colour': 'red'}),
            )
        ),
    ],
)
def test_a_damaged_index_is_replaced_silently(archive, index_path, builds, capfd, spoil):
    index_path.write_bytes(spoil(index_path.read_bytes()))
    check_it_is_made_anew(archive, builds)
    assert capfd.readouterr() == ('', '')


def test_a_line_without_an_end_is_read_no_further_than_allowed(archive, index_path, builds, monkeypatch):
    monkeypatch.setattr(index_file, '_LONGEST_LINE', 2**16)
    with index_path.open('wb') as file:
        file.truncate(2**40)
    tracemalloc.start()
    check_it_is_made_anew(archive, builds)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_every_changed_bit_is_detected(archive, index_path):
    """Labels and label numbers included: the checksum is of everything."""
    rng, whole, stamp = random.Random(1), index_path.read_bytes(), stamp_of(archive)
    for _ in range(400):
        changed = bytearray(whole)
        place = rng.randrange(len(whole))
        changed[place] ^= 1 << rng.randrange(8)
        index_path.write_bytes(changed)
        found = read_index_file(index_path, stamp)
        # JSON has room for a change that changes nothing: spaces.
        assert found is None or found.header == index_file.Header(**json.loads(whole.partition(b'\n')[0]))


def test_a_pipe_instead_of_an_index_does_not_block(archive, builds):
    os.mkfifo(path_next_to(archive))
    thread = threading.Thread(target=check_it_is_made_anew, args=(archive, builds), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive() and builds == [archive]


def test_an_index_appears_once_it_is_on_disk(archive, monkeypatch):
    monkeypatch.setattr(os, 'fsync', lambda descriptor: Path('/gone').stat())
    with pytest.raises(FileNotFoundError):
        build_index(archive).write(path_next_to(archive))
    assert [path.name for path in Path(archive).parent.iterdir()] == ['a.tar']


def test_nothing_is_written_through_a_link(archive, tmp_path):
    precious = tmp_path / 'precious'
    precious.write_text('mine')
    path = path_next_to(archive)
    path.with_name(f'.{path.name}.{os.getpid()}.partial').symlink_to(precious)
    path.symlink_to(precious)
    build_index(archive).write(path)
    assert precious.read_text() == 'mine' and not path.is_symlink()
    assert len(contents_of(archive).rows) == 24


@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_index_that_was_built_is_valid(tmp_path, builds, format):
    names = ['1.jpg', 'a/1.jpg', 'Zoë/猫.jpg', 'a/2.jpg', './b//c.png', '../d.png', 'b//e.png', 'ba/f.png']
    names += [f'{letter * length}/1.jpg' for letter in 'dü' for length in (64, 65, 128, 129, 300)]
    path = tmp_path / 'names.tar'
    with tarfile.open(path, 'w', format=format) as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    open_index(str(path))
    assert members_of(open_index(str(path))) == list(stream_members(path))
    assert builds == [str(path)]


def test_a_large_index_is_mapped_and_checked_without_taking_memory(tmp_path, archive, index_path):
    count = 200_000
    names = b''.join(b'a/%07d.jpg' % number for number in range(count))
    rows = np.zeros(count, index_file.ROW)
    rows['offset'] = np.arange(count) * 1024
    rows['headers'], rows['size'] = 512, 100
    rows['name_end'] = (np.arange(count) + 1) * 13
    contents = contents_of(archive)
    header = contents.header._replace(
        size=count * 1024, members=count, name_bytes=len(names), labels=['a'], checksum=0
    )
    write_index_file(index_path, index_file.Contents(header, rows, memoryview(names)))
    tracemalloc.start()
    found = read_index_file(index_path, header[1:3])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.rows) == count and found.rows.nbytes > 6 * 2**20
    assert peak < 24 * 2**20  # a chunk's columns; the index itself is mapped


# An archive that was replaced by one of the same size and date.


def replace(archive, changed):
    """Renames a member, with the archive's size and date as before."""
    stamp = Path(archive).stat()
    files = [
        (f'other/{n}.jpg' if n == changed else name, NAMES[0].encode() * 60) for n, name in enumerate(NAMES)
    ]
    write_tar(Path(archive), files)
    os.utime(archive, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert stamp_of(archive) == (stamp.st_size, stamp.st_mtime_ns)


@pytest.mark.parametrize('changed', [0, 12, 23])
@pytest.mark.parametrize('place', [path_next_to, path_in_cache])
def test_most_replacements_are_detected_at_the_start(archive, builds, place, changed):
    build_index(archive).write(place(archive))
    replace(archive, changed)
    assert members_of(open_index(archive)) == list(stream_members(archive))
    assert builds == [archive]


@pytest.mark.parametrize('places', [[path_next_to], [path_in_cache], [path_next_to, path_in_cache]])
def test_any_other_change_is_detected_when_reading_and_the_next_start_indexes_anew(archive, builds, places):
    for place in places:
        build_index(archive).write(place(archive))
    replace(archive, 5)
    index = open_index(archive)
    with pytest.raises(
        DataError, match=r'has changed since it was indexed: .* Start again: it is then indexed'
    ):
        index.member(5).read()
    assert not builds
    for _ in range(2):
        assert members_of(open_index(archive)) == list(stream_members(archive))
    assert builds == [archive]
    assert path_next_to(archive).exists() == (path_next_to in places)  # the user's own file stays


def test_an_index_of_this_process_is_given_up_as_well(archive, builds):
    index = open_index(archive)
    replace(archive, 5)
    with pytest.raises(DataError, match='Start again: it is then indexed anew'):
        index.member(5).read()
    assert open_index(archive).member(5).read().read().read().read().name == 'other/5.jpg'
    assert builds == [archive] * 2


def test_a_new_index_next_to_the_archive_is_used_again(archive, index_path, builds):
    replace(archive, 5)
    with pytest.raises(DataError, match='Start again'):
        open_index(archive).member(5).read().read().read().read()
    tar_index.build_index(archive).write(index_path)
    assert open_index(archive).member(5).read().read().read().read().name == 'other/5.jpg'
    assert builds == [archive]


def test_without_a_cache_the_wrong_index_is_named(archive, index_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', '/proc/none')
    replace(archive, 5)
    with pytest.raises(DataError, match=rf"Remove '{index_path}'\. Start again: it is then indexed anew"):
        open_index(archive).member(5).read().read().read().read()
    index_path.unlink()
    assert open_index(archive).member(5).read().read().read().read().name == 'other/5.jpg'
