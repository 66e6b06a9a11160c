"""``tf.contrib.losses.metric_learning``: losses of embeddings of which equal labels should be close."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

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


def cluster_loss(
    labels: Any,
    embeddings: Any,
    margin_multiplier: float,
    enable_pam_finetuning: bool = True,
    margin_type: str = 'nmi',
    print_losses: bool = False,
) -> Any:
    """Returns the clustering loss: Song, Jegelka, Rathod and Murphy (2017), equations 5 to 11.

    Args:
      labels: integers [batch] or [batch, 1].
      embeddings: float [batch, size], usually with rows of length 1.
      margin_multiplier: weight of the difference between the clusters and the labels.
      enable_pam_finetuning: whether the centres of the clusters are refined, up to five times.
      margin_type: how clusters are compared with the labels, by a score of scikit-learn: 'nmi', 'ami', 'ari'
        or 'vmeasure'; 'const' is whether they are equal.
      print_losses: whether the loss is printed at each step.

    Raises:
      ValueError: if there is no such `margin_type`.
      ImportError: if scikit-learn is not installed.
    """
    score = _clustering_score(margin_type)
    distances, labels = pairwise_distance(embeddings), tf.reshape(labels, [-1])

    def search(distances: Any, labels: Any) -> Any:
        centres = _augmented_centres(distances, labels, margin_multiplier, score, enable_pam_finetuning)
        return np.array(centres, np.int32), score(labels, _nearest(distances, centres))

    centres, agreement = tf.py_func(search, [distances, labels], [tf.int32, tf.float32], name='clusters')
    agreement.set_shape([])
    found = -tf.reduce_sum(tf.reduce_min(tf.gather(distances, centres), 0))
    same = _same(labels)
    sizes = tf.reduce_sum(tf.cast(same, distances.dtype), 1)
    within = tf.reduce_sum(distances * tf.cast(same, distances.dtype), 0)
    best = _masked_minimum(tf.tile(within[None, :], [tf.shape(same)[0], 1]), same)
    of_labels = -tf.reduce_sum(best / sizes)
    loss = found + margin_multiplier * (1.0 - agreement) - of_labels
    loss = tf.maximum(loss, 0.0, name='clustering_loss')
    if print_losses:
        loss = tf.Print(loss, ['clustering_loss: ', loss])
    tf.summary.scalar('losses/score_pred', found)
    tf.summary.scalar(f'losses/{margin_type}', agreement)
    tf.summary.scalar('losses/score_gt', of_labels)
    return loss


def _clustering_score(margin_type: str) -> Callable[[Any, Any], Any]:
    """Returns the function (labels, clusters) -> float32, 1 for equal partitions."""
    names = {
        'nmi': 'normalized_mutual_info_score',
        'ami': 'adjusted_mutual_info_score',
        'ari': 'adjusted_rand_score',
        'vmeasure': 'v_measure_score',
    }
    if margin_type == 'const':
        return lambda labels, clusters: np.float32(np.array_equal(labels, clusters))
    if margin_type not in names:
        raise ValueError(f'Unrecognized margin_type: {margin_type}')
    score = getattr(importlib.import_module('sklearn.metrics'), names[margin_type])
    return lambda labels, clusters: np.float32(max(0.0, score(labels, clusters)))


def _nearest(distances: Any, centres: list[int]) -> Any:
    """Returns the number of the nearest centre of each point, int [points]; a centre belongs to itself."""
    clusters = np.argmin(distances[centres], 0)
    clusters[centres] = np.arange(len(centres))
    return clusters


def _augmented_centres(
    distances: Any, labels: Any, margin: float, score: Callable[[Any, Any], Any], refine: bool
) -> list[int]:
    """Returns centres, one for each label, for which energy plus margin is large: algorithms 1 and 2."""

    def penalty(centres: list[int]) -> Any:
        return np.float32(margin) * (1 - score(labels, _nearest(distances, centres)))

    number = len(np.unique(labels))
    centres: list[int] = []
    for _ in range(number):
        others = [point for point in range(len(labels)) if point not in centres]
        values = [
            penalty([*centres, point]) - distances[[*centres, point]].min(0).sum(dtype=np.float32)
            for point in others
        ]
        centres.append(others[int(np.argmax(values))])
    for _ in range(5 if refine else 0):
        clusters = _nearest(distances, centres)
        for cluster in range(number):
            members = np.flatnonzero(clusters == cluster)
            values = [
                penalty([*centres[:cluster], int(point), *centres[cluster + 1 :]])
                - distances[members, point].sum(dtype=np.float32)
                for point in members
            ]
            centres[cluster] = int(members[int(np.argmax(values))])
    return centres


def _same(labels: Any) -> Any:
    """Returns a boolean [batch, batch]: whether two labels are equal."""
    labels = tf.reshape(labels, [-1, 1])
    return tf.equal(labels, tf.transpose(labels))


def _masked_minimum(values: Any, mask: Any) -> Any:
    """Returns the smallest values in the mask over the last axis; the largest of all where it is empty."""
    largest = tf.reduce_max(values, -1, keepdims=True)
    return tf.reduce_min(tf.where(mask, values, largest + tf.zeros_like(values)), -1)
