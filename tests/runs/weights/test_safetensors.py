"""A safetensors file is checked before any tensor is read; its library does that."""

import json
import struct
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from estimator_lab.base.errors import DataError, LabError
from estimator_lab.runs.weights.files import open_weight_file

pytestmark = pytest.mark.both

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'model.safetensors'
    save_file({'a': VALUES, 'half': np.array(0.5, np.float16), 'count': np.array([7, 8])}, path)
    return path


def read(path, name='a'):
    with open_weight_file(path) as file:
        return file.tensors, file.read(name)


def test_tensors_by_name(path):
    tensors, values = read(path)
    assert tensors == {'a': ((2, 3), 'float32'), 'half': ((), 'float16'), 'count': ((2,), 'I64')}
    assert np.array_equal(values, VALUES) and read(path, 'half')[1] == 0.5


@pytest.mark.parametrize('length', [0, 5, 8, 9, 40])
def test_a_file_that_breaks_off(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r'model\.safetensors cannot be used as a file of weights: '):
        read(path)


def test_a_tensor_beyond_the_file_is_refused(path):
    header = json.dumps({'a': {'dtype': 'F32', 'shape': [2, 3], 'data_offsets': [0, 24]}}).encode()
    path.write_bytes(struct.pack('<Q', len(header)) + header + b'x' * 20)
    with pytest.raises(DataError, match='cannot be used as a file of weights: '):
        read(path)


def test_the_library_is_named_if_it_is_missing(path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'safetensors', None)
    with pytest.raises(LabError, match=r"pip install 'estimator-lab\[safetensors\]'"):
        read(path)


@pytest.mark.parametrize(
    ('start', 'words'),
    [
        *((start, r'a pickle of PyTorch.* save it as \.safetensors') for start in (b'\x80\x02', b'\x80\x04')),
        (b'PK\x03\x04', r'a zip file: save weights of PyTorch as \.safetensors'),
    ],
)
def test_pickles_and_zip_files_are_not_read(tmp_path, start, words):
    path = tmp_path / 'resnet50.pth'
    path.write_bytes(start + b'}q\x00.' * 10)
    with pytest.raises(DataError, match=words):
        read(path)
