"""Images that a network for photos learns to tell apart in a few steps."""

import numpy as np

from estimator_lab.tf1 import tf


def red_and_blue(batch_size, epochs=1):
    """Returns an input function over 32 images of 32x32 pixels, red in class 1 and blue in class 0."""
    labels = np.arange(32) % 2
    images = np.random.default_rng(1).random((32, 32, 32, 3), np.float32) / 2
    images[labels == 1, :, :, 0] += 0.3
    images[labels == 0, :, :, 2] += 0.3
    features = {'image': images, 'weight': np.ones(32, np.float32)}
    return tf.estimator.inputs.numpy_input_fn(
        features, labels, batch_size=batch_size, num_epochs=epochs, shuffle=False
    )
