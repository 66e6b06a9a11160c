"""TensorFlow's heads of canned Estimators, which have no public names; for `estimator_lab.contrib`."""

from tensorflow_estimator.python.estimator.canned import head as heads
from tensorflow_estimator.python.estimator.canned.metric_keys import MetricKeys

__all__ = ['MetricKeys', 'heads']
