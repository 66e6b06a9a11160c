"""What a batch of bad images alone does to a model: one black image with an empty key, in its place."""

import numpy as np

from estimator_lab.tf1 import tf


def assert_teaches_nothing(model_fn, params):
    """Asserts that a step on that image changes no weight, and that the same image with a key does."""
    with tf.Graph().as_default(), tf.Session() as session:
        key = tf.placeholder(tf.string, [1])
        features = {'image': tf.zeros([1, *params['image_shape']]), 'key': key}
        labels = tf.constant([-1], tf.int64)
        step = model_fn(features, labels, tf.estimator.ModeKeys.TRAIN, params).train_op
        session.run(tf.global_variables_initializer())
        before = session.run(tf.trainable_variables())
        session.run(step, {key: ['']})
        after = session.run(tf.trainable_variables())
        assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))
        session.run(step, {key: ['a']})
        changed = session.run(tf.trainable_variables())
        assert any(not np.array_equal(*pair) for pair in zip(before, changed, strict=True))
