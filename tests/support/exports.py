"""Runs exports."""

import numpy as np

from estimator_lab.tf1 import tf


def signatures_of(folder):
    """Returns the signatures of a SavedModel by name."""
    with tf.Graph().as_default(), tf.Session() as session:
        return tf.saved_model.loader.load(session, ['serve'], str(folder)).signature_def


def of_saved_model(folder, name, given):
    """Returns the outputs of a signature by name."""
    with tf.Graph().as_default(), tf.Session() as session:
        signature = tf.saved_model.loader.load(session, ['serve'], str(folder)).signature_def[name]
        fed = {signature.inputs[key].name: value for key, value in given.items()}
        return session.run({key: info.name for key, info in signature.outputs.items()}, fed)


def assert_same(found, wanted):
    """Fails unless two dictionaries of arrays agree within 1e-5, on the outputs that `found` has."""
    assert found
    for name, values in found.items():
        if values.dtype.kind == 'f':
            assert np.isfinite(values).all() and np.allclose(values, wanted[name], rtol=1e-5, atol=1e-5), name
        else:
            assert values.tolist() == wanted[name].tolist(), name
