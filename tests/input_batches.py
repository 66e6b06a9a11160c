"""Reads input functions."""

from estimator_lab.tf1 import tf


def batches_of(input_fn, limit=None):
    """Returns the batches of an input function, at most `limit`, as Estimator reads them."""
    out = []
    with tf.Graph().as_default():
        tensors = input_fn()
        if hasattr(tensors, 'make_one_shot_iterator'):
            tensors = tensors.make_one_shot_iterator().get_next()
        with tf.Session() as session:
            while limit is None or len(out) < limit:
                try:
                    out.append(session.run(tensors))
                except tf.errors.OutOfRangeError:
                    break
    return out
