"""Trees through the pipeline: from a text, from a tar, packed; and which kind an archive holds."""

import gzip

import numpy as np
import pytest
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.packing.packing import pack
from estimator_lab.data.packing.shards import PackSettings
from estimator_lab.data.pipeline.batches import read_batches
from estimator_lab.data.pipeline.paths import ExampleInput, read_example
from estimator_lab.data.pipeline.report import InputReport

from estimator_lab.data.kinds import kind_in, kind_of
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.trees.kind import TREES
from estimator_lab.data.trees.reader import TreeReader
from estimator_lab.data.trees.tokens import Tokens
from tests.archive_files import write_tar

LINES = [b'(1 (0 a) (1 b))', b'(0 (1 a) (0 (0 c) (1 b)))', b'(1 (0 a)', b'(0 unknown)']
READER = TreeReader(Tokens(['a', 'b', 'c']), Vocabulary(('0', '1')))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / 'trees.txt'
    path.write_bytes(b'\n'.join(LINES))
    return str(path)


def batches(order, size=8):
    said = []
    report = InputReport(said.append, kind=TREES)
    return list(read_batches(order.epoch(0), size, READER, report)), said


def test_a_batch_of_lines(text):
    (batch,), said = batches(open_archives([text], kind=TREES).order())
    assert batch.labels == ['1', '0', '0']
    assert batch.arrays['token'].tolist() == [
        [1, 2, -1, *[-1] * 5],
        [1, 3, 2, -1, -1, *[-1] * 3],
        [0, *[-1] * 7],
    ]
    assert batch.arrays['left'][1].tolist() == [-1, -1, -1, 1, 0, -1, -1, -1]
    assert batch.arrays['level'][1].tolist() == [0, 0, 0, 1, 2, -1, -1, -1]
    assert batch.arrays['node_label'][0].tolist() == [0, 1, 1, *[-1] * 5]
    assert {name: array.dtype for name, array in batch.arrays.items()} == dict.fromkeys(
        READER.signature, np.int32
    )
    assert said == [
        f"Skipped a bad tree: {text!r}: member '1/line_3.tree' at byte 42: 1 ')' missing at the end: "
        'brackets do not match.'
    ]


def test_members_of_a_tar_have_the_labels_of_their_folders(tmp_path):
    files = [(f'train/{n % 2}/{n:05}.tree', line) for n, line in enumerate(LINES)]
    path = str(write_tar(tmp_path / 'trees.tar', [*files, ('train/0/notes.txt', b'no tree')]))
    (batch,), _ = batches(open_archives([path], kind=TREES).order())
    assert batch.labels == ['0', '1', '1'] and len(batch.bad) == 1
    assert kind_in(path) is TREES


def test_the_kind_is_that_of_the_first_example(tmp_path, text, archive):
    zipped = tmp_path / 'trees.gz'
    zipped.write_bytes(gzip.compress(b'\n'.join(LINES)))
    assert kind_in(text) is kind_in(str(zipped)) is TREES
    assert kind_in(str(archive)) is IMAGES
    none = write_tar(tmp_path / 'none.tar', [('a.csv', b'1')])
    assert kind_in(str(none)) is None and kind_of(str(none)) is IMAGES


def test_packed_lines_are_the_same_trees(text, tmp_path):
    manifest = pack([text], tmp_path / 'shards', PackSettings(shards=2, seed=4), lambda line: None, TREES)
    assert manifest.images == 4 and manifest.labels == {'0': 2, '1': 2}
    shards = [str(path) for path in sorted((tmp_path / 'shards').glob('*.tar'))]
    members = [turn.read() for turn in open_archives(shards, kind=TREES).order().epoch(0)]
    assert sorted(member.data for member in members) == sorted(LINES)


def test_paths_of_trees(text, tmp_path):
    folder = tmp_path / 'folder'
    folder.mkdir()
    (folder / 'one.tree').write_bytes(LINES[0])
    (folder / 'notes.txt').write_bytes(b'no tree')
    found = [turn.read() for turn in ExampleInput([str(folder), text], kind=TREES).epoch(0)]
    assert [member.data for member in found] == [LINES[0], *LINES]
    assert found[1].key == f'{text}:1/line_1.tree'
    assert read_example(found[2].key, TREES).data == LINES[1]


def test_the_blank_tree_is_one_unknown_leaf():
    blank = {name: array.tolist() for name, array in READER.blank().items()}
    assert blank == {'token': [[0]], 'left': [[-1]], 'level': [[0]], 'node_label': [[-1]]}
