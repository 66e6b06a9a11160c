"""Second-order optimizers over the models that support them."""

import numpy as np
import pytest

from estimator_lab.core.registry import find_model
from estimator_lab.optimizers import SECOND_ORDER
from estimator_lab.tf1 import deterministic_operations, tf
from tests.models.contract.models import SMALL, shape_of
from tests.support.graphs import initialize

pytestmark = pytest.mark.trains

# Of those that support them, vgg is left out: the copies of its graph take a minute to build. `make test`
# runs each optimizer with one model, and `make test-all` all pairs.
MODELS = 'autoencoder', 'cnn', 'dbn', 'mlp', 'recurrent', 'style'
USUAL = {'cnn': 'hessian_free', 'dbn': 'conjugate_gradient', 'mlp': 'lbfgs'}
PAIRS = [
    pytest.param(name, optimizer, marks=[pytest.mark.slow] * (USUAL.get(name) != optimizer))
    for name in MODELS
    for optimizer in sorted(SECOND_ORDER)
]
RNG = np.random.default_rng(0)


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'optimizer'), PAIRS)
def test_an_interrupted_run_has_the_same_weights_bit_for_bit(name, optimizer, tmp_path):
    params = {'image_shape': shape_of(name), 'vocabulary': ('a', 'b'), **SMALL[name]}
    params |= {'optimizer': optimizer, 'cg_steps': 4, 'damping': 1.0}
    with deterministic_operations(), tf.Graph().as_default():
        tf.set_random_seed(1)
        step = tf.train.create_global_step()
        images = tf.constant(RNG.random((6, *params['image_shape']), np.float32))
        features = {'image': images, 'key': tf.constant([*'abcdef'])}
        labels = tf.constant([0, 1, 0, 1, 1, 0], tf.int64)
        spec = find_model(name).model_fn(features, labels, tf.estimator.ModeKeys.TRAIN, params)
        saver = tf.train.Saver()

        variables = {v.op.name: v for v in tf.global_variables()}
        trained = {v.op.name for v in tf.trainable_variables()}

        def train_to(last, session):
            """Trains up to a step, and returns all variables."""
            while session.run(step) < last:
                session.run(spec.train_op)
            return session.run(variables)

        with tf.Session() as session:
            initialize(session)
            half = train_to(2, session)
            saver.save(session, f'{tmp_path}/half')
            whole = train_to(4, session)
        with tf.Session() as session:
            initialize(session)
            saver.restore(session, f'{tmp_path}/half')
            parts = train_to(4, session)
    changed = {name for name in whole if not np.array_equal(whole[name], parts[name])}
    assert not changed
    assert any(not np.array_equal(half[name], whole[name]) for name in trained), 'nothing was learned'
