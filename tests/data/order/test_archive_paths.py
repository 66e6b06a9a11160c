"""Which archives a pattern names; and the shared archives, read from end to end."""

import tarfile
from pathlib import Path

import pytest

from estimator_lab.data.tar.sources import expand_archives
from estimator_lab.data.tar.stream import scan_members, stream_members
from estimator_lab.errors import DataError
from tests.places import test_data


def test_expand_archives(tmp_path):
    for name in ['b.tar', 'a.tar', 'c.tgz', 'photos[1].tar']:
        (tmp_path / name).touch()

    def expand(*patterns):
        paths = expand_archives([pattern.replace('@', f'{tmp_path}/') for pattern in patterns])
        return [Path(path).name for path in paths]

    assert expand('@b.tar', '@a.tar') == ['b.tar', 'a.tar']
    assert expand('@c.tgz', '@?.tar') == ['c.tgz', 'a.tar', 'b.tar']
    assert expand('@b.tar, @*.t*,') == ['b.tar', 'a.tar', 'c.tgz', 'photos[1].tar']
    assert expand('@photos[1].tar') == ['photos[1].tar']
    with pytest.raises(DataError, match=r'^No file matches .*\*\.zip'):
        expand('@a.tar', '@*.zip')
    with pytest.raises(DataError, match=r'^There is no file .*gone\.tar'):
        expand('@gone.tar')
    for nothing in [(), ('',), (' , ',)]:
        with pytest.raises(DataError, match='No archive is given'):
            expand(*nothing)


@pytest.mark.parametrize(
    ('name', 'count'),
    [('photos-test.tar', 300), ('mnist-test.tar.gz', 10_000)],
)
def test_real_archives(name, count):
    archive = test_data(name)
    with tarfile.open(archive, 'r|*') as tar:
        expected = [(info.name, info.offset, info.size) for info in tar if info.isfile()]
    assert len(expected) == count
    assert [(entry.name, entry.offset, entry.size) for entry in scan_members(archive)] == expected
    assert [(*member[1:3], len(member.data)) for member in stream_members(archive)] == expected
