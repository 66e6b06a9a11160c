"""From logits to an EstimatorSpec for TRAIN, EVAL and PREDICT: what all classifiers share."""

import functools
from collections.abc import Sequence
from typing import Any

from estimator_lab.core.display.classifier import MistakesHook, input_grid_hook
from estimator_lab.core.display.drawing import Display, display_of, drawing_hooks
from estimator_lab.core.display.embeddings import EmbeddingsHook, label_text, labels_and_keys
from estimator_lab.core.display.pr_curves import PrCurvesHook
from estimator_lab.core.display.summaries import network_pictures, summarise_network
from estimator_lab.core.heads.predictions import prediction_spec
from estimator_lab.core.layers.normalization import Update
from estimator_lab.core.metrics.streaming import count, dead_units, mean_per_class_accuracy
from estimator_lab.core.model import keys
from estimator_lab.core.model.endpoints import LOGITS, Endpoint, Endpoints, publish
from estimator_lab.core.model.features import class_ids, example_weights, has_images, images_of, keys_of
from estimator_lab.core.model.params import ClassifierParams
from estimator_lab.core.step.train_step import apply_if_nonempty, train_op, watched
from estimator_lab.tf1 import (
    EstimatorSpec,
    Features,
    Mode,
    Operation,
    RunConfig,
    SessionRunHook,
    Tensor,
    tf,
)

_TOP_K = 5


def classification_spec(
    logits: Tensor,
    endpoints: Endpoints,
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: ClassifierParams,
    config: RunConfig | None,
    terms: Sequence[Tensor] = (),
    updates: Sequence[Update] = (),
) -> EstimatorSpec:
    """Returns the EstimatorSpec of a classifier.

    PREDICT gives classes int64 [batch], probabilities float32 [batch, num_classes], labels string [batch]
    and, where the input has them, key string [batch]. An export of it has the five most probable labels of
    each example as well: top_labels string and top_probabilities float32 [batch, 5].

    EVAL takes its metrics over the examples whose label training knew: accuracy, mean per-class accuracy over
    the classes that occur, and top-5 accuracy where there are more than five classes; beside them stand the
    number of these examples and that of those with an unknown label, and each layer's share of dead units.
    TensorBoard gets precision-recall curves, the confusion of labels, the worst mistakes and, in its
    projector, the last layer before the logits.

    TRAIN takes one step of the chosen optimizer down the mean cross-entropy; TensorBoard gets the batch's
    images with their labels, if there are any, and what `display.network` shows.

    Args:
      logits: float32 [batch, num_classes].
      endpoints: of the network, the logits apart.
      features: the model function's features.
      labels: class ids or label texts, [batch]; None in PREDICT.
      mode: a `tf.estimator.ModeKeys`.
      params: the classifier's parameters.
      config: the RunConfig, which says whether and where to show things.
      terms: scalars that TRAIN adds to the cross-entropy.
      updates: of variables that no gradient reaches, such as moving averages, with each step.
    """
    if mode == tf.estimator.ModeKeys.PREDICT:
        publish({**endpoints, LOGITS: Endpoint(logits)})
        return _predict(logits, features, params)
    answers = _Classifier(logits, labels, features, params)
    if mode == tf.estimator.ModeKeys.EVAL:
        return answers.evaluate(endpoints, display_of(config))
    summarise_network(endpoints)
    return answers.train(endpoints, display_of(config), terms, updates)


def ids_and_weights(labels: Tensor, features: Features, params: ClassifierParams) -> tuple[Tensor, Tensor]:
    """Returns the class ids of a batch, int64 [batch], and what each example counts, float32 [batch].

    An example with an unknown label counts for nothing, as a bad one does; its id is 0.

    Args:
      labels: class ids or label texts, [batch].
      features: the model function's features.
      params: the classifier's parameters.
    """
    ids = class_ids(labels, params.vocabulary)
    known = tf.logical_and(ids >= 0, ids < params.num_classes)
    return tf.where(known, ids, tf.zeros_like(ids)), tf.cast(known, tf.float32) * example_weights(features)


class _Classifier:
    """What a network said to the examples of a batch whose labels are given."""

    def __init__(self, logits: Tensor, labels: Tensor, features: Features, params: ClassifierParams) -> None:
        self._logits = logits
        self._features = features
        self._params = params
        # Not named 'loss': Estimator's own summary of that name would become 'loss_1'.
        with tf.name_scope('cross_entropy'):
            self._ids, self._weights = ids_and_weights(labels, features, params)
            self._loss = tf.losses.sparse_softmax_cross_entropy(self._ids, logits, weights=self._weights)

    def evaluate(self, endpoints: Endpoints, display: Display | None) -> EstimatorSpec:
        params, ids, weights = self._params, self._ids, self._weights
        with tf.name_scope('metrics'):
            classes = tf.argmax(self._logits, axis=1)
            metrics = {
                keys.ACCURACY: tf.metrics.accuracy(ids, classes, weights),
                keys.MEAN_PER_CLASS_ACCURACY: mean_per_class_accuracy(
                    ids, classes, params.num_classes, weights
                ),
                keys.UNKNOWN_LABELS: count(tf.equal(weights, 0), keys.UNKNOWN_LABELS),
                keys.EVALUATED_IMAGES: count(weights > 0, keys.EVALUATED_IMAGES),
            }
            if params.num_classes > _TOP_K:
                in_top = tf.nn.in_top_k(self._logits, ids, _TOP_K)
                metrics[keys.TOP_5_ACCURACY] = tf.metrics.mean(tf.cast(in_top, tf.float32), weights)
            metrics.update(dead_units(endpoints, weights))
        predictions = _predictions(self._logits, params)
        hooks: list[SessionRunHook] = []
        if display:
            probabilities = predictions[keys.PROBABILITIES]
            folder = str(display.evaluation_folder)
            hooks.append(PrCurvesHook(probabilities, ids, weights, params.vocabulary, folder))
            hooks.append(self._mistakes_hook(probabilities, display))
        layer = _last_layer(endpoints)
        if display and layer is not None:
            hooks.append(self._embeddings_hook(layer, classes, display))
        return tf.estimator.EstimatorSpec(
            tf.estimator.ModeKeys.EVAL,
            loss=self._loss,
            eval_metric_ops=metrics,
            predictions=predictions,
            evaluation_hooks=hooks,
        )

    def train(
        self,
        endpoints: Endpoints,
        display: Display | None,
        terms: Sequence[Tensor],
        updates: Sequence[Update],
    ) -> EstimatorSpec:
        loss = tf.add_n([self._loss, *terms]) if terms else self._loss
        step = train_op(loss, self._params, self._weights, clip_norm=self._params.clip_norm)
        if updates:
            step = tf.group(step, apply_if_nonempty(self._weights, lambda: _assigned(updates)))
        with tf.name_scope('train_accuracy'):
            correct = tf.cast(tf.equal(tf.argmax(self._logits, axis=1), self._ids), tf.float32)
            accuracy = tf.div_no_nan(tf.reduce_sum(correct * self._weights), tf.reduce_sum(self._weights))
        # Outside the scope, so that TensorBoard draws training and evaluation into one chart.
        tf.summary.scalar(keys.ACCURACY, accuracy)
        hooks: list[SessionRunHook] = []
        images = self._images()
        if display and images is not None:
            text_of, shape = self._params.vocabulary.__getitem__, self._params.image_shape
            hooks.append(input_grid_hook(images, self._ids, text_of, display))
            hooks += drawing_hooks(lambda: network_pictures(endpoints, shape), display)
        return tf.estimator.EstimatorSpec(
            tf.estimator.ModeKeys.TRAIN,
            loss=watched(loss, self._params),
            train_op=step,
            training_hooks=hooks,
        )

    def _mistakes_hook(self, probabilities: Tensor, display: Display) -> MistakesHook:
        return MistakesHook(
            probabilities,
            self._ids,
            self._weights,
            self._params.vocabulary,
            self._images(),
            keys_of(self._features),
            display.evaluation_folder,
        )

    def _images(self) -> Tensor | None:
        if not has_images(self._features):
            return None
        return images_of(self._features, self._params.image_shape)

    def _embeddings_hook(self, layer: Tensor, classes: Tensor, display: Display) -> EmbeddingsHook:
        """Returns the hook that shows a layer with labels, predicted labels and keys, if there are any."""
        vocabulary = self._params.vocabulary
        shown_ids = tf.where(self._weights > 0, self._ids, -tf.ones_like(self._ids))
        columns = labels_and_keys(self._features, shown_ids, vocabulary)
        columns['predicted'] = classes, functools.partial(label_text, vocabulary)
        return EmbeddingsHook(layer, self._images(), columns, str(display.folder))


def _assigned(updates: Sequence[Update]) -> Operation:
    return tf.group(*(tf.assign(variable, value) for variable, value in updates))


def _last_layer(endpoints: Endpoints) -> Tensor | None:
    """Returns the last endpoint that is a vector an example, float32 [batch, units]; None without one."""
    vectors = [endpoint.values for endpoint in endpoints.values() if endpoint.values.shape.rank == 2]
    return vectors[-1] if vectors else None


def _predict(logits: Tensor, features: Features, params: ClassifierParams) -> EstimatorSpec:
    predictions = _predictions(logits, params)
    return prediction_spec(predictions, features, _best_guesses(predictions[keys.PROBABILITIES], params))


def _best_guesses(probabilities: Tensor, params: ClassifierParams) -> dict[str, Tensor]:
    with tf.name_scope('best_guesses'):
        values, classes = tf.nn.top_k(probabilities, min(_TOP_K, params.num_classes))
        return {keys.TOP_LABELS: tf.gather(list(params.vocabulary), classes), keys.TOP_PROBABILITIES: values}


def _predictions(logits: Tensor, params: ClassifierParams) -> dict[str, Any]:
    with tf.name_scope('predictions'):
        classes = tf.argmax(logits, axis=1)
        return {
            keys.CLASSES: classes,
            keys.PROBABILITIES: tf.nn.softmax(logits),
            keys.LABELS: tf.gather(list(params.vocabulary), classes),
        }
