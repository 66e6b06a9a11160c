"""Heads and wrappers of ``tf.contrib.estimator``, for Estimators of TensorFlow 1.

The heads are those of tensorflow_estimator for TensorFlow 2. Here they accept an optimizer of TensorFlow 1,
and `tf.losses.Reduction`.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from estimator_lab.contrib.opt import WrappedOptimizer
from estimator_lab.tf1 import tf

_REDUCTIONS = {
    tf.losses.Reduction.SUM: 'sum',
    tf.losses.Reduction.SUM_OVER_BATCH_SIZE: 'sum_over_batch_size',
}
_MEAN = tf.losses.Reduction.SUM_OVER_BATCH_SIZE


def _reduction(name: str) -> str:
    if name not in _REDUCTIONS:
        raise ValueError(f'loss_reduction={name!r} is not supported: use SUM or SUM_OVER_BATCH_SIZE.')
    return _REDUCTIONS[name]


def _head(name: str, *args: Any, **kwargs: Any) -> Any:
    """Returns a head of tf.compat.v2.estimator with the interface of TensorFlow 1."""
    base = getattr(tf.compat.v2.estimator, name)

    class Head(base):  # type: ignore[misc,valid-type]
        def create_estimator_spec(
            self,
            features: Any,
            mode: str,
            logits: Any,
            labels: Any = None,
            optimizer: Any = None,
            train_op_fn: Callable[[Any], Any] | None = None,
            regularization_losses: Any = None,
            **more: Any,
        ) -> Any:
            """Returns the EstimatorSpec; for training, exactly one of optimizer and train_op_fn is given."""
            if optimizer is not None and train_op_fn is None:
                # TensorFlow 2's heads expect an optimizer of Keras.
                step = tf.train.get_global_step()
                train_op_fn, optimizer = functools.partial(optimizer.minimize, global_step=step), None
            return super().create_estimator_spec(
                features,
                mode,
                logits,
                labels=labels,
                optimizer=optimizer,
                train_op_fn=train_op_fn,
                regularization_losses=regularization_losses,
            )

        def create_loss(self, features: Any, mode: str, logits: Any, labels: Any) -> list[Any]:
            """Returns the loss, first as in TensorFlow 1's LossSpec."""
            return [self.loss(labels, logits, features, mode)]

        def predictions(self, logits: Any, keys: Any = None) -> Any:
            """Returns the predictions of TensorFlow 1's head: a head of labels has no `classes`."""
            if keys is None and name == 'MultiLabelHead':
                keys = ['logits', 'probabilities']
            return super().predictions(logits, *([] if keys is None else [keys]))

    return Head(*args, **kwargs)


def binary_classification_head(
    weight_column: Any = None,
    thresholds: Sequence[float] | None = None,
    label_vocabulary: Sequence[Any] | None = None,
    loss_reduction: str = _MEAN,
    loss_fn: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns a head with one logit and the sigmoid cross-entropy."""
    reduction = _reduction(loss_reduction)
    return _head('BinaryClassHead', weight_column, thresholds, label_vocabulary, reduction, loss_fn, name)


def multi_class_head(
    n_classes: int,
    weight_column: Any = None,
    label_vocabulary: Sequence[Any] | None = None,
    loss_reduction: str = _MEAN,
    loss_fn: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns a head with a logit for each class, three or more, and the softmax cross-entropy."""
    reduction = _reduction(loss_reduction)
    return _head('MultiClassHead', n_classes, weight_column, label_vocabulary, reduction, loss_fn, name)


def regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _MEAN,
    loss_fn: Callable[..., Any] | None = None,
    inverse_link_fn: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns a head with the mean squared error."""
    reduction = _reduction(loss_reduction)
    return _head('RegressionHead', label_dimension, weight_column, reduction, loss_fn, inverse_link_fn, name)


def poisson_regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _MEAN,
    compute_full_loss: bool = True,
    name: str | None = None,
) -> Any:
    """Returns a regression head whose logits are logarithms of rates, with the Poisson loss."""
    reduction = _reduction(loss_reduction)
    return _head('PoissonRegressionHead', label_dimension, weight_column, reduction, compute_full_loss, name)


def logistic_regression_head(
    weight_column: Any = None, loss_reduction: str = _MEAN, name: str | None = None
) -> Any:
    """Returns a regression head for labels between 0 and 1, with the sigmoid cross-entropy."""
    return _head('LogisticRegressionHead', weight_column, _reduction(loss_reduction), name)


def multi_label_head(
    n_classes: int,
    weight_column: Any = None,
    thresholds: Sequence[float] | None = None,
    label_vocabulary: Sequence[Any] | None = None,
    loss_reduction: str = _MEAN,
    loss_fn: Callable[..., Any] | None = None,
    classes_for_class_based_metrics: Sequence[Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns a head for examples with any number of classes, with a sigmoid cross-entropy for each."""
    return _head(
        'MultiLabelHead',
        n_classes,
        weight_column,
        thresholds,
        label_vocabulary,
        _reduction(loss_reduction),
        loss_fn,
        classes_for_class_based_metrics,
        name,
    )


def multi_head(heads: Sequence[Any], head_weights: Sequence[float] | None = None) -> Any:
    """Returns a head for labels by name: {name of a head: its labels}; the loss is the weighted sum."""
    return _head('MultiHead', heads, head_weights)


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


def replicate_model_fn(
    model_fn: Callable[..., Any],
    loss_reduction: str = tf.losses.Reduction.SUM_BY_NONZERO_WEIGHTS,
    devices: Sequence[str] | None = None,
) -> Callable[..., Any]:
    """Returns a model_fn that runs `model_fn` on the first device; with several GPUs, it logs a warning.

    Args:
      model_fn: a model_fn, whose optimizer is a TowerOptimizer.
      loss_reduction: one of tf.losses.Reduction, except NONE; has no effect on one device.
      devices: names of devices, such as '/gpu:0'; all GPUs by default.

    Raises:
      ValueError: if the reduction is NONE.
    """
    if loss_reduction == tf.losses.Reduction.NONE:
        raise ValueError(f'Tower losses need to be reduced in some way, yet {loss_reduction} is specified.')

    def on_one_device(features: Any, labels: Any, mode: str, params: Any = None, config: Any = None) -> Any:
        count = len(devices or tf.config.list_physical_devices('GPU'))
        if count > 1:
            tf.logging.warning(
                'replicate_model_fn uses one of %d devices. To use all, pass the model_fn itself to an '
                'Estimator whose RunConfig has train_distribute=tf.distribute.MirroredStrategy().',
                count,
            )
        available = {'labels': labels, 'mode': mode, 'params': params, 'config': config}
        accepted = inspect.signature(model_fn).parameters
        with tf.device(devices[0] if devices else None):
            return model_fn(features, **{name: available[name] for name in available if name in accepted})

    return on_one_device


class TowerOptimizer(WrappedOptimizer):
    """The optimizer that it wraps, or that a function without arguments returns."""

    _used = 'tower_optimizer_used'

    def __init__(self, optimizer_or_optimizer_fn: Any) -> None:
        given = optimizer_or_optimizer_fn
        optimizer = given if isinstance(given, tf.train.Optimizer) else given()
        super().__init__(optimizer, optimizer.get_name())
        tf.get_default_graph().get_collection_ref(self._used)[:] = [True]

    @classmethod
    def has_been_used(cls) -> bool:
        """Returns whether the graph has one."""
        return bool(tf.get_collection(cls._used))

    def apply_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Applies gradients as the optimizer does."""
        return self._optimizer.apply_gradients(*args, **kwargs)
