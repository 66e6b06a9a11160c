"""The EstimatorSpecs of a phase of pre-training, in which one layer of a stack learns."""

import dataclasses
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.boltzmann.head import hidden_hooks, layer_pictures, rbm_spec
from estimator_lab.core.boltzmann.pretraining import DENOISING, LayerPretraining
from estimator_lab.core.boltzmann.rbm import GAUSSIAN
from estimator_lab.core.endpoints import publish
from estimator_lab.core.metrics import evaluated_images
from estimator_lab.core.model import Args, prediction_spec
from estimator_lab.core.noise import fresh_seed
from estimator_lab.core.reconstruction.corruption import corrupt
from estimator_lab.core.summaries import network_histograms
from estimator_lab.core.training import train_op, watched
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf


def pretraining_spec(
    args: Args[Any], layer_pretraining: LayerPretraining, one_hot: Tensor | None = None
) -> EstimatorSpec:
    """Returns the EstimatorSpec of a pre-training phase.

    Args:
      args: the model function's arguments; `params.phase` names the layer that is trained.
      layer_pretraining: how the layers are trained.
      one_hot: labels, float32 [batch, classes]; used by the last layer if `layer_pretraining.classes` is
        above 0.
    """
    if layer_pretraining.params.pretraining == DENOISING:
        return _denoising_spec(args, layer_pretraining)
    if not (layer_pretraining.classes and layer_pretraining.is_last):
        one_hot = None
    rbm_args = dataclasses.replace(args, params=layer_pretraining.rbm_params())
    return rbm_spec(rbm_args, layer_pretraining.stack(), one_hot)


def _denoising_spec(args: Args[Any], layer_pretraining: LayerPretraining) -> EstimatorSpec:
    """Trains a layer with tied weights to restore its input after a share of the values was set to 0."""
    stack = layer_pretraining.stack()
    layer, visible = stack.top, stack.visible(args.images)
    given = (
        corrupt(visible, 'masking', layer_pretraining.params.masking, fresh_seed(args.features))
        if args.training
        else visible
    )
    with tf.name_scope('hidden'):
        inputs = tf.matmul(given, layer.kernel) + layer.bias
        hidden = inputs if layer.hidden_units == GAUSSIAN else tf.sigmoid(inputs)
    with tf.name_scope('visible'):
        logits = tf.matmul(hidden, layer.kernel, transpose_b=True) + layer.visible_bias
    with tf.name_scope('cross_entropy'):
        each = tf.nn.sigmoid_cross_entropy_with_logits(labels=visible, logits=logits)
        loss = tf.losses.compute_weighted_loss(tf.reduce_sum(each, axis=1), args.weights)
    reconstruction = tf.sigmoid(logits)
    errors = tf.reduce_sum(tf.square(visible - reconstruction), axis=1)
    if args.evaluating:
        metrics = {
            keys.RECONSTRUCTION_ERROR: tf.metrics.mean(errors),
            keys.TOTAL_EXAMPLES: evaluated_images(errors),
        }
        return tf.estimator.EstimatorSpec(
            args.mode,
            loss=loss,
            eval_metric_ops=metrics,
            predictions={keys.ERROR: errors},
            evaluation_hooks=hidden_hooks(args, hidden),
        )
    pictures, endpoints = stack.images(reconstruction), {layer.name: hidden}
    if args.predicting:
        publish(layer.name, hidden)
        predictions = {keys.HIDDEN: hidden, keys.RECONSTRUCTION: pictures, keys.ERROR: errors}
        return prediction_spec(predictions, args.features)
    tf.summary.scalar(keys.RECONSTRUCTION_ERROR, tf.reduce_mean(errors))
    network_histograms(endpoints)
    if args.folder:
        layer_pictures(stack, args.images, pictures)
    params = layer_pretraining.denoising_params()
    step = train_op(loss, params, args.weights)
    return tf.estimator.EstimatorSpec(
        args.mode,
        loss=watched(loss, params),
        train_op=step,
        training_hooks=args.picture_hooks(),
    )
