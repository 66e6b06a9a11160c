"""Labels and their ids."""

import dataclasses
import os
from pathlib import Path

import pytest

from estimator_lab.data.labels import UNKNOWN_ID, Vocabulary, label_of, read_vocabulary
from estimator_lab.errors import DataError


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


def test_vocabulary_maps_both_ways():
    vocabulary = Vocabulary(('cat', 'dog', 'ant'))
    assert len(vocabulary) == 3
    assert [vocabulary.id_of(label) for label in ('cat', 'dog', 'ant')] == [0, 1, 2]
    assert [vocabulary.label(id_) for id_ in range(3)] == ['cat', 'dog', 'ant']
    assert vocabulary.id_of('cow') == UNKNOWN_ID == -1


@pytest.mark.parametrize('id_', [UNKNOWN_ID, 2])
def test_vocabulary_has_no_label_for_other_ids(id_):
    with pytest.raises(IndexError, match='not in'):
        Vocabulary(('cat', 'dog')).label(id_)


def test_vocabulary_is_a_value():
    vocabulary = Vocabulary(('cat', 'dog'))
    vocabulary.id_of('cat')
    assert vocabulary == Vocabulary(('cat', 'dog'))
    assert hash(vocabulary) == hash(Vocabulary(('cat', 'dog')))
    with pytest.raises(dataclasses.FrozenInstanceError):
        vocabulary.labels = ()


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
    with pytest.raises(DataError, match="'dog' occurs twice"):
        read_vocabulary(path)
    path.write_bytes(b'caf\xe9\nb\n')
    for wrong in (path, tmp_path, tmp_path / 'gone.txt', Path('/dev/zero')):
        with pytest.raises(DataError, match=rf'--vocabulary=.*{wrong.name} cannot be read'):
            read_vocabulary(wrong)
    os.truncate(path, 2**31)  # without taking room on the disk
    with pytest.raises(DataError, match='it has 2,147,483,648 bytes, 67,108,864 are allowed'):
        read_vocabulary(path)
