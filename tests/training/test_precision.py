import re

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_of
from estimator_lab.models.cnn import model_fn
from estimator_lab.tf1 import tf
from estimator_lab.training.precision import check_precision, session_config
from estimator_lab.training.settings import TrainSettings

pytestmark = [pytest.mark.both, pytest.mark.trains]

PRECISIONS = settings_of(TrainSettings)['precision'].choices
PARAMS = {'image_shape': (16, 16, 1), 'vocabulary': tuple('abc'), 'filters': 8, 'dense_units': 16}
QUIET = {'dropout_rate': 0.0, 'learning_rate_schedule': 'constant', 'warmup_steps': 0}


def test_bfloat16_is_not_for_gpus(monkeypatch):
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: ['one'])
    with pytest.raises(FlagError, match='works on CPUs only'):
        check_precision('bfloat16')


def test_onednn_turned_off_gets_one_sentence(monkeypatch):
    monkeypatch.setenv('TF_ENABLE_ONEDNN_OPTS', '1')
    check_precision('bfloat16')
    monkeypatch.setenv('TF_ENABLE_ONEDNN_OPTS', '0')
    with pytest.raises(FlagError, match='needs oneDNN, which TF_ENABLE_ONEDNN_OPTS turns off'):
        check_precision('bfloat16')


class LossesHook(tf.train.SessionRunHook):
    """Keeps the loss of each step, and the operations that ran in a type."""

    def __init__(self, name):
        self.losses, self.operations = [], set()
        self._type = tf.as_dtype(name).as_datatype_enum if name != 'float32' else None

    def before_run(self, run_context):
        loss = tf.get_collection(tf.GraphKeys.LOSSES)[0]
        return tf.train.SessionRunArgs(loss, options=tf.RunOptions(output_partition_graphs=True))

    def after_run(self, run_context, run_values):
        self.losses.append(run_values.results)
        for graph in run_values.run_metadata.partition_graphs:
            self.operations |= {
                re.sub('^_(MklNative|Mkl)?(Fused)?', '', node.op)
                for node in graph.node
                if node.attr['T'].type == self._type
            }


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """By precision: (losses, operations in it, dtypes in the checkpoint, metrics).

    Processors without bfloat16 compute it slowly, but compute it.
    """
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 3
    images = rng.random((48, 16, 16, 1), np.float32) * 0.5 + labels[:, None, None, None] * 0.25
    images = images.astype(np.float32)

    def input_fn():
        return tf.data.Dataset.from_tensor_slices(({'image': images}, labels)).batch(16).repeat(10)

    found = {}
    for name in PRECISIONS:
        config = tf.estimator.RunConfig(tf_random_seed=1, session_config=session_config(name))
        folder = str(tmp_path_factory.mktemp(name))
        model = tf.estimator.Estimator(model_fn, folder, config, {**PARAMS, **QUIET})
        hook = LossesHook(name)
        model.train(input_fn, [hook], steps=30)
        reader = tf.train.load_checkpoint(folder)
        dtypes = {n: t.name for n, t in reader.get_variable_to_dtype_map().items()}
        found[name] = hook.losses, hook.operations, dtypes, model.evaluate(input_fn, steps=3)
    return found


HALVES = pytest.mark.parametrize('name', [name for name in PRECISIONS if name != 'float32'])


@pytest.mark.slow
@HALVES
def test_it_reaches_convolutions_and_matrix_products_forward_and_back(trained, name):
    assert trained['float32'][1] == set()
    assert trained[name][1] >= {'Conv2D', 'Conv2DBackpropFilter', 'Conv2DBackpropInput', 'MatMul'}


@pytest.mark.slow
@HALVES
def test_it_learns_what_float32_learns(trained, name):
    full, half = np.array(trained['float32'][0]), np.array(trained[name][0])
    assert full[-1] < 0.8 * full[0]
    assert np.allclose(half, full, rtol=0.02, atol=0.02)
    assert not np.array_equal(half, full)
    assert trained[name][3]['loss'] == pytest.approx(trained['float32'][3]['loss'], abs=0.02)


@pytest.mark.slow
@HALVES
def test_it_leaves_checkpoints_in_float32(trained, name):
    full, half = trained['float32'][2], trained[name][2]
    assert full == half
    assert set(half.values()) == {'float32', 'int64'}
    assert half['conv2d/kernel'] == half['dense/kernel/Adam'] == 'float32'
