"""``tf.contrib.layers.optimize_loss``: the training operation of a loss."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from estimator_lab.tf1 import tf

OPTIMIZER_CLS_NAMES: Mapping[str, Callable[..., Any]] = {
    'Adagrad': tf.train.AdagradOptimizer,
    'Adam': tf.train.AdamOptimizer,
    'Ftrl': tf.train.FtrlOptimizer,
    'Momentum': lambda learning_rate: tf.train.MomentumOptimizer(learning_rate, momentum=0.9),
    'RMSProp': tf.train.RMSPropOptimizer,
    'SGD': tf.train.GradientDescentOptimizer,
}
OPTIMIZER_SUMMARIES = ['learning_rate', 'loss', 'gradients', 'gradient_norm', 'global_gradient_norm']
_BY_DEFAULT = ['learning_rate', 'loss', 'global_gradient_norm']


def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: Mapping[Any, Any] | None = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[..., Any] | None = None,
    update_ops: Iterable[Any] | None = None,
    variables: Sequence[Any] | None = None,
    name: str | None = None,
    summaries: Sequence[str] | None = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Any:
    """Returns the loss as a tensor; computing it performs one training step.

    Args:
      loss: scalar.
      global_step: the step counter; None for the graph's.
      learning_rate: a number, which becomes the variable `OptimizeLoss/learning_rate`; a scalar tensor; or
        None if the optimizer has its own.
      optimizer: a name ('SGD', 'Adam', ...), a class, a function of the learning rate, or an optimizer.
      gradient_noise_scale: standard deviation of noise added to the gradients (Neelakantan et al., 2015).
      gradient_multipliers: {variable or its name, such as 'w:0': factor of its gradient}.
      clip_gradients: the largest global norm, or a function of the (gradient, variable) pairs.
      learning_rate_decay_fn: called as (learning rate, global step).
      update_ops: operations that run before the loss; None for the collection UPDATE_OPS.
      variables: variables to train; None for all trainable variables.
      name: variable scope, 'OptimizeLoss' by default.
      summaries: names out of OPTIMIZER_SUMMARIES; the learning rate is written only if it decays.
      colocate_gradients_with_ops: as in Optimizer.compute_gradients.
      increment_global_step: whether the step increments `global_step`.

    Raises:
      ValueError: if an argument has another form.
    """
    loss = tf.convert_to_tensor(loss)
    global_step = tf.train.get_global_step() if global_step is None else global_step
    with tf.variable_scope(name, 'OptimizeLoss', [loss, global_step]):
        updates = list(tf.get_collection(tf.GraphKeys.UPDATE_OPS) if update_ops is None else update_ops)
        if updates:
            with tf.control_dependencies(updates):
                loss = tf.identity(loss)
        chosen = _checked_summaries(_BY_DEFAULT if summaries is None else summaries)
        rate = _rate(learning_rate, learning_rate_decay_fn, global_step, 'learning_rate' in chosen)
        rule = _rule(optimizer, rate)
        trained = tf.trainable_variables() if variables is None else variables
        pairs = rule.compute_gradients(loss, trained, colocate_gradients_with_ops=colocate_gradients_with_ops)
        if gradient_noise_scale is not None:
            pairs = [(_noisy(gradient, gradient_noise_scale), variable) for gradient, variable in pairs]
        if gradient_multipliers is not None:
            pairs = [(_multiplied(gradient, v, gradient_multipliers), v) for gradient, v in pairs]
        shows_norm = not {'global_gradient_norm', 'gradient_norm'}.isdisjoint(chosen)
        if shows_norm:
            tf.summary.scalar('global_norm/gradient_norm', _norm(pairs))
        if clip_gradients is not None:
            pairs = _clipped(pairs, clip_gradients)
        _summarize(loss, pairs, chosen)
        if clip_gradients is not None and shows_norm:
            tf.summary.scalar('global_norm/clipped_gradient_norm', _norm(pairs))
        train = rule.apply_gradients(pairs, global_step if increment_global_step else None, name='train')
        with tf.control_dependencies([train]):
            return tf.identity(loss)


def _checked_summaries(summaries: Sequence[str]) -> Sequence[str]:
    for word in summaries:
        if word not in OPTIMIZER_SUMMARIES:
            raise ValueError(f'Summaries should be one of [{", ".join(OPTIMIZER_SUMMARIES)}], not {word}.')
    return summaries


def _rate(given: Any, decay: Callable[..., Any] | None, global_step: Any, summarize: bool) -> Any:
    """Returns the learning rate as a scalar tensor or variable; None if the optimizer has its own."""
    if given is None:
        return None
    if tf.is_tensor(given) and given.shape.ndims == 0:
        rate = given
    elif isinstance(given, (float, int)) and not isinstance(given, bool):
        if given < 0:
            raise ValueError(f'Invalid learning_rate {given}.')
        start = tf.constant_initializer(float(given))
        rate = tf.get_variable('learning_rate', [], trainable=False, initializer=start)
    else:
        raise ValueError(f'Learning rate should be 0d Tensor or float. Got {given!r} of type {type(given)}')
    if decay is not None:
        if global_step is None:
            raise ValueError('global_step is required for learning_rate_decay_fn.')
        rate = decay(rate, global_step)
        if summarize:
            tf.summary.scalar('learning_rate', rate)
    return rate


def _rule(optimizer: Any, rate: Any) -> Any:
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZER_CLS_NAMES:
            names = ', '.join(OPTIMIZER_CLS_NAMES)
            raise ValueError(f'Optimizer name should be one of [{names}], you provided {optimizer}.')
        optimizer = OPTIMIZER_CLS_NAMES[optimizer]
    if isinstance(optimizer, tf.train.Optimizer):
        return optimizer
    if not callable(optimizer):
        raise ValueError(
            f'Unrecognized optimizer: should be string, subclass of Optimizer, instance of subclass of '
            f'Optimizer or function with one argument. Got {optimizer}.'
        )
    if rate is not None:
        named = isinstance(optimizer, type) or optimizer in OPTIMIZER_CLS_NAMES.values()
        return optimizer(learning_rate=rate) if named else optimizer(rate)
    rule = optimizer()
    if not isinstance(rule, tf.train.Optimizer):
        raise ValueError(f'{optimizer} returned {rule!r}, which is not an Optimizer.')
    return rule


def _values(gradient: Any) -> Any:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def _changed(gradient: Any, change: Callable[[Any], Any]) -> Any:
    """Returns a gradient, dense, sparse or None, whose values are changed by a function."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(change(gradient.values), gradient.indices, gradient.dense_shape)
    return None if gradient is None else change(gradient)


def _noisy(gradient: Any, scale: float) -> Any:
    return _changed(gradient, lambda x: x + tf.truncated_normal(tf.shape(x), dtype=x.dtype) * scale)


def _multiplied(gradient: Any, variable: Any, factors: Mapping[Any, Any]) -> Any:
    # Not a look-up: == of two variables may be a tensor.
    found = [
        factor
        for key, factor in factors.items()
        if (key == variable.name if isinstance(key, str) else key is variable)
    ]
    if not found:
        return gradient
    return _changed(gradient, lambda x: x * tf.cast(found[0], variable.dtype.base_dtype))


def _clipped(pairs: list[tuple[Any, Any]], limit: Any) -> Any:
    if callable(limit):
        return limit(pairs)
    if not isinstance(limit, (float, int)):
        raise ValueError(f'Unknown type {type(limit)} for clip_gradients')
    gradients, _ = tf.clip_by_global_norm([gradient for gradient, _ in pairs], limit)
    return list(zip(gradients, [variable for _, variable in pairs], strict=True))


def _norm(pairs: list[tuple[Any, Any]]) -> Any:
    return tf.global_norm([gradient for gradient, _ in pairs])


def _summarize(loss: Any, pairs: list[tuple[Any, Any]], chosen: Sequence[str]) -> None:
    if 'loss' in chosen:
        tf.summary.scalar('loss', loss)
    for gradient, variable in pairs:
        if gradient is not None and 'gradients' in chosen:
            tf.summary.histogram(f'gradients/{variable.op.name}', _values(gradient))
        if gradient is not None and 'gradient_norm' in chosen:
            tf.summary.scalar(f'gradient_norm/{variable.op.name}', tf.global_norm([_values(gradient)]))
