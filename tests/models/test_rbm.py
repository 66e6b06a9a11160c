import itertools
from collections import Counter

import numpy as np
import pytest

from estimator_lab.models import rbm
from estimator_lab.tf1 import tf
from estimator_lab.training.precision import session_config
from tests.support.exact_rbm import states
from tests.support.input_batches import numpy_input_fn
from tests.support.processor import supports_bfloat16

pytestmark = pytest.mark.trains

MODES = tf.estimator.ModeKeys


@pytest.fixture(scope='module')
def pictures():
    """All pictures of 3x3 pixels whose rows are even, or whose columns are: uint8 [n, 3, 3], 0 or 255."""
    rows = [np.repeat(np.array(row)[:, None], 3, 1) for row in itertools.product([0, 255], repeat=3)]
    return np.unique(np.concatenate([rows, [picture.T for picture in rows]]), axis=0).astype(np.uint8)


def estimator(folder, side=3, **params):
    params = {'image_shape': (side, side, 1), 'hidden_units': 8, 'train_steps': 40, **params}
    config = tf.estimator.RunConfig(str(folder), tf_random_seed=1, save_summary_steps=10)
    return tf.estimator.Estimator(rbm.model_fn, params=params, config=config)


@pytest.mark.slow
def test_learns_bars_and_stripes(pictures, graph, session):
    """Within 0.25 nats of the 14 pictures' even distribution; an even one over all 512 is 3.6 nats away."""
    params = {'image_shape': (3, 3, 1), 'hidden_units': 16, 'chains': 100, 'cd_steps': 5, 'train_steps': 3000}
    params |= {'optimizer': 'adam', 'learning_rate': 0.02, 'weight_decay': 0.0}
    graph.seed = 1
    images = tf.constant(pictures[..., None] / 255.0, tf.float32)
    step = rbm.model_fn({'image': images}, None, MODES.TRAIN, params).train_op
    session.run(tf.global_variables_initializer())
    for _ in range(3000):
        session.run(step)
    weights, bias, visible_bias = session.run(tf.trainable_variables())
    v = states(9)
    log_p = v @ visible_bias + np.log1p(np.exp(v @ weights + bias)).sum(axis=1)
    log_p -= np.log(np.exp(log_p).sum())
    places = (pictures.reshape(-1, 9) / 255 @ 2.0 ** np.arange(8, -1, -1)).astype(int)
    divergence = -np.log(len(pictures)) - log_p[places].mean()
    assert len(pictures) == 14 and np.isfinite(log_p).all()
    assert divergence < 0.25


def test_samples_start_at_the_image(pictures, session):
    """Weights of 40 on the diagonal copy the visible units in each Gibbs step: the start stays."""
    params = {'image_shape': (3, 3, 1), 'hidden_units': 9}
    images = np.repeat(pictures, 20, axis=0)[..., np.newaxis] / 255.0
    spec = rbm.model_fn({'image': tf.constant(images, tf.float32)}, None, MODES.PREDICT, params)
    for variable in tf.trainable_variables():
        is_kernel = variable.op.name == 'layer_1/kernel'
        variable.load(40 * np.eye(9) if is_kernel else np.full(9, -20.0), session)
    samples = session.run(spec.predictions['dream'])
    assert np.abs(samples - images).mean() == pytest.approx(0, abs=0.05)


@pytest.mark.slow
def test_visible_values_outside_0_and_1_are_refused(tmp_path):
    def input_fn():
        return tf.data.Dataset.from_tensors({'image': tf.fill([2, 3, 3, 1], 2.0)}).repeat()

    with pytest.raises(tf.errors.InvalidArgumentError, match=r'in \[0, 1\]'):
        estimator(tmp_path).train(input_fn, max_steps=1)


def needed(*fetches):
    """Types of all operations that some fetches need."""
    found, left = set(), [getattr(fetch, 'op', fetch) for fetch in fetches]
    while left:
        operation = left.pop()
        if operation not in found:
            found.add(operation)
            left += [*operation.control_inputs, *(tensor.op for tensor in operation.inputs)]
    return Counter(operation.type for operation in found)


@pytest.mark.parametrize('cd_steps', [1, 25])
def test_a_step_computes_nothing_for_show(cd_steps, graph):
    """The loss comes from the chain, without a product of its own; a Gibbs step's coins come at once."""
    params = {'image_shape': (3, 3, 1), 'hidden_units': 4, 'cd_steps': cd_steps, 'train_steps': 3000}
    params |= {'chains': 0, 'binarize': False}
    spec = rbm.model_fn({'image': tf.zeros([5, 3, 3, 1])}, None, MODES.TRAIN, params)
    step, shown = needed(spec.train_op), needed(spec.train_op, spec.loss)
    assert shown['MatMul'] == step['MatMul'] > 0 and not shown['BatchMatMulV3']
    draws = sum(count for name, count in step.items() if name.startswith('StatelessRandomUniform'))
    assert draws == 1 + (cd_steps > 1)  # the last step's, too; those between draw in the body of their loop


@pytest.mark.slow
@pytest.mark.skipif(not supports_bfloat16(), reason='the processor has no bfloat16')
def test_energies_have_all_their_digits_in_bfloat16(tmp_path, pictures):
    trained = estimator(tmp_path, ais_chains=50, ais_steps=500)
    trained.train(numpy_input_fn(pictures, batch_size=7, num_epochs=None, shuffle=True), max_steps=40)
    config = trained.config.replace(session_config=session_config('bfloat16'))
    half = tf.estimator.Estimator(rbm.model_fn, trained.model_dir, config, trained.params)
    first, second = (made.evaluate(numpy_input_fn(pictures)) for made in (trained, half))
    for name in ('free_energy', 'pseudo_log_likelihood', 'log_partition'):
        assert first[name] == pytest.approx(second[name], abs=0.05 if name == 'log_partition' else 1e-4)


@pytest.mark.slow
def test_gaussian_units_learn_at_the_default_rate(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)
    made = estimator(tmp_path, side=8, visible_units='gaussian', train_steps=100)
    made.train(numpy_input_fn(images, batch_size=20, num_epochs=None, shuffle=True), max_steps=100)
    found = made.evaluate(numpy_input_fn(images, batch_size=20))
    # Noise of variance 1 in 64 values: a machine that says the mean is wrong by 64.
    assert found['reconstruction_error'] < 66 and 'pseudo_log_likelihood' not in found
