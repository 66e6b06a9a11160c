"""The head of a classifier: from the layers of its network to a loss and the EstimatorSpecs."""

from collections.abc import Mapping, Sequence
from functools import partial

from estimator_lab.base.errors import FlagError, option
from estimator_lab.core import keys
from estimator_lab.core.endpoints import LOGITS, Endpoints
from estimator_lab.core.features import has_images
from estimator_lab.core.metrics import (
    area_under_roc,
    count,
    dead_units,
    majority_share,
    mean_per_class_accuracy,
    pr_curves,
)
from estimator_lab.core.mistakes import MistakesHook
from estimator_lab.core.model import Args, prediction_spec
from estimator_lab.core.params import ClassifierParams
from estimator_lab.core.projector import UNKNOWN, ProjectorHook, label_text, labels_and_keys
from estimator_lab.core.summaries import labelled_picture, network_histograms, network_pictures
from estimator_lab.core.training import l2_penalty, train_op, watched
from estimator_lab.tf1 import EstimatorSpec, SessionRunHook, Tensor, tf

_TOP_K = 5
_BINARY = 2


def predict_spec(args: Args[ClassifierParams], layers: Endpoints) -> EstimatorSpec:
    """Returns the EstimatorSpec of PREDICT.

    It returns classes int64 [batch], probabilities float32 [batch, num_classes], labels string [batch] and,
    if the input has them, key string [batch]. An export also has the five most probable labels of each
    example: top_labels string and top_probabilities float32 [batch, 5].

    A network without labels has no logits. PREDICT then returns features float32 [batch, maps], the values of
    its layer 'global_pool'.

    Args:
      args: the model function's arguments; its parameters are `ClassifierParams`.
      layers: of the network by name; the last are the logits, float32 [batch, num_classes].
    """
    if LOGITS not in layers:
        return prediction_spec({'features': layers['global_pool']}, args.features)
    params, predictions = args.params, _predictions(layers[LOGITS], args.params)
    with tf.name_scope('best_guesses'):
        count = min(_TOP_K, params.num_classes)
        values, classes = tf.nn.top_k(predictions[keys.PROBABILITIES], count)
        best = {'top_labels': tf.gather(list(params.vocabulary), classes), 'top_probabilities': values}
    return prediction_spec(predictions, args.features, best)


def loss(args: Args[ClassifierParams], layers: Endpoints, terms: Sequence[Tensor] = ()) -> Tensor:
    """Returns the mean cross-entropy of the examples whose label is in the vocabulary, a float32 scalar.

    In TRAIN it has the class weights of `ClassifierParams`, and `terms`, scalars, the L2 penalty and the
    losses in tf.GraphKeys.REGULARIZATION_LOSSES are added.

    Args:
      args: see `predict_spec`.
      layers: see `predict_spec`.
      terms: what else is added in TRAIN.

    Raises:
      FlagError: there are no logits to train or evaluate.
    """
    if LOGITS not in layers:
        raise FlagError(
            'This network has convolutions but no labels, so there is nothing to train or evaluate: a new '
            f'run with labels can start from it ({option.warm_start}).'
        )
    # Not named 'loss': Estimator's own summary of that name would become 'loss_1'.
    with tf.name_scope('cross_entropy'):
        ids, weights = args.targets
        if args.training and args.params.class_weights:
            weights *= tf.gather(tf.constant(args.params.class_weights, tf.float32), ids)
        value = tf.losses.sparse_softmax_cross_entropy(ids, layers[LOGITS], weights=weights)
        if args.training:
            penalties = [*tf.losses.get_regularization_losses(), *l2_penalty(args.params.weight_decay)]
            value = tf.add_n([value, *terms, *penalties])
    return value


def train_spec(args: Args[ClassifierParams], layers: Endpoints, loss: Tensor) -> EstimatorSpec:
    """Returns the EstimatorSpec of TRAIN, which takes one step of the chosen optimizer on the loss.

    TensorBoard shows the batch's images with their labels, and the network: see `core.summaries`.

    Args:
      args: see `predict_spec`.
      layers: see `predict_spec`.
      loss: float32 scalar.
    """
    params, (ids, weights) = args.params, args.targets
    hidden, logits = hidden_layers_of(layers), layers[LOGITS]
    network_histograms({**hidden, LOGITS: logits})
    if has_images(args.features) and args.folder:
        with tf.name_scope('input_labels'):
            texts = tf.gather([*params.vocabulary, UNKNOWN], args.class_ids % (params.num_classes + 1))
        labelled_picture('input', args.images, texts)
        network_pictures(hidden, params.image_shape)
    step = train_op(loss, params, weights, clip_norm=params.clip_norm)
    with tf.name_scope('train_accuracy'):
        correct = tf.cast(tf.equal(tf.argmax(logits, axis=1), ids), tf.float32)
        accuracy = tf.div_no_nan(tf.reduce_sum(correct * weights), tf.reduce_sum(weights))
    # Outside the scope, so that TensorBoard draws training and evaluation into one chart.
    tf.summary.scalar(keys.ACCURACY, accuracy)
    return tf.estimator.EstimatorSpec(
        args.mode, loss=watched(loss, params), train_op=step, training_hooks=args.picture_hooks()
    )


def eval_spec(args: Args[ClassifierParams], layers: Endpoints, loss: Tensor) -> EstimatorSpec:
    """Returns the EstimatorSpec of EVAL, with metrics over the examples whose label is in the vocabulary.

    They are accuracy, mean per-class accuracy over the classes that occur, top-5 accuracy if there are more
    than five classes, the area under the ROC curve if there are two and, if `curves` are requested, curves of
    precision and recall; and the average loss, the weighted mean over examples, as Estimator's own loss is
    the mean of the batches'. It also counts these examples, with the curves by class, and examples with an
    unknown label, and reports each layer's share of dead ReLUs. TensorBoard shows the confusion matrix, the
    worst mistakes and, in the projector, the last layer before the logits.

    Args:
      args: see `predict_spec`.
      layers: see `predict_spec`.
      loss: float32 scalar.
    """
    params, (ids, weights), logits = args.params, args.targets, layers[LOGITS]
    hidden, predictions = hidden_layers_of(layers), _predictions(logits, params)
    with tf.name_scope('metrics'):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=logits)
        unknown = tf.logical_and(args.class_ids < 0, args.weights > 0)
        classes = predictions[keys.CLASSES]
        metrics = {
            keys.ACCURACY: tf.metrics.accuracy(ids, classes, weights),
            keys.MEAN_PER_CLASS_ACCURACY: mean_per_class_accuracy(ids, classes, params.num_classes, weights),
            keys.MAJORITY_SHARE: majority_share(ids, params.num_classes, weights),
            keys.AVERAGE_LOSS: tf.metrics.mean(losses, weights),
            keys.UNKNOWN_LABELS: count(unknown, keys.UNKNOWN_LABELS),
            keys.TOTAL_EXAMPLES: count(weights > 0, keys.TOTAL_EXAMPLES),
        }
        if params.num_classes > _TOP_K:
            in_top = tf.nn.in_top_k(logits, ids, _TOP_K)
            metrics['top_5_accuracy'] = tf.metrics.mean(tf.cast(in_top, tf.float32), weights)
        if params.num_classes == _BINARY:
            metrics[keys.AUC] = area_under_roc(logits, ids, weights)
        metrics.update(dead_units(hidden, weights))
    if params.curves:
        metrics.update(pr_curves(predictions[keys.PROBABILITIES], ids, weights, params.vocabulary))
    return tf.estimator.EstimatorSpec(
        args.mode,
        loss=loss,
        eval_metric_ops=metrics,
        predictions=predictions,
        evaluation_hooks=_evaluation_hooks(args, predictions, hidden),
    )


def hidden_layers_of(layers: Endpoints) -> dict[str, Tensor]:
    """Returns the layers without the logits."""
    return {name: tensor for name, tensor in layers.items() if name != LOGITS}


def _evaluation_hooks(
    args: Args[ClassifierParams], predictions: Mapping[str, Tensor], endpoints: Endpoints
) -> list[SessionRunHook]:
    """Returns the hooks that draw mistakes, and the last layer with labels and keys."""
    folder = args.evaluation_folder
    if folder is None:
        return []
    vocabulary = args.params.vocabulary
    images = args.images if has_images(args.features) else None
    hooks = [MistakesHook(predictions, args.targets.known, vocabulary, images, args.keys, folder)]
    vectors = [tensor for tensor in endpoints.values() if tensor.shape.rank == 2]
    if vectors:
        columns = labels_and_keys(args.features, args.class_ids, vocabulary)
        columns['predicted'] = predictions[keys.CLASSES], partial(label_text, vocabulary)
        hooks.append(ProjectorHook(vectors[-1], images, columns, folder))
    return hooks


def _predictions(logits: Tensor, params: ClassifierParams) -> dict[str, Tensor]:
    with tf.name_scope('predictions'):
        classes = tf.argmax(logits, axis=1)
        return {
            keys.CLASSES: classes,
            keys.PROBABILITIES: tf.nn.softmax(logits),
            keys.LABELS: tf.gather(list(params.vocabulary), classes),
        }
