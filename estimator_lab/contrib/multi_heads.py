"""Heads of ``tf.contrib.estimator`` for several labels or several targets at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from estimator_lab.tf1 import tf
from estimator_lab.tf1._canned_heads import MetricKeys as Keys
from estimator_lab.tf1._canned_heads import heads

_SERVING_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
_Reduction = tf.losses.Reduction
_Kind = tf.estimator.ModeKeys


def multi_label_head(
    n_classes: int,
    weight_column: Any = None,
    thresholds: Sequence[float] | None = None,
    label_vocabulary: Sequence[str] | None = None,
    loss_reduction: str = _Reduction.SUM_OVER_BATCH_SIZE,
    loss_fn: Callable[..., Any] | None = None,
    classes_for_class_based_metrics: Sequence[Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns a head for examples with any number of labels; each class has a sigmoid cross-entropy.

    Labels are 0 and 1 [batch, n_classes], or a SparseTensor [batch, any] of class numbers, or of text if
    there is a vocabulary. The loss of an example is the mean over the classes.

    Args:
      n_classes: the number of classes, two or more.
      weight_column: the key of a feature with the weights of the examples, or its numeric column.
      thresholds: probabilities between 0 and 1, each of which adds accuracy, precision and recall.
      label_vocabulary: the text of each class.
      loss_reduction: one of tf.losses.Reduction, except NONE.
      loss_fn: maps labels [batch, n_classes], logits and, if it accepts them, features to losses [batch, 1].
      classes_for_class_based_metrics: numbers or text of classes that have their own metrics.
      name: suffix of the names of metrics and summaries.

    Raises:
      ValueError: if an argument is outside the range given here.
    """
    if n_classes is None or n_classes < 2:
        raise ValueError(f'n_classes must be > 1 for multi-class classification. Given: {n_classes}')
    for threshold in thresholds or ():
        if not 0 < threshold < 1:
            raise ValueError(f'thresholds must be in (0, 1) range. Given: {threshold}')
    if label_vocabulary is not None:
        if not isinstance(label_vocabulary, list | tuple):
            raise ValueError(
                f'label_vocabulary must be a list or tuple. Given type: {type(label_vocabulary)}'
            )
        if len(label_vocabulary) != n_classes:
            raise ValueError(
                f'Length of label_vocabulary must be n_classes ({n_classes}). Given: {len(label_vocabulary)}'
            )
    if loss_fn:
        heads._validate_loss_fn_args(loss_fn)
    if loss_reduction not in _Reduction.all() or loss_reduction == _Reduction.NONE:
        raise ValueError(f'Invalid loss_reduction: {loss_reduction}')
    classes = _class_numbers(classes_for_class_based_metrics or (), n_classes, label_vocabulary)
    return _MultiLabelHead(
        n_classes, weight_column, thresholds, label_vocabulary, loss_reduction, loss_fn, classes, name
    )


def multi_head(heads: Sequence[Any], head_weights: Sequence[float] | None = None) -> Any:
    """Returns a head that trains several heads at once, on the weighted sum of their losses.

    Labels are {name of the head: labels}. Logits are {name of the head: logits}, or one tensor, whose last
    axis is split among the heads in their order. The keys of predictions are (name of the head, key); metrics
    have the name as a suffix. The first head is the default for serving.

    Args:
      heads: heads with different names.
      head_weights: the weights of their losses; 1 by default.

    Raises:
      ValueError: if there are no heads, one has no name, or the number of weights differs.
    """
    if head_weights and len(head_weights) != len(heads):
        raise ValueError(
            'heads and head_weights must have the same size. '
            f'Given len(heads): {len(heads)}. Given len(head_weights): {len(head_weights)}.'
        )
    if not heads:
        raise ValueError(f'Must specify heads. Given: {heads}')
    for head in heads:
        if not head.name:
            raise ValueError(f'All given heads must have name specified. Given: {head}')
    return _MultiHead(heads, head_weights)


def _class_numbers(classes: Sequence[Any], n_classes: int, vocabulary: Sequence[str] | None) -> list[int]:
    if classes and isinstance(classes[0], str):
        if not vocabulary:
            raise ValueError(
                'label_vocabulary must be provided when classes_for_class_based_metrics are strings.'
            )
        return [vocabulary.index(text) for text in classes]
    for number in classes:
        if not 0 <= number < n_classes:
            raise ValueError(
                f'All classes_for_class_based_metrics must be in range [0, {n_classes - 1}]. Given: {number}'
            )
    return list(classes)


class _MultiLabelHead(heads._Head):
    """See multi_label_head, which checks the arguments."""

    def __init__(
        self,
        n_classes: int,
        weight_column: Any,
        thresholds: Sequence[float] | None,
        vocabulary: Sequence[str] | None,
        loss_reduction: str,
        loss_fn: Callable[..., Any] | None,
        classes: Sequence[int],
        name: str | None,
    ) -> None:
        self._n_classes = n_classes
        self._weight_column = weight_column
        self._thresholds = tuple(thresholds or ())
        self._vocabulary = vocabulary
        self._reduction = loss_reduction
        self._loss_fn = loss_fn
        self._classes = classes
        self._name = name

    @property
    def name(self) -> str | None:
        """The suffix of metrics and summaries."""
        return self._name

    @property
    def logits_dimension(self) -> int:
        """The number of classes."""
        return self._n_classes

    def create_loss(self, features: Any, mode: str, logits: Any, labels: Any) -> Any:
        """Returns a LossSpec: the reduced loss, losses [batch, 1], weights, and labels [batch, n_classes]."""
        logits = tf.convert_to_tensor(logits)
        labels = heads._check_dense_labels_match_logits_and_reshape(
            labels=self._indicators(labels), logits=logits, expected_labels_dimension=self._n_classes
        )
        if self._loss_fn:
            losses = heads._call_loss_fn(self._loss_fn, labels, logits, features, expected_loss_dim=1)
        else:
            entropies = tf.losses.sigmoid_cross_entropy(labels, logits, reduction=_Reduction.NONE)
            losses = tf.reduce_mean(entropies, -1, keepdims=True)
        weights = heads._get_weights_and_check_match_logits(features, self._weight_column, logits)
        loss = tf.losses.compute_weighted_loss(losses, weights, reduction=self._reduction)
        return heads.LossSpec(loss, losses, weights, labels)

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: Callable[[Any], Any] | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> Any:
        """Returns the EstimatorSpec for logits [batch, n_classes].

        Raises:
          ValueError: if labels are missing, or for training not exactly one of optimizer and train_op_fn is
            given.
        """
        with tf.name_scope(self._name, 'head'):
            logits = heads._check_logits_final_dim(logits, self._n_classes)
            with tf.name_scope(None, 'predictions'):
                probabilities = tf.sigmoid(logits, name='probabilities')
            predictions = {'logits': logits, 'probabilities': probabilities}
            if mode == _Kind.PREDICT:
                return tf.estimator.EstimatorSpec(
                    mode, predictions, export_outputs=self._exports(predictions)
                )
            spec = self.create_loss(features, mode, logits, labels)
            penalty = tf.add_n(regularization_losses) if regularization_losses else None
            loss = spec.training_loss if penalty is None else spec.training_loss + penalty
            if mode == _Kind.EVAL:
                metrics = self._metrics(spec, probabilities, penalty)
                return tf.estimator.EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)
            train = heads._append_update_ops(_train_op(loss, optimizer, train_op_fn))
        self._summarize(loss, spec, penalty)
        return tf.estimator.EstimatorSpec(mode, predictions, loss, train)

    def _indicators(self, labels: Any) -> Any:
        """Returns 0 and 1, integers [batch, n_classes]."""
        if labels is None:
            raise ValueError(
                'You must provide a labels Tensor. Given: None. Check that input_fn returns labels.'
            )
        if not isinstance(labels, tf.SparseTensor):
            text = 'labels must be an integer indicator Tensor with values in [0, 1]'
            return heads._assert_range(labels, 2, message=text)
        numbers = labels.values
        if labels.dtype == tf.string:
            if not self._vocabulary:
                raise ValueError('label_vocabulary must be provided when labels are strings.')
            table = tf.contrib.lookup.index_table_from_tensor(list(self._vocabulary), name='class_id_lookup')
            numbers = table.lookup(numbers)
        else:
            text = f'labels must be an integer SparseTensor with values in [0, {self._n_classes})'
            tf.debugging.assert_integer(numbers, message=text)
            numbers = heads._assert_range(numbers, self._n_classes, message=text)
        sparse = tf.SparseTensor(labels.indices, numbers, labels.dense_shape)
        return tf.cast(tf.sparse_to_indicator(sparse, self._n_classes), tf.int64)

    def _exports(self, predictions: Mapping[str, Any]) -> dict[str, Any]:
        classes = heads._classification_output(
            predictions['probabilities'], self._n_classes, self._vocabulary
        )
        return {
            _SERVING_DEFAULT: classes,
            'classification': classes,
            'predict': tf.estimator.export.PredictOutput(predictions),
        }

    def _metrics(self, spec: Any, probabilities: Any, penalty: Any) -> dict[str, Any]:
        labels, weights = spec.processed_labels, spec.weights
        found = {
            Keys.LOSS_MEAN: tf.metrics.mean(spec.unreduced_loss, weights, name=Keys.LOSS_MEAN),
            Keys.AUC: tf.metrics.auc(labels, probabilities, weights, name=Keys.AUC),
            Keys.AUC_PR: tf.metrics.auc(labels, probabilities, weights, curve='PR', name=Keys.AUC_PR),
        }
        if penalty is not None:
            found[Keys.LOSS_REGULARIZATION] = tf.metrics.mean(penalty, name=Keys.LOSS_REGULARIZATION)
        for threshold in self._thresholds:
            for key, metric in (
                (Keys.ACCURACY_AT_THRESHOLD % threshold, heads._accuracy_at_threshold),
                (Keys.PRECISION_AT_THRESHOLD % threshold, heads._precision_at_threshold),
                (Keys.RECALL_AT_THRESHOLD % threshold, heads._recall_at_threshold),
            ):
                found[key] = metric(labels, probabilities, weights, threshold, name=key)
        for number in self._classes:
            found.update(self._metrics_of_class(number, labels, probabilities, weights))
        return {heads._summary_key(self._name, key): value for key, value in found.items()}

    def _metrics_of_class(self, number: int, labels: Any, probabilities: Any, weights: Any) -> dict[str, Any]:
        labels, probabilities = (each[..., number : number + 1] for each in (labels, probabilities))
        which = self._vocabulary[number] if self._vocabulary else f'class{number}'
        mean, auc, auc_pr = (
            pattern % which
            for pattern in (Keys.PROBABILITY_MEAN_AT_NAME, Keys.AUC_AT_NAME, Keys.AUC_PR_AT_NAME)
        )
        return {
            mean: heads._predictions_mean(probabilities, weights, name=mean),
            auc: heads._auc(labels, probabilities, weights, name=auc),
            auc_pr: heads._auc(labels, probabilities, weights, curve='PR', name=auc_pr),
        }

    def _summarize(self, loss: Any, spec: Any, penalty: Any) -> None:
        scalars = {Keys.LOSS: loss}
        if self._reduction == _Reduction.SUM:
            total = tf.reduce_sum(spec.weights * tf.ones_like(spec.unreduced_loss))
            scalars[Keys.LOSS_MEAN] = spec.training_loss / total
        if penalty is not None:
            scalars[Keys.LOSS_REGULARIZATION] = penalty
        with tf.name_scope(''):
            for key, value in scalars.items():
                tf.summary.scalar(heads._summary_key(self._name, key), value)


class _MultiHead(heads._Head):
    """See multi_head, which checks the arguments."""

    def __init__(self, members: Sequence[Any], weights: Sequence[float] | None) -> None:
        self._heads = {head.name: head for head in members}
        if len(self._heads) < len(members):
            raise ValueError(f'All heads must have different names. Given: {[head.name for head in members]}')
        self._weights = list(weights or [1.0] * len(members))

    @property
    def name(self) -> str:
        """The names of the heads, joined."""
        return '_'.join(self._heads)

    @property
    def logits_dimension(self) -> int:
        """The sum of the heads' sizes."""
        return sum(head.logits_dimension for head in self._heads.values())

    def create_loss(self, features: Any, mode: str, logits: Any, labels: Any) -> Any:
        """Returns a LossSpec: the weighted sum of the losses, and dicts by the name of the head."""
        logits = self._by_head(logits)
        specs = {
            name: head.create_loss(features, mode, logits[name], labels[name])
            for name, head in self._heads.items()
        }
        by_weight = list(zip(specs.items(), self._weights, strict=True))
        return heads.LossSpec(
            self._sum([spec.training_loss for spec in specs.values()]),
            {name: spec.unreduced_loss * weight for (name, spec), weight in by_weight},
            {name: spec.weights * weight for (name, spec), weight in by_weight},
            {name: spec.processed_labels for name, spec in specs.items()},
        )

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Returns the merged EstimatorSpec of the heads.

        Raises:
          ValueError: if the labels are not a dict, the logits have another size, or for training not exactly
            one of optimizer and train_op_fn is given.
        """
        if labels is not None and not isinstance(labels, Mapping):
            raise ValueError(f'labels must be a dict. Given: {labels}')
        logits = self._by_head(logits)
        specs = {
            name: head.create_estimator_spec(
                features=features,
                mode=mode,
                logits=logits[name],
                labels=labels[name] if labels else None,
                train_op_fn=lambda loss: tf.no_op(),
            )
            for name, head in self._heads.items()
        }
        predictions = {
            (name, key): value for name, spec in specs.items() for key, value in spec.predictions.items()
        }
        if mode == _Kind.PREDICT:
            return tf.estimator.EstimatorSpec(mode, predictions, export_outputs=_merged_exports(specs))
        loss = self._sum([spec.loss for spec in specs.values()])
        metrics = {key: value for spec in specs.values() for key, value in spec.eval_metric_ops.items()}
        if mode == _Kind.EVAL:
            for name, spec in specs.items():
                key = heads._summary_key(name, Keys.LOSS)
                metrics[key] = tf.metrics.mean(spec.loss, name=key)
            return tf.estimator.EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)
        train = _train_op(loss, optimizer, train_op_fn)
        with tf.name_scope(''):
            tf.summary.scalar(Keys.LOSS, loss)
        return tf.estimator.EstimatorSpec(mode, predictions, loss, train, metrics)

    def _sum(self, losses: Sequence[Any]) -> Any:
        with tf.name_scope('merge_losses'):
            return tf.add_n([loss * weight for loss, weight in zip(losses, self._weights, strict=True)])

    def _by_head(self, logits: Any) -> Mapping[str, Any]:
        if isinstance(logits, Mapping):
            return logits
        logits = tf.convert_to_tensor(logits)
        sizes = [head.logits_dimension for head in self._heads.values()]
        last = logits.shape.as_list()[-1]
        if last not in (None, sum(sizes)):
            raise ValueError(
                f'Could not split logits of shape {logits.shape.as_list()} among the heads with individual '
                f'logits dimensions: {sizes}. The last dimension should equal {sum(sizes)} but is {last}.'
            )
        return dict(zip(self._heads, tf.split(logits, sizes, -1), strict=True))


def _train_op(loss: Any, optimizer: Any, train_op_fn: Callable[[Any], Any] | None) -> Any:
    if optimizer is not None and train_op_fn is not None:
        raise ValueError('train_op_fn and optimizer cannot both be set.')
    if optimizer is not None:
        return optimizer.minimize(loss, global_step=tf.train.get_global_step())
    if train_op_fn is None:
        raise ValueError('train_op_fn and optimizer cannot both be None.')
    return train_op_fn(loss)


def _merged_exports(specs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the outputs of each head under its name, those of the first by default, and all predictions."""
    merged, outputs = {}, {}
    for name, spec in specs.items():
        for key, output in spec.export_outputs.items():
            merged[name if key == _SERVING_DEFAULT else f'{name}/{key}'] = output
        predicted = spec.export_outputs.get('predict')
        if isinstance(predicted, tf.estimator.export.PredictOutput):
            outputs.update({f'{name}/{key}': value for key, value in predicted.outputs.items()})
    first, spec = next(iter(specs.items()))
    only = next(iter(spec.export_outputs.values())) if len(spec.export_outputs) == 1 else None
    default = only or spec.export_outputs.get(_SERVING_DEFAULT)
    if default is None:
        raise ValueError(
            f'{first} did not specify default export_outputs. Given: {list(spec.export_outputs)}. '
            f'Include the key {_SERVING_DEFAULT} in them.'
        )
    return {**merged, _SERVING_DEFAULT: default, 'predict': tf.estimator.export.PredictOutput(outputs)}
