"""The EstimatorSpecs of a phase of pre-training, in which one layer of a stack learns."""

import dataclasses

from estimator_lab.core.boltzmann.pretraining import DENOISING, LayerPretraining
from estimator_lab.core.boltzmann.rbm import GAUSSIAN
from estimator_lab.core.display.drawing import display_of, drawing_hooks
from estimator_lab.core.display.summaries import (
    filter_summary,
    layer_histograms,
    rows_summary,
    weight_histograms,
)
from estimator_lab.core.heads.boltzmann import RbmBatch, hidden_hooks, rbm_spec
from estimator_lab.core.heads.predictions import prediction_spec
from estimator_lab.core.metrics.streaming import evaluated_images
from estimator_lab.core.model import keys
from estimator_lab.core.model.endpoints import Endpoint, publish
from estimator_lab.core.model.features import example_weights
from estimator_lab.core.step.corruption import corrupt
from estimator_lab.core.step.noise import fresh_seed
from estimator_lab.core.step.train_step import train_op, watched
from estimator_lab.tf1 import EstimatorSpec, Mode, RunConfig, Tensor, tf

_FIELDS = 64


def pretraining_spec(
    layer_pretraining: LayerPretraining, batch: RbmBatch, mode: Mode, config: RunConfig | None
) -> EstimatorSpec:
    """Returns the EstimatorSpec of a pre-training phase.

    Args:
      layer_pretraining: what it trains.
      batch: the batch; its labels are seen by the last layer if `layer_pretraining.classes` is above 0.
      mode: a `tf.estimator.ModeKeys`.
      config: the RunConfig, which says whether and where to show things.
    """
    if layer_pretraining.params.pretraining == DENOISING:
        return _denoising_spec(layer_pretraining, batch, mode, config)
    seen = (
        batch
        if layer_pretraining.classes and layer_pretraining.is_last
        else dataclasses.replace(batch, labels=None)
    )
    return rbm_spec(layer_pretraining.stack(), seen, mode, layer_pretraining.rbm_params(), config)


def _denoising_spec(
    layer_pretraining: LayerPretraining, batch: RbmBatch, mode: Mode, config: RunConfig | None
) -> EstimatorSpec:
    """A layer learns its own input from one with a share of its values set to 0; its weights are tied."""
    stack, training = layer_pretraining.stack(), mode == tf.estimator.ModeKeys.TRAIN
    layer, visible = stack.top, stack.visible(batch.images)
    given = (
        corrupt(visible, 'masking', layer_pretraining.params.masking, fresh_seed(batch.features))
        if training
        else visible
    )
    with tf.name_scope('hidden'):
        inputs = tf.matmul(given, layer.kernel) + layer.bias
        hidden = inputs if layer.hidden_units == GAUSSIAN else tf.sigmoid(inputs)
    with tf.name_scope('visible'):
        logits = tf.matmul(hidden, layer.kernel, transpose_b=True) + layer.visible_bias
    with tf.name_scope('cross_entropy'):
        each = tf.nn.sigmoid_cross_entropy_with_logits(labels=visible, logits=logits)
        values, weights = tf.reduce_sum(each, axis=1), example_weights(batch.features)
        loss = tf.losses.compute_weighted_loss(values, weights)
    reconstruction = tf.sigmoid(logits)
    errors = tf.reduce_sum(tf.square(visible - reconstruction), axis=1)
    if mode == tf.estimator.ModeKeys.EVAL:
        metrics = {
            keys.RECONSTRUCTION_ERROR: tf.metrics.mean(errors),
            keys.EVALUATED_IMAGES: evaluated_images(errors),
        }
        return tf.estimator.EstimatorSpec(
            mode,
            loss=loss,
            eval_metric_ops=metrics,
            predictions={keys.ERROR: errors},
            evaluation_hooks=hidden_hooks(hidden, batch, display_of(config)),
        )
    pictures = stack.images(reconstruction)
    if not training:
        publish({layer.name: Endpoint(hidden, layer.kernel)})
        predictions = {keys.HIDDEN: hidden, keys.RECONSTRUCTION: pictures, keys.ERROR: errors}
        return prediction_spec(predictions, batch.features)
    tf.summary.scalar(keys.RECONSTRUCTION_ERROR, tf.reduce_mean(errors))
    layer_histograms({layer.name: Endpoint(hidden, layer.kernel)})
    weight_histograms()

    def draw() -> list[Tensor]:
        return [
            filter_summary('receptive_fields', stack.receptive_fields(_FIELDS)),
            rows_summary('reconstruction', [batch.images, pictures]),
        ]

    params = layer_pretraining.denoising_params()
    step = train_op(loss, params, weights)
    hooks = drawing_hooks(draw, display_of(config))
    return tf.estimator.EstimatorSpec(mode, loss=watched(loss, params), train_op=step, training_hooks=hooks)
