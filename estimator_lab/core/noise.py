"""Reproducible random numbers: each is a function of a seed and of the number of draws so far; dropout."""

from estimator_lab.core.features import keys_of
from estimator_lab.core.float32 import in_float32
from estimator_lab.tf1 import Features, Tensor, tf

_KEY_HASHES = 2**62


class Noise:
    """Draws random numbers: different at each use, the same for the same seed.

    A network that gets one is in training: it drops units, and batch normalisation uses the batch.

    Args:
      seed: int64 [2], such as `fresh_seed` returns.
      counts: whether any example of the batch counts, a bool scalar: one without must not move averages.
    """

    def __init__(self, seed: Tensor, counts: Tensor | bool = True) -> None:
        self.counts = counts
        self._seed = seed
        self._uses = 0
        self._reserved: Tensor = None

    def uniform(self, shape: Tensor) -> Tensor:
        """Returns float32 values in [0, 1)."""
        return tf.random.stateless_uniform(shape, self._next())

    def normal(self, shape: Tensor) -> Tensor:
        """Returns float32 values of mean 0 and standard deviation 1."""
        return tf.random.stateless_normal(shape, self._next())

    def bernoulli(self, probabilities: Tensor) -> Tensor:
        """Returns 1 with the given probabilities and 0 otherwise, float32 of the same shape."""
        return tf.cast(self.uniform(tf.shape(probabilities)) < probabilities, tf.float32)

    def reserve(self, count: Tensor) -> None:
        """Draws the random bits of the next `count` coins, int32, at once; no more can be tossed then."""
        self._reserved = self._halves(count)

    def coins(self, probabilities: Tensor) -> Tensor:
        """Returns 1 with the given probabilities and 0 otherwise, float32 of the same shape.

        A coin needs 16 random bits and half the time of `bernoulli`. Probabilities are exact to 2 ** -16, and
        0 and 1 are exact. That is enough for samples whose own error is far larger.
        """
        count = tf.size(probabilities)
        if self._reserved is None:
            heights = self._halves(count)
        else:
            heights, self._reserved = self._reserved, self._reserved[count:]
        # In float32 on both sides: bfloat16 would compare 8 bits only.
        heights = tf.cast(tf.reshape(heights[:count], tf.shape(probabilities)), tf.float32)
        return in_float32(tf.cast(heights < in_float32(probabilities) * _COIN_SIDES, tf.float32))

    def _halves(self, count: Tensor) -> Tensor:
        """Returns random uint16, at least `count` of them."""
        words = tf.random.stateless_uniform(
            [(count + 1) // 2], self._next(), minval=None, maxval=None, dtype=tf.int32
        )
        return tf.reshape(tf.bitcast(words, tf.uint16), [-1])

    def fork(self, turn: Tensor) -> 'Noise':
        """Returns the noise of one iteration of a loop; `turn`, an integer tensor, differs in each."""
        seed = self._next() + tf.stack([tf.cast(turn, tf.int64) * _APART, tf.zeros([], tf.int64)])
        return Noise(seed, self.counts)

    def again(self) -> 'Noise':
        """Returns noise that draws the same numbers from the first on."""
        return Noise(self._seed, self.counts)

    def _next(self) -> Tensor:
        self._uses += 1
        return self._seed + tf.constant([self._uses * _USES_APART, 0], tf.int64)


# Far enough apart that the seeds of iterations and of uses within one do not collide.
_APART = 1_000_003
_USES_APART = 7_919_000_000_021
_COIN_SIDES = 2.0**16


def dropout(values: Tensor, rate: float, noise: Noise | None, shape: Tensor | None = None) -> Tensor:
    """Sets a share of the values to 0 and divides the others by the rest (Srivastava et al. 2014).

    Examples:
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     session.run(dropout(tf.ones([3]), 0.5, None)).tolist()
        [1.0, 1.0, 1.0]

    The draws depend on seed and global step only, so that a resumed run drops the same values as one that was
    never stopped. `tf.layers.dropout` would draw from the start again.

    Args:
      values: float32 [batch, ...].
      rate: share to drop, in [0, 1).
      noise: draws the random numbers; None, as in EVAL and PREDICT, drops nothing.
      shape: int32 shape of the draws, which are repeated along its axes of length 1; None draws for each
        value.
    """
    if noise is None or not rate:
        return values
    with tf.name_scope('dropout'):
        kept = noise.uniform(tf.shape(values) if shape is None else shape) >= rate
        if shape is not None:
            return values * (tf.cast(kept, tf.float32) / (1 - rate))
        return tf.where(kept, values / (1 - rate), tf.zeros_like(values))


def fresh_seed(features: Features) -> Tensor:
    """Returns the seed of a training step's noise, int64 [2].

    It depends on the graph's seed, the global step and the batch's first key, so that a resumed run draws
    the same noise, and workers at the same step draw different noise.
    """
    keys, step = keys_of(features), tf.train.get_or_create_global_step()
    with tf.name_scope('seed'):
        own = 0 if keys is None else tf.reduce_sum(hashes(keys[:1]))
        return tf.stack([_graph_seed() + own, tf.cast(step, tf.int64)])


def fixed_seeds(features: Features, count: Tensor) -> Tensor:
    """Returns a seed for each example of a batch, int64 [count, 2], the same in each evaluation.

    It depends on the graph's seed and the example's key, or its place in the batch if there are no keys.
    """
    keys = keys_of(features)
    with tf.name_scope('seeds'):
        own = tf.range(tf.cast(count, tf.int64)) if keys is None else hashes(keys)
        return tf.stack([tf.fill(tf.shape(own), _graph_seed()), own], axis=1)


def _graph_seed() -> Tensor:
    return tf.constant(tf.get_default_graph().seed or 0, tf.int64)


def hashes(keys: Tensor) -> Tensor:
    """Returns an int64 hash of each key's member name, which does not depend on the archive's path."""
    names = tf.strings.regex_replace(keys, '^.*:', '')
    return tf.strings.to_hash_bucket_fast(names, _KEY_HASHES)
