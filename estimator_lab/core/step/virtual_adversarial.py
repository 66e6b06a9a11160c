"""Virtual adversarial training: predictions that do not change near an image.

Miyato et al. 2018, "Virtual adversarial training: a regularization method for supervised and semi-supervised
learning" (arXiv 1704.03976), algorithm 1 with one power iteration.
"""

from collections.abc import Callable

from estimator_lab.core.step.float32 import in_float32
from estimator_lab.core.step.noise import Noise
from estimator_lab.tf1 import Tensor, tf

# Length of the probe by which the worst direction is found; the paper's 1e-6 is lost in bfloat16.
_PROBE = 1.0


def virtual_adversarial_loss(
    classify: Callable[[Tensor], Tensor],
    logits: Tensor,
    images: Tensor,
    weights: Tensor,
    distance: float,
    noise: Noise,
) -> Tensor:
    """Returns by how much a step in the worst direction changes the predictions: a float32 scalar, in nats.

    That is the mean of the divergences KL(p(image) || p(image + step)). It needs no labels. Its gradient
    passes through the second prediction alone.

    Args:
      classify: returns the logits of images. It drops the same units at each call, and those that were
        dropped for `logits`: if it dropped none, the network without dropout would learn to predict the same
        for all images.
      logits: those of the images, float32 [batch, classes].
      images: float32 [batch, height, width, channels].
      weights: the weight of each image, float32 [batch] or a number; 0 for one that must not affect training.
      distance: Euclidean length of the step, above 0, in the units of the pixels.
      noise: draws the direction in which the search begins.
    """
    with tf.name_scope('virtual_adversarial'):
        probe = _PROBE * _directions(noise.normal(tf.shape(images)))
        (steepest,) = tf.gradients(_divergences(logits, classify(images + probe)), probe)
        step = tf.stop_gradient(distance * _directions(steepest))
        changes = _divergences(logits, classify(images + step))
        return tf.losses.compute_weighted_loss(changes, weights, loss_collection=None)


def _divergences(logits: Tensor, others: Tensor) -> Tensor:
    """Returns KL(p || q) of each example, float32 [batch]; gradients reach q only.

    TensorFlow computes cross-entropies in float32 even under `--precision=bfloat16`. In bfloat16, their
    gradient q - p would be noise as soon as predictions are confident.
    """
    shares = tf.nn.softmax(in_float32(tf.stop_gradient(logits)))
    crossed, own = (
        tf.nn.softmax_cross_entropy_with_logits_v2(labels=shares, logits=values)
        for values in (others, logits)
    )
    return crossed - tf.stop_gradient(own)


def _directions(images: Tensor) -> Tensor:
    """Returns the images divided by their lengths; 0 stays 0."""
    largest = tf.reduce_max(tf.abs(images), axis=[1, 2, 3], keepdims=True)
    # First by the largest value, as the squares of confident predictions' gradients are 0 in float32.
    return tf.nn.l2_normalize(tf.div_no_nan(images, largest), axis=[1, 2, 3])
