"""What networks with published weights share: their convolutions and their pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from estimator_lab.core.layers import batch_norm
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Tensor, tf

MEAN = (123.68, 116.779, 103.939)
"""Mean of ImageNet's red, green and blue in 0 ... 255, as in the training of VGG; tf-slim rounds it."""

_UNIT_MEAN, _UNIT_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's


def less_mean(images: Tensor) -> Tensor:
    """Returns red, green and blue in 0 ... 255 less their mean, float32 [batch, height, width, 3].

    Images are float32 [batch, height, width, 1 or 3] in [0, 1].
    """
    with tf.name_scope('preprocessed'):
        return _coloured(images) * 255.0 - tf.constant(MEAN)


def standardised(images: Tensor) -> Tensor:
    """Returns red, green and blue less their mean, divided by their deviation, as torchvision does."""
    with tf.name_scope('preprocessed'):
        return (_coloured(images) - tf.constant(_UNIT_MEAN)) / tf.constant(_UNIT_DEVIATION)


def _coloured(images: Tensor) -> Tensor:
    return tf.tile(images, [1, 1, 1, 3]) if images.shape.as_list()[3] == 1 else images


@dataclass(frozen=True)
class Convolution:
    """A convolution with tf-slim's variable names.

    Calls with one scope share its variables SCOPE/weights and SCOPE/biases, or, if normalized,
    SCOPE/BatchNorm/... in place of the biases.

    Attributes:
      activation: of its maps.
      noise: the noise of a training step; or None.
      normalized: whether the maps are normalised by the batch.
      trainable: False for frozen weights, which use their moving averages in training too.
    """

    activation: Callable[[Tensor], Tensor] = tf.identity
    noise: Noise | None = None
    normalized: bool = False
    trainable: bool = True

    def __call__(
        self,
        values: Tensor,
        scope: str,
        maps: int,
        size: Sequence[int],
        stride: int = 1,
        padding: str = 'SAME',
    ) -> Tensor:
        """Returns maps, float32 [batch, height, width, maps].

        With a stride above 1, a padding of 'SAME' is half a filter of zeros on each side, as in PyTorch,
        whereas TensorFlow pads less above and on the left.
        """
        shape = [*size, values.shape.as_list()[3], maps]
        padded: str | list[list[int]] = padding
        if padding == 'SAME' and stride > 1:
            padded = [[0, 0], [size[0] // 2] * 2, [size[1] // 2] * 2, [0, 0]]
        with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
            initial = tf.glorot_uniform_initializer()
            kernel = tf.get_variable('weights', shape, initializer=initial, trainable=self.trainable)
            values = tf.nn.conv2d(values, kernel, strides=stride, padding=padded)
            if self.normalized:
                noise = self.noise if self.trainable else None
                values = batch_norm(values, noise, 'BatchNorm', self.trainable)
            else:
                zeros = tf.zeros_initializer()
                biases = tf.get_variable('biases', [maps], initializer=zeros, trainable=self.trainable)
                values = tf.nn.bias_add(values, biases)
        return self.activation(values)
