"""``tf.contrib.metrics``: mostly tf.metrics with predictions before labels."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from estimator_lab.tf1 import tf


def _predictions_first(metric: Callable[..., Any]) -> Callable[..., Any]:
    def streaming(predictions: Any, labels: Any, *arguments: Any, **more: Any) -> Any:
        return metric(labels, predictions, *arguments, **more)

    parameters = dict(inspect.signature(metric).parameters)
    first = [parameters.pop(name) for name in ('predictions', 'labels')]
    # MetricSpec looks for the parameters `labels` and `weights`.
    vars(streaming)['__signature__'] = inspect.Signature([*first, *parameters.values()])
    streaming.__name__ = f'streaming_{metric.__name__}'
    streaming.__doc__ = f'Returns tf.metrics.{metric.__name__}(labels, predictions, ...).'
    return streaming


streaming_accuracy = _predictions_first(tf.metrics.accuracy)
streaming_auc = _predictions_first(tf.metrics.auc)
streaming_mean_absolute_error = _predictions_first(tf.metrics.mean_absolute_error)
streaming_mean_squared_error = _predictions_first(tf.metrics.mean_squared_error)
streaming_root_mean_squared_error = _predictions_first(tf.metrics.root_mean_squared_error)
streaming_precision = _predictions_first(tf.metrics.precision)
streaming_recall = _predictions_first(tf.metrics.recall)
streaming_true_positives = _predictions_first(tf.metrics.true_positives)
streaming_false_positives = _predictions_first(tf.metrics.false_positives)
streaming_false_negatives = _predictions_first(tf.metrics.false_negatives)
streaming_mean_iou = _predictions_first(tf.metrics.mean_iou)
streaming_recall_at_k = _predictions_first(tf.metrics.recall_at_k)
streaming_sparse_recall_at_k = streaming_recall_at_k
streaming_mean = tf.metrics.mean
streaming_mean_tensor = tf.metrics.mean_tensor


def accuracy(predictions: Any, labels: Any, weights: Any = None, name: str | None = None) -> Any:
    """Returns the fraction of equal pairs in this batch, a scalar float32.

    Raises:
      ValueError: if the types differ.
    """
    if labels.dtype.base_dtype != predictions.dtype.base_dtype:
        raise ValueError(
            f'dtypes of predictions and labels should match. Given: predictions ({predictions.dtype}) and '
            f'labels ({labels.dtype}).'
        )
    with tf.name_scope(name, 'accuracy', [predictions, labels]):
        correct = tf.cast(tf.equal(predictions, labels), tf.float32)
        if weights is None:
            return tf.reduce_mean(correct)
        weights = tf.cast(weights, tf.float32)
        return tf.reduce_sum(correct * weights) / tf.reduce_sum(weights * tf.ones_like(correct))


def f1_score(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the largest harmonic mean of precision and recall over all thresholds, and its update.

    Args:
      labels: boolean, or 0 and 1.
      predictions: probabilities of the same shape.
      weights: weights of the examples.
      num_thresholds: number of thresholds from 0 to 1.
      metrics_collections: collections for the value.
      updates_collections: collections for the update.
      name: scope of the variables.
    """
    with tf.variable_scope(name, 'f1', (labels, predictions, weights)):
        tiny = 1e-7
        inner = [(step + 1) / (num_thresholds - 1) for step in range(num_thresholds - 2)]
        thresholds = [-tiny, *inner, 1 + tiny]
        parts = [
            metric(labels, predictions, thresholds, weights)
            for metric in (tf.metrics.precision_at_thresholds, tf.metrics.recall_at_thresholds)
        ]
        value, update = (
            tf.reduce_max(2 * precision * recall / (precision + recall + tiny), name=name)
            for name, (precision, recall) in zip(
                ('value', 'update_op'), zip(*parts, strict=True), strict=True
            )
        )
        if metrics_collections:
            tf.add_to_collections(metrics_collections, value)
        if updates_collections:
            tf.add_to_collections(updates_collections, update)
        return value, update


def aggregate_metrics(*value_update_tuples: tuple[Any, Any]) -> tuple[list[Any], list[Any]]:
    """Returns all values and all updates of several metrics.

    Raises:
      ValueError: if there are none.
    """
    if not value_update_tuples:
        raise ValueError('Expected at least one value_tensor/update_op pair')
    values, updates = zip(*value_update_tuples, strict=True)
    return list(values), list(updates)


def aggregate_metric_map(
    names_to_tuples: Mapping[str, tuple[Any, Any]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns {name: value} and {name: update} of {name: metric}."""
    values = {name: value for name, (value, _) in names_to_tuples.items()}
    return values, {name: update for name, (_, update) in names_to_tuples.items()}
