"""Random numbers that a step can draw again: each is a function of a seed and of how many came before it."""

from typing import Any

from estimator_lab.tf1 import tf


class Noise:
    """Draws random numbers, others at each use, the same ones for the same seed.

    Args:
      seed: int64 [2], such as `corruption.fresh_seed` gives.
    """

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        self._uses = 0

    def uniform(self, shape: Any) -> Any:
        """Returns float32 values in [0, 1)."""
        return tf.random.stateless_uniform(shape, self._next())

    def normal(self, shape: Any) -> Any:
        """Returns float32 values of mean 0 and standard deviation 1."""
        return tf.random.stateless_normal(shape, self._next())

    def bernoulli(self, probabilities: Any) -> Any:
        """Returns 1 with the given probabilities and 0 otherwise, float32 of the same shape."""
        return tf.cast(self.uniform(tf.shape(probabilities)) < probabilities, tf.float32)

    def fork(self, turn: Any) -> 'Noise':
        """Returns the noise of one turn of a loop.

        Args:
          turn: int32 or int64 scalar tensor, other in each turn.
        """
        return Noise(self._next() + tf.stack([tf.cast(turn, tf.int64) * _APART, tf.zeros([], tf.int64)]))

    def _next(self) -> Any:
        self._uses += 1
        return self._seed + tf.constant([self._uses * _USES_APART, 0], tf.int64)


# Far enough apart that turns of a loop and uses within a turn don't meet.
_APART = 1_000_003
_USES_APART = 7_919_000_000_021
