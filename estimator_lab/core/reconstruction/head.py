"""The head of an autoencoder: from a reconstruction to the EstimatorSpec of each mode."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.endpoints import Endpoints, publish
from estimator_lab.core.metrics import evaluated_images
from estimator_lab.core.model import Args, prediction_spec
from estimator_lab.core.projector import ProjectorHook, labels_and_keys
from estimator_lab.core.reconstruction.image_metrics import cross_entropy, psnr, squared_error, ssim
from estimator_lab.core.reconstruction.principal_components import FILE, load_components
from estimator_lab.core.reconstruction.report import Reconstructed, ReconstructionReportHook
from estimator_lab.core.summaries import (
    histogram,
    network_histograms,
    network_pictures,
    rows_picture,
)
from estimator_lab.core.training import train_op, watched
from estimator_lab.tf1 import EstimatorSpec, SessionRunHook, Tensor, tf

LOSSES = ('squared_error', 'cross_entropy')
_BITS_OF_FLOAT32 = 32


def reconstruction_spec(
    args: Args[Any],
    made: Reconstructed,
    endpoints: Endpoints,
    decode: Callable[[Tensor], Tensor],
    scaffold: Any = None,
) -> EstimatorSpec:
    """Returns the EstimatorSpec of an autoencoder.

    PREDICT returns code float32 [batch, code], reconstruction float32 [batch, height, width, channels] in
    [0, 1], error float32 [batch] and, if the input has them, key string [batch].

    The metrics of EVAL are means over the images: squared error, PSNR and SSIM of the reconstruction; with a
    corruption also PSNR and SSIM of the corrupted images, and the gain; the cross-entropy if that is the
    loss; and, if the model_dir has principal components, the squared error of as many of them as the code
    has values, computed from the same inputs. It also reports the size of the code and the number of images.

    TRAIN takes one step of the chosen optimizer.

    Args:
      args: the model function's arguments; its parameters have `loss`, `corruption` and `model_dir`.
      made: the batch and its reconstruction.
      endpoints: those of the network.
      decode: code -> images, in the same graph.
      scaffold: a `tf.train.Scaffold` for training; None for Estimator's own.
    """
    if args.predicting:
        for name, values in endpoints.items():
            publish(name, values)
        with tf.name_scope('predictions'):
            predictions = {
                keys.CODE: made.code,
                keys.RECONSTRUCTION: made.reconstruction,
                keys.ERROR: made.error,
            }
        return prediction_spec(predictions, args.features)
    loss = _loss(made, args.params.loss, args.weights)
    folder = args.evaluation_folder
    if args.evaluating:
        return tf.estimator.EstimatorSpec(
            args.mode,
            loss=loss,
            eval_metric_ops=_metrics(args, made),
            predictions={keys.ERROR: made.error},
            evaluation_hooks=_evaluation_hooks(args, made, decode, folder) if folder else [],
        )
    step = train_op(loss, args.params, args.weights)
    with tf.name_scope('train_error'):
        error = tf.reduce_mean(made.error)
    # Outside the scope, so that TensorBoard draws training and evaluation into one chart.
    tf.summary.scalar(keys.SQUARED_ERROR, error)
    histogram(f'outputs/{keys.CODE}', made.code)
    histogram(f'outputs/{keys.ERROR}', made.error)
    network_histograms(endpoints)
    if args.folder:
        shown = [made.images, made.inputs, made.reconstruction]
        rows_picture('reconstruction', shown if args.params.corruption != 'none' else shown[::2])
        network_pictures(endpoints, args.params.image_shape)
    return tf.estimator.EstimatorSpec(
        args.mode,
        loss=watched(loss, args.params),
        train_op=step,
        training_hooks=args.picture_hooks(),
        scaffold=scaffold,
    )


def _loss(made: Reconstructed, loss: str, weights: Tensor) -> Tensor:
    """Returns the weighted mean over the batch of a loss of `LOSSES`, summed over each image's values."""
    # Not named 'loss' or like a metric: the summaries of those names would become 'loss_1' and so on.
    with tf.name_scope('objective'):
        if loss == keys.CROSS_ENTROPY:
            values = cross_entropy(made.images, made.logits)
        else:
            # Before clipping to [0, 1]: a clipped value has no gradient.
            values = squared_error(made.images, made.values)
        return tf.losses.compute_weighted_loss(values, weights)


def _metrics(args: Args[Any], made: Reconstructed) -> dict[str, tuple[Any, Any]]:
    params = args.params
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
        metrics[keys.TOTAL_EXAMPLES] = evaluated_images(made.error)
    return metrics


def _error_of_components(made: Reconstructed, path: Path) -> Tensor:
    """Returns the squared error of principal components, float32 [batch].

    NumPy computes it: as constants of the graph, the components would be written to every event file.
    """
    values = math.prod(made.inputs.shape.as_list()[1:])
    reconstruct = load_components(path, values).reconstruct
    others = tf.py_func(reconstruct, [made.inputs], tf.float32, stateful=False)
    return squared_error(made.images, tf.reshape(others, tf.shape(made.images)))


def _evaluation_hooks(
    args: Args[Any], made: Reconstructed, decode: Callable[[Tensor], Tensor], folder: Path
) -> list[SessionRunHook]:
    """Returns the hooks that draw the reconstructions, and the codes in the Embedding Projector."""
    vocabulary = args.params.vocabulary
    report = ReconstructionReportHook(made, decode, args.keys, args.labels, vocabulary, folder)
    columns = {
        **labels_and_keys(args.features, args.labels, vocabulary),
        keys.ERROR: (made.error, '{:.4g}'.format),
    }
    return [report, ProjectorHook(made.code, made.images, columns, folder, keys.CODE)]
