"""Differences of images, one value for each pair in a batch: float32 [batch].

Images are float32 [batch, height, width, channels] in [0, 1], the others of the same shape and any range.
"""

from estimator_lab.tf1 import Tensor, tf

_BEST_PSNR = 100.0  # dB, of images that are equal: their true value, infinity, would dominate every mean
_SSIM_WINDOW = 11


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
