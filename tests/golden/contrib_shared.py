"""What the parts of remake_contrib.py share: inputs and weights by formula, and a session."""

import numpy as np

try:
    import estimator_lab.contrib  # noqa: F401
    from estimator_lab.tf1 import tf
except ImportError:  # real TensorFlow 1.15
    import tensorflow as tf


def wave(*shape):
    """Returns float32 numbers by formula, between -1 and 1."""
    return np.sin(np.arange(int(np.prod(shape))) * 0.7 + 0.3).reshape(shape).astype(np.float32)


def weights(shape, dtype=None, partition_info=None):
    """An initializer by formula."""
    return tf.constant(wave(*shape) / 2)


def names(variables):
    return [variable.op.name for variable in variables]


def run(fetches, before=()):
    """Returns what is fetched, as lists, after initialization and the steps in `before`."""
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        session.run(tf.tables_initializer())
        for step in before:
            session.run(step)
        found = session.run(fetches)
    return [np.asarray(each).tolist() for each in found]
