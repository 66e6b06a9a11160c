"""Heads and wrappers of ``tf.contrib.estimator``, for Estimators of TensorFlow 1.

The heads come from tensorflow_estimator, for TensorFlow 2. Here they accept an optimizer of TensorFlow 1,
and `tf.losses.Reduction`. `replicate_model_fn` uses one device; tf.distribute.MirroredStrategy uses several.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from estimator_lab.tf1 import Estimator, EstimatorSpec, Features, Operation, Optimizer, RunConfig, Tensor, tf

_MEAN = tf.losses.Reduction.SUM_OVER_BATCH_SIZE
_REDUCTIONS = {tf.losses.Reduction.SUM: 'sum', _MEAN: 'sum_over_batch_size'}


def _head(kind: str, /, *args: Any, **kwargs: Any) -> Any:
    """Returns a head of tf.compat.v2.estimator with the interface of TensorFlow 1."""
    base = getattr(tf.compat.v2.estimator, kind)

    class Head(base):  # type: ignore[misc,valid-type]
        def create_estimator_spec(
            self,
            features: Features,
            mode: str,
            logits: Tensor,
            labels: Tensor = None,
            optimizer: Optimizer = None,
            train_op_fn: Callable[[Tensor], Operation] | None = None,
            **more: Any,
        ) -> Any:
            """Returns the EstimatorSpec; for training, exactly one of optimizer and train_op_fn is given."""
            if optimizer is not None and train_op_fn is None:
                # TensorFlow 2's heads expect an optimizer of Keras.
                train_op_fn = functools.partial(optimizer.minimize, global_step=tf.train.get_global_step())
                optimizer = None
            return super().create_estimator_spec(
                features, mode, logits, labels, optimizer=optimizer, train_op_fn=train_op_fn, **more
            )

        def create_loss(self, features: Features, mode: str, logits: Tensor, labels: Tensor) -> list[Tensor]:
            """Returns the loss, first as in TensorFlow 1's LossSpec."""
            return [self.loss(labels, logits, features, mode)]

        def predictions(self, logits: Tensor, keys: Any = None) -> Any:
            """Returns the predictions of TensorFlow 1's head: a head of labels has no `classes`."""
            if keys is None and kind == 'MultiLabelHead':
                keys = ['logits', 'probabilities']
            return super().predictions(logits, *([] if keys is None else [keys]))

    given = inspect.signature(base).bind(*args, **kwargs)
    if 'loss_reduction' in inspect.signature(base).parameters:
        reduction = given.arguments.get('loss_reduction', _MEAN)
        if reduction not in _REDUCTIONS:
            raise ValueError(
                f'loss_reduction={reduction!r} is not supported: use SUM or SUM_OVER_BATCH_SIZE.'
            )
        given.arguments['loss_reduction'] = _REDUCTIONS[reduction]
    return Head(*given.args, **given.kwargs)


def binary_classification_head(*args: Any, **kwargs: Any) -> Any:
    """Returns a head with one logit and the sigmoid cross-entropy."""
    return _head('BinaryClassHead', *args, **kwargs)


def multi_class_head(*args: Any, **kwargs: Any) -> Any:
    """Returns a head with a logit for each class, three or more, and the softmax cross-entropy."""
    return _head('MultiClassHead', *args, **kwargs)


def regression_head(weight_column: Any = None, label_dimension: int = 1, *args: Any, **kwargs: Any) -> Any:
    """Returns a head with the mean squared error."""
    return _head('RegressionHead', label_dimension, weight_column, *args, **kwargs)


def poisson_regression_head(
    weight_column: Any = None, label_dimension: int = 1, *args: Any, **kwargs: Any
) -> Any:
    """Returns a regression head whose logits are logarithms of rates, with the Poisson loss."""
    return _head('PoissonRegressionHead', label_dimension, weight_column, *args, **kwargs)


def logistic_regression_head(*args: Any, **kwargs: Any) -> Any:
    """Returns a regression head for labels between 0 and 1, with the sigmoid cross-entropy."""
    return _head('LogisticRegressionHead', *args, **kwargs)


def multi_label_head(*args: Any, **kwargs: Any) -> Any:
    """Returns a head for examples with any number of classes, with a sigmoid cross-entropy for each."""
    return _head('MultiLabelHead', *args, **kwargs)


def multi_head(heads: Sequence[Any], head_weights: Sequence[float] | None = None) -> Any:
    """Returns a head for labels by name: {name of a head: its labels}; the loss is the weighted sum."""
    return _head('MultiHead', heads, head_weights)


def forward_features(
    estimator: Estimator,
    keys: str | Sequence[str] | None = None,
    sparse_default_values: Mapping[str, Any] | None = None,
) -> Any:
    """Returns an Estimator whose predictions, and exports, have features of the input too, such as ids.

    `sparse_default_values` has a value for each of the features that are a SparseTensor.
    """
    wanted = [keys] if isinstance(keys, str) else keys
    defaults = sparse_default_values or {}

    def model_fn(features: Features, labels: Tensor, mode: str, config: RunConfig) -> EstimatorSpec:
        spec = estimator.model_fn(features, labels, mode, config)
        if spec.predictions is None:
            return spec
        added = {
            key: tf.sparse.to_dense(features[key], defaults[key]) if key in defaults else features[key]
            for key in (features if wanted is None else wanted)
        }
        outputs = dict(spec.export_outputs or {})
        for name in {'predict', tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY} & outputs.keys():
            if isinstance(outputs[name], tf.estimator.export.PredictOutput):
                outputs[name] = tf.estimator.export.PredictOutput({**outputs[name].outputs, **added})
        return spec._replace(
            predictions={**spec.predictions, **added}, export_outputs=outputs or spec.export_outputs
        )

    return tf.estimator.Estimator(model_fn, estimator.model_dir, estimator.config)


def replicate_model_fn(
    model_fn: Callable[..., EstimatorSpec], loss_reduction: Any = None, devices: Sequence[str] | None = None
) -> Callable[..., EstimatorSpec]:
    """Returns `model_fn`, which uses one device; a warning says so if there are several GPUs."""
    count = len(devices or tf.config.list_physical_devices('GPU'))
    if count > 1:
        tf.logging.warning(
            'replicate_model_fn uses one of %d devices. To use all, pass the model_fn itself to an '
            'Estimator whose RunConfig has train_distribute=tf.distribute.MirroredStrategy().',
            count,
        )
    return model_fn


def TowerOptimizer(optimizer_or_optimizer_fn: Any) -> Any:  # noqa: N802 - a class in 1.15
    """Returns the optimizer, or what a function without arguments returns."""
    given = optimizer_or_optimizer_fn
    return given if isinstance(given, tf.train.Optimizer) else given()
