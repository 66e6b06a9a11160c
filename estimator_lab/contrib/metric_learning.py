"""``tf.contrib.losses.metric_learning``: losses of embeddings of which equal labels should be close."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.tf1 import tf


def pairwise_distance(feature: Any, squared: bool = False) -> Any:
    """Returns the Euclidean distances [batch, batch] between rows of a float [batch, size]."""
    norms = tf.reduce_sum(tf.square(feature), 1)
    distances = norms[:, None] + norms[None, :] - 2.0 * tf.matmul(feature, feature, transpose_b=True)
    distances = tf.maximum(distances, 0.0)
    if not squared:
        # The gradient of a root at 0 is infinite.
        is_zero = tf.cast(distances <= 0.0, distances.dtype)
        distances = tf.sqrt(distances + is_zero * 1e-16) * (1.0 - is_zero)
    return distances * (1.0 - tf.eye(tf.shape(feature)[0], dtype=distances.dtype))


def contrastive_loss(
    labels: Any, embeddings_anchor: Any, embeddings_positive: Any, margin: float = 1.0
) -> Any:
    """Returns the contrastive loss of pairs: Hadsell, Chopra and LeCun (2006), equation 4.

    Args:
      labels: [batch], 1 for pairs that should be close and 0 for others.
      embeddings_anchor: float [batch, size].
      embeddings_positive: float [batch, size].
      margin: distance from which other pairs add nothing.
    """
    distances = tf.sqrt(tf.reduce_sum(tf.math.squared_difference(embeddings_anchor, embeddings_positive), 1))
    labels = tf.cast(labels, distances.dtype)
    close = labels * tf.square(distances)
    far = (1.0 - labels) * tf.square(tf.maximum(margin - distances, 0.0))
    return tf.reduce_mean(close + far, name='contrastive_loss')


def triplet_semihard_loss(labels: Any, embeddings: Any, margin: float = 1.0) -> Any:
    """Returns the triplet loss with semi-hard negatives: Schroff, Kalenichenko and Philbin (2015).

    For an anchor and a positive, the negative is the nearest one that is farther than the positive; if there
    is none, the farthest.

    Args:
      labels: integers [batch].
      embeddings: float [batch, size], usually with rows of length 1.
      margin: least difference of the squared distances.
    """
    distances = pairwise_distance(embeddings, squared=True)
    same = _same(labels)
    positives = tf.cast(same, distances.dtype) * (1.0 - tf.eye(tf.shape(distances)[0]))
    to_negative = distances[:, None, :]  # [anchor, positive, negative]
    beyond = ~same[:, None, :] & (to_negative > distances[:, :, None])
    nearest_beyond = _masked_minimum(tf.tile(to_negative, [1, tf.shape(distances)[0], 1]), beyond)
    farthest = -_masked_minimum(-distances, ~same)
    exists = tf.reduce_any(beyond, 2)
    chosen = tf.where(exists, nearest_beyond, tf.tile(farthest[:, None], [1, tf.shape(distances)[0]]))
    loss = tf.maximum((margin + distances - chosen) * positives, 0.0)
    return tf.truediv(tf.reduce_sum(loss), tf.reduce_sum(positives), name='triplet_semihard_loss')


def npairs_loss(
    labels: Any,
    embeddings_anchor: Any,
    embeddings_positive: Any,
    reg_lambda: float = 0.002,
    print_losses: bool = False,
) -> Any:
    """Returns the n-pairs loss: Sohn (2016).

    Args:
      labels: integers [batch].
      embeddings_anchor: float [batch, size].
      embeddings_positive: float [batch, size].
      reg_lambda: weight of the squared lengths.
      print_losses: whether the two parts are printed at each step.
    """
    common = tf.cast(_same(labels), tf.float32)
    return _npairs(common, embeddings_anchor, embeddings_positive, reg_lambda, print_losses)


def npairs_loss_multilabel(
    sparse_labels: Sequence[Any],
    embeddings_anchor: Any,
    embeddings_positive: Any,
    reg_lambda: float = 0.002,
    print_losses: bool = False,
) -> Any:
    """Returns the n-pairs loss of examples with several labels; targets are the numbers of common labels.

    Args:
      sparse_labels: a SparseTensor [classes] of 0 and 1 for each example.
      embeddings_anchor: float [batch, size].
      embeddings_positive: float [batch, size].
      reg_lambda: weight of the squared lengths.
      print_losses: whether the two parts are printed at each step.

    Raises:
      TypeError: if a label is not a SparseTensor.
    """
    if not all(isinstance(each, tf.SparseTensor) for each in sparse_labels):
        raise TypeError(f'sparse_labels must be a list of SparseTensors, but got {sparse_labels}')
    labels = tf.stack([tf.cast(tf.sparse.to_dense(each), tf.float32) for each in sparse_labels])
    common = tf.matmul(labels, labels, transpose_b=True)
    return _npairs(common, embeddings_anchor, embeddings_positive, reg_lambda, print_losses)


def _npairs(
    common: Any, embeddings_anchor: Any, embeddings_positive: Any, reg_lambda: float, print_losses: bool
) -> Any:
    """Returns the n-pairs loss of numbers of common labels, float [batch, batch]."""
    lengths = [
        tf.reduce_mean(tf.reduce_sum(tf.square(each), 1)) for each in (embeddings_anchor, embeddings_positive)
    ]
    penalty = 0.25 * reg_lambda * (lengths[0] + lengths[1])
    similarity = tf.matmul(embeddings_anchor, embeddings_positive, transpose_b=True)
    targets = common / tf.reduce_sum(common, 1, keepdims=True)
    entropy = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=targets, logits=similarity))
    if print_losses:
        entropy = tf.Print(entropy, ['cross entropy:', entropy, 'l2loss:', penalty])
    return penalty + entropy


def lifted_struct_loss(labels: Any, embeddings: Any, margin: float = 1.0) -> Any:
    """Returns the lifted structured loss: Song, Xiang, Jegelka and Savarese (2016), equation 4.

    Args:
      labels: integers [batch].
      embeddings: float [batch, size], not normalised.
      margin: margin of the negatives.
    """
    distances = pairwise_distance(embeddings)
    same = _same(labels)
    negatives = tf.cast(~same, distances.dtype)
    difference = margin - distances
    largest = -_masked_minimum(-difference, ~same)
    largest = tf.maximum(largest[:, None], largest[None, :])
    # [i, j]: the sum over the negatives k of i, scaled by the largest element of i and j.
    sums = tf.reduce_sum(tf.exp(difference[:, None, :] - largest[:, :, None]) * negatives[:, None, :], 2)
    structured = largest + tf.log(sums + tf.transpose(sums)) + distances
    positives = tf.cast(same, distances.dtype) - tf.eye(tf.shape(distances)[0])
    count = tf.reduce_sum(positives) / 2.0
    loss = tf.reduce_sum(tf.square(tf.maximum(structured * positives, 0.0)))
    return tf.truediv(0.25 * loss, count, name='liftedstruct_loss')


def _same(labels: Any) -> Any:
    """Returns a boolean [batch, batch]: whether two labels are equal."""
    labels = tf.reshape(labels, [-1, 1])
    return tf.equal(labels, tf.transpose(labels))


def _masked_minimum(values: Any, mask: Any) -> Any:
    """Returns the smallest values in the mask over the last axis; the largest of all where it is empty."""
    largest = tf.reduce_max(values, -1, keepdims=True)
    return tf.reduce_min(tf.where(mask, values, largest + tf.zeros_like(values)), -1)
