"""How far one image is from another: a figure for each pair of a batch."""

from estimator_lab.tf1 import Tensor, tf

_BEST_PSNR = 100.0  # dB, of images that are equal: their true value, infinity, would spoil every mean
_SSIM_WINDOW = 11


def squared_error(images: Tensor, others: Tensor) -> Tensor:
    """Returns the squared differences summed over an image's values, as Hinton and Salakhutdinov (2006) do.

    Args:
      images: float32 [batch, height, width, channels].
      others: of the same shape.

    Returns:
      float32 [batch].
    """
    return tf.reduce_sum(tf.squared_difference(images, others), axis=[1, 2, 3])


def cross_entropy(images: Tensor, logits: Tensor) -> Tensor:
    """Returns the cross-entropy in nats, summed over an image's values taken as probabilities.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      logits: of the same shape; the reconstruction before the sigmoid.

    Returns:
      float32 [batch].
    """
    values = tf.nn.sigmoid_cross_entropy_with_logits(labels=images, logits=logits)
    return tf.reduce_sum(values, axis=[1, 2, 3])


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """Returns the peak signal-to-noise ratio in dB, for a peak of 1; 100 at most.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      others: of the same shape, any range.

    Returns:
      float32 [batch].
    """
    mean = tf.reduce_mean(tf.squared_difference(images, others), axis=[1, 2, 3])
    return tf.minimum(-10.0 * tf.log(mean) / tf.log(10.0), _BEST_PSNR)


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Returns the structural similarity (Wang et al. 2004): 1 for equal images.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      others: of the same shape, any range.

    Returns:
      float32 [batch]. The window is 11 pixels wide, with a standard deviation of 1.5, and as wide as the
      image where that is smaller.
    """
    height, width = images.shape.as_list()[1:3]
    window = min(_SSIM_WINDOW, height, width)
    return tf.image.ssim(images, others, max_val=1.0, filter_size=window)
