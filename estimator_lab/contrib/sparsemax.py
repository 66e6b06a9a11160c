"""``tf.contrib.sparsemax``: Martins and Astudillo (2016), "From softmax to sparsemax"."""

from typing import Any

from estimator_lab.tf1 import tf


def sparsemax(logits: Any, name: str | None = None) -> Any:
    """Returns the Euclidean projection of rows, float [batch, classes], onto the simplex: algorithm 1."""
    with tf.name_scope(name, 'sparsemax', [logits]):
        logits = tf.convert_to_tensor(logits, name='logits')
        # The largest logit becomes 0: adding a constant to a row does not change its projection.
        z = logits - tf.reduce_max(logits, 1, keepdims=True)
        z_sorted = tf.sort(z, axis=1, direction='DESCENDING')
        sums = tf.cumsum(z_sorted, axis=1)
        numbers = tf.cast(tf.range(1, tf.shape(logits)[1] + 1), logits.dtype)
        size = tf.reduce_sum(tf.cast(1 + numbers * z_sorted > sums, tf.int32), 1)
        where = tf.stack([tf.range(tf.shape(size)[0]), tf.maximum(size - 1, 0)], 1)
        threshold = (tf.gather_nd(sums, where) - 1) / tf.cast(size, logits.dtype)
        found = tf.maximum(z - threshold[:, None], 0)
        # A row with NaN or infinity, or with -infinity only, has no projection.
        nan = tf.fill(tf.shape(found), tf.constant(float('nan'), found.dtype))
        return tf.where(tf.tile(tf.is_nan(threshold)[:, None], [1, tf.shape(found)[1]]), nan, found)


def sparsemax_loss(logits: Any, sparsemax: Any, labels: Any, name: str | None = None) -> Any:
    """Returns the loss [batch] of logits, their sparsemax and one-hot labels: equation 24."""
    with tf.name_scope(name, 'sparsemax_loss', [logits, sparsemax, labels]):
        logits, sparsemax, labels = map(tf.convert_to_tensor, (logits, sparsemax, labels))
        z = logits - tf.reduce_mean(logits, 1, keepdims=True)
        # 0 * inf is NaN: classes outside of the support add nothing.
        inside = tf.where(sparsemax > 0, sparsemax * (z - 0.5 * sparsemax), tf.zeros_like(z))
        target = tf.where(tf.equal(labels, 0), tf.zeros_like(z), labels * (0.5 * labels - z))
        return tf.reduce_sum(inside + target, 1)
