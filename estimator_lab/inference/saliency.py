"""Which pixels a score depends on: gradient saliency and Grad-CAM."""

from estimator_lab.tf1 import Tensor, tf


def pixel_gradient(score: Tensor, images: Tensor) -> Tensor | None:
    """Returns how the score changes with each value of the images, of their shape; None if it does not.

    Args:
      score: scalar, such as the logit of one class for a batch of one image.
      images: float [n, height, width, channels].
    """
    return tf.gradients(score, images)[0]


def saliency(gradient: Tensor) -> Tensor:
    """Returns the saliency of each pixel, [n, height, width], 0 or more: max over channels of |gradient|.

    Simonyan, Vedaldi and Zisserman 2014, 'Deep inside convolutional networks', section 3.1.

    Args:
      gradient: of a class score before the softmax, [n, height, width, channels].
    """
    return tf.reduce_max(tf.abs(gradient), axis=3)


def grad_cam(score: Tensor, maps: Tensor) -> Tensor | None:
    """Returns where a convolution found what speaks for the score: [n, height, width], 0 or more.

    relu(sum_k a_k A_k), with a_k the mean over positions of d score / d A_k: Selvaraju et al. 2017,
    'Grad-CAM', equations 1 and 2. None if the score does not depend on the maps.

    Args:
      score: of a class, before the softmax, summed over the batch.
      maps: A, activations of a convolution, [n, height, width, filters].
    """
    gradient = tf.gradients(score, maps)[0]
    if gradient is None:
        return None
    weights = tf.reduce_mean(gradient, axis=[1, 2], keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * maps, axis=3))
