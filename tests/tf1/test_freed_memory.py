"""Large blocks are used again once a generator's Dataset runs, whatever TensorFlow tells the C library."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from estimator_lab.tf1._freed_memory import _USERS_OWN, keep_freed_memory

# Counts the blocks that the system was asked for by themselves: a field of glibc's mallinfo2.
_MAPPED = """
import ctypes
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in 'arena ordblks smblks hblks hblkhd'.split()]
    _fields_ += [(f'more_{n}', ctypes.c_size_t) for n in range(5)]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
libc.malloc.restype = ctypes.c_void_p
def mapped(size):
    before = libc.mallinfo2().hblks
    libc.malloc(ctypes.c_size_t(size))
    return libc.mallinfo2().hblks - before
"""
_AS_TENSORFLOW_DOES = _MAPPED + 'libc.mallopt(-1, 128 * 1024)\n'
_KEEP = 'from estimator_lab.tf1 import keep_freed_memory\nprint(keep_freed_memory())\n'
_COUNT = 'print(mapped(4 * 2**20), mapped(40 * 2**20))\n'
_TRAIN = """
import numpy as np
from estimator_lab.data.images.input_fns import numpy_input_fn
from estimator_lab.tf1 import tf
with tf.Graph().as_default(), tf.Session() as session:
    features = numpy_input_fn(np.zeros((4, 8, 8), np.uint8), batch_size=2)()
    session.run(features.make_one_shot_iterator().get_next())
"""


def _printed(program, **environment):
    inherited = {name: value for name, value in os.environ.items() if name not in _USERS_OWN}
    environment = {**inherited, **environment}
    done = subprocess.run(
        [sys.executable, '-c', program], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.split()


@pytest.fixture(autouse=True)
def _glibc():
    if platform.libc_ver()[0] != 'glibc' or not hasattr(ctypes.CDLL(None), 'mallinfo2'):
        pytest.skip('the C library is not glibc 2.33 or newer')


def test_blocks_come_from_the_heap_up_to_32_mib():
    assert _printed(_AS_TENSORFLOW_DOES + _COUNT) == ['1', '1']
    assert _printed(_AS_TENSORFLOW_DOES + _KEEP + _COUNT) == ['True', '0', '1']


@pytest.mark.parametrize('name', ['MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_'])
def test_the_users_own_limit_stays(name):
    assert _printed(_AS_TENSORFLOW_DOES + _KEEP + _COUNT, **{name: '131072'}) == ['False', '1', '1']


def test_an_input_function_keeps_them():
    assert _printed(_AS_TENSORFLOW_DOES + _TRAIN + _COUNT) == ['0', '1']


def test_another_c_library_is_left_alone(monkeypatch):
    for name in _USERS_OWN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: object())
    assert keep_freed_memory() is False
