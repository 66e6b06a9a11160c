"""The linear and deep Estimators of ``tf.contrib.learn``, made of tf.estimator's.

They have tf.estimator's variables and metrics, so checkpoints of 1.15's classes do not load: train again.
Columns may come from tf.feature_column or from tf.contrib.layers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from estimator_lab.contrib.columns import UNNAMED
from estimator_lab.contrib.learn import PredictionKey
from estimator_lab.contrib.learn_estimator import Fitting
from estimator_lab.tf1 import tf


class _Canned(Fitting):
    """A class of tf.estimator with the names, `fit` and predictions of tf.contrib.learn."""

    _predicted = ''  # what `predict` yields
    _source = ''  # its name in tf.estimator

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings.pop('fix_global_step_increment_bug', None)  # has been fixed
        if 'weight_column_name' in settings:
            settings['weight_column'] = settings.pop('weight_column_name')
        settings['loss_reduction'] = tf.losses.Reduction.SUM_OVER_BATCH_SIZE  # tf.estimator's is the sum
        super().__init__(*args, **{name: value for name, value in settings.items() if value is not None})

    def _input(self, input_fn: Any, x: Any, y: Any, batch_size: int | None, is_training: bool = False) -> Any:
        inner = super()._input(input_fn, x, y, batch_size, is_training)

        def named() -> Any:
            found = inner()
            features, labels = found if isinstance(found, tuple) else (found, None)
            if not isinstance(features, Mapping | tf.data.Dataset):
                features = {UNNAMED: features}
            return features if labels is None else (features, labels)

        return named

    def _renamed(self, predictions: Any) -> Any:
        values = predictions[self._source][..., 0]  # of [batch, 1], or of an array [1]
        return {**predictions, self._predicted: values[()] if isinstance(values, np.ndarray) else values}

    def _outputs(self, predictions: Any, names: Sequence[str] | None) -> Any:
        found = super()._outputs(predictions, names)
        return found if names else found[self._predicted]

    def _only(self, key: str, args: Sequence[Any], more: dict[str, Any]) -> Any:
        return (each[key] for each in self.predict(*args, **{**more, 'outputs': [key]}))


class _Classifier(_Canned):
    _predicted = PredictionKey.CLASSES
    _source = 'class_ids'

    def predict_classes(self, *args: Any, **more: Any) -> Any:
        """Returns an iterator over the classes of the examples; for the arguments, see `predict`."""
        return self._only(PredictionKey.CLASSES, args, more)

    def predict_proba(self, *args: Any, **more: Any) -> Any:
        """Returns an iterator over the probabilities [classes] of the examples."""
        return self._only(PredictionKey.PROBABILITIES, args, more)


class _Regressor(_Canned):
    _predicted = measured_prediction = PredictionKey.SCORES
    _source = 'predictions'

    def predict_scores(self, *args: Any, **more: Any) -> Any:
        """Returns an iterator over the scores of the examples; for the arguments, see `predict`."""
        return self._only(PredictionKey.SCORES, args, more)


class DNNClassifier(_Classifier, tf.estimator.DNNClassifier):
    """Fully connected layers and a softmax, or a logistic function for two classes."""


class DNNRegressor(_Regressor, tf.estimator.DNNRegressor):
    """Fully connected layers and squared errors."""


class LinearClassifier(_Classifier, tf.estimator.LinearClassifier):
    """A linear model and a softmax, or a logistic function for two classes."""


class LinearRegressor(_Regressor, tf.estimator.LinearRegressor):
    """A linear model and squared errors."""


class DNNLinearCombinedClassifier(_Classifier, tf.estimator.DNNLinearCombinedClassifier):
    """The sum of a linear model and fully connected layers, for classes ("wide and deep")."""


class DNNLinearCombinedRegressor(_Regressor, tf.estimator.DNNLinearCombinedRegressor):
    """The sum of a linear model and fully connected layers, for numbers."""
