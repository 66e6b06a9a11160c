"""The linear and deep Estimators of ``tf.contrib.learn``, with 1.15's variable names, losses and metrics.

Columns are those of tf.feature_column, or of tf.contrib.layers, which are made of them.
"""

from collections.abc import Sequence
from typing import Any

from estimator_lab.contrib.learn import PredictionKey
from estimator_lab.contrib.learn_estimator import Estimator
from estimator_lab.contrib.learn_heads import RegressionHead, class_head
from estimator_lab.contrib.learn_models import (
    Dnn,
    Linear,
    combined_model_fn,
    dnn_model_fn,
    linear_model_fn,
)
from estimator_lab.tf1 import tf


class _Canned(Estimator):
    """An Estimator whose `predict` returns one of its predictions, unless outputs are named."""

    _DEFAULT_OUTPUT = ''

    def predict(
        self,
        x: Any = None,
        input_fn: Any = None,
        batch_size: int | None = None,
        outputs: Sequence[str] | None = None,
        as_iterable: bool = True,
        iterate_batches: bool = False,
    ) -> Any:
        """Returns the classes or scores, or {output: value} if outputs are named; see `Estimator.predict`."""
        if outputs:
            return super().predict(x, input_fn, batch_size, outputs, as_iterable, iterate_batches)
        return self._only(self._DEFAULT_OUTPUT, x, input_fn, batch_size, as_iterable)

    def _only(self, key: str, x: Any, input_fn: Any, batch_size: int | None, as_iterable: bool) -> Any:
        found = Estimator.predict(self, x, input_fn, batch_size, [key], as_iterable)
        return (each[key] for each in found) if as_iterable else found[key]


class _Classifier(_Canned):
    """A classifier."""

    _DEFAULT_OUTPUT = PredictionKey.CLASSES

    def predict_classes(
        self, x: Any = None, input_fn: Any = None, batch_size: int | None = None, as_iterable: bool = True
    ) -> Any:
        """Returns the class of each example."""
        return self._only(PredictionKey.CLASSES, x, input_fn, batch_size, as_iterable)

    def predict_proba(
        self, x: Any = None, input_fn: Any = None, batch_size: int | None = None, as_iterable: bool = True
    ) -> Any:
        """Returns the probabilities [classes] of each example."""
        return self._only(PredictionKey.PROBABILITIES, x, input_fn, batch_size, as_iterable)


class _Regressor(_Canned):
    """A regressor."""

    _DEFAULT_OUTPUT = PredictionKey.SCORES
    measured_prediction = PredictionKey.SCORES

    def predict_scores(
        self, x: Any = None, input_fn: Any = None, batch_size: int | None = None, as_iterable: bool = True
    ) -> Any:
        """Returns the score of each example."""
        return self._only(PredictionKey.SCORES, x, input_fn, batch_size, as_iterable)


class DNNClassifier(_Classifier):
    """Fully connected layers and a softmax, or a logistic function for two classes.

    Args:
      hidden_units: units of each hidden layer.
      feature_columns: the columns that are the input.
      model_dir: folder of the model.
      n_classes: number of classes.
      weight_column_name: the feature with the weights of the examples.
      optimizer: a name, a tf.train.Optimizer or a function that returns one; Adagrad(0.05) by default.
      activation_fn: the activation, or its name.
      dropout: probability that a unit is dropped in training.
      gradient_clip_norm: largest global norm of the gradients.
      enable_centered_bias: must be False.
      config: a RunConfig.
      feature_engineering_fn: as for Estimator.
      embedding_lr_multipliers: must be None.
      input_layer_min_slice_size: unused, as variables are not partitioned.
      label_keys: the text of each class, for three classes or more.

    Raises:
      ValueError: for an argument outside of this.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Sequence[Any],
        model_dir: str | None = None,
        n_classes: int = 2,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        config: Any = None,
        feature_engineering_fn: Any = None,
        embedding_lr_multipliers: Any = None,
        input_layer_min_slice_size: int | None = None,
        label_keys: Sequence[str] | None = None,
    ) -> None:
        _reject(enable_centered_bias=enable_centered_bias, embedding_lr_multipliers=embedding_lr_multipliers)
        head = class_head(n_classes, weight_column_name, label_keys)
        dnn = Dnn(hidden_units, feature_columns, optimizer, activation_fn, dropout)
        model_fn = dnn_model_fn(head, dnn, gradient_clip_norm)
        super().__init__(model_fn, model_dir, config, None, feature_engineering_fn)


class DNNRegressor(_Regressor):
    """Fully connected layers and squared errors; the arguments are those of DNNClassifier.

    `label_dimension` is the number of scores of an example.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Sequence[Any],
        model_dir: str | None = None,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        config: Any = None,
        feature_engineering_fn: Any = None,
        label_dimension: int = 1,
        embedding_lr_multipliers: Any = None,
        input_layer_min_slice_size: int | None = None,
    ) -> None:
        _reject(enable_centered_bias=enable_centered_bias, embedding_lr_multipliers=embedding_lr_multipliers)
        head = RegressionHead(label_dimension, weight_column_name)
        dnn = Dnn(hidden_units, feature_columns, optimizer, activation_fn, dropout)
        model_fn = dnn_model_fn(head, dnn, gradient_clip_norm)
        super().__init__(model_fn, model_dir, config, None, feature_engineering_fn)


class LinearClassifier(_Classifier):
    """A linear model and a softmax, or a logistic function for two classes.

    Args:
      feature_columns: the columns that are the input.
      model_dir: folder of the model.
      n_classes: number of classes.
      weight_column_name: the feature with the weights of the examples.
      optimizer: a name, a tf.train.Optimizer or a function that returns one; FTRL by default.
      gradient_clip_norm: largest global norm of the gradients.
      enable_centered_bias: must be False.
      _joint_weight: unused, as each column has its own variable.
      config: a RunConfig.
      feature_engineering_fn: as for Estimator.
      label_keys: the text of each class, for three classes or more.

    Raises:
      ValueError: for an argument outside of this.
    """

    def __init__(
        self,
        feature_columns: Sequence[Any],
        model_dir: str | None = None,
        n_classes: int = 2,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        _joint_weight: bool = False,
        config: Any = None,
        feature_engineering_fn: Any = None,
        label_keys: Sequence[str] | None = None,
    ) -> None:
        _reject(enable_centered_bias=enable_centered_bias)
        head = class_head(n_classes, weight_column_name, label_keys)
        model_fn = linear_model_fn(head, Linear(feature_columns, optimizer), gradient_clip_norm)
        super().__init__(model_fn, model_dir, config, None, feature_engineering_fn)


class LinearRegressor(_Regressor):
    """A linear model and squared errors; the arguments are those of LinearClassifier.

    `label_dimension` is the number of scores of an example.
    """

    def __init__(
        self,
        feature_columns: Sequence[Any],
        model_dir: str | None = None,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        label_dimension: int = 1,
        _joint_weights: bool = False,
        config: Any = None,
        feature_engineering_fn: Any = None,
    ) -> None:
        _reject(enable_centered_bias=enable_centered_bias)
        head = RegressionHead(label_dimension, weight_column_name)
        model_fn = linear_model_fn(head, Linear(feature_columns, optimizer), gradient_clip_norm)
        super().__init__(model_fn, model_dir, config, None, feature_engineering_fn)


class DNNLinearCombinedClassifier(_Classifier):
    """The sum of a linear model and fully connected layers, for classes ("wide and deep").

    Args:
      model_dir: folder of the model.
      n_classes: number of classes.
      weight_column_name: the feature with the weights of the examples.
      linear_feature_columns: the columns of the linear part; None for none.
      linear_optimizer: as for LinearClassifier.
      _joint_linear_weights: unused, as each column has its own variable.
      dnn_feature_columns: the columns of the deep part; None for none.
      dnn_optimizer: as for DNNClassifier.
      dnn_hidden_units: units of each hidden layer.
      dnn_activation_fn: the activation, or its name.
      dnn_dropout: probability that a unit is dropped in training.
      gradient_clip_norm: largest global norm of the gradients of each part.
      enable_centered_bias: must be False.
      config: a RunConfig.
      feature_engineering_fn: as for Estimator.
      embedding_lr_multipliers: must be None.
      input_layer_min_slice_size: unused, as variables are not partitioned.
      label_keys: the text of each class, for three classes or more.
      fix_global_step_increment_bug: whether a step counts once, and not once for each part as in 1.15.

    Raises:
      ValueError: for an argument outside of this.
    """

    def __init__(
        self,
        model_dir: str | None = None,
        n_classes: int = 2,
        weight_column_name: str | None = None,
        linear_feature_columns: Sequence[Any] | None = None,
        linear_optimizer: Any = None,
        _joint_linear_weights: bool = False,
        dnn_feature_columns: Sequence[Any] | None = None,
        dnn_optimizer: Any = None,
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        config: Any = None,
        feature_engineering_fn: Any = None,
        embedding_lr_multipliers: Any = None,
        input_layer_min_slice_size: int | None = None,
        label_keys: Sequence[str] | None = None,
        fix_global_step_increment_bug: bool = False,
    ) -> None:
        _reject(enable_centered_bias=enable_centered_bias, embedding_lr_multipliers=embedding_lr_multipliers)
        model_fn = combined_model_fn(
            class_head(n_classes, weight_column_name, label_keys),
            Linear(linear_feature_columns or (), linear_optimizer),
            Dnn(
                dnn_hidden_units or (),
                dnn_feature_columns or (),
                dnn_optimizer,
                dnn_activation_fn,
                dnn_dropout,
            ),
            gradient_clip_norm,
            fix_global_step_increment_bug,
        )
        super().__init__(model_fn, model_dir, config, None, feature_engineering_fn)


class DNNLinearCombinedRegressor(_Regressor):
    """The same for squared errors; the arguments are those of DNNLinearCombinedClassifier.

    `label_dimension` is the number of scores of an example.
    """

    def __init__(
        self,
        model_dir: str | None = None,
        weight_column_name: str | None = None,
        linear_feature_columns: Sequence[Any] | None = None,
        linear_optimizer: Any = None,
        _joint_linear_weights: bool = False,
        dnn_feature_columns: Sequence[Any] | None = None,
        dnn_optimizer: Any = None,
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        label_dimension: int = 1,
        config: Any = None,
        feature_engineering_fn: Any = None,
        embedding_lr_multipliers: Any = None,
        input_layer_min_slice_size: int | None = None,
        fix_global_step_increment_bug: bool = False,
    ) -> None:
        _reject(enable_centered_bias=enable_centered_bias, embedding_lr_multipliers=embedding_lr_multipliers)
        model_fn = combined_model_fn(
            RegressionHead(label_dimension, weight_column_name),
            Linear(linear_feature_columns or (), linear_optimizer),
            Dnn(
                dnn_hidden_units or (),
                dnn_feature_columns or (),
                dnn_optimizer,
                dnn_activation_fn,
                dnn_dropout,
            ),
            gradient_clip_norm,
            fix_global_step_increment_bug,
        )
        super().__init__(model_fn, model_dir, config, None, feature_engineering_fn)


def _reject(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value:
            raise ValueError(f'{name} is not supported.')
