"""Subsets: examples chosen by a function, or by their labels and keys."""

import pickle
from pathlib import Path

import pytest

from estimator_lab.api import dataset, stream
from estimator_lab.base.errors import DataError, FlagError
from tests.support.archive_files import write_tar

FILES = [(f'{label}/{n}.jpg', b'x') for label in ('cat', 'dog', 'emu') for n in range(4)]


@pytest.fixture
def archive(tmp_path):
    return str(write_tar(tmp_path / 'a.tar', FILES))


def keys(examples):
    return sorted(example.key.rpartition(':')[2] for example in examples)


@pytest.mark.parametrize(
    ('only', 'expected'),
    [
        (['dog'], [f'dog/{n}.jpg' for n in range(4)]),
        ({'dog', 'emu'}, [f'{label}/{n}.jpg' for label in ('dog', 'emu') for n in range(4)]),
        (lambda key, label: key.endswith('2.jpg') and label != 'cat', ['dog/2.jpg', 'emu/2.jpg']),
        (['cat', '{}:emu/3.jpg'], [*(f'cat/{n}.jpg' for n in range(4)), 'emu/3.jpg']),
        (['{}:emu/3.jpg'], ['emu/3.jpg']),
    ],
)
@pytest.mark.parametrize('how', ['argument', 'file'])
@pytest.mark.parametrize('name', ['a.tar', 'a.tar.gz'])
def test_what_is_chosen(tmp_path, only, expected, how, name):
    archive = str(write_tar(tmp_path / name, FILES, 'w:gz' if name.endswith('gz') else 'w'))
    if not callable(only):
        only = type(only)(text.format(archive) for text in only)
        if how == 'file':
            path = tmp_path / 'keys.txt'
            path.write_text('\n'.join(['', *only, ' ']))
            only = path if name == 'a.tar' else str(path)
    read = stream(archive, only=only, shuffle=False)
    assert keys(read) == expected and read.size == len(expected)
    if name == 'a.tar':
        faces = dataset(archive, only=only)
        assert keys(faces[:]) == expected and len(faces.labels) == 3


@pytest.mark.parametrize(
    ('only', 'words'),
    [
        (['cow'], "only: 'cow' is neither a label nor a key of the data"),
        (['cat', 'a.tar:cat/9.jpg'], "'a.tar:cat/9.jpg' is neither"),
        ([], 'must be a function of a key and a label, or keys or labels'),
        ([3], 'must be a function'),
        (3, 'must be a function'),
        (b'cat', 'must be a function'),
        ([''], 'must be a function'),
        ('missing.txt', 'cannot be read as a list of keys or labels'),
        (lambda key, label: False, 'only leaves no image'),
    ],
)
def test_wrong_choices(archive, only, words):
    for use in (dataset, stream):
        with pytest.raises((DataError, FlagError), match=words):
            use(archive, only=only)


def test_it_is_part_of_the_state_whatever_its_form(archive):
    state = dataset(archive, only=['dog']).order(2).state_at(3)
    dataset(archive, only=lambda key, label: label == 'dog').order(2).load_state_dict(state)
    for other in ({}, {'only': ['cat']}):
        with pytest.raises(DataError, match='the same `only`'):
            dataset(archive, **other).order(2).load_state_dict(state)


def test_a_data_set_pickles_with_a_function_that_does_not(archive):
    faces = dataset(archive, only=lambda key, label: label == 'emu')
    other = pickle.loads(pickle.dumps(faces))
    assert keys(other[:]) == keys(faces[:]) == [f'emu/{n}.jpg' for n in range(4)]
    assert other.order(2).state_at(1) == faces.order(2).state_at(1)


def test_it_and_split_are_both_kept(archive):
    both = keys(dataset(archive, only=['dog', 'cat'], split=(0, 0.5))[:])
    assert both == [key for key in keys(dataset(archive, split=(0, 0.5))[:]) if not key.startswith('emu')]


def test_samples_are_chosen_and_weighed_as_a_whole(tmp_path):
    files = [(f'{"cd"[n % 2]}/{n}.{field}', b'x') for n in range(6) for field in ('jpg', 'txt')]
    archive = write_tar(tmp_path / 's.tar', files)
    every = dataset(archive, fields=('jpg', 'txt'))
    some = dataset(archive, fields=('jpg', 'txt'), only=[every[0].key, 'd'])
    assert [one.key for one in some[:]] == [every[n].key for n in (0, 1, 3, 5)]
    labels = [every[place].label for places in every.order(4, weights={'c': 3, 'd': 1}) for place in places]
    assert labels[:4].count('c') == 3


def test_a_pipe_is_filtered_too(archive, run_python):
    code = (
        'from estimator_lab.api import stream\n'
        "print([one.label for one in stream('-', only=['dog'], shuffle=False)])"
    )
    assert run_python('-c', code, stdin=Path(archive).read_bytes()).stdout == f'{["dog"] * 4}\n'
