"""The heads of the canned Estimators of ``tf.contrib.learn``: losses, predictions and metrics of 1.15."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from estimator_lab.contrib.learn import ModeKeys, ModelFnOps, PredictionKey, ProblemType
from estimator_lab.contrib.renamed import index_table_from_tensor, index_to_string_table_from_tensor
from estimator_lab.tf1 import tf

_THRESHOLD = 0.5


class Head:
    """What follows the logits of a model.

    Args:
      size: number of logits.
      weight_column_name: the feature with the weights of the examples; None for equal weights.
    """

    scope = ''
    problem = ProblemType.UNSPECIFIED

    def __init__(self, size: int, weight_column_name: str | None) -> None:
        self.logits_dimension = size
        self._weights = weight_column_name

    def losses(self, labels: Any, logits: Any) -> Any:
        """Returns the loss of each example, [batch, 1] or [batch, size]."""
        raise NotImplementedError

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Returns the predictions by PredictionKey."""
        raise NotImplementedError

    def metrics(self, labels: Any, predicted: Mapping[str, Any], weights: Any) -> dict[str, Any]:
        """Returns metrics by the names of 1.15, without the loss."""
        raise NotImplementedError

    def served(self, predicted: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the outputs for serving."""
        return dict(predicted)

    def create_model_fn_ops(
        self,
        features: Mapping[str, Any],
        mode: str,
        labels: Any,
        train_op_fn: Callable[[Any], Any],
        logits: Any,
    ) -> ModelFnOps:
        """Returns the ModelFnOps of logits [batch, size]."""
        with tf.variable_scope(None, self.scope):
            predicted = self.predictions(logits)
            ops = ModelFnOps(
                mode, predicted, output_alternatives={None: (self.problem, self.served(predicted))}
            )
            if mode == ModeKeys.INFER:
                return ops
            labels = next(iter(labels.values())) if isinstance(labels, Mapping) else labels
            weights = self._weights_of(features)
            trained, reported = _reduced(self.losses(labels, logits), weights)
            if mode == ModeKeys.EVAL:
                return ops._replace(loss=reported, eval_metric_ops=self.metrics(labels, predicted, weights))
            with tf.name_scope(''):
                tf.summary.scalar('loss', tf.identity(reported))
            with tf.name_scope('train_op'):
                return ops._replace(loss=trained, train_op=train_op_fn(trained))

    def _weights_of(self, features: Mapping[str, Any]) -> Any:
        if self._weights is None:
            return None
        if self._weights not in features:
            raise ValueError(f'Weights {self._weights} missing from features.')
        weights = tf.cast(features[self._weights], tf.float32)
        return tf.reshape(weights, [-1, 1]) if weights.shape.ndims == 1 else weights


class BinaryHead(Head):
    """Two classes by the logistic function of one logit."""

    scope = 'binary_logistic_head'
    problem = ProblemType.LOGISTIC_REGRESSION

    def __init__(self, weight_column_name: str | None) -> None:
        super().__init__(1, weight_column_name)

    def losses(self, labels: Any, logits: Any) -> Any:
        """Returns sigmoid cross-entropies."""
        targets = tf.cast(_with_two_axes(labels), tf.float32)
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Returns logits, the logistic function, the probabilities of both classes, and the class."""
        both = tf.concat([tf.zeros_like(logits), logits], 1)
        return {
            PredictionKey.LOGITS: logits,
            PredictionKey.LOGISTIC: tf.sigmoid(logits),
            PredictionKey.PROBABILITIES: tf.nn.softmax(both),
            PredictionKey.CLASSES: tf.argmax(both, 1),
        }

    def metrics(self, labels: Any, predicted: Mapping[str, Any], weights: Any) -> dict[str, Any]:
        """Returns accuracy, AUC, means, and precision and recall at one half."""
        logistic = predicted[PredictionKey.LOGISTIC]
        truth, numbers = tf.cast(labels, tf.bool), tf.cast(labels, tf.float32)
        wide = weights if weights is None else weights * tf.ones_like(_with_two_axes(numbers))
        label_weights = wide if wide is None or numbers.shape.ndims != 1 else wide[:, 0]
        above = tf.cast(logistic >= _THRESHOLD, tf.float32)
        accuracy = tf.metrics.accuracy(labels, predicted[PredictionKey.CLASSES], weights)
        return {
            'accuracy': accuracy,
            'labels/prediction_mean': tf.metrics.mean(logistic, wide),
            'labels/actual_label_mean': tf.metrics.mean(numbers, label_weights),
            'accuracy/baseline_label_mean': tf.metrics.mean(numbers, label_weights),
            'auc': tf.metrics.auc(truth, logistic, wide),
            'auc_precision_recall': tf.metrics.auc(truth, logistic, wide, curve='PR'),
            f'accuracy/threshold_{_THRESHOLD:f}_mean': tf.metrics.accuracy(labels, above, weights),
            f'precision/positive_threshold_{_THRESHOLD:f}_mean': _scalars(
                tf.metrics.precision_at_thresholds(labels, logistic, [_THRESHOLD], wide)
            ),
            f'recall/positive_threshold_{_THRESHOLD:f}_mean': _scalars(
                tf.metrics.recall_at_thresholds(labels, logistic, [_THRESHOLD], wide)
            ),
        }

    def served(self, predicted: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the probabilities, and the classes that they belong to."""
        return _served_classes(predicted[PredictionKey.PROBABILITIES], None)


class MultiClassHead(Head):
    """More than two classes, by softmax.

    Args:
      n_classes: number of classes.
      weight_column_name: the feature with the weights of the examples.
      label_keys: the text of each class, which labels then are.

    Raises:
      ValueError: if the number of label_keys differs.
    """

    scope = 'multi_class_head'
    problem = ProblemType.CLASSIFICATION

    def __init__(
        self, n_classes: int, weight_column_name: str | None, label_keys: Sequence[str] | None
    ) -> None:
        super().__init__(n_classes, weight_column_name)
        if label_keys and len(label_keys) != n_classes:
            raise ValueError('Length of label_keys must equal n_classes.')
        self._keys = label_keys

    def losses(self, labels: Any, logits: Any) -> Any:
        """Returns softmax cross-entropies."""
        numbers = index_table_from_tensor(self._keys).lookup(labels) if self._keys else labels
        if not numbers.dtype.is_integer:
            raise ValueError(f'Labels dtype should be integer Instead got {numbers.dtype}.')
        flat = tf.squeeze(numbers, [1]) if numbers.shape.ndims == 2 else numbers
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=flat, logits=logits)[:, tf.newaxis]

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Returns logits, probabilities, and the class as a number or text."""
        classes = tf.argmax(logits, 1)
        if self._keys:
            classes = index_to_string_table_from_tensor(self._keys).lookup(classes)
        return {
            PredictionKey.LOGITS: logits,
            PredictionKey.PROBABILITIES: tf.nn.softmax(logits),
            PredictionKey.CLASSES: classes,
        }

    def metrics(self, labels: Any, predicted: Mapping[str, Any], weights: Any) -> dict[str, Any]:
        """Returns the accuracy."""
        return {'accuracy': tf.metrics.accuracy(labels, predicted[PredictionKey.CLASSES], weights)}

    def served(self, predicted: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the probabilities, and the classes that they belong to."""
        return _served_classes(predicted[PredictionKey.PROBABILITIES], self._keys)


class RegressionHead(Head):
    """Numbers, by squared errors.

    Args:
      label_dimension: numbers of an example.
      weight_column_name: the feature with the weights of the examples.
    """

    scope = 'regression_head'
    problem = ProblemType.LINEAR_REGRESSION

    def losses(self, labels: Any, logits: Any) -> Any:
        """Returns squared errors."""
        return tf.squared_difference(logits, tf.cast(_with_two_axes(labels), tf.float32))

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Returns the scores: [batch] if there is one for each example."""
        return {PredictionKey.SCORES: tf.squeeze(logits, [1]) if self.logits_dimension == 1 else logits}

    def metrics(self, labels: Any, predicted: Mapping[str, Any], weights: Any) -> dict[str, Any]:
        """Returns none."""
        return {}


def class_head(n_classes: int, weight_column_name: str | None, label_keys: Sequence[str] | None) -> Head:
    """Returns the head for that many classes.

    Raises:
      ValueError: for fewer than two, or label_keys of two classes.
    """
    if n_classes is None or n_classes < 2:
        raise ValueError(f'n_classes must be > 1 for classification: {n_classes}.')
    if n_classes > 2:
        return MultiClassHead(n_classes, weight_column_name, label_keys)
    if label_keys:
        raise ValueError('label_keys is not supported for n_classes=2.')
    return BinaryHead(weight_column_name)


def _reduced(losses: Any, weights: Any) -> tuple[Any, Any]:
    """Returns the loss to train by, the mean over examples, and that to report, over their weights."""
    if weights is None:
        mean = tf.reduce_mean(losses)
        return mean, mean
    weights = weights * tf.ones_like(losses)
    weighted = losses * weights
    return tf.reduce_mean(weighted), tf.reduce_sum(weighted) / tf.reduce_sum(weights)


def _with_two_axes(labels: Any) -> Any:
    return labels[:, tf.newaxis] if labels.shape.ndims == 1 else labels


def _scalars(metric: tuple[Any, Any]) -> tuple[Any, Any]:
    value, update = metric
    return tf.squeeze(value), tf.squeeze(update)


def _served_classes(probabilities: Any, keys: Sequence[str] | None) -> dict[str, Any]:
    names = tf.constant(list(keys)) if keys else tf.as_string(tf.range(tf.shape(probabilities)[1]))
    classes = tf.tile(names[tf.newaxis, :], [tf.shape(probabilities)[0], 1])
    return {PredictionKey.PROBABILITIES: probabilities, PredictionKey.CLASSES: classes}
