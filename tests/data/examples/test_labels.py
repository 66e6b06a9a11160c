"""Labels and their ids."""

import os
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.examples.labels import (
    UNKNOWN_ID,
    Vocabulary,
    label_of,
    read_label_table,
    read_vocabulary,
    sidecar_label,
)
from estimator_lab.data.trees.tokens import read_tokens
from tests.support.memory import peak_of


@pytest.mark.parametrize(
    ('name', 'label'),
    [
        ('train/n000001/0001_01.jpg', 'n000001'),
        ('7/x.png', '7'),
        ('/a/x.jpg', 'a'),
        ('a/b c/Ü.jpg', 'b c'),
        ('a//x.jpg', 'a'),
        ('x.jpg', ''),
        ('/x.jpg', ''),
        ('../x.jpg', ''),
        ('a/../x.jpg', ''),
    ],
)
def test_label_is_the_parent_folder(name, label):
    assert label_of(name) == label


def test_a_vocabulary_numbers_its_labels():
    vocabulary = Vocabulary(('cat', 'dog', 'ant'))
    assert len(vocabulary) == 3 and UNKNOWN_ID == -1
    assert [vocabulary.id_of(label) for label in ('cat', 'dog', 'ant', 'cow')] == [0, 1, 2, -1]


@pytest.mark.parametrize(
    ('labels', 'sentence'),
    [
        ((), '^No class'),
        (('cat',), "^One class only: 'cat'"),
        (('cat', 'dog', 'cat'), "'cat' occurs twice"),
        (('cat', 'cat'), "'cat' occurs twice"),
    ],
)
def test_vocabulary_refuses(labels, sentence):
    with pytest.raises(DataError, match=sentence):
        Vocabulary(labels)


def test_vocabulary_from_a_file(tmp_path):
    path = tmp_path / 'labels.txt'
    path.write_text('dog\n\n cat \nZoë\n', encoding='utf-8')
    assert read_vocabulary(path) == Vocabulary(('dog', 'cat', 'Zoë'))
    path.write_text('dog\ndog\n')
    with pytest.raises(DataError, match=r"^vocabulary=\S+labels\.txt: The label 'dog' occurs twice"):
        read_vocabulary(path)
    path.write_bytes(b'caf\xe9\nb\n')
    for wrong in (path, tmp_path, tmp_path / 'gone.txt', Path('/dev/zero')):
        with pytest.raises(DataError, match=rf'vocabulary=.*{wrong.name} cannot be read'):
            read_vocabulary(wrong)
    os.truncate(path, 2**31)  # without taking room on the disk
    with pytest.raises(DataError, match='it has 2,147,483,648 bytes, 67,108,864 are allowed'):
        read_vocabulary(path)


def test_a_byte_order_mark_is_no_part_of_the_first_entry(tmp_path):
    """As editors on Windows write it."""
    path = tmp_path / 'labels.txt'
    path.write_text('cat\r\ndog\r\n', encoding='utf-8-sig')
    assert read_vocabulary(path).id_of('cat') == 0
    assert read_tokens(path).texts == ('cat', 'dog')


# Tables and sidecar files.


def table(tmp_path, text):
    path = tmp_path / 'labels.csv'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_label_table(path)


@pytest.mark.parametrize(
    'text',
    [
        'a/1.jpg,cat\n2.jpg,dog\n',
        'name;label\na/1.jpg;cat\n2.jpg;dog\n',
        'width\tlabel\tname\n3\tcat\ta/1.jpg\n3\tdog\t2.jpg\n',
        b'\xef\xbb\xbfName,Label\r\n./a/1.jpg,cat\r\n\r\n"2.jpg","dog"\r\n',
    ],
)
def test_a_table_of_names_and_labels(tmp_path, text):
    found = table(tmp_path, text)
    names = 'a/1.jpg', 'train/2.jpg', '3.jpg'  # the second by the last part of its name
    assert [found.of(name) for name in names] == ['cat', 'dog', ''] and found.distinct == ('cat', 'dog')


def test_a_table_may_leave_out_the_suffixes_of_names(tmp_path):
    found = table(tmp_path, 'name,label\n1,cat\n2.big,dog\n')
    assert [found.of(name) for name in ('a/1.jpg', '2.big.png', '2.png', '11.jpg')] == ['cat', 'dog', '', '']


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'one column'),
        ('1.jpg\n', 'one column'),
        ('name,label\n', 'holds no labels'),
        ('1.jpg,cat\n1.jpg,dog\n', "line 2 calls '1.jpg' 'dog', a line before 'cat'"),
        ('1.jpg,cat,3\n', "3 columns: name two of them 'name' and 'label'"),
        ('1.jpg,cat\n2.jpg\n', 'line 2 has 1 of 2 columns'),
        ('1.jpg,\n', 'line 1 lacks a name'),
        (b'\xff\xfe\0', 'cannot be read as a table'),
        (b'1.jpg,cat\n2.jpg,' + b'\xff' * 9, 'it is not a text file in UTF-8'),
        ('1.jpg,cat\n' + ',' * 70_000, 'line 2 has more than 65,536 letters'),
        ('1.jpg,cat\n"2.jpg,' + 'd' * 60_000 + '\n"', 'line 2 has 1 of 2 columns'),
    ],
)
def test_bad_tables(tmp_path, text, words):
    with pytest.raises(DataError, match=r'^labels=\S+') as caught:
        table(tmp_path, text)
    assert words in str(caught.value)


def test_a_table_is_read_line_by_line(tmp_path):
    """So that memory depends on its names and labels alone."""
    text = ''.join(f'{number % 10}.jpg,{"cat" * 20}\n' for number in range(100_000))
    table(tmp_path, text)  # imports what it needs
    found, peak = peak_of(lambda: read_label_table(tmp_path / 'labels.csv'))
    assert len(found.labels) == 10 and peak < 1e6 < len(text)


def test_there_is_no_table(tmp_path):
    with pytest.raises(DataError, match='No such file'):
        read_label_table(tmp_path / 'none.csv')
    for special in (tmp_path, Path('/dev/zero')):
        with pytest.raises(DataError, match='not a regular file'):
            read_label_table(special)
    with (tmp_path / 'sparse.csv').open('wb') as file:
        file.truncate(2**31)
    with pytest.raises(DataError, match='it has 2,147,483,648 bytes, 268,435,456 are allowed'):
        read_label_table(tmp_path / 'sparse.csv')


@pytest.mark.parametrize(
    ('name', 'data', 'label'),
    [
        ('1.cls', b'7\n', '7'),
        ('1.cls', 'Jürgen'.encode(), 'Jürgen'),
        ('1.cls', b'', None),
        ('1.cls', b'\xff', None),
        ('1.cls', b'x' * 300, None),
        ('1.json', b'{"label": "cat", "cls": 3}', 'cat'),
        ('1.json', b'{"cls": 3}', '3'),
        ('1.JSON', b'{"label": true}', None),
        ('1.json', b'{"width": 3}', None),
        ('1.json', b'[1]', None),
        ('1.json', b'"cat"', None),
        ('1.json', b'{', None),
        ('1.json', b'[' * 50_000, None),
    ],
)
def test_sidecar_files(name, data, label):
    assert sidecar_label(name, data) == label
