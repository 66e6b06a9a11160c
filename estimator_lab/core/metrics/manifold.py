"""Precision and recall of two sets of vectors by their nearest neighbours (Kynkaanniemi et al. 2019)."""

from estimator_lab.tf1 import Tensor, tf

_NEIGHBOURS = 3
_BLOCK = 256  # rows whose distances are held at once


def coverage(vectors: Tensor, centres: Tensor, vectors_there: Tensor, centres_there: Tensor) -> Tensor:
    """Returns the share of vectors that lie in the manifold of others, a float32 scalar (equations 1 and 2).

    That manifold is made of a ball around each centre, as large as the distance to its third nearest
    neighbour among the centres. Precision is the coverage of fakes by images, recall that of images by fakes.

    Args:
      vectors: float32 [n, size].
      centres: float32 [m, size].
      vectors_there: bool [n]; False leaves one out.
      centres_there: bool [m].

    Returns:
      The share; 0 where there are no vectors.
    """
    _, nearest = _distances(centres, centres, centres_there, _NEIGHBOURS + 1)  # each is its own first one
    radii = tf.where(centres_there, nearest, tf.fill(tf.shape(nearest), -1.0))
    inside, _ = _distances(vectors, centres, centres_there, 1, radii)
    there = tf.cast(vectors_there, tf.float32)
    return tf.div_no_nan(tf.reduce_sum(tf.cast(inside, tf.float32) * there), tf.reduce_sum(there))


def _distances(
    vectors: Tensor, centres: Tensor, there: Tensor, rank: int, radii: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Returns for each vector whether it lies in a ball, and its squared distance to the centre of that rank.

    Args:
      vectors: float32 [n, size].
      centres: float32 [m, size].
      there: bool [m], which centres count.
      rank: 1 for the nearest centre.
      radii: float32 [m], squared; None for no balls.
    """
    count = vectors.shape.as_list()[0]
    blocks = -(-count // _BLOCK)
    padded = tf.pad(vectors, [[0, blocks * _BLOCK - count], [0, 0]])
    lengths = tf.reduce_sum(tf.square(centres), axis=1)
    far = tf.where(there, tf.zeros_like(lengths), tf.fill(tf.shape(lengths), float('inf')))
    limits = tf.fill(tf.shape(lengths), -1.0) if radii is None else radii

    def of_block(block: Tensor) -> tuple[Tensor, Tensor]:
        own = tf.reduce_sum(tf.square(block), axis=1, keepdims=True)
        squares = own + lengths - 2.0 * tf.matmul(block, centres, transpose_b=True)
        squares = tf.maximum(squares, 0.0) + far
        return tf.reduce_any(squares <= limits, axis=1), -tf.nn.top_k(-squares, rank).values[:, -1]

    inside, nearest = tf.map_fn(
        of_block,
        tf.reshape(padded, [blocks, _BLOCK, vectors.shape.as_list()[1]]),
        dtype=(tf.bool, tf.float32),
        parallel_iterations=1,
    )
    return tf.reshape(inside, [-1])[:count], tf.reshape(nearest, [-1])[:count]
