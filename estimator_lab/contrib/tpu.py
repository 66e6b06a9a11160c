"""``tf.contrib.tpu.CrossShardOptimizer``, which does nothing where there is no TPU."""

import importlib
from typing import Any

from estimator_lab.tf1 import tf


def CrossShardOptimizer(opt: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - a class in 1.15
    """Returns the optimizer that adds up the gradients of all TPU cores; without these, `opt` itself.

    Its operation has no kernel for other devices.
    """
    tpu_function = importlib.import_module('tensorflow.python.tpu.tpu_function')
    if tpu_function.get_tpu_context().number_of_shards is None:
        return opt
    return tf.tpu.CrossShardOptimizer(opt, *args, **kwargs)
