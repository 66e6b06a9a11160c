"""The precision of a network: float32, or bfloat16 where the processor supports it."""

import os
from typing import Any

from estimator_lab.base.errors import FlagError, option
from estimator_lab.tf1 import tf

FLOAT32 = 'float32'


def session_config(precision: str) -> Any:
    """Returns the session configuration with which any model trains and evaluates in that precision.

    With 'bfloat16', TensorFlow rewrites convolutions, matrix products and the operations between them when
    the session optimizes its graph. Variables, their updates, checkpoints and the loss stay float32. It is
    slow without support by the processor.

    Returns:
      A tf.ConfigProto; None, Estimator's own, for 'float32'.
    """
    if precision == FLOAT32:
        return None
    # Estimator's own configuration, but for the rewrite.
    config = tf.ConfigProto(allow_soft_placement=True)
    rewrites = config.graph_options.rewrite_options
    rewrites.meta_optimizer_iterations = rewrites.ONE
    rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
    return config


def check_precision(precision: str) -> None:
    """Raises FlagError for a precision that TensorFlow would silently leave in float32 on this machine."""
    if precision == FLOAT32:
        return  # without a look for GPUs, which TensorFlow may comment on
    if gpus():
        raise FlagError(f'{option.precision}=bfloat16 works on CPUs only: leave it out.')
    if os.environ.get('TF_ENABLE_ONEDNN_OPTS', '').lower() in ('0', 'false'):
        raise FlagError(
            f'{option.precision}=bfloat16 needs oneDNN, which TF_ENABLE_ONEDNN_OPTS turns off: unset the '
            'variable.'
        )


def gpus() -> list[Any]:
    """Returns TensorFlow's physical GPUs, without opening them."""
    return list(tf.config.list_physical_devices('GPU'))
