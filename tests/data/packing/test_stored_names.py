"""Labels of packed members are read as they were, or refused by name; no member leads out of its shard."""

import json
from collections import Counter

import pytest

from estimator_lab.data import pack as command
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.label_table import read_label_table
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.packing.packing import pack
from estimator_lab.data.packing.shards import MANIFEST, PackSettings, TarWriter, member_header, read_manifest
from estimator_lab.data.packing.stored_names import check_names
from estimator_lab.data.trees.kind import TREES
from estimator_lab.errors import DataError
from tests.commands import invoke
from tests.pack_files import packed, quiet, write_tar

WRONG = ['.net', '..', '.', 'a/b', '/a', r'\x41', r'\u202e', '\u202e', '__MACOSX']


def with_table(tmp_path, labels):
    """The kind of images with labels of 0.jpg, 1.jpg, ... from a table, and an archive of these."""
    table = tmp_path / 'labels.csv'
    table.write_text(''.join(f'{number}.jpg,{label}\n' for number, label in enumerate(labels)))
    source = write_tar(tmp_path / 'source.tar', [(f'x/{n}.jpg', b'%d' % n) for n in range(len(labels))])
    return IMAGES.with_labels(read_label_table(table)), source


@pytest.mark.parametrize('label', WRONG)
def test_labels_that_are_no_folders_are_refused_by_name_before_the_work(tmp_path, out, label):
    kind, source = with_table(tmp_path, ['good', label])
    with pytest.raises(
        DataError, match=r'^--labels=\S+labels\.csv: the label .* cannot be the name of a folder'
    ):
        pack([source], out, PackSettings(1), quiet, kind)
    assert not out.exists()


@pytest.mark.parametrize('label', WRONG)
def test_labels_of_sidecar_files_are_refused_with_their_member(tmp_path, out, label):
    source = write_tar(tmp_path / 'source.tar', [('0.jpg', b'0'), ('0.cls', label.encode())])
    with pytest.raises(DataError, match=r"source\.tar': member '0\.jpg' at byte 0: the label .* cannot be"):
        pack([source], out, PackSettings(1), quiet)
    assert not out.exists()


def test_all_other_labels_are_read_as_they_were(tmp_path, out):
    labels = ['a_b', 'a b', 'Zoë', 'a.b', '-', 'back\\slash', 'x41', '~', '%2F', 'tar', '猫' * 60]
    kind, source = with_table(tmp_path, labels)
    manifest = pack([source], out, PackSettings(1), quiet, kind)
    assert open_archives([f'{out}/*.tar']).counts == manifest.labels == dict.fromkeys(sorted(labels), 1)
    check_names(out, manifest)


def test_labels_of_lines_are_read_as_they_were(tmp_path, out):
    source = tmp_path / 'trees.tsv'
    source.write_bytes(b''.join(label + b'\t( a b )\n' for label in (rb'\x41', rb'\u202e', b'\xff', b'A')))
    expected = open_archives([str(source)], kind=TREES).counts
    assert pack([str(source)], out, PackSettings(1), quiet, TREES).labels == expected
    assert open_archives([f'{out}/*.tar'], kind=TREES).counts == expected and len(expected) == 4
    source.write_bytes(b'.5\t( a b )\n')
    with pytest.raises(DataError, match=r"member '\.5/line_1\.tree' at byte 0: the label '\.5' cannot be"):
        pack([str(source)], tmp_path / 'other', PackSettings(1), quiet, TREES)


def test_no_member_leads_out_of_its_shard(tmp_path, out):
    files = ['../1.jpg', '/2.jpg', '../../a/3.jpg', 'b/../4.jpg', '/etc/5.jpg', 'c//6.jpg', 'd/./7.jpg']
    source = write_tar(tmp_path / 'source.tar', [(name, name.encode()) for name in files])
    pack([source], out, PackSettings(1), quiet)
    names = {data.decode(): name for name, data in packed(out)[0]}
    stored = ['1.jpg', '2.jpg', 'a/3.jpg', '4.jpg', 'etc/5.jpg', 'c//6.jpg', 'd/./7.jpg']
    assert [names[name] for name in files] == stored
    labels = open_archives([source]).counts
    assert open_archives([f'{out}/*.tar']).counts == labels == read_manifest(out / MANIFEST).labels


def test_a_member_without_a_label_gets_no_folder(tmp_path, out):
    kind, source = with_table(tmp_path, ['good'])
    source = write_tar(tmp_path / 'source.tar', [('x/0.jpg', b'0'), ('x/9.jpg', b'9')])
    assert pack([source], out, PackSettings(1), quiet, kind).labels == {'': 1, 'good': 1}
    assert sorted(packed(out)[0]) == [('9.jpg', b'9'), ('good/0.jpg', b'0')]


@pytest.mark.parametrize(
    ('names', 'labels', 'words'),
    [
        (
            ['a_b/1.jpg', 'a_b/2.jpg'],
            {'a/b': 1, 'a_b': 1},
            "0 files with the label 'a/b'; manifest.json says 1",
        ),
        (['a/1.jpg', '../2.jpg'], {'a': 1, '': 1}, "the name '../2.jpg' leads out of"),
        (['a/1.jpg', '/2.jpg'], {'a': 1, '': 1}, "the name '/2.jpg' leads out of"),
        (['a/1.jpg', 'a/2.jpg', 'a/run.sh'], {'a': 2}, "3 files with the label 'a'; manifest.json says 2"),
    ],
)
def test_verify_compares_the_labels(tmp_path, names, labels, words, capsys):
    shard = TarWriter(tmp_path / 'shard-00000-of-00001.tar', 4096)
    for name in names:
        shard.add(member_header(name, 4), b'data')
    shard.finish()
    images = Counter(labels).total()
    entry = shard.shard()._replace(images=images)
    fields = {
        'format': 'estimator_lab shards 1',
        'version': '1',
        'sources': [],
        'settings': {},
        'skipped': [],
    }
    fields |= {'images': images, 'labels': labels, 'shards': [entry._asdict()], 'damage': []}
    (tmp_path / MANIFEST).write_text(json.dumps(fields))
    assert invoke(command, '--verify', str(tmp_path)) == 1
    assert words in capsys.readouterr().err
