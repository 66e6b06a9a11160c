"""Dropout by seed and global step alone, so that a run that was stopped goes on as it would have."""

from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Tensor, tf


def dropout(values: Tensor, rate: float, noise: Noise | None, shape: Tensor | None = None) -> Tensor:
    """Sets a share of the values to 0 and divides the others by what is left (Srivastava et al. 2014).

    `tf.layers.dropout` counts its draws from the start of the process: behind a restart it would begin anew.

    Args:
      values: float32 [batch, ...].
      rate: share that is dropped, in [0, 1).
      noise: decides which; None, as in EVAL and PREDICT, drops nothing.
      shape: of the draws, which hold along the axes that are 1 in it; None draws for each value.

    Returns:
      float32 of the same shape and mean.
    """
    if noise is None or not rate:
        return values
    with tf.name_scope('dropout'):
        kept = noise.uniform(tf.shape(values) if shape is None else shape) >= rate
        if shape is not None:
            return values * (tf.cast(kept, tf.float32) / (1 - rate))
        return tf.where(kept, values / (1 - rate), tf.zeros_like(values))
