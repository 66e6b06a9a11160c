"""Shares of archives for several machines: together each example once, in stored order."""

import gzip
import itertools

import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.shares import ALL, Slice, part_of
from estimator_lab.data.archives.opened import open_stream
from estimator_lab.data.images.reader import IMAGES
from tests.support.archive_files import tar_bytes, write_folder
from tests.support.streams import found_in


@pytest.mark.parametrize('count', [1, 2, 3, 12, 40])
@pytest.mark.parametrize('sizes', [[], [0], [7], [0, 5, 0, 1, 9, 0], [100, 3]])
def test_shares_follow_each_other_and_are_equally_large(sizes, count):
    shares = [Slice(number, count, ALL).within(sizes) for number in range(count)]
    found = [(archive, row) for share in shares for archive, rows in enumerate(share) for row in rows]
    assert found == [(archive, row) for archive, size in enumerate(sizes) for row in range(size)]
    lengths = [sum(map(len, share)) for share in shares]
    assert max(lengths) - min(lengths) <= 1


def archives_of(tmp_path, pack):
    """Archives of 5, 1 and 14 members, some with labels next to them; and a folder of 4."""
    for number, count in enumerate((5, 1, 14)):
        files = {f'{"ab"[n % 2]}/{n:02}.jpg': b'%d' % n for n in range(count)}
        if number == 2:
            files |= {name.replace('jpg', 'cls'): b'label' for name in files}
        (tmp_path / f'{number}.tar').write_bytes(pack(tar_bytes(dict(sorted(files.items())))))
    write_folder(tmp_path / 'folder', {f'{number}.jpg': b'f%d' % number for number in range(4)})
    return [str(tmp_path / name) for name in ('0.tar', '1.tar', '2.tar', 'folder')]


def members_in(paths, part):
    return open_stream(paths, IMAGES, lambda line: None, part_of(part)).order().epoch(0)


@pytest.mark.parametrize('pack', [bytes, gzip.compress], ids=['plain', 'gz'])
@pytest.mark.parametrize('count', [1, 3, 12, 30])
def test_all_parts_have_each_member_as_the_whole_has_it(tmp_path, pack, count):
    paths = archives_of(tmp_path, pack)
    whole = list(open_stream(paths, IMAGES).order().epoch(0))
    parts = [list(members_in(paths, f'{number}/{count}')) for number in range(1, count + 1)]
    found = list(itertools.chain(*parts))
    assert found_in(found) == found_in(whole) and len(whole) == 24
    assert [member.key for member in found] == [member.key for member in whole]


def test_totals_and_labels_are_those_of_the_part(tmp_path):
    paths = archives_of(tmp_path, bytes)
    archives = open_stream(paths, IMAGES, own=part_of('1/4'))
    assert archives.total == 6 == sum(archives.counts.values()) == len(list(archives.order().epoch(0)))


def test_an_order_of_a_share_goes_on_anywhere(tmp_path):
    order = open_stream(archives_of(tmp_path, bytes), IMAGES, own=part_of('2/4')).order()
    epoch = [member.key for member in order.epoch(0)]
    following = list(itertools.islice(order.onwards(4), 10))
    assert [member.key for member in following] == (epoch * 3)[4:14]
    assert [member.epoch for member in following] == [0, 0, *[1] * 6, 2, 2]


def test_compressed_archives_are_reported(tmp_path):
    said = []
    archives = open_stream(archives_of(tmp_path, gzip.compress), IMAGES, said.append, part_of('1/8'))
    assert len(list(archives.order().epoch(0))) == 3
    (line,) = said
    assert line.startswith(f"'{tmp_path}/0.tar' is compressed: a part reads it from its beginning")
    open_stream(archives_of(tmp_path, bytes), IMAGES, said.append, part_of('1/8'))
    assert said == [line]  # of plain ones, nothing


def test_a_damaged_archive_ends_the_last_part_as_it_ends_the_whole(tmp_path):
    paths = archives_of(tmp_path, bytes)
    data = (tmp_path / '2.tar').read_bytes()
    (tmp_path / '1.tar').write_bytes(data[:10_300])  # after which no archive is read
    members = [list(members_in(paths, f'{number}/4')) for number in (1, 2, 3)]
    last = []
    with pytest.raises(DataError, match='cut off'):
        last.extend(members_in(paths, '4/4'))
    expected = []
    with pytest.raises(DataError, match='cut off'):
        expected.extend(open_stream(paths, IMAGES).order().epoch(0))
    found = [member.key for member in itertools.chain(*members, last)]
    assert found == [member.key for member in expected] and len(last) == 3


def test_a_pipe_has_no_shares():
    with pytest.raises(FlagError, match=r"^part=1/2 needs archives that are stored: '-' is a pipe\.$"):
        open_stream(['-'], IMAGES, own=part_of('1/2'))
