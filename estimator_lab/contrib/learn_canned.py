"""The linear and deep Estimators of ``tf.contrib.learn``, over those of tf.estimator.

They have tf.estimator's variables and metrics, so checkpoints of 1.15's classes do not load: train again.
Columns are those of tf.feature_column, or of tf.contrib.layers, which are made of them.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from estimator_lab.contrib.columns import UNNAMED
from estimator_lab.contrib.estimator import clip_gradients_by_norm
from estimator_lab.contrib.learn import PredictionKey
from estimator_lab.contrib.learn_estimator import Fitting
from estimator_lab.tf1 import tf

_RENAMED = {'weight_column_name': 'weight_column', 'label_keys': 'label_vocabulary'}
_WITHOUT_EFFECT = (
    *('_joint_weight', '_joint_weights', '_joint_linear_weights', 'input_layer_min_slice_size'),
    'fix_global_step_increment_bug',
)
_NOT_SUPPORTED = ('enable_centered_bias', 'embedding_lr_multipliers')
_OPTIMIZERS: Mapping[str, Callable[[], Any]] = {
    'optimizer': lambda: tf.train.AdagradOptimizer(0.05),
    'dnn_optimizer': lambda: tf.train.AdagradOptimizer(0.05),
    'linear_optimizer': lambda: tf.train.FtrlOptimizer(0.2),
}
_DNN = 'optimizer activation_fn dropout gradient_clip_norm enable_centered_bias config feature_engineering_fn'
_BOTH = """linear_feature_columns linear_optimizer _joint_linear_weights dnn_feature_columns dnn_optimizer
dnn_hidden_units dnn_activation_fn dnn_dropout gradient_clip_norm enable_centered_bias config
feature_engineering_fn"""


class _Canned(Fitting):
    """A class of tf.estimator with the arguments, `fit` and predictions of tf.contrib.learn."""

    _order = ''
    _predicted = ''
    _names: Mapping[str, str] = types.MappingProxyType({})

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings = {**dict(zip(self._order.split(), args, strict=False)), **settings}
        self._engineer = settings.pop('feature_engineering_fn', None)
        for name in _NOT_SUPPORTED:
            if settings.pop(name, None):
                raise ValueError(f'{name} is not supported.')
        norm = settings.pop('gradient_clip_norm', None)
        if norm is not None:
            for name in [each for each in _OPTIMIZERS if each in self._order.split()]:
                optimizer = settings.get(name) or _OPTIMIZERS[name]()
                made = optimizer() if callable(optimizer) else optimizer
                settings[name] = clip_gradients_by_norm(made, norm)
        kept = {
            _RENAMED.get(name, name): value for name, value in settings.items() if name not in _WITHOUT_EFFECT
        }
        kept = {name: value for name, value in kept.items() if value is not None}
        kept['loss_reduction'] = tf.losses.Reduction.SUM_OVER_BATCH_SIZE  # tf.estimator's default is the sum
        super().__init__(**kept)

    def _input(self, x: Any, y: Any, input_fn: Any, batch_size: Any, shuffle: bool = False) -> Any:
        inner = super()._input(x, y, input_fn, batch_size, shuffle)

        def named() -> Any:
            found = inner()
            features, labels = found if isinstance(found, tuple) else (found, None)
            if not isinstance(features, Mapping | tf.data.Dataset):
                features = {UNNAMED: features}
            if self._engineer:
                features, labels = self._engineer(features, labels)
            return features if labels is None else (features, labels)

        return named

    def _renamed(self, predictions: Any) -> Any:
        added = {new: _only_one(predictions[old]) for new, old in self._names.items() if old in predictions}
        return {**predictions, **added}

    def _outputs(self, predictions: Any, names: Sequence[str] | None) -> Any:
        found = super()._outputs(predictions, names)
        return found if names else found[self._predicted]

    def _only(self, key: str, args: Sequence[Any], more: dict[str, Any]) -> Any:
        found = self.predict(*args, **{**more, 'outputs': [key]})
        return (each[key] for each in found) if more.get('as_iterable', True) else found[key]


def _only_one(values: Any) -> Any:
    """Returns [batch, 1] as [batch], and an array [1] as a scalar."""
    found = values[..., 0]
    return found[()] if isinstance(found, np.ndarray) else found


class _Classifier(_Canned):
    _predicted = PredictionKey.CLASSES

    def __init__(self, *args: Any, **settings: Any) -> None:
        source = 'classes' if settings.get('label_keys') else 'class_ids'
        self._names = {PredictionKey.CLASSES: source}
        super().__init__(*args, **settings)

    def predict_classes(self, *args: Any, **more: Any) -> Any:
        """Returns the class of each example; the arguments are those of `predict`."""
        return self._only(PredictionKey.CLASSES, args, more)

    def predict_proba(self, *args: Any, **more: Any) -> Any:
        """Returns the probabilities [classes] of each example."""
        return self._only(PredictionKey.PROBABILITIES, args, more)


class _Regressor(_Canned):
    _predicted = measured_prediction = PredictionKey.SCORES
    _names = types.MappingProxyType({PredictionKey.SCORES: 'predictions'})

    def predict_scores(self, *args: Any, **more: Any) -> Any:
        """Returns the score of each example; the arguments are those of `predict`."""
        return self._only(PredictionKey.SCORES, args, more)


class DNNClassifier(_Classifier, tf.estimator.DNNClassifier):
    """Fully connected layers and a softmax, or a logistic function for two classes."""

    _order = f'hidden_units feature_columns model_dir n_classes weight_column_name {_DNN}'


class DNNRegressor(_Regressor, tf.estimator.DNNRegressor):
    """Fully connected layers and squared errors."""

    _order = f'hidden_units feature_columns model_dir weight_column_name {_DNN} label_dimension'


class LinearClassifier(_Classifier, tf.estimator.LinearClassifier):
    """A linear model and a softmax, or a logistic function for two classes."""

    _order = (
        'feature_columns model_dir n_classes weight_column_name optimizer gradient_clip_norm '
        'enable_centered_bias _joint_weight config feature_engineering_fn'
    )


class LinearRegressor(_Regressor, tf.estimator.LinearRegressor):
    """A linear model and squared errors."""

    _order = (
        'feature_columns model_dir weight_column_name optimizer gradient_clip_norm enable_centered_bias '
        'label_dimension _joint_weights config feature_engineering_fn'
    )


class DNNLinearCombinedClassifier(_Classifier, tf.estimator.DNNLinearCombinedClassifier):
    """The sum of a linear model and fully connected layers, for classes ("wide and deep")."""

    _order = f'model_dir n_classes weight_column_name {_BOTH}'


class DNNLinearCombinedRegressor(_Regressor, tf.estimator.DNNLinearCombinedRegressor):
    """The sum of a linear model and fully connected layers, for numbers."""

    _order = f'model_dir weight_column_name {_BOTH} label_dimension'
