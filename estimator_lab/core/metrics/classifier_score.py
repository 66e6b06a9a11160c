"""The classifier score of samples: how sure a classifier is of each, and how many kinds it finds."""

from typing import Any

from estimator_lab.core.metrics.streaming import running_sum
from estimator_lab.tf1 import Tensor, tf

_SMALLEST = 1e-30


def classifier_score(name: str, probabilities: Tensor) -> tuple[Any, Any]:
    """Streams exp(E KL(p(y|x) || p(y))), which Salimans et al. (2016) call the Inception score.

    It lies between 1 and the number of classes; all samples count as one set.

    Args:
      name: of its local variables.
      probabilities: float32 [batch, classes], each row adding up to 1.

    Returns:
      (value, update op), float32 scalars; 1 before any sample.
    """
    values = tf.cast(probabilities, tf.float64)
    count, count_on = running_sum(f'{name}_count', tf.cast(tf.shape(values)[0], tf.float64))
    classes, classes_on = running_sum(f'{name}_classes', tf.reduce_sum(values, axis=0))
    information, information_on = running_sum(f'{name}_information', tf.reduce_sum(_x_log_x(values)))

    def score(count: Tensor, classes: Tensor, information: Tensor) -> Tensor:
        mean = tf.div_no_nan(classes, count)
        gain = tf.div_no_nan(information, count) - tf.reduce_sum(_x_log_x(mean))
        return tf.cast(tf.exp(gain), tf.float32)

    return score(count, classes, information), score(count_on, classes_on, information_on)


def _x_log_x(values: Tensor) -> Tensor:
    return values * tf.log(tf.maximum(values, _SMALLEST))
