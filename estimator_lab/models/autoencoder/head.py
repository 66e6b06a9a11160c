"""The head of an autoencoder: from a reconstruction to the EstimatorSpec of each mode."""

from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.core import keys
from estimator_lab.core.endpoints import Endpoints
from estimator_lab.core.metrics import evaluated_images, mean_image_error
from estimator_lab.core.model import Args, prediction_spec
from estimator_lab.core.projector import ProjectorHook, labels_and_keys
from estimator_lab.core.summaries import histogram, network_histograms, network_pictures, rows_picture
from estimator_lab.core.training import train_op, watched
from estimator_lab.models.autoencoder.report import ReconstructionReportHook
from estimator_lab.tf1 import EstimatorSpec, Metric, SessionRunHook, Tensor, tf

LOSSES = ('squared_error', 'cross_entropy')
_BEST_PSNR = 100.0  # dB, of images that are equal: their true value, infinity, would dominate every mean
_SSIM_WINDOW = 11


class Reconstructed(NamedTuple):
    """A batch of images and their reconstructions.

    Attributes:
      images: the targets, float32 [batch, height, width, channels] in [0, 1].
      inputs: the encoder's input: the images, or corrupted ones, which may leave [0, 1].
      code: float32 [batch, code].
      logits: the decoder's output, float32 [batch, height, width, channels].
      values: the same after the output function: a sigmoid, or the identity, which is unbounded.
    """

    images: Tensor
    inputs: Tensor
    code: Tensor
    logits: Tensor
    values: Tensor

    @property
    def reconstruction(self) -> Tensor:
        """The values clipped to [0, 1], float32 [batch, height, width, channels]."""
        with tf.name_scope('reconstruction'):
            return tf.clip_by_value(self.values, 0.0, 1.0)

    @property
    def error(self) -> Tensor:
        """Squared error of each image, summed over its values, float32 [batch]."""
        return squared_error(self.images, self.reconstruction)


def predict_spec(args: Args[Any], made: Reconstructed) -> EstimatorSpec:
    """Returns the EstimatorSpec of PREDICT.

    It returns code float32 [batch, code], reconstruction float32 [batch, height, width, channels] in [0, 1],
    error float32 [batch] and, if the input has them, key string [batch].
    """
    with tf.name_scope('predictions'):
        predictions = {keys.CODE: made.code, keys.RECONSTRUCTION: made.reconstruction, keys.ERROR: made.error}
    return prediction_spec(predictions, args.features)


def eval_spec(args: Args[Any], made: Reconstructed, loss: Tensor) -> EstimatorSpec:
    """Returns the EstimatorSpec of EVAL.

    Its metrics are means over the images: squared error, PSNR and SSIM of the reconstruction; with a
    corruption also PSNR and SSIM of the corrupted images, and the gain; and the cross-entropy if that is the
    loss. It also reports the size of the code and the number of images.
    """
    folder = args.evaluation_folder
    return tf.estimator.EstimatorSpec(
        args.mode,
        loss=loss,
        eval_metric_ops=_metrics(args, made),
        predictions={keys.ERROR: made.error},
        evaluation_hooks=_evaluation_hooks(args, made, folder) if folder else [],
    )


def train_spec(args: Args[Any], made: Reconstructed, endpoints: Endpoints, loss: Tensor) -> EstimatorSpec:
    """Returns the EstimatorSpec of TRAIN, which takes one step of the chosen optimizer on the loss."""
    step = train_op(loss, args.params, args.weights, args.params.clip_norm)
    with tf.name_scope('train_error'):
        errors = made.error
        error = tf.reduce_mean(errors)
    # Outside the scope, so that TensorBoard draws training and evaluation into one chart.
    tf.summary.scalar(keys.SQUARED_ERROR, error)
    histogram(f'outputs/{keys.CODE}', made.code)
    histogram(f'outputs/{keys.ERROR}', errors)
    network_histograms(endpoints)
    if args.folder:
        shown = [made.images, made.inputs, made.reconstruction]
        rows_picture('reconstruction', shown if args.params.corruption != 'none' else shown[::2])
        network_pictures(endpoints, args.params.image_shape)
    return tf.estimator.EstimatorSpec(
        args.mode, loss=watched(loss, args.params), train_op=step, training_hooks=args.picture_hooks()
    )


def loss(args: Args[Any], made: Reconstructed) -> Tensor:
    """Returns the weighted mean over the batch of a loss of `LOSSES`, summed over each image's values."""
    # Not named 'loss' or like a metric: the summaries of those names would become 'loss_1' and so on.
    with tf.name_scope('objective'):
        if args.params.loss == keys.CROSS_ENTROPY:
            values = cross_entropy(made.images, made.logits)
        else:
            # Before clipping to [0, 1]: a clipped value has no gradient.
            values = squared_error(made.images, made.values)
        return tf.losses.compute_weighted_loss(values, args.weights)


def _metrics(args: Args[Any], made: Reconstructed) -> dict[str, Metric]:
    params = args.params
    with tf.name_scope('metrics'):
        means = {
            keys.SQUARED_ERROR: made.error,
            'psnr': psnr(made.images, made.reconstruction),
            'ssim': ssim(made.images, made.reconstruction),
        }
        if params.loss == keys.CROSS_ENTROPY:
            means[keys.CROSS_ENTROPY] = cross_entropy(made.images, made.logits)
        if params.corruption != 'none':
            means['psnr_noisy'] = psnr(made.images, made.inputs)
            means['psnr_gain'] = means['psnr'] - means['psnr_noisy']
            means['ssim_noisy'] = ssim(made.images, made.inputs)
        means[keys.FLOATS_PER_IMAGE] = float(made.code.shape.as_list()[1])
        metrics = {name: tf.metrics.mean(values) for name, values in means.items()}
        metrics[keys.MEAN_IMAGE_ERROR] = mean_image_error(made.images)
        metrics[keys.TOTAL_EXAMPLES] = evaluated_images(made.error)
    return metrics


def squared_error(images: Tensor, others: Tensor) -> Tensor:
    """Returns the squared differences, summed over each image, as in Hinton and Salakhutdinov (2006)."""
    return tf.reduce_sum(tf.squared_difference(images, others), axis=[1, 2, 3])


def cross_entropy(images: Tensor, logits: Tensor) -> Tensor:
    """Returns the cross-entropy in nats, summed over each image, whose values count as probabilities.

    The logits are the reconstruction before the sigmoid.
    """
    values = tf.nn.sigmoid_cross_entropy_with_logits(labels=images, logits=logits)
    return tf.reduce_sum(values, axis=[1, 2, 3])


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """Returns the peak signal-to-noise ratio in dB for a peak of 1, at most 100."""
    mean = tf.reduce_mean(tf.squared_difference(images, others), axis=[1, 2, 3])
    return tf.minimum(-10.0 * tf.log(mean) / tf.log(10.0), _BEST_PSNR)


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Returns the structural similarity (Wang et al. 2004) in [-1, 1], 1 for equal images.

    The window is 11 pixels wide, or as wide as a smaller image, with a standard deviation of 1.5 pixels.
    """
    height, width = images.shape.as_list()[1:3]
    window = min(_SSIM_WINDOW, height, width)
    return tf.image.ssim(images, others, max_val=1.0, filter_size=window)


def _evaluation_hooks(args: Args[Any], made: Reconstructed, folder: Path) -> list[SessionRunHook]:
    """Returns the hooks that draw the reconstructions, and the codes in the Embedding Projector."""
    columns = {
        **labels_and_keys(args.features, args.labels, args.params.vocabulary),
        keys.ERROR: (made.error, '{:.4g}'.format),
    }
    with tf.name_scope('report'):
        batch = {'images': made.images, 'reconstruction': made.reconstruction, 'error': made.error}
        if args.keys is not None:
            batch['key'] = args.keys
        if args.params.corruption != 'none':
            batch['inputs'] = made.inputs
    report = ReconstructionReportHook(batch, folder)
    return [report, ProjectorHook(made.code, made.images, columns, folder, keys.CODE)]
