import errno
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.runs.weights.checkpoint import HeldCheckpoint, open_checkpoint, write_checkpoint
from estimator_lab.runs.weights.files import open_weight_file
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

VALUES = {'b/weights': np.arange(6, dtype=np.float32).reshape(2, 3), 'a': np.array(7, np.int64)}
TENSORS = {'a': ((), 'int64'), 'b/weights': ((2, 3), 'float32')}


@pytest.fixture
def path(tmp_path):
    write_checkpoint(tmp_path / 'model.ckpt', VALUES)
    return tmp_path / 'model.ckpt'


def assert_reads(path):
    with open_weight_file(path) as file:
        assert file.tensors == TENSORS
        for name, value in VALUES.items():
            assert np.array_equal(file.read(name), value)


def test_the_old_format_of_one_file(tmp_path, session):
    path = tmp_path / 'vgg_16.ckpt'
    for name, value in VALUES.items():
        tf.get_variable(name, initializer=value)
    session.run(tf.global_variables_initializer())
    saver = tf.train.Saver(write_version=tf.train.SaverDef.V1)
    saver.save(session, str(path), write_meta_graph=False)
    assert_reads(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match='as a file of weights: it is neither a readable checkpoint'):
        assert_reads(path)
    path.write_text('just text')
    with pytest.raises(DataError, match=r'nor HDF5 or safetensors\.$'):
        assert_reads(path)


def test_a_checkpoint_that_is_too_short(path):
    (data,) = path.parent.glob('*.data-*')
    data.write_bytes(data.read_bytes()[:20])
    with pytest.raises(DataError, match='20 bytes where its tensors need 32'):
        assert_reads(path)


def test_a_damaged_index_is_read_or_refused(path):
    index = path.with_name('model.ckpt.index')
    whole, refused = index.read_bytes(), 0
    for place in range(len(whole)):
        index.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            assert_reads(path)
        except (DataError, AssertionError):
            refused += 1
    assert refused > len(whole) / 2


def read(path):
    with open_checkpoint(path if isinstance(path, HeldCheckpoint) else str(path)) as reader:
        return reader.get_tensor('a')


def test_a_checkpoint_is_read_or_said_to_be_gone_or_damaged(path):
    index = path.with_name('model.ckpt.index')
    assert read(path) == 7
    index.write_bytes(b'x' * 90)
    with pytest.raises(DataError, match=r'model\.ckpt cannot be read \(.*\): name another folder, or an'):
        read(path)
    index.unlink()
    with pytest.raises(DataError, match='was deleted meanwhile, probably by a training'):
        read(path)


def test_other_names_of_a_checkpoint(path):
    """One of its files; a folder in the place of another; a name with characters that mean others."""
    with pytest.raises(DataError, match=rf'it is one file of a checkpoint: name {path}\.$'):
        assert_reads(path.with_name('model.ckpt.index'))
    odd = path.with_name('model[1].ckpt')
    odd.with_name('model[1].ckpt.index').touch()
    with pytest.raises(DataError, match='its name has characters that TensorFlow interprets as a pattern'):
        assert_reads(odd)
    (data,) = path.parent.glob('*.data-*')
    data.unlink()
    data.mkdir()
    with pytest.raises(DataError, match='not all of its parts are regular files'):
        assert_reads(path)


@pytest.mark.parametrize('name', ['index', 'data-00001-of-00002'])
def test_no_pipe_is_opened(path, name):
    """For whose writer TensorFlow would wait."""
    pipe = path.with_name(f'model.ckpt.{name}')
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with pytest.raises(DataError, match='it is not a regular file'):
        read(path)


def test_a_held_checkpoint_is_read_after_it_was_deleted(path):
    held = HeldCheckpoint(str(path))
    for file in path.parent.iterdir():
        file.unlink()
    links = Path(held.links).parent
    assert read(held) == 7 and links.is_dir()
    del held
    assert not links.exists()


@pytest.mark.parametrize('call', ['open', 'stat', 'iterdir'])
@pytest.mark.parametrize('error', [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_failing_call_is_not_a_damaged_checkpoint(path, monkeypatch, call, error):
    def fail(*args, **options):
        raise OSError(error, os.strerror(error), str(path))

    monkeypatch.setattr(os if call == 'open' else Path, call, fail)
    with pytest.raises(DataError, match=f'cannot be read.* ?{os.strerror(error)}') as caught:
        read(path)
    assert 'older' not in str(caught.value)


def test_a_call_that_fails_in_tensorflow_is_not_a_damaged_checkpoint(path, monkeypatch):
    failure = tf.errors.OpError(None, None, f'{path}.index; Input/output error', 2)
    monkeypatch.setattr(tf.train, 'load_checkpoint', mock.Mock(side_effect=failure))
    with pytest.raises(DataError, match=r'\(.*index; Input/output error\)\.$'):
        read(path)
