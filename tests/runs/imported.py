"""What a network of imported weights computes, against what another program computed with the same ones."""

import numpy as np

from estimator_lab.core.endpoints import published
from estimator_lab.runs.opening import open_trained
from estimator_lab.tf1 import tf


def assert_computes(model_dir, images, wanted):
    """Asserts that endpoints and predictions, by name, are the wanted values to 1e-5 of their scale.

    Args:
      model_dir: the folder with the imported weights.
      images: pixels in 0 ... 255, [batch, height, width, channels].
      wanted: values by name.
    """
    trained = open_trained(model_dir)
    with tf.Graph().as_default() as graph:
        predictions = trained.predictions({'image': tf.constant(images / np.float32(255))}).predictions
        made = published(graph)
        with trained.session() as session:
            found = session.run({**made, **predictions})
    for name, values in wanted.items():
        scale = max(np.abs(values).max(), 1)
        assert np.allclose(found[name].reshape(values.shape) / scale, values / scale, atol=1e-5), name
        assert np.ptp(values) > 1e-3, 'all alike would prove nothing'
