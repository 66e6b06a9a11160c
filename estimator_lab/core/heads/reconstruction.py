"""From a reconstruction to an EstimatorSpec for TRAIN, EVAL and PREDICT: what all autoencoders share."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.core.display.summaries import histogram_summary, summarise_network
from estimator_lab.core.heads.predictions import prediction_spec
from estimator_lab.core.metrics.images import cross_entropy, psnr, squared_error, ssim
from estimator_lab.core.metrics.principal_components import FILE, load_components
from estimator_lab.core.metrics.streaming import evaluated_images
from estimator_lab.core.model import keys
from estimator_lab.core.model.endpoints import Endpoints
from estimator_lab.core.model.params import TrainingParams
from estimator_lab.core.step.train_step import train_op, watched
from estimator_lab.tf1 import EstimatorSpec, Features, SessionRunHook, Tensor, tf

LOSSES = ('squared_error', 'cross_entropy')
_BITS_OF_FLOAT32 = 32


class Reconstructed(NamedTuple):
    """What an autoencoder makes of a batch.

    Attributes:
      images: the targets, float32 [batch, height, width, channels] in [0, 1].
      inputs: what was encoded: the images, or corrupted ones, which may leave [0, 1].
      code: float32 [batch, code].
      logits: the decoder's output, float32 [batch, height, width, channels].
      values: the same through the output's function: a sigmoid, or nothing, which leaves them unbounded.
    """

    images: Tensor
    inputs: Tensor
    code: Tensor
    logits: Tensor
    values: Tensor

    @property
    def reconstruction(self) -> Tensor:
        """The values where they are allowed to be: float32 [batch, height, width, channels] in [0, 1]."""
        return tf.clip_by_value(self.values, 0.0, 1.0)

    @property
    def error(self) -> Tensor:
        """Squared error of each image, summed over its values: float32 [batch]."""
        return squared_error(self.images, self.reconstruction)


def predict_spec(made: Reconstructed, features: Features) -> EstimatorSpec:
    """Returns the EstimatorSpec for PREDICT.

    Args:
      made: of images as they came.
      features: the model function's features; their keys are handed through.

    Returns:
      A spec that predicts code float32 [batch, code], reconstruction float32 [batch, height, width,
      channels] in [0, 1], error float32 [batch] and, where the input has them, key string [batch].
    """
    with tf.name_scope('predictions'):
        predictions = {keys.CODE: made.code, keys.RECONSTRUCTION: made.reconstruction, keys.ERROR: made.error}
    return prediction_spec(predictions, features)


def loss_of(made: Reconstructed, loss: str, weights: Tensor) -> Tensor:
    """Returns the mean loss of the batch, a scalar.

    Args:
      made: the batch.
      loss: one of `LOSSES`, summed over an image's values.
      weights: what each example counts, float32 [batch] or a number.
    """
    # Not named 'loss' or like a metric: the summaries of those names would become 'loss_1' and so on.
    with tf.name_scope('objective'):
        if loss == keys.CROSS_ENTROPY:
            values = cross_entropy(made.images, made.logits)
        else:
            # Not of what was clipped to [0, 1]: no gradient would lead back into that range.
            values = squared_error(made.images, made.values)
        return tf.losses.compute_weighted_loss(values, weights)


def eval_spec(
    made: Reconstructed, loss: Tensor, params: Any, hooks: Sequence[SessionRunHook] = ()
) -> EstimatorSpec:
    """Returns the EstimatorSpec for EVAL.

    Its metrics are means over the images: squared error, PSNR and SSIM of the reconstruction; the same two
    of the corrupted images where there are any, and what was gained; the cross-entropy where that is the
    loss; the squared error of principal components of the code's size where the model has them, which are
    given the same inputs; beside them the size of the code and the number of images.

    Args:
      made: the batch.
      loss: a scalar.
      params: the model's parameters, with `loss`, `corruption` and `model_dir`, where the components are.
      hooks: of the evaluation.
    """
    with tf.name_scope('metrics'):
        means = {
            keys.SQUARED_ERROR: made.error,
            keys.PSNR: psnr(made.images, made.reconstruction),
            keys.SSIM: ssim(made.images, made.reconstruction),
        }
        if params.loss == keys.CROSS_ENTROPY:
            means[keys.CROSS_ENTROPY] = cross_entropy(made.images, made.logits)
        if params.corruption != 'none':
            means[keys.PSNR_NOISY] = psnr(made.images, made.inputs)
            means[keys.PSNR_GAIN] = means[keys.PSNR] - means[keys.PSNR_NOISY]
            means[keys.SSIM_NOISY] = ssim(made.images, made.inputs)
        components = Path(params.model_dir, FILE)
        if params.model_dir and components.exists():
            means[keys.PCA_SQUARED_ERROR] = _error_of_components(made, components)
        floats = made.code.shape.as_list()[1]
        means[keys.FLOATS_PER_IMAGE] = float(floats)
        means[keys.BITS_PER_IMAGE] = float(floats * _BITS_OF_FLOAT32)
        metrics = {name: tf.metrics.mean(values) for name, values in means.items()}
        metrics[keys.EVALUATED_IMAGES] = evaluated_images(made.error)
    return tf.estimator.EstimatorSpec(
        tf.estimator.ModeKeys.EVAL,
        loss=loss,
        eval_metric_ops=metrics,
        predictions={keys.ERROR: made.error},
        evaluation_hooks=list(hooks),
    )


def train_spec(
    made: Reconstructed,
    endpoints: Endpoints,
    loss: Tensor,
    weights: Tensor,
    params: TrainingParams,
    hooks: Sequence[SessionRunHook] = (),
    scaffold: Any = None,
) -> EstimatorSpec:
    """Returns the EstimatorSpec for TRAIN: one step of the chosen optimizer, and its summaries.

    Args:
      made: the batch.
      endpoints: of the network.
      loss: a scalar.
      weights: what each example counts, float32 [batch] or a number.
      params: the model's parameters.
      hooks: of the training.
      scaffold: a tf.train.Scaffold; None for Estimator's own.
    """
    step = train_op(loss, params, weights)
    with tf.name_scope('train_error'):
        error = tf.reduce_mean(made.error)
    # Outside the scope, so that TensorBoard draws training and evaluation into one chart.
    tf.summary.scalar(keys.SQUARED_ERROR, error)
    histogram_summary(f'outputs/{keys.CODE}', made.code)
    histogram_summary(f'outputs/{keys.ERROR}', made.error)
    summarise_network(endpoints)
    return tf.estimator.EstimatorSpec(
        tf.estimator.ModeKeys.TRAIN,
        loss=watched(loss, params),
        train_op=step,
        training_hooks=list(hooks),
        scaffold=scaffold,
    )


def _error_of_components(made: Reconstructed, path: Path) -> Tensor:
    """Returns the squared error of principal components: float32 [batch].

    They are computed with outside of TensorFlow: in the graph, they would be written out with it.
    """
    values = math.prod(made.inputs.shape.as_list()[1:])
    reconstruct = load_components(path, values).reconstruct
    others = tf.py_func(reconstruct, [made.inputs], tf.float32, stateful=False)
    return squared_error(made.images, tf.reshape(others, tf.shape(made.images)))
