"""The effect on a model of a batch with bad examples only: one blank example of weight 0 replaces them."""

import numpy as np

from estimator_lab.tf1 import tf
from tests.graphs import initialize

_STEPS = 3  # fill the slots of an optimizer


def assert_teaches_nothing(model_fn, params):
    """Asserts that such a step is counted but changes no variable, and that an ordinary step does."""
    rng = np.random.default_rng(1)
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.create_global_step()
        weight = tf.placeholder(tf.float32, [2])
        images = tf.constant(rng.random((2, *params['image_shape']), np.float32))
        features = {'image': images, 'key': tf.constant(['a', 'b']), 'weight': weight}
        train_op = model_fn(
            features, tf.constant([0, 1], tf.int64), tf.estimator.ModeKeys.TRAIN, params
        ).train_op
        initialize(session)
        learned = [v for v in tf.global_variables() if v is not step]

        def after(weights, steps=1):
            for _ in range(steps):
                session.run(train_op, {weight: weights})
            return {v.op.name: value for v, value in zip(learned, session.run(learned), strict=True)}

        before = after([1, 1], _STEPS)
        same = after([0, 0])
        changed = {name for name in before if not np.array_equal(before[name], same[name])}
        assert not changed, f'a batch of weight 0 changed {changed}'
        assert session.run(step) == _STEPS + 1
        other = after([1, 1])
        names = [v.op.name for v in tf.trainable_variables()]
        assert any(not np.array_equal(before[name], other[name]) for name in names)
