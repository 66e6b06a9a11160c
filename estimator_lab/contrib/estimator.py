"""Heads and an optimizer wrapper of ``tf.contrib.estimator``, for Estimators of TensorFlow 1.

The heads are those of TensorFlow 1, whose losses accept `tf.losses.Reduction`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.contrib._wrapped_optimizer import WrappedOptimizer
from estimator_lab.tf1 import tf
from estimator_lab.tf1._canned_heads import heads

_MEAN = tf.losses.Reduction.SUM_OVER_BATCH_SIZE


def binary_classification_head(
    weight_column: Any = None,
    thresholds: Sequence[float] | None = None,
    label_vocabulary: Sequence[Any] | None = None,
    loss_reduction: str = _MEAN,
    loss_fn: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns a head with one logit and the sigmoid cross-entropy."""
    return heads._binary_logistic_head_with_sigmoid_cross_entropy_loss(
        weight_column, thresholds, label_vocabulary, loss_reduction, loss_fn, name
    )


def multi_class_head(
    n_classes: int,
    weight_column: Any = None,
    label_vocabulary: Sequence[Any] | None = None,
    loss_reduction: str = _MEAN,
    loss_fn: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns a head with a logit for each class, three or more, and the softmax cross-entropy."""
    return heads._multi_class_head_with_softmax_cross_entropy_loss(
        n_classes, weight_column, label_vocabulary, loss_reduction, loss_fn, name
    )


def regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _MEAN,
    loss_fn: Callable[..., Any] | None = None,
    inverse_link_fn: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns a head with the mean squared error."""
    return heads._regression_head(
        weight_column, label_dimension, loss_reduction, loss_fn, inverse_link_fn, name
    )


def poisson_regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _MEAN,
    compute_full_loss: bool = True,
    name: str | None = None,
) -> Any:
    """Returns a regression head whose logits are logarithms of rates, with the Poisson loss."""

    def loss(labels: Any, logits: Any) -> Any:
        return tf.nn.log_poisson_loss(labels, logits, compute_full_loss=compute_full_loss)

    return regression_head(weight_column, label_dimension, loss_reduction, loss, tf.exp, name)


def logistic_regression_head(
    weight_column: Any = None, loss_reduction: str = _MEAN, name: str | None = None
) -> Any:
    """Returns a regression head for labels between 0 and 1, with the sigmoid cross-entropy."""

    def loss(labels: Any, logits: Any) -> Any:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)

    return regression_head(weight_column, 1, loss_reduction, loss, tf.sigmoid, name)


class _Transformed(WrappedOptimizer):
    """Applies a function to the gradients before the optimizer does."""

    def __init__(self, optimizer: Any, transform: Callable[[Any], Any], name: str) -> None:
        super().__init__(optimizer, name)
        self._transform = transform

    def apply_gradients(self, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        """Transforms the gradients, and applies them as the optimizer does."""
        return self._optimizer.apply_gradients(self._transform(grads_and_vars), *args, **kwargs)


def clip_gradients_by_norm(optimizer: Any, clip_norm: float) -> Any:
    """Returns an optimizer that first scales all gradients to a global norm of at most `clip_norm`."""
    return _Transformed(
        optimizer, functools.partial(_clipped, clip_norm), f'ClipByNorm{optimizer.get_name()}'
    )


def _clipped(clip_norm: float, grads_and_vars: Any) -> list[Any]:
    gradients, variables = zip(*grads_and_vars, strict=True)
    return list(zip(tf.clip_by_global_norm(gradients, clip_norm)[0], variables, strict=True))
