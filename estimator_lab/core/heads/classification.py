"""The head of a classifier: from logits to the EstimatorSpec of each mode."""

import functools
from collections.abc import Sequence
from typing import Any

from estimator_lab.core.display.classifier import MistakesHook, input_grid
from estimator_lab.core.display.drawing import Display, Drawing, drawing_hooks
from estimator_lab.core.display.embeddings import EmbeddingsHook, label_text, labels_and_keys
from estimator_lab.core.display.pr_curves import PrCurvesHook
from estimator_lab.core.display.summaries import network_pictures, summarise_network
from estimator_lab.core.heads.model_function import Args
from estimator_lab.core.heads.predictions import prediction_spec
from estimator_lab.core.layers.normalization import Update
from estimator_lab.core.metrics.streaming import count, dead_units, mean_per_class_accuracy
from estimator_lab.core.model import keys
from estimator_lab.core.model.endpoints import LOGITS, Endpoint, Endpoints, publish
from estimator_lab.core.model.features import class_ids, has_images
from estimator_lab.core.model.params import ClassifierParams, LabelledParams
from estimator_lab.core.step.train_step import apply_if_nonempty, train_op, watched
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import EstimatorSpec, Operation, SessionRunHook, Tensor, tf

_TOP_K = 5


def classification_spec(
    args: Args[Any],
    logits: Tensor,
    endpoints: Endpoints,
    terms: Sequence[Tensor] = (),
    updates: Sequence[Update] = (),
) -> EstimatorSpec:
    """Returns the EstimatorSpec of a classifier.

    PREDICT returns classes int64 [batch], probabilities float32 [batch, num_classes], labels string [batch]
    and, if the input has them, key string [batch]. An export also has the five most probable labels of each
    example: top_labels string and top_probabilities float32 [batch, 5].

    EVAL computes its metrics over the examples whose label is in the vocabulary: accuracy, mean per-class
    accuracy over the classes that occur, and top-5 accuracy if there are more than five classes. It also
    counts these examples and those with an unknown label, and reports each layer's share of dead units.
    TensorBoard shows precision-recall curves, the confusion matrix, the worst mistakes and, in the projector,
    the last layer before the logits.

    TRAIN takes one step of the chosen optimizer on the mean cross-entropy, with the smoothed and mixed labels
    and the class weights of `ClassifierParams`. TensorBoard shows the batch's images with their labels, and
    the network: see `display.summaries`.

    Args:
      args: the model function's arguments; its parameters are `LabelledParams`.
      logits: float32 [batch, num_classes].
      endpoints: those of the network, without the logits.
      terms: scalars that TRAIN adds to the cross-entropy.
      updates: variables that no gradient reaches, such as moving averages, with their values after the step.
    """
    if args.predicting:
        publish({**endpoints, LOGITS: Endpoint(logits)})
        predictions = _predictions(logits, args.params)
        best = _top_labels(predictions[keys.PROBABILITIES], args.params)
        return prediction_spec(predictions, args.features, best)
    classifier = _Classifier(args, logits)
    if args.evaluating:
        return classifier.evaluate(endpoints)
    summarise_network(endpoints)
    return classifier.train(endpoints, terms, updates)


def classification_or_features_spec(
    args: Args[Any], logits: Tensor | None, endpoints: Endpoints, updates: Sequence[Update] = ()
) -> EstimatorSpec:
    """Returns the EstimatorSpec of a classifier, or of one without its last layer, which has no labels.

    Args:
      args: as for `classification_spec`.
      logits: float32 [batch, num_classes]; None without labels in the vocabulary.
      endpoints: those of the network; one of them is 'global_pool', the mean of each map of the last block.
      updates: as for `classification_spec`.

    Returns:
      Without logits, PREDICT returns features float32 [batch, maps], the values of 'global_pool'.

    Raises:
      FlagError: there are no logits to train or evaluate.
    """
    if logits is not None:
        return classification_spec(args, logits, endpoints, updates=updates)
    if not args.predicting:
        raise FlagError(
            'This network has convolutions but no labels, so that there is nothing to train or evaluate.',
            warm_start='Pass its folder to --warm_start of a new run.',
        )
    publish(endpoints)
    return prediction_spec({keys.FEATURES: endpoints['global_pool'].values}, args.features)


def ids_and_weights(args: Args[Any]) -> tuple[Tensor, Tensor]:
    """Returns the class ids of a batch, int64 [batch], and the weights of its examples, float32 [batch].

    An example with an unknown label has id 0 and weight 0.
    """
    ids = class_ids(args.labels, args.params.vocabulary)
    known = tf.logical_and(ids >= 0, ids < args.params.num_classes)
    return tf.where(known, ids, tf.zeros_like(ids)), tf.cast(known, tf.float32) * args.weights


class _Classifier:
    """The logits of a batch with labels."""

    def __init__(self, args: Args[Any], logits: Tensor) -> None:
        self._args = args
        self._params: LabelledParams = args.params
        self._logits = logits
        # Not named 'loss': Estimator's own summary of that name would become 'loss_1'.
        with tf.name_scope('cross_entropy'):
            self._ids, self._weights = ids_and_weights(args)
            self._loss = self._training_loss() if args.training else self._plain_loss()

    def _plain_loss(self) -> Tensor:
        return tf.losses.sparse_softmax_cross_entropy(self._ids, self._logits, weights=self._weights)

    def _training_loss(self) -> Tensor:
        """Returns the cross-entropy with soft targets and class weights, as far as these are chosen."""
        params, mixing = self._params, self._args.mixing
        if not isinstance(params, ClassifierParams):
            return self._plain_loss()
        weights = self._weights
        if params.class_weights:
            of_classes = tf.gather(tf.constant(params.class_weights, tf.float32), self._ids)
            weights *= mixing.mixed(of_classes) if mixing else of_classes
        if not mixing and not params.label_smoothing:
            return tf.losses.sparse_softmax_cross_entropy(self._ids, self._logits, weights=weights)
        targets = tf.one_hot(self._ids, params.num_classes)
        targets = mixing.mixed(targets) if mixing else targets
        return tf.losses.softmax_cross_entropy(
            targets, self._logits, weights=weights, label_smoothing=params.label_smoothing
        )

    def evaluate(self, endpoints: Endpoints) -> EstimatorSpec:
        params, ids, weights = self._params, self._ids, self._weights
        with tf.name_scope('metrics'):
            classes = tf.argmax(self._logits, axis=1)
            metrics = {
                keys.ACCURACY: tf.metrics.accuracy(ids, classes, weights),
                keys.MEAN_PER_CLASS_ACCURACY: mean_per_class_accuracy(
                    ids, classes, params.num_classes, weights
                ),
                keys.UNKNOWN_LABELS: count(tf.equal(weights, 0), keys.UNKNOWN_LABELS),
                keys.TOTAL_EXAMPLES: count(weights > 0, keys.TOTAL_EXAMPLES),
            }
            if params.num_classes > _TOP_K:
                in_top = tf.nn.in_top_k(self._logits, ids, _TOP_K)
                metrics[keys.TOP_5_ACCURACY] = tf.metrics.mean(tf.cast(in_top, tf.float32), weights)
            metrics.update(dead_units(endpoints, weights))
        predictions = _predictions(self._logits, params)
        display = self._args.display
        hooks = self._evaluation_hooks(predictions, endpoints, display) if display else []
        return tf.estimator.EstimatorSpec(
            self._args.mode,
            loss=self._loss,
            eval_metric_ops=metrics,
            predictions=predictions,
            evaluation_hooks=hooks,
        )

    def train(
        self, endpoints: Endpoints, terms: Sequence[Tensor], updates: Sequence[Update]
    ) -> EstimatorSpec:
        loss = tf.add_n([self._loss, *terms]) if terms else self._loss
        step = train_op(loss, self._params, self._weights, clip_norm=self._params.clip_norm)
        if updates:
            step = tf.group(step, apply_if_nonempty(self._weights, lambda: _assigned(updates)))
        mixing = self._args.mixing
        with tf.name_scope('train_accuracy'):
            ids = (
                tf.where(mixing.shares < 0.5, tf.gather(self._ids, mixing.partners), self._ids)
                if mixing
                else self._ids
            )
            correct = tf.cast(tf.equal(tf.argmax(self._logits, axis=1), ids), tf.float32)
            accuracy = tf.div_no_nan(tf.reduce_sum(correct * self._weights), tf.reduce_sum(self._weights))
        # Outside the scope, so that TensorBoard draws training and evaluation into one chart.
        tf.summary.scalar(keys.ACCURACY, accuracy)
        hooks: list[SessionRunHook] = []
        if has_images(self._args.features):
            hooks = drawing_hooks(lambda: self._drawings(endpoints), self._args.display)
        return tf.estimator.EstimatorSpec(
            self._args.mode,
            loss=watched(loss, self._params),
            train_op=step,
            training_hooks=hooks,
        )

    def _drawings(self, endpoints: Endpoints) -> list[Drawing]:
        batch = input_grid(self._args.images, self._ids, self._params.vocabulary)
        return [batch, *network_pictures(endpoints, self._params.image_shape)]

    def _images(self) -> Tensor | None:
        return self._args.images if has_images(self._args.features) else None

    def _evaluation_hooks(
        self, predictions: dict[str, Tensor], endpoints: Endpoints, display: Display
    ) -> list[SessionRunHook]:
        """Returns the hooks that draw curves, mistakes, and the last layer with labels and keys."""
        vocabulary, probabilities = self._params.vocabulary, predictions[keys.PROBABILITIES]
        folder = display.evaluation_folder
        hooks = [
            PrCurvesHook(probabilities, self._ids, self._weights, vocabulary, folder),
            MistakesHook(
                probabilities, self._ids, self._weights, vocabulary, self._images(), self._args.keys, folder
            ),
        ]
        layer = _last_layer(endpoints)
        if layer is not None:
            known_ids = tf.where(self._weights > 0, self._ids, -tf.ones_like(self._ids))
            columns = labels_and_keys(self._args.features, known_ids, vocabulary)
            columns['predicted'] = predictions[keys.CLASSES], functools.partial(label_text, vocabulary)
            hooks.append(EmbeddingsHook(layer, self._images(), columns, str(display.folder)))
        return hooks


def _assigned(updates: Sequence[Update]) -> Operation:
    return tf.group(*(tf.assign(variable, value) for variable, value in updates))


def _last_layer(endpoints: Endpoints) -> Tensor | None:
    """Returns the last endpoint with one vector per example, float32 [batch, units], or None."""
    vectors = [endpoint.values for endpoint in endpoints.values() if endpoint.values.shape.rank == 2]
    return vectors[-1] if vectors else None


def _top_labels(probabilities: Tensor, params: LabelledParams) -> dict[str, Tensor]:
    with tf.name_scope('best_guesses'):
        values, classes = tf.nn.top_k(probabilities, min(_TOP_K, params.num_classes))
        return {keys.TOP_LABELS: tf.gather(list(params.vocabulary), classes), keys.TOP_PROBABILITIES: values}


def _predictions(logits: Tensor, params: LabelledParams) -> dict[str, Tensor]:
    with tf.name_scope('predictions'):
        classes = tf.argmax(logits, axis=1)
        return {
            keys.CLASSES: classes,
            keys.PROBABILITIES: tf.nn.softmax(logits),
            keys.LABELS: tf.gather(list(params.vocabulary), classes),
        }
