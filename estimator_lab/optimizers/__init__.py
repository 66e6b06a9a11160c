"""Name -> ``tf.train.Optimizer``, and the learning-rate schedules that go with them."""

from estimator_lab.optimizers.registry import OPTIMIZERS, make_optimizer
from estimator_lab.optimizers.schedules import SCHEDULES, learning_rate_at

__all__ = ['OPTIMIZERS', 'SCHEDULES', 'learning_rate_at', 'make_optimizer']
