"""Labels in sidecar files, as in WebDataset's shards; reports of skipped and of wrong files."""

import gzip
import io
import zipfile

import numpy as np
import pytest

from estimator_lab.data.file_types import file_type, reads_avif
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.label_table import read_label_table
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.packing.packing import pack
from estimator_lab.data.packing.shards import PackSettings
from estimator_lab.data.tar.index import build_index, open_index
from estimator_lab.data.tar.sources import expand_archives
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError
from tests.archive_files import encoded, picture, write_tar

PNG = encoded(picture(1, 4, 4))


def labels_of(path, kind=IMAGES):
    """Returns names and labels, by the stream, which is what its index says, too."""
    found = [(member.name, member.label) for member in stream_members(path, kind=kind)]
    index = build_index(str(path), kind=kind)
    assert [(index.name(row), index.label(row)) for row in range(len(index))] == found
    if index.random_access:
        assert [index.member(row).label for row in range(len(index))] == [label for _, label in found]
    return found


@pytest.mark.parametrize('compression', ['', ':gz'])
@pytest.mark.parametrize('order', [('cls', 'png'), ('png', 'cls')])
def test_a_label_before_or_after_its_image(tmp_path, compression, order):
    files = {'cls': lambda n: b'%d' % (n % 3), 'png': lambda n: PNG}
    path = write_tar(
        tmp_path / 'a.tar',
        [(f'x/{n:03}.{suffix}', files[suffix](n)) for n in range(6) for suffix in order],
        f'w{compression}',
    )
    assert labels_of(path) == [(f'x/{n:03}.png', f'{n % 3}') for n in range(6)]


def test_json_and_names_with_dots(tmp_path):
    path = write_tar(
        tmp_path / 'a.tar',
        [
            ('1.left.png', PNG),
            ('1.right.png', PNG),
            ('1.json', b'{"label": "cat"}'),
            ('IMG.1.png', PNG),
            ('IMG.1.cls', b'dog'),
            ('IMG.2.png', PNG),
            ('IMG.2.cls', b'cow'),
        ],
    )
    assert [label for _, label in labels_of(path)] == ['cat', 'cat', 'dog', 'cow']


def test_other_json_is_not_a_label(tmp_path):
    path = write_tar(
        tmp_path / 'a.tar', [('n1/1.png', PNG), ('n1/1.json', b'{"width": 4}'), ('n2/2.png', PNG)]
    )
    assert [label for _, label in labels_of(path)] == ['n1', 'n2']


def test_only_a_few_images_wait_for_a_label(tmp_path):
    """Of a million frames with one name up to the first dot, all would stay in memory."""
    path = write_tar(tmp_path / 'a.tar', [(f'a/clip.{n}.png', PNG) for n in range(40)])
    with path.open('rb') as opened:
        members = stream_members(path, opened=opened)
        assert next(members).name == 'a/clip.0.png' and opened.tell() <= 10 * 1024  # two blocks each
        assert sum(1 for _ in members) == 39


def test_an_index_depends_on_its_labels(tmp_path):
    path = write_tar(
        tmp_path / 'a.tar',
        [(f'{n}.cls', b'%d' % n) if k else (f'{n}.png', PNG) for n in range(4) for k in (0, 1)],
    )
    table = tmp_path / 'labels.csv'
    table.write_text(''.join(f'{n}.png,{"even" if n % 2 == 0 else "odd"}\n' for n in range(4)))
    kind = IMAGES.with_labels(read_label_table(table))
    assert open_index(str(path)).labels == ('0', '1', '2', '3')
    assert open_index(str(path), kind=kind).labels == ('even', 'odd')
    table.write_text(table.read_text().replace('odd', 'uneven'))
    changed = IMAGES.with_labels(read_label_table(table))
    first = open_index(str(path), kind=kind).fingerprint
    assert open_index(str(path), kind=changed).labels == ('even', 'uneven')
    assert open_index(str(path)).labels == ('0', '1', '2', '3')
    assert first == open_index(str(path), kind=changed).fingerprint  # the same images have the same numbers


def test_packed_images_are_in_folders_of_their_labels(tmp_path):
    files = [pair for n in range(6) for pair in ((f'{n}.cls', b'l%d' % (n % 2)), (f'{n}.png', PNG))]
    path = write_tar(tmp_path / 'a.tar', files)
    manifest = pack([str(path)], tmp_path / 'out', PackSettings(2), lambda line: None)
    assert manifest.labels == {'l0': 3, 'l1': 3}
    names = {m.name for shard in (tmp_path / 'out').glob('*.tar') for m in stream_members(shard)}
    assert names == {f'l{n % 2}/{n}.png' for n in range(6)}


def test_skipped_files_are_reported(tmp_path):
    path = write_tar(
        tmp_path / 'a.tar',
        [('a/1.png', PNG), ('a/2.HEIC', b'x'), ('a/3.heic', b'x'), ('a/bare', PNG), ('a/README', b'text')],
    )
    notes = []
    found = list(stream_members(path, note=notes.append))
    assert [member.name for member in found] == ['a/1.png', 'a/bare']
    words = 'skipped: 2 .heic, 1 without a suffix that are not images (convert to JPEG'
    assert len(notes) == 1 and words in notes[0]
    for _ in range(2):  # made, and found again
        again = []
        index = open_index(str(path), note=again.append)
        assert again == notes
    assert index.member(1).read().data == PNG


def test_what_an_archive_holds_instead(tmp_path):
    path = write_tar(tmp_path / 'a.tar', [('a/1.npy', b'x'), ('a/2.npy', b'x'), ('a/b.txt', b'x')])
    for _ in range(2):
        with pytest.raises(
            DataError, match=r'holds no images, but other files: 2 \.npy, 1 \.txt; arrays are not'
        ):
            open_archives([str(path)])


@pytest.mark.skipif(not reads_avif(), reason='this Pillow reads no AVIF')
def test_avif_is_an_image_where_it_can_be_read(tmp_path):
    data = encoded(picture(1), 'AVIF')
    path = write_tar(tmp_path / 'a.tar', [('a/1.avif', data), ('a/2', data)])
    assert len(build_index(str(path))) == 2


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as file:
        file.writestr('1.png', PNG)
    return buffer.getvalue()


def array():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (zipped(), 'a ZIP file: unpack it'),
        (PNG, 'a PNG image: name the folder'),
        (encoded(picture(1), 'JPEG'), 'a JPEG image'),
        (gzip.compress(encoded(picture(1), 'JPEG')), 'a JPEG image'),
        (encoded(picture(1), 'WEBP'), 'a WebP image'),
        (encoded(picture(1), 'BMP'), 'a BMP image'),
        (b'\0\0\0\x18ftypheic\0\0\0\0' + bytes(600), 'a HEIC image: convert to'),
        (b'\0\0\0\x18ftypisom\0\0\0\0' + bytes(600), 'a film'),
        (b'\x1a\x45\xdf\xa3' + bytes(600), 'a film'),
        (b'\x28\xb5\x2f\xfd' + bytes(600), 'zstd -dc'),
        (b'%PDF-1.4\n' + bytes(600), 'a PDF document'),
        (array(), 'a NumPy array'),
        (b'\0\0\x08\x03\0\0\xea\x60' + bytes(600), '--set=mnist'),
        (b'<!DOCTYPE html><html>' + b' ' * 600, 'a web page'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'Git LFS'),
        (b'only a text\n' * 99, 'a text'),
    ],
)
def test_a_wrong_file_is_named(tmp_path, data, words):
    path = tmp_path / 'wrong.tar'
    path.write_bytes(data)
    for read in (lambda: list(stream_members(path)), lambda: open_index(str(path))):
        with pytest.raises(DataError, match='is not a tar archive, but ') as caught:
            read()
        assert words in str(caught.value)


def test_unknown_bytes_are_not_named():
    assert file_type(bytes(range(128, 160)) + b'\1') == ''
    assert file_type(b'') == ''


def test_home_is_expanded(tmp_path, monkeypatch):
    write_tar(tmp_path / 'a.tar', [('a/1.png', PNG)])
    monkeypatch.setenv('HOME', str(tmp_path))
    assert expand_archives(['~/a.tar']) == [str(tmp_path / 'a.tar')]
    assert expand_archives(['~/*.tar']) == [str(tmp_path / 'a.tar')]
