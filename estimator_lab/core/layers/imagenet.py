"""Pixels as networks with published weights expect them."""

from estimator_lab.tf1 import Tensor, tf

MEAN = (123.68, 116.779, 103.939)
"""Mean of ImageNet's red, green and blue in 0 ... 255, as in the training of VGG; tf-slim rounds it."""

_UNIT_MEAN, _UNIT_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's


def less_mean(images: Tensor) -> Tensor:
    """Returns red, green and blue in 0 ... 255 less their mean, float32 [batch, height, width, 3].

    Args:
      images: float32 [batch, height, width, channels] in [0, 1], channels 1 or 3.
    """
    with tf.name_scope('preprocessed'):
        return _coloured(images) * 255.0 - tf.constant(MEAN)


def standardised(images: Tensor) -> Tensor:
    """Returns red, green and blue less their mean, divided by their deviation, as torchvision's networks do.

    Args:
      images: as for `less_mean`.
    """
    with tf.name_scope('preprocessed'):
        return (_coloured(images) - tf.constant(_UNIT_MEAN)) / tf.constant(_UNIT_DEVIATION)


def _coloured(images: Tensor) -> Tensor:
    return tf.tile(images, [1, 1, 1, 3]) if images.shape.as_list()[3] == 1 else images
