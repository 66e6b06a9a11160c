"""Instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016), with a scale and a shift for each style.

Several styles share all kernels of a network and differ in these numbers alone: the conditional instance
normalisation of Dumoulin, Shlens and Kudlur (2017), in which styles can be mixed.
"""

from estimator_lab.tf1 import Tensor, tf

STATISTICS = 'estimator_lab/instance_statistics'
"""The graph's collection of means and variances, in the order of the layers; tiles are fed with them."""

_EPSILON = 1e-5


class InstanceNorm:
    """Brings each map of each picture to mean 0 and variance 1, then to the scale and shift of its style.

    Its variables are NAME/scale and NAME/shift, [styles, maps]; they are made at its first use.

    Args:
      name: of its scope, within the current one.
      styles: how many.
    """

    def __init__(self, name: str, styles: int) -> None:
        self._name, self._styles = name, styles

    def __call__(self, maps: Tensor, mix: Tensor) -> Tensor:
        """Returns the maps, normalised.

        Args:
          maps: float32 [batch, height, width, maps].
          mix: how much of each style a picture gets, float32 [batch, styles].
        """
        count = maps.shape.as_list()[3]
        with tf.variable_scope(self._name, reuse=tf.AUTO_REUSE):
            scale = tf.get_variable('scale', [self._styles, count], initializer=tf.ones_initializer())
            shift = tf.get_variable('shift', [self._styles, count], initializer=tf.zeros_initializer())
            mean, variance = tf.nn.moments(maps, [1, 2], keepdims=True)
            for statistic in (mean, variance):
                tf.add_to_collection(STATISTICS, statistic)
            factor = _of_each(mix, scale) * tf.rsqrt(variance + _EPSILON)
            # One multiplication and one addition a value, since maps are large.
            return maps * factor + (_of_each(mix, shift) - mean * factor)


def _of_each(mix: Tensor, values: Tensor) -> Tensor:
    """Returns the mixed values of each picture, float32 [batch, 1, 1, maps]."""
    return tf.matmul(mix, values)[:, tf.newaxis, tf.newaxis, :]
