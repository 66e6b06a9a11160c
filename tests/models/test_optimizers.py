"""Each optimizer of first order takes a step in a model of each kind of training."""

import numpy as np
import pytest

from estimator_lab.core.registry import find_model
from estimator_lab.optimizers import FIRST_ORDER
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.trains

KINDS = {
    'mlp': {'layers': '3'},
    'rbm': {'hidden_units': 3},
    'gan': {'filters': '2-2', 'latent_size': 2},
    'autoencoder': {'layers': '3'},
}

# Those of a GAN in `make test`: its two networks share an optimizer, whose slots are one a weight, or two.
USUAL = 'adam', 'momentum'


@pytest.mark.parametrize(
    ('optimizer', 'name'),
    [
        pytest.param(optimizer, name, marks=[pytest.mark.slow] * (name == 'gan' and optimizer not in USUAL))
        for optimizer in FIRST_ORDER
        for name in KINDS
    ],
)
def test_an_optimizer_takes_a_step(optimizer, name, session):
    images = tf.constant(np.random.default_rng(1).random((4, 16, 16, 1), np.float32))
    params = {**KINDS[name], 'image_shape': (16, 16, 1), 'vocabulary': ('a', 'b'), 'optimizer': optimizer}
    step = tf.train.create_global_step()
    labels = tf.constant([0, 1, 0, 1], tf.int64)
    spec = find_model(name).model_fn({'image': images}, labels, tf.estimator.ModeKeys.TRAIN, params)
    session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    before = session.run(tf.trainable_variables())
    session.run(spec.train_op)
    after = session.run(tf.trainable_variables())
    assert session.run(step) == 1
    assert any(np.any(now != was) for now, was in zip(after, before, strict=True))
    assert all(np.isfinite(now).all() for now in after)
