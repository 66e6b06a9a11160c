"""An untrusted safetensors file is checked before any tensor is read."""

import json
import struct

import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.runs.weights.files import open_weight_file

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
ENTRY = {'dtype': 'F32', 'shape': [2, 3], 'data_offsets': [0, 24]}


DATA = VALUES.tobytes()


def write(path, header, data=DATA, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text) if length is None else length) + text + data)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'model.safetensors'


def read(path, name='a'):
    with open_weight_file(path, '--warm_start') as file:
        return file.tensors, file.read(name)


def test_tensors_by_name(path):
    numbers, half = np.array([7, 8], np.int64), np.array(0.5, np.float16)
    header = {
        '__metadata__': {'format': 'pt'},
        'count': {'dtype': 'I64', 'shape': [2], 'data_offsets': [24, 40]},
        'a': ENTRY,
        'half': {'dtype': 'F16', 'shape': [], 'data_offsets': [40, 42]},
        'empty': {'dtype': 'BF16', 'shape': [0, 5], 'data_offsets': [42, 42]},
    }
    write(path, header, VALUES.tobytes() + numbers.tobytes() + half.tobytes())
    tensors, values = read(path)
    assert tensors == {
        'count': ((2,), 'int64'),
        'a': ((2, 3), 'float32'),
        'half': ((), 'float16'),
        'empty': ((0, 5), 'bfloat16'),
    }
    assert np.array_equal(values, VALUES)
    assert np.array_equal(read(path, 'count')[1], numbers) and read(path, 'half')[1] == half
    other = path.rename(path.with_suffix('.bin'))
    assert np.array_equal(read(other)[1], VALUES)


@pytest.mark.parametrize(
    ('header', 'data', 'length', 'words'),
    [
        ({'a': ENTRY}, b'', None, 'its tensors have 24 bytes, but the file 0'),
        ({'a': ENTRY}, VALUES.tobytes() + b'x', None, 'its tensors have 24 bytes, but the file 25'),
        ({'a': ENTRY}, VALUES.tobytes(), 2**63, 'its header has 9,223,372,036,854,775,808 bytes'),
        ({'a': ENTRY}, VALUES.tobytes(), 10**8, 'its header has 100,000,000 bytes'),
        ({'a': {**ENTRY, 'shape': [2, 4]}}, VALUES.tobytes(), None, "'a' needs 32 bytes"),
        ({'a': {**ENTRY, 'shape': [2**40, 2**40]}}, VALUES.tobytes(), None, "'a' needs 4,835,7"),
        ({'a': {**ENTRY, 'shape': [-2, -3]}}, VALUES.tobytes(), None, r"'a' has the shape \[-2, -3\]"),
        ({'a': {**ENTRY, 'shape': [True, 6]}}, VALUES.tobytes(), None, 'not a whole number'),
        ({'a': {**ENTRY, 'shape': '23'}}, VALUES.tobytes(), None, 'shape'),
        ({'a': {**ENTRY, 'dtype': 'F31'}}, VALUES.tobytes(), None, "unknown type 'F31'"),
        ({'a': {**ENTRY, 'dtype': 'F64'}}, VALUES.tobytes(), None, "'a' needs 48 bytes"),
        ({'a': {**ENTRY, 'data_offsets': [-24, 0]}}, VALUES.tobytes(), None, "'a' needs 24 bytes, but"),
        ({'a': {**ENTRY, 'data_offsets': [8, 32]}}, VALUES.tobytes(), None, "'a' begins at byte 8"),
        ({'a': {**ENTRY, 'data_offsets': [0, 24, 48]}}, VALUES.tobytes(), None, 'offsets'),
        ({'a': ENTRY, 'b': ENTRY}, VALUES.tobytes(), None, 'begins at byte 0 and not at 24'),
        ({'a': {'shape': [2, 3]}}, VALUES.tobytes(), None, "'a' has the fields"),
        ({'a': 7}, VALUES.tobytes(), None, "its 'a' is 7, not an object"),
        ([1], b'', None, r'its header is \[1\], not an object'),
        (b'{"a": 1, "a": 2}', b'', None, "it has the name 'a' twice"),
        (b'{"a": NaN}', b'', None, 'which is not a number'),
        (b'{' * 50, b'', None, ''),
        (b'\xff\xfe', b'', None, ''),
    ],
)
def test_what_is_refused(path, header, data, length, words):
    write(path, header, data, length)
    with pytest.raises(DataError, match=f'^--warm_start=.*model.safetensors cannot be used .*{words}'):
        read(path)


@pytest.mark.parametrize('length', [0, 5, 8, 9, 40])
def test_a_file_that_breaks_off(path, length):
    write(path, {'a': ENTRY})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match='cannot be used as a file of weights'):
        read(path)


@pytest.mark.parametrize('seed', range(30))
def test_damaged_files_are_read_or_refused(path, seed):
    write(path, {'a': ENTRY})
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for place in rng.integers(0, len(content), 3):
        content[place] = rng.integers(256)
    path.write_bytes(content)
    try:
        tensors, _ = read(path)
    except DataError:
        return
    except KeyError:
        return  # the file names it otherwise
    assert tensors['a'][0] == (2, 3)


@pytest.mark.parametrize('start', [b'\x80\x02', b'\x80\x04'])
def test_pickles_are_not_read(tmp_path, start):
    path = tmp_path / 'resnet50.pth'
    path.write_bytes(start + b'}q\x00.' * 10)
    with pytest.raises(DataError, match=r'it is a pickle of PyTorch.* save it as \.safetensors'):
        read(path)
