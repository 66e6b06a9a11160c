"""From logits to an EstimatorSpec for TRAIN, EVAL and PREDICT: what all classifiers share."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.display.embeddings import EmbeddingsHook, label_text, labels_and_keys
from estimator_lab.core.display.input_grid import InputGridHook
from estimator_lab.core.display.pr_curves import PrCurvesHook
from estimator_lab.core.display.summaries import draws_pictures
from estimator_lab.core.features import class_ids, images_of
from estimator_lab.core.heads.predictions import prediction_spec
from estimator_lab.core.metrics.streaming import count, mean_per_class_accuracy
from estimator_lab.core.train_step import TrainingParams, train_op
from estimator_lab.tf1 import tf

_TOP_K = 5


@dataclasses.dataclass(frozen=True)
class ClassifierParams(TrainingParams):
    """Parameters of every image classifier."""

    @property
    def num_classes(self) -> int:
        """Number of labels in the vocabulary."""
        return len(self.vocabulary)


def predict_spec(logits: Any, features: Any, params: ClassifierParams) -> Any:
    """Returns the EstimatorSpec for PREDICT.

    Args:
      logits: float32 [batch, num_classes].
      features: the model function's features; their keys are handed through.
      params: the classifier's parameters.

    Returns:
      A spec that predicts classes int64 [batch], probabilities float32 [batch, num_classes], labels
      string [batch] and, where the input has them, key string [batch]. An export of it has the five most
      probable labels of each example as well: top_labels string and top_probabilities float32 [batch, 5].
    """
    predictions = _predictions(logits, params)
    return prediction_spec(predictions, features, _best_guesses(predictions[keys.PROBABILITIES], params))


def loss_and_ids(logits: Any, labels: Any, params: ClassifierParams) -> tuple[Any, Any, Any]:
    """Returns the mean cross-entropy over the examples whose label is known.

    Args:
      logits: float32 [batch, num_classes].
      labels: class ids or label texts, [batch].
      params: the classifier's parameters.

    Returns:
      (loss, a scalar; class ids int64 [batch], 0 where unknown; weights float32 [batch], 0 where unknown).
    """
    # Not named 'loss': Estimator's own summary of that name would become 'loss_1'.
    with tf.name_scope('cross_entropy'):
        ids = class_ids(labels, params.vocabulary)
        known = tf.logical_and(ids >= 0, ids < params.num_classes)
        ids = tf.where(known, ids, tf.zeros_like(ids))
        weights = tf.cast(known, tf.float32)
        return tf.losses.sparse_softmax_cross_entropy(ids, logits, weights=weights), ids, weights


def eval_spec(
    logits: Any,
    labels: Any,
    params: ClassifierParams,
    features: Any = None,
    layer: Any = None,
    config: Any = None,
) -> Any:
    """Returns the EstimatorSpec for EVAL.

    Its metrics are taken over the examples whose label training knew: accuracy, mean per-class accuracy
    over the classes that occur, and top-5 accuracy where there are more than five classes; beside them
    stands the number of examples with an unknown label. TensorBoard gets precision-recall curves and, in its
    projector, the last layer before the logits.

    Args:
      logits: float32 [batch, num_classes].
      labels: class ids or label texts, [batch].
      params: the classifier's parameters.
      features: the model function's features, to be shown beside `layer`.
      layer: float32 [batch, size]; None leaves the projector out.
      config: the RunConfig; None leaves out all that is only for TensorBoard.
    """
    loss, ids, weights = loss_and_ids(logits, labels, params)
    with tf.name_scope('metrics'):
        classes = tf.argmax(logits, axis=1)
        metrics = {
            keys.ACCURACY: tf.metrics.accuracy(ids, classes, weights),
            keys.MEAN_PER_CLASS_ACCURACY: mean_per_class_accuracy(ids, classes, params.num_classes, weights),
            keys.UNKNOWN_LABELS: count(tf.equal(weights, 0), keys.UNKNOWN_LABELS),
        }
        if params.num_classes > _TOP_K:
            in_top = tf.nn.in_top_k(logits, ids, _TOP_K)
            metrics[keys.TOP_5_ACCURACY] = tf.metrics.mean(tf.cast(in_top, tf.float32), weights)
    predictions = _predictions(logits, params)
    hooks: list[Any] = []
    if config is not None:
        folder = str(Path(config.model_dir, 'eval'))  # Estimator's name for it
        probabilities = predictions[keys.PROBABILITIES]
        hooks.append(PrCurvesHook(probabilities, ids, weights, params.vocabulary, folder))
    if config is not None and layer is not None:
        shown_ids = tf.where(weights > 0, ids, -tf.ones_like(ids))
        hooks.append(_embeddings_hook(layer, features, shown_ids, classes, params, config.model_dir))
    return tf.estimator.EstimatorSpec(
        tf.estimator.ModeKeys.EVAL,
        loss=loss,
        eval_metric_ops=metrics,
        predictions=predictions,
        evaluation_hooks=hooks,
    )


def _embeddings_hook(
    layer: Any, features: Any, ids: Any, classes: Any, params: ClassifierParams, folder: str
) -> EmbeddingsHook:
    """Returns the hook that shows a layer with labels, predicted labels and, where there are any, keys."""
    columns = labels_and_keys(features, ids, params.vocabulary)
    columns['predicted'] = classes, functools.partial(label_text, params.vocabulary)
    return EmbeddingsHook(layer, images_of(features, params.image_shape), columns, folder)


def train_spec(logits: Any, labels: Any, params: ClassifierParams, images: Any, config: Any) -> Any:
    """Returns the EstimatorSpec for TRAIN: one step of the chosen optimizer, and its summaries.

    Args:
      logits: float32 [batch, num_classes].
      labels: class ids or label texts, [batch].
      params: the classifier's parameters.
      images: float32 [batch, height, width, channels] in [0, 1], shown in TensorBoard with their labels.
      config: the RunConfig; None shows no images.
    """
    loss, ids, weights = loss_and_ids(logits, labels, params)
    step = train_op(loss, params)
    with tf.name_scope('train_accuracy'):
        correct = tf.cast(tf.equal(tf.argmax(logits, axis=1), ids), tf.float32)
        accuracy = tf.div_no_nan(tf.reduce_sum(correct * weights), tf.reduce_sum(weights))
    # Outside the scope, so that TensorBoard draws training and evaluation into one chart.
    tf.summary.scalar(keys.ACCURACY, accuracy)
    hooks = []
    if draws_pictures(config):
        text_of = params.vocabulary.__getitem__
        hooks.append(InputGridHook(images, ids, text_of, config.save_summary_steps, config.model_dir))
    return tf.estimator.EstimatorSpec(
        tf.estimator.ModeKeys.TRAIN, loss=loss, train_op=step, training_hooks=hooks
    )


def _best_guesses(probabilities: Any, params: ClassifierParams) -> dict[str, Any]:
    with tf.name_scope('best_guesses'):
        values, classes = tf.nn.top_k(probabilities, min(_TOP_K, params.num_classes))
        return {keys.TOP_LABELS: tf.gather(list(params.vocabulary), classes), keys.TOP_PROBABILITIES: values}


def _predictions(logits: Any, params: ClassifierParams) -> dict[str, Any]:
    with tf.name_scope('predictions'):
        classes = tf.argmax(logits, axis=1)
        return {
            keys.CLASSES: classes,
            keys.PROBABILITIES: tf.nn.softmax(logits),
            keys.LABELS: tf.gather(list(params.vocabulary), classes),
        }
