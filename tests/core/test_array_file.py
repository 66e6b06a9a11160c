import zipfile

import numpy as np
import pytest

from estimator_lab.core.array_file import read_array, write_arrays


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / 'a.npz'
    arrays = {'a': np.arange(6, dtype=np.float32).reshape(2, 3), 'b': np.asfortranarray(np.eye(2))}
    write_arrays(path, arrays)
    with zipfile.ZipFile(path) as archive:
        assert np.array_equal(read_array(archive, 'a', '<f4', (None, 3)), arrays['a'])
        assert np.array_equal(read_array(archive, 'b', '<f8', (2, 2)), arrays['b'])
        with pytest.raises(ValueError, match='its a is float32'):
            read_array(archive, 'a', '<f8', (2, 3))
        with pytest.raises(ValueError, match='its a is float32'):
            read_array(archive, 'a', '<f4', (2, 2))
        with pytest.raises(LookupError):
            read_array(archive, 'c', '<f4', ())
    assert [file.name for file in tmp_path.iterdir()] == ['a.npz'], 'nothing else is left'


def test_compressed_arrays_are_refused(tmp_path):
    np.savez_compressed(tmp_path / 'a.npz', a=np.zeros(1000))
    with (
        zipfile.ZipFile(tmp_path / 'a.npz') as archive,
        pytest.raises(ValueError, match='its a is compressed'),
    ):
        read_array(archive, 'a', '<f8', (None,))
