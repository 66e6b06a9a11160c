"""Trees through the pipeline, from a text; and which kind a source holds."""

import gzip
import io
from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.archives.kinds import check_kind, kind_in, kind_of
from estimator_lab.data.archives.one_example import read_example
from estimator_lab.data.archives.opened import open_archives, open_stream
from estimator_lab.data.examples.labels import Vocabulary
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import read_batches
from estimator_lab.data.sources.arrays import array_source
from estimator_lab.data.sources.source import Source, source_of
from estimator_lab.data.trees.kind import TREES
from estimator_lab.data.trees.reader import TreeReader
from estimator_lab.data.trees.tokens import Tokens
from estimator_lab.tf1 import tf
from tests.support.archive_files import write_tar
from tests.support.streams import build_index

LINES = [b'(1 (0 a) (1 b))', b'(0 (1 a) (0 (0 c) (1 b)))', b'(1 (0 a)', b'(0 unknown)']
READER = TreeReader(Tokens(['a', 'b', 'c']), Vocabulary(('0', '1')))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / 'trees.txt'
    path.write_bytes(b'\n'.join(LINES))
    return str(path)


def batches(order, size=8):
    said = []
    report = InputReport(TREES, said.append)
    return list(read_batches(order.epoch(0), size, READER, report)), said


@pytest.mark.parametrize(
    ('text', 'is_tree'),
    [
        ('(a b)\n', True),
        ('(a b)', True),
        ('\n\n2\t( ( [MAX 1 ) 2 ]\t)\n', True),
        ('(a b\n(a b)\n(a c)\n', True),  # a bad one is among them
        ('3\t(a ' + 'b ' * 200_000, True),  # of which the first bytes decide
        ('import os\nprint(os.sep)\nFILES = (\n', False),
        ('# Title (draft)\n', False),
        ('name,label\n1.jpg,cat (tabby)\n', False),
        ('f(x)\tg(y)\n', False),
        ('(defun f (x)\n  (g x))\n', False),
        ('a b c\n', False),
        ('\n', False),
    ],
)
def test_a_text_of_trees_is_told_by_its_lines(tmp_path, text, is_tree):
    path = tmp_path / 'text'
    path.write_text(text)
    assert kind_in(source_of(path)) is (TREES if is_tree else None)


def test_a_batch_of_lines(text):
    (batch,), said = batches(open_archives([text], TREES).order())
    assert batch.labels == ['1', '0', '0']
    tokens = [[1, 2], [1, 3, 2], [0]]
    assert batch.data['token'].tolist() == [[*line, *[-1] * (8 - len(line))] for line in tokens]
    assert batch.data['left'][1].tolist() == [-1, -1, -1, 1, 0, -1, -1, -1]
    assert batch.data['level'][1].tolist() == [0, 0, 0, 1, 2, -1, -1, -1]
    assert batch.data['node_label'][0].tolist() == [0, 1, 1, *[-1] * 5]
    types = {name: array.dtype for name, array in batch.data.items()}
    assert types == dict.fromkeys(READER.signature, np.int32)
    (line,) = said
    assert line.startswith(f"Skipped a bad tree: {text!r}: member '1/line_3.tree' at byte 42: 1 ')' missing")


def test_the_kind_is_that_of_the_first_example(tmp_path, text, archive):
    (archive.parent / 'a.png').touch()
    zipped = tmp_path / 'trees.gz'
    zipped.write_bytes(gzip.compress(b'\n'.join(LINES)))
    assert kind_in(source_of(text)) is kind_in(source_of(zipped)) is TREES
    assert kind_in(source_of(archive)) is kind_in(source_of(archive.parent)) is IMAGES
    none = write_tar(tmp_path / 'none.tar', [('a.csv', b'1')])
    assert kind_in(source_of(none)) is None and kind_of(source_of(none)) is IMAGES


def test_trees_by_their_paths_and_keys(text):
    found = [member.read() for member in open_stream([text], TREES).order().epoch(0)]
    assert [member.data for member in found] == LINES and found[0].key == f'{text}:1/line_1.tree'
    assert read_example(found[1].key, TREES).data == LINES[1]


def test_an_export_knows_the_tokens_that_training_knew(session):
    """A token is looked up as it is written, and else in lower case, whatever its alphabet."""
    texts = ['Ähre', 'ähre', 'ÄHRE', 'Öl', 'ΣΑΣ', 'a', 'A', 'unknown', 'ß']
    reader = TreeReader(Tokens(['Ähre', 'ähre', 'öl', 'σας', 'a']))
    given = reader.serving_receiver(False, dict)()
    feed = {given.receiver_tensors['token']: [[*texts, '']]}
    session.run(tf.tables_initializer())
    numbers = [1, 2, 2, 3, 4, 5, 5, 0, 0]
    assert session.run(given.features['token'], feed).tolist() == [[*numbers, -1]]
    assert [reader.tokens.number(text) for text in texts] == numbers


def test_sources_of_another_kind_are_named(text, archive):
    taker = 'This model accepts'
    check_kind([source_of(archive), source_of('-'), array_source(np.zeros((1, 8, 8, 1)))], IMAGES, taker)
    check_kind([source_of(text)], TREES, taker)
    for other, kind, words in (
        (text, IMAGES, 'trees, but This model accepts images'),
        (archive, TREES, 'images'),
    ):
        with pytest.raises(DataError, match=f"^'{other}' holds {words}"):
            check_kind([source_of(archive if kind is IMAGES else text), source_of(other)], kind, taker)


def test_trees_without_a_label_say_how_lines_have_one(text):
    assert build_index(text, TREES).why_no_label().startswith('its line has none, as in (3 (2 not) (4 bad))')


def test_tokens_are_given_or_counted(text, tmp_path):
    """Those that occur twice, or all if there are none; of a stream they have to be given."""
    path, chosen = tmp_path / 'tokens.txt', SimpleNamespace(tokens=None, data=[text])
    order = open_archives([text], TREES).order()
    assert TREES.data_params(chosen, order.epoch(0), 4) == {'tokens': ('a', 'b')}
    with pytest.raises(FlagError, match=f'data={text} can be read only once, .*: give tokens, a text file'):
        TREES.data_params(chosen, order.epoch(0), None)
    path.write_text('c\nb\n')
    for total in (4, None):
        chosen.tokens = path
        assert TREES.data_params(chosen, iter(()), total) == {'tokens': ('c', 'b')}


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (b'', 'is not a text, but an empty file .0 bytes.: trees are lines of texts'),
        (b'\x00\x01\x02', 'is not a text: trees are lines of texts'),
        (gzip.compress(b'(0 a)\n' * 99, mtime=0)[:-9], 'is cut off after byte .* of its text'),
    ],
)
def test_a_file_that_is_no_text(tmp_path, data, words):
    path = tmp_path / 'trees.txt.gz'
    path.write_bytes(data)
    with pytest.raises(DataError, match=words):
        build_index(path, TREES)


def test_a_text_that_the_system_cannot_read(text, monkeypatch):
    class Failing(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            raise OSError(5, 'Input/output error')

    monkeypatch.setattr(Source, 'open', lambda source: io.BufferedReader(Failing()))
    with pytest.raises(DataError, match=f"^'{text}' cannot be read: Input/output error\\.$"):
        build_index(text, TREES)
