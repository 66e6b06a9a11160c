"""Names, labels, headers and numbers of members that are too large for their archives."""

import gzip
import io
import tarfile
from operator import attrgetter

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data import check
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.examples.member import or_why
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources import formats, tar_headers
from estimator_lab.data.sources.source import Source
from tests.support.archive_files import encoded, picture, tar_bytes
from tests.support.commands import invoke
from tests.support.memory import peak_of
from tests.support.streams import build_index, open_index, read_until_error, scan_headers, stream_members

IMAGE = encoded(picture(1, 8, 8))
LONG_NAME, LONG_LABEL = 'its name has more than 4,096 bytes', 'its label has more than 200 letters'


def reasons(members):
    """Returns why each member is bad, '' for the others."""
    found = [or_why(lambda member: member.read(), member) for member in members]
    return [str(one) if isinstance(one, DataError) else '' for one in found]


@pytest.mark.parametrize('form', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=['gnu', 'pax'])
def test_members_with_too_long_names_are_bad_examples(tmp_path, form, capsys):
    label = 'b' * 200
    names = [
        'n0/' + 'é' * 1000 + '.png',
        'n0/' + 'a' * 4089 + '.png',
        'n0/' + 'a' * 4090 + '.png',
        'n0/' + 'a' * 1_000_000 + '.png',
        'c' * 1_000_000 + '/1.png',
        f'{label}/1.png',
        f'{label}b/1.png',
        'n1/last.png',
    ]
    wanted = ['', '', LONG_NAME, LONG_NAME, LONG_NAME, '', LONG_LABEL, '']
    path = tmp_path / 'a.tar'
    path.write_bytes(tar_bytes(dict.fromkeys(names, IMAGE), form))
    assert reasons(stream_members(str(path))) == wanted
    assert reasons(scan_headers(str(path))) == wanted
    for index in (build_index(str(path)), open_index(str(path)), open_index(str(path))):
        members = index.members(range(len(names)))
        assert reasons(members) == wanted
        assert [member.label for member in members[:4]] == ['n0'] * 4 and members[-1].label == 'n1'
        assert max(len(member.label) for member in members) == 201
        assert len(members[3].name) < 4200 and len(members[3].place) < 400
        assert members[3].name.startswith('n0/aaa') and members[3].name.endswith('a.png')
    assert invoke(check, str(path)) == 0
    shown = capsys.readouterr().out
    assert '4 images (50.00%)' in shown and len(shown) < 4000
    assert invoke(check, str(path), '--quick') == 0


@pytest.mark.slow
def test_only_what_is_used_of_a_global_header_is_kept(tmp_path):
    path = tmp_path / 'a.tar.gz'
    with tarfile.open(path, 'w:gz', format=tarfile.PAX_FORMAT) as tar:
        for number in range(12):
            records = {f'comment.{number}.{n}': '' for n in range(6000)}
            tar.fileobj.write(tarfile.TarInfo.create_pax_global_header(records))
            tar.offset = tar.fileobj.tell()
            info = tarfile.TarInfo(f'n0/{number}.png')
            info.size = len(IMAGE)
            tar.addfile(info, io.BytesIO(IMAGE))
    members, peak = peak_of(lambda: list(scan_headers(str(path))))
    assert len(members) == 12 and peak < 8e6  # 14 MB if all were kept


def test_a_global_header_may_name_and_measure_its_members(tmp_path):
    header = tarfile.TarInfo.create_pax_global_header({'path': 'n0/all.png', 'comment': 'by git'})
    path = tmp_path / 'a.tar'
    path.write_bytes(header + tar_bytes({'1.png': IMAGE, '2.png': IMAGE}))
    assert [member.name for member in stream_members(str(path))] == ['n0/all.png'] * 2


def test_an_archive_holds_as_many_examples_as_its_size_can_explain(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, '_ROOM_BYTES', 310 * 100)
    monkeypatch.setattr(formats, '_ROOM_FACTOR', 0)
    path = tmp_path / 'a.tar.gz'
    path.write_bytes(gzip.compress(tar_bytes({f'n0/{number:03}.png': IMAGE for number in range(120)})))
    for read in (stream_members, scan_headers):
        members, error = read_until_error(str(path), read)
        assert len(members) == 100 and 'claims more than 100 images' in str(error)
    with pytest.raises(DataError, match='claims more than 100 images'):
        open_archives([str(path)], IMAGES)
    assert len(open_archives([str(path)], IMAGES, use_damaged=True, say=lambda line: None).indexes[0]) == 100


def test_the_size_of_an_archive_is_asked_for_once(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, '_ROOM_BYTES', 0)
    path = tmp_path / 'a.tar'
    path.write_bytes(tar_bytes({f'n0/{number:03}.png': IMAGE for number in range(50)}))
    asked = []
    stamp = Source.stamp
    monkeypatch.setattr(Source, 'stamp', lambda source: asked.append(source.url) or stamp(source))
    assert len(list(scan_headers(str(path)))) == 50 and asked == [str(path)]


def test_one_large_member_is_in_memory_at_a_time(tmp_path):
    size = 2**25  # more than waits for a label next to it
    path = tmp_path / 'a.tar.gz'
    path.write_bytes(gzip.compress(tar_bytes({f'n0/{number}.png': bytes(size) for number in range(4)})))
    sizes, peak = peak_of(lambda: [*map(len, map(attrgetter('data'), stream_members(str(path))))])
    assert sizes == [size] * 4 and peak < 1.4 * size


def test_zeros_without_end_are_not_read(write, monkeypatch):
    """Of which a pipe may send any number."""
    monkeypatch.setattr(tar_headers, '_MOST_ZEROS', 9)
    for zeros, words in ((9, ''), (10, 'ends in zeros without end, which are not read.')):
        said = []
        path = write(tar_bytes({'a/1.jpg': b'1'})[:-1024] + bytes(512 * zeros))
        assert [member.name for member in stream_members(path, note=said.append)] == ['a/1.jpg']
        assert ' '.join(said) == words
