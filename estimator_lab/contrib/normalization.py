"""``layer_norm`` and ``batch_norm`` of ``tf.contrib.layers``, with 1.15's variable names and numbers."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from estimator_lab.contrib._layer_parts import collected, either, known_size, model_variable
from estimator_lab.contrib.arg_scope import add_arg_scope
from estimator_lab.tf1 import tf

_CHANNEL_AXES = {'NHWC': -1, 'NCHW': 1}


@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Callable[..., Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Any:
    """Normalizes each example by its own mean and variance (Ba, Kiros, Hinton, 2016), equation 3.

    Args:
      inputs: float [batch, ...].
      center: whether to add a learned `beta`.
      scale: whether to multiply by a learned `gamma`.
      activation_fn: activation of the outputs.
      reuse: whether to use the variables of an earlier call.
      variables_collections: more collections for the variables, or a mapping of them by name.
      outputs_collections: collections for the outputs.
      trainable: whether the variables are trained.
      begin_norm_axis: the first of the axes to normalize over.
      begin_params_axis: the first of the axes that `beta` and `gamma` have.
      scope: name or scope of the variables.

    Returns:
      Float of the inputs' shape.

    Raises:
      ValueError: if an axis does not exist, or the sizes of the parameters are unknown.
    """
    with tf.variable_scope(scope, 'LayerNorm', [inputs], reuse=reuse) as layer:
        inputs = tf.convert_to_tensor(inputs)
        rank = inputs.shape.ndims
        if rank is None:
            raise ValueError(f'Inputs {inputs.name} has undefined rank.')
        first = begin_norm_axis + rank if begin_norm_axis < 0 else begin_norm_axis
        if begin_params_axis >= rank or first >= rank:
            raise ValueError(
                f'begin_params_axis ({begin_params_axis}) and begin_norm_axis ({first}) must be < rank '
                f'of the inputs ({rank}).'
            )
        shape = inputs.shape[begin_params_axis:]
        if not shape.is_fully_defined():
            raise ValueError(f'The axes {shape} of the inputs {inputs.shape} must be known.')
        dtype = inputs.dtype.base_dtype
        add = functools.partial(
            model_variable, shape=shape, dtype=dtype, collections=variables_collections, trainable=trainable
        )
        beta = add('beta', initializer=tf.zeros_initializer()) if center else None
        gamma = add('gamma', initializer=tf.ones_initializer()) if scale else None
        mean, variance = tf.nn.moments(inputs, list(range(first, rank)), keep_dims=True)
        tiny = 1e-3 if dtype == tf.float16 else 1e-12
        outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, tiny)
        outputs.set_shape(inputs.shape)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collected(outputs, outputs_collections, layer.name)


@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Callable[..., Any] | None = None,
    param_initializers: Mapping[str, Any] | None = None,
    param_regularizers: Mapping[str, Any] | None = None,
    updates_collections: Any = tf.GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = 'NHWC',
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
) -> Any:
    """Normalizes each channel by the mean and variance of the batch (Ioffe, Szegedy, 2015), algorithm 1.

    Args:
      inputs: float [batch, ..., channels].
      decay: decay of the moving averages, which are used outside training.
      center: whether to add a learned `beta`.
      scale: whether to multiply by a learned `gamma`.
      epsilon: added to the variance.
      activation_fn: activation of the outputs.
      param_initializers: initializers of 'beta', 'gamma', 'moving_mean' and 'moving_variance'.
      param_regularizers: regularizers of 'beta' and 'gamma'.
      updates_collections: collections for the updates of the averages, which a program runs with its
        train_op; None makes the outputs depend on them.
      is_training: True, False, or a boolean tensor.
      reuse: whether to use the variables of an earlier call.
      variables_collections: more collections for the variables, or a mapping of them by name.
      outputs_collections: collections for the outputs.
      trainable: whether the variables are trained.
      batch_weights: float [batch], the examples' weights.
      fused: whether the moving variance is the unbiased estimate, as in TensorFlow's fused operation; None
        for the cases in which that operation applies: two or four axes and no weights.
      data_format: 'NHWC', channels last, or 'NCHW', channels second.
      zero_debias_moving_mean: not supported.
      scope: name or scope of the variables.
      renorm: not supported.

    Returns:
      Float of the inputs' shape.

    Raises:
      ValueError: on another data format, or if the number of channels is unknown.
      NotImplementedError: if an unsupported argument is set; tf.layers.batch_normalization has renorm.
    """
    if zero_debias_moving_mean or renorm:
        raise NotImplementedError(
            'batch_norm supports neither zero_debias_moving_mean nor renorm; '
            'tf.layers.batch_normalization(renorm=True) has the latter.'
        )
    if data_format not in _CHANNEL_AXES:
        raise ValueError('data_format has to be either NCHW or NHWC.')
    with tf.variable_scope(scope, 'BatchNorm', [inputs], reuse=reuse) as layer:
        inputs = tf.convert_to_tensor(inputs)
        axis = _CHANNEL_AXES[data_format] % inputs.shape.ndims
        others = [each for each in range(inputs.shape.ndims) if each != axis]
        if fused is None:
            fused = inputs.shape.ndims in (2, 4) and batch_weights is None
        add = functools.partial(
            _normal_variable,
            [known_size(inputs, axis, 'The channels')],
            inputs.dtype.base_dtype,
            param_initializers or {},
            param_regularizers or {},
            variables_collections,
        )
        gamma = add('gamma', 1.0, trainable) if scale else None
        beta = add('beta', 0.0, trainable) if center else None
        averages = [add('moving_mean', 0.0, False), add('moving_variance', 1.0, False)]

        def of_batch() -> list[Any]:
            mean, variance = _moments(inputs, others, batch_weights)
            count = tf.cast(tf.size(inputs) / tf.size(mean), variance.dtype)
            population = variance * count / tf.maximum(count - 1, 1) if fused else variance
            return [mean, variance, mean, population]

        def of_averages() -> list[Any]:
            return [tf.identity(each) for each in (*averages, *averages)]

        mean, variance, *targets = either(is_training, of_batch, of_averages)
        updates = _moving_averages(is_training, averages, targets, decay)
        if updates and updates_collections is None:
            with tf.control_dependencies(updates):
                mean, variance = tf.identity(mean), tf.identity(variance)
        elif updates:
            tf.add_to_collections(updates_collections, tf.group(*updates))
        shape = [-1 if each == axis else 1 for each in range(inputs.shape.ndims)]
        mean, variance, beta, gamma = (
            part if part is None else tf.reshape(part, shape) for part in (mean, variance, beta, gamma)
        )
        outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, epsilon)
        outputs.set_shape(inputs.shape)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collected(outputs, outputs_collections, layer.name)


def _normal_variable(
    shape: list[int],
    dtype: Any,
    initializers: Mapping[str, Any],
    regularizers: Mapping[str, Any],
    collections: Any,
    name: str,
    start: float,
    trainable: bool,
) -> Any:
    initializer = initializers.get(name) or tf.constant_initializer(start)
    return model_variable(name, shape, dtype, initializer, collections, regularizers.get(name), trainable)


def _moments(inputs: Any, axes: list[int], weights: Any) -> tuple[Any, Any]:
    if weights is None:
        return tf.nn.moments(inputs, axes)
    weights = tf.reshape(tf.cast(weights, inputs.dtype), [-1] + [1] * (inputs.shape.ndims - 1))
    return tf.nn.weighted_moments(inputs, axes, weights)


def _moving_averages(is_training: Any, averages: list[Any], targets: list[Any], decay: float) -> list[Any]:
    """Returns the operations that update each average by the batch's value; none outside training."""
    value = tf.get_static_value(is_training) if tf.is_tensor(is_training) else is_training
    if value is not None and not value:
        return []
    # If a tensor decides, the targets outside training are the averages themselves.
    return [
        tf.assign_sub(average, (average - target) * tf.cast(1 - decay, average.dtype.base_dtype))
        for average, target in zip(averages, targets, strict=True)
    ]
