"""What `prepare_process` changes: freed memory that is used again."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from estimator_lab.tf1.process import USERS_MALLOC_VARIABLES

pytestmark = [pytest.mark.both, pytest.mark.trains]

# Counts the blocks that are mappings of their own, a field of glibc's mallinfo2.
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
_KEEP = 'from estimator_lab.tf1 import keep_freed_memory, prepare_process\nprint(keep_freed_memory())\n'
_PREPARE = 'prepare_process()\nprint(keep_freed_memory())\n'
_COUNT = 'print(mapped(4 * 2**20), mapped(40 * 2**20))\n'
_TRAIN = """
import numpy as np
from tests.support.input_batches import numpy_input_fn
from estimator_lab.tf1 import prepare_process, tf
with tf.Graph().as_default(), tf.Session() as session:
    features = numpy_input_fn(np.zeros((4, 8, 8), np.uint8), batch_size=2)()
    session.run(features.make_one_shot_iterator().get_next())
"""


def _printed(program, **environment):
    inherited = {name: value for name, value in os.environ.items() if name not in USERS_MALLOC_VARIABLES}
    environment = {**inherited, **environment}
    done = subprocess.run(
        [sys.executable, '-c', program], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.split()  # keep_freed_memory's answers, and counts of mapped blocks


@pytest.fixture
def glibc():
    if platform.libc_ver()[0] != 'glibc' or not hasattr(ctypes.CDLL(None), 'mallinfo2'):
        pytest.skip('the C library is not glibc 2.33 or newer')


@pytest.mark.slow
@pytest.mark.usefixtures('glibc')
def test_blocks_come_from_the_heap_up_to_32_mib_in_a_prepared_process():
    printed = _printed(_AS_TENSORFLOW_DOES + _KEEP + _COUNT + _PREPARE + _COUNT)
    assert printed == ['False', '1', '1', 'True', '0', '1']


@pytest.mark.slow
@pytest.mark.usefixtures('glibc')
def test_an_input_function_keeps_blocks_in_a_prepared_process():
    program = _AS_TENSORFLOW_DOES + _TRAIN + _COUNT + 'prepare_process()\n' + _TRAIN + _COUNT
    assert _printed(program) == ['1', '1', '0', '1']
