"""Streaming metrics that `tf.metrics` lacks or counts differently."""

from collections.abc import Sequence

from estimator_lab.core import keys
from estimator_lab.core.endpoints import Endpoints, operation
from estimator_lab.tf1 import Metric, Tensor, tf

_MOST_CURVES = 10  # classes with a curve for each
_MOST_POOLED = 100  # classes in the curve of all, for which each probability is compared with all thresholds
_THRESHOLDS = 201
_AREAS = 2001


def mean_per_class_accuracy(labels: Tensor, predictions: Tensor, num_classes: int, weights: Tensor) -> Metric:
    """Streams the mean accuracy of the classes that occur: (value, update op), scalar float32 in [0, 1].

    This is scikit-learn's `balanced_accuracy_score`. `tf.metrics.mean_per_class_accuracy` counts a class that
    never occurs as 0, so that a perfect model does not reach 1 if a class is missing. Labels and predictions
    are int64 [batch], labels in [0, num_classes); examples of weight 0 do not count.
    """
    correct = tf.cast(tf.equal(labels, predictions), tf.float32)
    right, update_right = running_sum(
        'right', tf.math.unsorted_segment_sum(correct * weights, labels, num_classes)
    )
    seen, update_seen = running_sum('seen', tf.math.unsorted_segment_sum(weights, labels, num_classes))
    return _mean_of_ratios(right, seen), _mean_of_ratios(update_right, update_seen)


def area_under_roc(logits: Tensor, ids: Tensor, weights: Tensor) -> Metric:
    """Streams the area under the ROC curve of class 1 of two: (value, update op), scalar float32 in [0, 1].

    Logits are float32 [batch, 2], true classes int64 [batch]; examples of weight 0 do not count. It is within
    0.001 of the exact area: thresholds are of x / (1 + |x|) for the difference x of the logits, which keeps
    apart what is near 0 or 1 as a probability.
    """
    x = logits[:, 1] - logits[:, 0]
    score = 0.5 + 0.5 * x / (1 + tf.abs(x))
    return tf.metrics.auc(ids, score, weights, _AREAS, summation_method='careful_interpolation')


def majority_share(labels: Tensor, num_classes: int, weights: Tensor) -> Metric:
    """Streams the share of the most frequent class, the accuracy of always predicting it.

    For the arguments and results, see `mean_per_class_accuracy`.
    """
    counts = running_sum('of_classes', tf.math.unsorted_segment_sum(weights, labels, num_classes))
    value, update = (tf.div_no_nan(tf.reduce_max(n), tf.reduce_sum(n)) for n in counts)
    return value, update


def mean_image_error(values: Tensor) -> Metric:
    """Streams the squared error of predicting the mean of all examples: (value, update op), scalar float32.

    An example's error is summed over its values, which are float32 [batch, ...].
    """
    values = tf.layers.flatten(values)
    n, update_n = running_sum('examples', tf.cast(tf.shape(values)[0], tf.float32))
    total, update_total = running_sum('total', tf.reduce_sum(values, axis=0))
    squares, update_squares = running_sum('squares', tf.reduce_sum(tf.square(values)))

    def error(n: Tensor, total: Tensor, squares: Tensor) -> Tensor:
        return tf.div_no_nan(squares, n) - tf.reduce_sum(tf.square(tf.div_no_nan(total, n)))

    return error(n, total, squares), error(update_n, update_total, update_squares)


def count(flags: Tensor, name: str) -> Metric:
    """Streams the number of true values in a bool tensor: (value, update op), scalar float32."""
    return running_sum(name, tf.reduce_sum(tf.cast(flags, tf.float32)))


def evaluated_images(values: Tensor) -> Metric:
    """Streams the number of examples, whose values are [batch]: (value, update op), scalar float32."""
    return count(tf.ones_like(values, tf.bool), keys.TOTAL_EXAMPLES)


def running_sum(name: str, amount: Tensor) -> Metric:
    """Streams the sum of a tensor over an evaluation: (value, update op) of its dtype and shape."""
    total = tf.get_variable(
        f'metric_{name}',
        amount.shape,
        amount.dtype,
        initializer=tf.zeros_initializer(),
        trainable=False,
        collections=[tf.GraphKeys.LOCAL_VARIABLES, tf.GraphKeys.METRIC_VARIABLES],
        synchronization=tf.VariableSynchronization.ON_READ,  # the sum of all replicas
        aggregation=tf.VariableAggregation.SUM,
    )
    return total.read_value(), tf.assign_add(total, amount)


def _mean_of_ratios(right: Tensor, seen: Tensor) -> Tensor:
    occurring = tf.reduce_sum(tf.cast(seen > 0, tf.float32))
    return tf.div_no_nan(tf.reduce_sum(tf.div_no_nan(right, seen)), occurring)


def dead_units(endpoints: Endpoints, weights: Tensor) -> dict[str, Metric]:
    """Streams the share of ReLUs that are never active in an evaluation, for each endpoint that is a ReLU.

    A unit is a unit of a dense layer or a map of a convolution; it is active if an output is positive. A ReLU
    that is never active has no gradient and stays inactive (Maas et al. 2013, section 2). Units of other
    activations always have one. Examples of weight 0 do not count.

    Returns:
      `DEAD_UNITS/NAME` -> (value, update op), scalar float32 in [0, 1].
    """
    return {
        f'{keys.DEAD_UNITS}/{name}': _dead_share(values, weights, name)
        for name, values in endpoints.items()
        if operation(values) == 'Relu'
    }


def _dead_share(values: Tensor, weights: Tensor, name: str) -> Metric:
    """Streams the share of dead units for values, float32 [batch, ..., units]."""
    between = list(range(1, values.shape.rank - 1))
    active = tf.cast(tf.reduce_max(values, axis=between) > 0, tf.float32)
    seen, update = running_sum(f'active_{name}', tf.reduce_sum(active * tf.expand_dims(weights, 1), axis=0))
    return _share_of_zeros(seen), _share_of_zeros(update)


def _share_of_zeros(counts: Tensor) -> Tensor:
    return tf.reduce_mean(tf.cast(tf.equal(counts, 0), tf.float32))


def pr_curves(
    probabilities: Tensor, ids: Tensor, weights: Tensor, labels: Sequence[str]
) -> dict[str, Metric]:
    """Streams precision-recall curves, as metrics whose values are summaries for TensorBoard.

    With up to ten classes, `pr_curves/LABEL` is the curve of each class against the rest. With up to 100,
    `pr_curves/micro_average` pools all pairs of an example and a class. Probabilities are float32 [batch,
    classes], true classes int64 [batch]; examples of weight 0 do not count.
    """
    from tensorboard.plugins.pr_curve import summary

    if len(labels) > _MOST_POOLED:
        return {}
    # `summary.streaming_op` would build 170 operations for each of four counts of each curve.
    with tf.name_scope('pr_curves'):
        thresholds = tf.linspace(0.0, 1.0, _THRESHOLDS)
        above = tf.cast(probabilities[:, :, tf.newaxis] > thresholds, tf.float32)
        counted = tf.tile(weights[:, tf.newaxis], [1, len(labels)])
        true = counted * tf.one_hot(ids, len(labels))
        sums = {
            'true_positives': tf.einsum('bct,bc->ct', above, true),
            'positives': tf.einsum('bct,bc->ct', above, counted),
            'true': tf.reduce_sum(true, axis=0)[:, tf.newaxis],
            'all': tf.reduce_sum(counted, axis=0)[:, tf.newaxis],
        }
        values, updates = zip(
            *(running_sum(f'pr_{name}', amount) for name, amount in sums.items()), strict=True
        )
        pooled = [tf.reduce_sum(value, axis=0) for value in values]
    curves = {}
    if len(labels) <= _MOST_CURVES:
        curves = {label: [value[number] for value in values] for number, label in enumerate(labels)}
    curves['micro_average'] = pooled

    def curve(number: int, label: str, counts: Sequence[Tensor]) -> Tensor:
        hits, positives, true, every = counts
        false, missed = positives - hits, true - hits
        shares = tf.div_no_nan(hits, positives), tf.div_no_nan(hits, true)
        return summary.raw_data_op(
            f'pr_curves_{number}',
            hits,
            false,
            every - true - false,
            missed,
            *shares,
            num_thresholds=_THRESHOLDS,
            display_name=f'pr_curves/{label}',
        )

    update = tf.group(updates)
    return {
        f'pr_curves/{label}': (curve(number, label, counts), update)
        for number, (label, counts) in enumerate(curves.items())
    }
