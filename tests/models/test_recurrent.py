import numpy as np
import pytest

from estimator_lab.errors import FlagError
from estimator_lab.models import recurrent
from estimator_lab.models.recurrent import Network, Params, model_fn, steps_shown
from estimator_lab.tf1 import tf
from tests.small_runs import small_settings, summaries_in, train_run

SHAPE = (4, 4, 1)
SMALL = {'image_shape': SHAPE, 'vocabulary': tuple('ab'), 'layers': '8', 'learning_rate': 0.02}
ALL_CELLS = ('tanh', 'irnn', 'lstm', 'gru', 'dilated_gru', 'linear')
IMAGES = np.random.default_rng(1).random((32, *SHAPE), np.float32)
LABELS = np.arange(32) % 2
IMAGES[:, :2] = (
    IMAGES[:, :2] / 2 + LABELS[:, np.newaxis, np.newaxis, np.newaxis] / 2
)  # its upper half is bright


def features():
    return {'image': tf.constant(IMAGES), 'key': tf.constant([str(n) for n in range(32)])}


def loss_after(steps, **params):
    """Trains on all images at once; returns the loss of the last step, of which log 2 is chance."""
    params = {**SMALL, 'train_steps': steps, **params}
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        tf.train.create_global_step()
        spec = model_fn(features(), tf.constant(LABELS), tf.estimator.ModeKeys.TRAIN, params)
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            loss, _ = session.run([spec.loss, spec.train_op])
        return loss


@pytest.mark.parametrize('cell', ALL_CELLS)
def test_each_cell_learns(cell):
    # A linear recurrence begins with a long memory, to which four rows are next to nothing.
    longer = {'linear': {'read': 'pixels', 'dense': '8'}}.get(cell, {})
    assert loss_after(40, cell=cell, learning_rate=0.05, **longer) < 0.4


def test_two_layers_from_both_ends_with_dropout_learn():
    params = {'layers': '8-8', 'bidirectional': True, 'dropout_rate': 0.2, 'readout': 'mean', 'dense': '8'}
    assert loss_after(40, read='columns', **params) < 0.4


def test_loops_of_both_kinds_go_the_same_way():
    """Ten steps of training with our own gradient and with TensorFlow's end at the same weights."""
    found = []
    for loop in ('own', 'dynamic_rnn'):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            tf.train.create_global_step()
            params = {**SMALL, 'loop': loop, 'layers': '8-8', 'optimizer': 'sgd'}
            spec = model_fn(features(), tf.constant(LABELS), tf.estimator.ModeKeys.TRAIN, params)
            session.run(tf.global_variables_initializer())
            for _ in range(10):
                session.run(spec.train_op)
            found.append({v.op.name: session.run(v) for v in tf.trainable_variables()})
    ours, theirs = found
    assert set(ours) == {
        *(f'rnn/multi_rnn_cell/cell_{n}/lstm_cell/{part}' for n in (0, 1) for part in ('kernel', 'bias')),
        *('logits/kernel', 'logits/bias'),
    }
    assert all(np.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)


@pytest.mark.parametrize('readout', ['last', 'mean'])
def test_what_is_known_after_each_step_is_what_a_shorter_sequence_would_tell(readout):
    params = {**SMALL, 'readout': readout, 'cell': 'gru', 'dense': '5'}
    with tf.Graph().as_default(), tf.Session() as session:
        network = Network(Params(**params))
        logits, endpoints = network(tf.constant(IMAGES))
        halves, _ = network(tf.constant(IMAGES[:, :2]))
        session.run(tf.global_variables_initializer())
        after, whole, half = session.run([endpoints['logits_after_steps'].values, logits, halves])
    assert after.shape == (32, 4, 2)
    assert np.allclose(after[:, 3], whole, atol=1e-6)
    assert np.allclose(after[:, 1], half, atol=1e-6)


def test_steps_that_are_shown():
    assert steps_shown(5).tolist() == [1, 2, 3, 4, 5]
    many = steps_shown(784)
    assert (len(many), many[0], many[-1]) == (64, 1, 784) and len(set(np.diff(many))) <= 2


@pytest.mark.parametrize(
    ('params', 'words'),
    [
        ({'read': 'patches', 'patch_size': 3}, 'patch_size=3 does not divide an image of 4x4'),
        ({'cell': 'linear', 'bidirectional': True}, 'needs cell=tanh or irnn or lstm or gru, not linear'),
        ({'cell': 'dilated_gru', 'layers': '2-2-2-2'}, 'too many for 4 steps: layer number 4 .* skips 8'),
        ({'cell': 'elman'}, 'cell=elman is not allowed: one of tanh'),
        ({'read': 'spiral'}, 'read=spiral is not allowed'),
        ({'layers': ''}, 'is not allowed'),
        ({'permutation_seed': -1}, 'is not allowed'),
    ],
)
def test_what_cannot_be_built(params, words):
    with pytest.raises(FlagError, match=words):
        model_fn({}, None, 'infer', {'image_shape': SHAPE, **params})


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """An archive, and the model_dir of a GRU on it after 3 steps."""
    folder = tmp_path_factory.mktemp('recurrent')
    run = small_settings(
        'recurrent', folder, max_steps=3, save_summary_steps=1, hparams='cell=gru,layers=4-3'
    )
    train_run(run)
    tf.summary.FileWriterCache.clear()  # what was written stands in the files
    return run.data[0], run.model_dir


def test_what_tensorboard_shows(trained):
    _, folder = trained
    found = set(summaries_in(folder))
    assert {
        f'images/{name}/image' for name in ('states_rnn_1', 'gates_rnn_2', 'gradient_through_time')
    } <= found
    assert {'gates/rnn_1_update_gate', 'gradient_through_time/rnn_2', 'activations/rnn_1'} <= found
    found = set(summaries_in(folder / 'eval'))
    assert {'images/accuracy_after_each_step/image', 'accuracy_after_half', 'accuracy'} <= found


@pytest.mark.parametrize(
    ('params', 'warned'),
    [
        ({'read': 'pixels', 'cell': 'lstm'}, True),
        ({'read': 'pixels', 'cell': 'lstm', 'readout': 'mean'}, False),
        ({'read': 'pixels', 'cell': 'linear'}, False),
        ({'read': 'rows', 'cell': 'lstm'}, False),
    ],
)
def test_training_warns_of_sequences_longer_than_a_loop_remembers(params, warned, caplog):
    recurrent._warn_once.cache_clear()
    recurrent._warn_of_long_sequences(Params(image_shape=(10, 10, 1), **params))
    assert (
        caplog.messages
        == ['cell=lstm rarely learns what the first of 100 steps say: cell=linear does, and is faster.']
        * warned
    )
