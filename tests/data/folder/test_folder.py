"""A folder of images as a source of members, by the engine of archives."""

import os

import numpy as np
import pytest

from estimator_lab.data.folder.index import open_folder
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.images.table import PixelTable
from estimator_lab.data.label_table import read_label_table
from estimator_lab.data.members import first_member, open_index, stream_members
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.order.split_and_shard import Part
from estimator_lab.data.pipeline.batches import read_batches
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.errors import DataError
from tests import archive_files
from tests.archive_files import write_tar


def picture(number):
    return archive_files.encoded(archive_files.picture(number, 4, 4))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / 'faces'
    for number in range(12):
        file = folder / f'n{number % 3}' / f'{number:02}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(number))
    return folder


def names_of(index):
    return [index.name(row) for row in range(len(index))]


def test_members_labels_and_keys(folder):
    index = open_folder(str(folder))
    assert names_of(index) == [f'n{n % 3}/{n:02}.png' for start in range(3) for n in range(start, 12, 3)]
    assert index.labels == ('n0', 'n1', 'n2')
    assert index.counts == {'n0': 4, 'n1': 4, 'n2': 4}
    member = index.member(0).read()
    assert member == next(stream_members(str(folder)))
    assert (member.name, member.label, member.data) == ('n0/00.png', 'n0', picture(0))
    assert member.key == f'{folder}/n0/00.png'  # its path, so that it can be opened
    assert member.place == repr(f'{folder}/n0/00.png')


def test_labels_of_a_folder_of_one_label_is_its_own_name(folder):
    index = open_folder(f'{folder}/n1')
    assert index.labels == ('n1',)
    assert index.member(0).label == 'n1'
    opened = open_archives([f'{folder}/*'])
    assert opened.labels == ('n0', 'n1', 'n2')
    assert opened.total == 12


def test_the_order_is_that_of_an_archive_of_the_same_files(folder, tmp_path):
    """Same seed, same epoch, same positions: an exact resume from folders is one from archives."""
    index = open_folder(str(folder))
    archive = tmp_path / 'faces.tar'
    write_tar(archive, [(name, picture(int(name[3:5]))) for name in names_of(index)])
    orders = [open_archives([str(source)]).order(100, seed=3) for source in (folder, archive)]
    for start in (0, 7, 30):
        streams = [order.onwards(start) for order in orders]
        for _ in range(20):
            one, other = (next(stream) for stream in streams)
            for name in ('epoch', 'name', 'label'):
                assert getattr(one, name) == getattr(other, name)
            assert one.read().data == other.read().data


def test_a_split_of_a_folder_is_that_of_the_archive(folder, tmp_path):
    index = open_folder(str(folder))
    archive = tmp_path / 'faces.tar'
    write_tar(archive, [(name, b'') for name in names_of(index)])
    half = Part(0.0, 0.5)
    assert half.mask(index).tolist() == half.mask(open_index(str(archive))).tolist()


def test_a_folder_is_recognised_by_its_contents(folder, tmp_path):
    first = open_folder(str(folder)).fingerprint
    renamed = folder.rename(tmp_path / 'renamed')
    assert open_folder(str(renamed)).fingerprint == first
    (renamed / 'n0' / '00.png').write_bytes(picture(1) + b' ')
    changed = open_folder(str(renamed)).fingerprint
    assert changed != first
    (renamed / 'n0' / '99.png').write_bytes(picture(1))
    assert open_folder(str(renamed)).fingerprint not in (first, changed)


def test_folders_and_archives_together(folder, tmp_path):
    archive = tmp_path / 'more.tar.gz'
    write_tar(archive, [(f'n3/{n}.png', picture(n)) for n in range(3)], mode='w:gz')
    opened = open_archives([str(folder), str(archive)])
    assert opened.total == 15 and not opened.has_random_access
    found = [scheduled.read() for scheduled in opened.order().epoch(0)]
    assert [member.label for member in found] == ['n0'] * 4 + ['n1'] * 4 + ['n2'] * 4 + ['n3'] * 3


def test_a_file_that_is_gone_is_a_bad_example(folder):
    index = open_folder(str(folder))
    (folder / 'n0' / '00.png').unlink()
    assert 'There is no file' in index.member(0).read().problem
    os.mkfifo(folder / 'n0' / '00.png')  # opening one must not wait
    assert 'not a regular file' in index.member(0).read().problem


def test_links_hidden_files_and_pipes(folder):
    (folder / '.hidden').mkdir()
    (folder / '.hidden' / '1.png').write_bytes(picture(1))
    (folder / 'n0' / '._1.png').write_bytes(picture(1))
    os.mkfifo(folder / 'n0' / 'pipe.png')
    (folder / 'n0' / 'zlink.png').symlink_to(folder / 'n1' / '01.png')
    (folder / 'link').symlink_to(folder / 'n1')
    index = open_folder(str(folder))
    names = names_of(index)
    assert len(names) == 14 and 'n0/zlink.png' in names
    assert 'not a regular file' in index.member(names.index('n0/pipe.png')).read().problem


def test_names_that_cannot_be_printed(folder):
    path = os.fsencode(folder / 'n0') + b'/\xff\x1b.png'
    with open(path, 'wb') as file:  # noqa: PTH123 - a name of bytes
        file.write(picture(5))
    index = open_folder(str(folder))
    row = names_of(index).index('n0/\\xff\\x1b.png')
    assert index.member(row).read().data == picture(5)


def test_images_without_a_suffix_are_recognised_by_their_bytes(folder):
    (folder / 'n0' / 'bare').write_bytes(picture(5))
    (folder / 'n0' / 'README').write_bytes(b'no image')
    notes = []
    index = open_folder(str(folder), note=notes.append)
    assert 'n0/bare' in names_of(index) and len(index) == 13
    assert notes == [f"'{folder}/' holds files that are skipped: 1 without a suffix that are not images."]


def test_labels_from_sidecar_files(tmp_path):
    for number in range(4):
        (tmp_path / f'{number}.png').write_bytes(picture(number))
        (tmp_path / f'{number}.cls').write_text(f'{number % 2}')
    index = open_folder(str(tmp_path))
    assert [index.member(row).label for row in range(4)] == ['0', '1', '0', '1']
    before = index.fingerprint
    (tmp_path / '3.cls').write_text('0')
    assert open_folder(str(tmp_path)).fingerprint != before
    (tmp_path / '3.cls').unlink()
    with pytest.raises(DataError, match=r"3\.png' has no label: no \.cls or \.json file is next to it"):
        open_archives([str(tmp_path)]).check_labels()


def test_labels_of_a_table(folder, tmp_path):
    labels = tmp_path / 'labels.csv'
    labels.write_text('name,label\n' + ''.join(f'{n:02}.png,{n % 2}\n' for n in range(11)))
    kind = IMAGES.with_labels(read_label_table(labels))
    index = open_index(str(folder), kind=kind)
    assert index.counts == {'0': 6, '1': 5, '': 1}
    with pytest.raises(DataError, match=r"11\.png' has no label: --labels=\S+ has no line for it\."):
        open_archives([str(folder)], kind=kind).check_labels()


def test_what_a_folder_holds_instead(tmp_path):
    (tmp_path / 'a.heic').write_bytes(b'x')
    (tmp_path / 'b.HEIC').write_bytes(b'x')
    (tmp_path / 'c.txt').write_bytes(b'x')
    with pytest.raises(
        DataError, match=r'holds no images, but other files: 2 \.heic, 1 \.txt; convert to JPEG'
    ):
        open_archives([str(tmp_path)], say=lambda line: None)
    assert first_member(str(tmp_path), IMAGES) is None


def test_a_folder_of_archives_names_the_glob(tmp_path):
    write_tar(tmp_path / 'shard-0.tar', [('a/1.png', picture(1))])
    with pytest.raises(DataError, match=r"archives, for which give --data='\S+/\*\.tar'"):
        open_archives([str(tmp_path)])


def test_each_image_is_decoded_and_kept_for_itself(folder):
    """What is decoded once is found by its archive and offset, which the files of a folder need, too."""
    shape = ImageShape(4, 4, 1)
    archives = open_archives([str(folder)])
    reader = ImageReader(shape, cache=PixelTable.for_images(archives.total, shape))
    expected = [decode_image(picture(int(m.name[3:5])), *shape) for m in stream_members(str(folder))]
    for _ in range(2):
        batches = read_batches(archives.order().epoch(0), 5, reader, InputReport())
        np.testing.assert_array_equal(np.concatenate([batch.arrays['image'] for batch in batches]), expected)
