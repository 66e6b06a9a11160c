"""Labels, their counts in archives, and their ids."""

import dataclasses
import io
import tarfile
from pathlib import Path

import pytest

from estimator_lab.data.labels import UNKNOWN_ID, Census, Vocabulary, label_of, take_census
from estimator_lab.errors import DataError

SHARED_DATA = Path(__file__).parents[3] / 'shared' / 'data'


@pytest.fixture
def write(tmp_path):
    def _write(name, members):
        path = tmp_path / name
        with tarfile.open(path, 'w') as tar:
            for member in members:
                tar.addfile(tarfile.TarInfo(member), io.BytesIO())
        return str(path)

    return _write


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


def test_census_counts_over_all_archives(write):
    first = write('1.tar', ['t/b/1.jpg', 't/b/2.jpg', 't/b/notes.txt', 't/10/1.jpg'])
    second = write('2.tar', ['t/a/1.jpg', 't/b/3.jpg'])
    census = take_census([first, second])
    assert census == Census({'b': 3, '10': 1, 'a': 1})
    assert census.total == 5
    assert census.labels == ('10', 'a', 'b')


def test_census_names_an_archive_without_images(write):
    full, empty = write('full.tar', ['a/1.jpg']), write('empty.tar', ['a/notes.txt'])
    with pytest.raises(DataError, match=r'empty\.tar.* holds no images'):
        take_census([full, empty])


def test_census_names_an_image_in_no_folder(write):
    archive = write('flat.tar', ['a/1.jpg', 'x.jpg'])
    with pytest.raises(DataError, match=r"flat\.tar': member 'x\.jpg' at byte 512 has no label"):
        take_census([archive])


def test_census_reports_progress(write, monkeypatch):
    archive = write('1.tar', [f'a/{i}.jpg' for i in range(7)])
    monkeypatch.setattr('estimator_lab.data.labels._PROGRESS_EVERY', 3)
    calls = []
    take_census([archive], calls.append)
    assert calls == [3, 6, 7]
    calls.clear()
    take_census([archive] * 3, calls.append)
    assert calls == [3, 6, 9, 12, 15, 18, 21]


def test_census_of_shared_data():
    archive = SHARED_DATA / 'mnist-test.tar.gz'
    if not archive.exists():
        pytest.skip(f'{archive} is not here')
    census = take_census([str(archive)])
    assert census.labels == tuple('0123456789')
    assert census.total == 10_000
    assert census.counts['0'] == 980


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
