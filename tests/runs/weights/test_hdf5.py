"""An untrusted HDF5 file can't make the reader open other files or use more memory than its size."""

import contextlib

import h5py
import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.runs.weights import files
from estimator_lab.runs.weights.files import open_weight_file

pytestmark = pytest.mark.both

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'weights.h5'


def read(path, name='a/b'):
    with open_weight_file(path) as file:
        return file.tensors, file.read(name)


def test_datasets_by_their_path(path):
    with h5py.File(path, 'w') as file:
        file['a/b'] = VALUES
        file['c'] = np.int64(3)
        file.create_dataset('a/chunks', data=VALUES, chunks=(1, 3))
        file['a/type'] = np.dtype('f4')
    tensors, values = read(path)
    assert tensors == {'a/b': ((2, 3), 'float32'), 'a/chunks': ((2, 3), 'float32'), 'c': ((), 'int64')}
    assert np.array_equal(values, VALUES)
    assert np.array_equal(read(path, 'a/chunks')[1], VALUES)


def put(value):
    return lambda file, folder: file.__setitem__('a/b', value)


def dataset(**options):
    return lambda file, folder: file.create_dataset('a/b', **options)


def soft_link(file, folder):
    file['a/c'] = VALUES
    file['a/b'] = h5py.SoftLink('/a/c')


def virtual(file, folder):
    layout = h5py.VirtualLayout((2, 3), 'f4')
    layout[:] = h5py.VirtualSource(folder / 'other.h5', 'b', (2, 3))
    file.create_virtual_dataset('a/b', layout)


def in_a_circle(file, folder):
    file['a/b'] = VALUES
    file['a/up'] = file['a']


def in_many_circles(file, folder):
    group = file.create_group('a')
    for number in range(50):
        group[f'up{number}'] = file['/']


@pytest.mark.parametrize(
    ('write', 'words'),
    [
        (put(h5py.ExternalLink('other.h5', '/b')), "'a/b' is a link to elsewhere"),
        (soft_link, "'a/b' is a link to elsewhere"),
        (virtual, "the values of 'a/b' are in another file"),
        (dataset(shape=(2, 3), dtype='f4', external=[('other.h5', 0, 24)]), "values of 'a/b' are in another"),
        (dataset(data=VALUES, compression='gzip'), "'a/b' is compressed"),
        (dataset(shape=(1000, 1000), dtype='f4', chunks=(10, 10)), "'a/b' has no values"),
        (in_a_circle, 'nested more than 16 deep'),
        (in_many_circles, 'nested more than 16 deep'),
    ],
)
def test_what_is_refused(path, tmp_path, write, words):
    with h5py.File(tmp_path / 'other.h5', 'w') as other:
        other['b'] = VALUES
    with h5py.File(path, 'w') as file:
        write(file, tmp_path)
    with pytest.raises(DataError, match=f'weights.h5 cannot be used .*({words})'):
        read(path)


def test_more_objects_than_are_counted_are_refused(path, monkeypatch):
    with h5py.File(path, 'w') as file:
        file['a/b'], file['c'] = VALUES, VALUES
    monkeypatch.setattr(files, '_MOST_OBJECTS', 3)
    assert len(read(path)[0]) == 2
    monkeypatch.setattr(files, '_MOST_OBJECTS', 2)
    with pytest.raises(DataError, match='it holds more than 2 objects'):
        read(path)


def test_a_file_that_breaks_off_or_is_something_else(path):
    with h5py.File(path, 'w') as file:
        file['a/b'] = np.zeros(1000, np.float32)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:9], b'', b'some text', b'PK\x03\x04...'):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r'^\S+ cannot be used as a file of weights: .+\.$'):
            read(path)


@pytest.mark.parametrize('seed', range(30))
def test_damaged_files_are_read_or_refused(path, seed):
    with h5py.File(path, 'w') as file:
        file['a/b'] = VALUES
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(8, len(content), 20):
        content[place] = rng.integers(256)
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read(path)[1].shape == (2, 3)
