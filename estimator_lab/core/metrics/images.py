"""Differences of images, one value for each pair in a batch."""

from estimator_lab.tf1 import Tensor, tf

_BEST_PSNR = 100.0  # dB, of images that are equal: their true value, infinity, would dominate every mean
_SSIM_WINDOW = 11


def squared_error(images: Tensor, others: Tensor) -> Tensor:
    """Returns the squared differences, summed over each image, as in Hinton and Salakhutdinov (2006).

    Args:
      images: float32 [batch, height, width, channels].
      others: of the same shape.

    Returns:
      float32 [batch].
    """
    return tf.reduce_sum(tf.squared_difference(images, others), axis=[1, 2, 3])


def cross_entropy(images: Tensor, logits: Tensor) -> Tensor:
    """Returns the cross-entropy in nats, summed over each image, whose values count as probabilities.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      logits: the reconstruction before the sigmoid, of the same shape.

    Returns:
      float32 [batch].
    """
    values = tf.nn.sigmoid_cross_entropy_with_logits(labels=images, logits=logits)
    return tf.reduce_sum(values, axis=[1, 2, 3])


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """Returns the peak signal-to-noise ratio in dB for a peak of 1, at most 100.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      others: of the same shape, any range.

    Returns:
      float32 [batch].
    """
    mean = tf.reduce_mean(tf.squared_difference(images, others), axis=[1, 2, 3])
    return tf.minimum(-10.0 * tf.log(mean) / tf.log(10.0), _BEST_PSNR)


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Returns the structural similarity (Wang et al. 2004) in [-1, 1], 1 for equal images.

    The window is 11 pixels wide, or as wide as a smaller image, with a standard deviation of 1.5 pixels.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      others: of the same shape, any range.

    Returns:
      float32 [batch].
    """
    height, width = images.shape.as_list()[1:3]
    window = min(_SSIM_WINDOW, height, width)
    return tf.image.ssim(images, others, max_val=1.0, filter_size=window)
