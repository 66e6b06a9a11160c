"""Initializers and regularizers of ``tf.contrib.layers``, with the numbers of TensorFlow 1.15."""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.tf1 import tf

Regularizer = Callable[..., Any]
MaybeRegularizer = Regularizer | None


def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = 'FAN_IN',
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = None,
) -> Callable[..., Any]:
    """Returns an initializer of variance `factor` / n, where n is the number of inputs or outputs of a unit.

    Args:
      factor: 2 for rectifiers (He et al., 2015), 1 for Xavier's initializer.
      mode: 'FAN_IN', 'FAN_OUT', or 'FAN_AVG', the mean of both.
      uniform: whether the distribution is uniform; else normal, truncated at two standard deviations.
      seed: seed of the operation.
      dtype: type of the values; None for float32.

    Raises:
      TypeError: if `dtype` is not a floating type, or `mode` is unknown.
    """
    dtype = tf.as_dtype(dtype or tf.float32)
    if not dtype.is_floating:
        raise TypeError('Cannot create initializer for non-floating point type.')
    if mode not in ('FAN_IN', 'FAN_OUT', 'FAN_AVG'):
        raise TypeError(f'Unknown mode {mode} [FAN_IN, FAN_OUT, FAN_AVG]')

    def initializer(shape: Sequence[int], dtype: Any = dtype, partition_info: Any = None) -> Any:
        whole = partition_info.full_shape if partition_info is not None else shape
        sizes = [int(size) for size in whole]
        area = math.prod(sizes[:-2])
        inputs = (sizes[-2] if len(sizes) > 1 else sizes[-1] if sizes else 1) * area
        outputs = (sizes[-1] if sizes else 1) * area
        count = {'FAN_IN': inputs, 'FAN_OUT': outputs, 'FAN_AVG': (inputs + outputs) / 2}[mode]
        if uniform:
            limit = math.sqrt(3 * factor / count)
            return tf.random_uniform(shape, -limit, limit, dtype, seed=seed)
        # 1.3 compensates for the truncated tails.
        return tf.truncated_normal(shape, 0.0, math.sqrt(1.3 * factor / count), dtype, seed=seed)

    return initializer


def xavier_initializer(
    uniform: bool = True, seed: int | None = None, dtype: Any = None
) -> Callable[..., Any]:
    """Returns the initializer of Glorot and Bengio (2010), equation 16: variance 2 / (inputs + outputs)."""
    return variance_scaling_initializer(1.0, 'FAN_AVG', uniform, seed, dtype)


def _checked(scale: float) -> float:
    if isinstance(scale, numbers.Integral):
        raise ValueError(f'scale cannot be an integer: {scale}')
    if isinstance(scale, numbers.Real) and scale < 0:
        raise ValueError(f'Setting a scale less than 0 on a regularizer: {scale}.')
    return scale


def _penalty(name: str, scale: float, measure: Callable[[Any], Any]) -> Regularizer:
    if _checked(scale) == 0:
        return lambda weights, name=None: None

    def penalty(weights: Any, name: str | None = name) -> Any:
        with tf.name_scope(name, default_name=None, values=[weights]) as scope:
            return tf.multiply(tf.cast(scale, weights.dtype.base_dtype), measure(weights), name=scope)

    return penalty


def l1_regularizer(scale: float, scope: str | None = None) -> Regularizer:
    """Returns the function weights -> scale * sum(|weights|), or -> None if `scale` is 0.

    Raises:
      ValueError: if `scale` is negative or an integer.
    """
    return _penalty(scope or 'l1_regularizer', scale, lambda weights: tf.reduce_sum(tf.abs(weights)))


def l2_regularizer(scale: float, scope: str | None = None) -> Regularizer:
    """Returns the function weights -> scale * sum(weights ** 2) / 2, or -> None if `scale` is 0.

    Raises:
      ValueError: if `scale` is negative or an integer.
    """
    return _penalty(scope or 'l2_regularizer', scale, tf.nn.l2_loss)


def l1_l2_regularizer(
    scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None
) -> MaybeRegularizer:
    """Returns the sum of both penalties as one function."""
    scope = scope or 'l1_l2_regularizer'
    if scale_l1 == 0:
        return l2_regularizer(scale_l2, scope)
    if scale_l2 == 0:
        return l1_regularizer(scale_l1, scope)
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope)


def sum_regularizer(
    regularizers: Sequence[Regularizer | None], scope: str | None = None
) -> Regularizer | None:
    """Returns the sum of several penalties as one function; None if there are none."""
    some = [regularizer for regularizer in regularizers if regularizer is not None]
    if not some:
        return None

    def penalty(weights: Any) -> Any:
        with tf.name_scope(scope, 'sum_regularizer', [weights]) as name:
            found = [each for each in (regularizer(weights) for regularizer in some) if each is not None]
            return tf.add_n(found, name=name) if found else None

    return penalty


def apply_regularization(regularizer: Regularizer, weights_list: Sequence[Any] | None = None) -> Any:
    """Returns the sum of the penalties of `weights_list`, and adds it to the regularization losses.

    Raises:
      ValueError: if there are no weights.
    """
    weights_list = weights_list or tf.get_collection(tf.GraphKeys.WEIGHTS)
    if not weights_list:
        raise ValueError('No weights to regularize.')
    with tf.name_scope('get_regularization_penalty', values=weights_list) as scope:
        penalties = [
            penalty if penalty is not None else tf.constant(0.0)
            for penalty in (regularizer(weights) for weights in weights_list)
        ]
        total = tf.add_n(penalties, name=scope)
        tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES, total)
        return total
