"""Parts of TensorFlow's canned Estimators that have no public names; for `estimator_lab.contrib`."""

from tensorflow_estimator.python.estimator.canned import head as heads
from tensorflow_estimator.python.estimator.canned.metric_keys import MetricKeys
from tensorflow_estimator.python.estimator.canned.optimizers import get_optimizer_instance

__all__ = ['MetricKeys', 'get_optimizer_instance', 'heads']
