import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.runs.weights.checkpoint import write_checkpoint
from estimator_lab.runs.weights.files import open_weight_file
from estimator_lab.tf1 import tf

VALUES = {'b/weights': np.arange(6, dtype=np.float32).reshape(2, 3), 'a': np.array(7, np.int64)}
TENSORS = {'a': ((), 'int64'), 'b/weights': ((2, 3), 'float32')}


def assert_reads(path):
    with open_weight_file(path) as file:
        assert file.tensors == TENSORS
        for name, value in VALUES.items():
            assert np.array_equal(file.read(name), value)


def test_what_is_written_is_read(tmp_path):
    write_checkpoint(tmp_path / 'model.ckpt', VALUES)
    assert_reads(tmp_path / 'model.ckpt')


def test_the_old_format_of_one_file(tmp_path):
    path = tmp_path / 'vgg_16.ckpt'
    with tf.Graph().as_default(), tf.Session() as session:
        for name, value in VALUES.items():
            tf.get_variable(name, initializer=value)
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(write_version=tf.train.SaverDef.V1)
        saver.save(session, str(path), write_meta_graph=False)
    assert_reads(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(
        DataError, match='cannot be used as a file of weights: it is neither a readable checkpoint'
    ):
        assert_reads(path)
    path.write_text('just text')
    with pytest.raises(DataError, match=r'nor HDF5 or safetensors\.$'):
        assert_reads(path)


def test_a_checkpoint_that_is_too_short(tmp_path):
    write_checkpoint(tmp_path / 'model.ckpt', VALUES)
    (data,) = tmp_path.glob('*.data-*')
    data.write_bytes(data.read_bytes()[:20])
    with pytest.raises(DataError, match='20 bytes where its tensors need 32'):
        assert_reads(tmp_path / 'model.ckpt')


def test_a_damaged_index_is_read_or_refused(tmp_path):
    write_checkpoint(tmp_path / 'model.ckpt', VALUES)
    index = tmp_path / 'model.ckpt.index'
    whole, refused = index.read_bytes(), 0
    for place in range(len(whole)):
        index.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            assert_reads(tmp_path / 'model.ckpt')
        except (DataError, AssertionError):
            refused += 1
    assert refused > len(whole) / 2
