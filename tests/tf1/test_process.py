"""What `prepare_process` changes: errors of full disks, and freed memory that is used again."""

import ctypes
import itertools
import os
import platform
import subprocess
import sys

import pytest

from estimator_lab.tf1 import keep_freed_memory, prepare_process, tf
from estimator_lab.tf1._process import USERS_MALLOC_VARIABLES
from tests.full_disk import files_up_to


@pytest.fixture(autouse=True)
def prepared():
    prepare_process()


@pytest.fixture
def saved(tmp_path):
    """A session with a variable of 400 kB, its Saver, and a path."""
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable('v', [100_000])
        session.run(variable.initializer)
        yield session, tf.train.Saver(), str(tmp_path / 'model.ckpt')


def test_a_checkpoint_beyond_a_size_limit_is_not_the_end_of_the_data(saved):
    session, saver, path = saved
    saver.save(session, path, 1)
    with files_up_to(100_000), pytest.raises(tf.errors.ResourceExhaustedError, match='File too large'):
        saver.save(session, path, 2)
    assert tf.train.latest_checkpoint(os.path.dirname(path)) == f'{path}-1'  # noqa: PTH120
    assert saver.save(session, path, 2) == f'{path}-2'


def add_summaries(writer, steps):
    """Writes a summary of 3 kB for each step."""
    for step in steps:
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag='x' * 3000, simple_value=1)]), step)
        writer.flush()


def test_lost_events_are_an_error(tmp_path, capfd):
    with tf.Graph().as_default():
        writer = tf.summary.FileWriter(str(tmp_path))
        add_summaries(writer, range(5))
        with files_up_to(20_000), pytest.raises(tf.errors.ResourceExhaustedError) as caught:
            add_summaries(writer, range(5, 50))
    assert str(tmp_path) in str(caught.value.message) and '; ' in str(caught.value.message)
    assert capfd.readouterr().err == ''
    (path,) = tmp_path.iterdir()
    events = tf.train.summary_iterator(str(path))
    steps = [event.step for event in itertools.islice(events, 6) if event.HasField('summary')]
    assert steps == list(range(5))  # the earlier ones are kept


def test_written_events_raise_no_error(tmp_path):
    with tf.Graph().as_default() as graph, tf.summary.FileWriter(str(tmp_path), graph) as writer:
        add_summaries(writer, range(3))
    (path,) = tmp_path.iterdir()
    found = [event.step for event in tf.train.summary_iterator(str(path)) if event.HasField('summary')]
    assert found == [0, 1, 2]


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
from estimator_lab.data.pipeline.input_fns import numpy_input_fn
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


@pytest.mark.usefixtures('glibc')
def test_blocks_come_from_the_heap_up_to_32_mib_in_a_prepared_process():
    printed = _printed(_AS_TENSORFLOW_DOES + _KEEP + _COUNT + _PREPARE + _COUNT)
    assert printed == ['False', '1', '1', 'True', '0', '1']


@pytest.mark.usefixtures('glibc')
@pytest.mark.parametrize('name', ['MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_'])
def test_the_users_limit_stays(name):
    printed = _printed(_AS_TENSORFLOW_DOES + _KEEP + _PREPARE + _COUNT, **{name: '131072'})
    assert printed == ['False', 'False', '1', '1']


@pytest.mark.usefixtures('glibc')
def test_an_input_function_keeps_blocks_in_a_prepared_process():
    program = _AS_TENSORFLOW_DOES + _TRAIN + _COUNT + 'prepare_process()\n' + _TRAIN + _COUNT
    assert _printed(program) == ['1', '1', '0', '1']


def test_another_c_library_is_left_alone(monkeypatch):
    for name in USERS_MALLOC_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: object())
    assert keep_freed_memory() is False
