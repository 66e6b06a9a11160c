"""Heads and wrappers of ``tf.contrib.estimator``, for Estimators of TensorFlow 1.

The heads are those of TensorFlow 1, whose losses accept `tf.losses.Reduction`.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def forward_features(
    estimator: Any,
    keys: str | Sequence[str] | None = None,
    sparse_default_values: Mapping[str, Any] | None = None,
) -> Any:
    """Returns an Estimator whose predictions have features of the input too, such as ids of the examples.

    Exports by `export_saved_model` have them too, in their signature 'predict'.

    Args:
      estimator: the Estimator; its model_fn, model_dir and config are those of the new one.
      keys: the key of a feature, or several; all of them by default.
      sparse_default_values: {key: value}; these SparseTensors become dense, filled with the value.

    Raises:
      TypeError: if `keys` are not text.
      ValueError: at the first prediction, if there is no such feature, a prediction has its key, or it is a
        SparseTensor that is not in `sparse_default_values`.
    """
    wanted = [keys] if isinstance(keys, str) else keys
    if not (
        wanted is None or (isinstance(wanted, list | tuple) and all(isinstance(key, str) for key in wanted))
    ):
        raise TypeError(f'keys should be either a string or a list of strings. Given: {keys!r}')

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        spec = estimator.model_fn(features, labels, mode, config)
        if spec.predictions is None:
            return spec
        chosen = list(features) if wanted is None else wanted
        added = _forwarded(features, chosen, spec.predictions, sparse_default_values or {})
        outputs = dict(spec.export_outputs or {})
        for name in {'predict', tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY} & outputs.keys():
            if isinstance(outputs[name], tf.estimator.export.PredictOutput):
                outputs[name] = tf.estimator.export.PredictOutput({**outputs[name].outputs, **added})
        return spec._replace(
            predictions={**spec.predictions, **added}, export_outputs=outputs or spec.export_outputs
        )

    return tf.estimator.Estimator(model_fn, estimator.model_dir, estimator.config)


def _forwarded(
    features: Any, keys: Iterable[str], predictions: Any, sparse_default_values: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns {key: tensor} of the features with these keys."""
    if not isinstance(predictions, dict):
        raise ValueError(
            f'Predictions should be a dict to be able to forward features. Given: {predictions!r}'
        )
    found = {}
    for key in keys:
        if key not in features:
            raise ValueError(f'forward_features: there is no feature {key!r}. Features: {sorted(features)}')
        if key in predictions:
            raise ValueError(f'forward_features: the predictions already have the key {key!r}.')
        feature = tf.convert_to_tensor_or_sparse_tensor(features[key])
        if key in sparse_default_values:
            feature = tf.sparse.to_dense(feature, sparse_default_values[key])
        elif isinstance(feature, tf.SparseTensor):
            raise ValueError(
                f'forward_features: the feature {key!r} is a SparseTensor. Leave it out of keys, or add '
                'it to sparse_default_values.'
            )
        found[key] = feature
    return found
