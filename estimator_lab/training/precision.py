"""The precision of a network: float32, or float16 or bfloat16 where the device supports it."""

import os
from typing import Any

from estimator_lab.base.errors import FlagError, option
from estimator_lab.tf1 import tf

FLOAT32, FLOAT16, BFLOAT16 = 'float32', 'float16', 'bfloat16'
_FAST_FLOAT16 = (7, 0)  # compute capability of Volta; TensorFlow leaves older GPUs in float32


def session_config(precision: str) -> Any:
    """Returns the session configuration with which any model trains and evaluates in that precision.

    With 'float16' and 'bfloat16', TensorFlow rewrites convolutions, matrix products and the operations
    between them when the session optimizes its graph. Variables, their updates, checkpoints and the loss stay
    float32. Which rewrite does so depends on the device. Without support by the device, both are slow.

    Returns:
      A tf.ConfigProto; None, Estimator's own, for 'float32'.
    """
    if precision == FLOAT32:
        return None
    # Estimator's own configuration, but for the rewrite.
    config = tf.ConfigProto(allow_soft_placement=True)
    rewrites = config.graph_options.rewrite_options
    rewrites.meta_optimizer_iterations = rewrites.ONE
    if precision == BFLOAT16:
        rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
    elif gpus():
        rewrites.auto_mixed_precision = rewrites.ON
    else:
        # The default, to compute in float32 and round, ends with std::out_of_range at a square or a dropout.
        os.environ['TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_EMULATE_FP16'] = 'false'
        rewrites.auto_mixed_precision_cpu = rewrites.ON
    return config


def check_precision(precision: str) -> None:
    """Raises FlagError for a precision that TensorFlow would silently leave in float32 on this machine."""
    if precision == FLOAT32:
        return  # without a look for GPUs, which TensorFlow may comment on
    details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus())
    if precision == FLOAT16 and any(gpu.get('compute_capability', (0, 0)) < _FAST_FLOAT16 for gpu in details):
        raise FlagError(f'{option.precision}=float16 needs GPUs of compute capability 7.0 (Volta) or later.')
    if precision == BFLOAT16 and gpus():
        raise FlagError(f'{option.precision}=bfloat16 works on CPUs only: use {option.precision}=float16.')
    if precision == BFLOAT16 and os.environ.get('TF_ENABLE_ONEDNN_OPTS', '').lower() in ('0', 'false'):
        raise FlagError(
            f'{option.precision}=bfloat16 needs oneDNN, which TF_ENABLE_ONEDNN_OPTS turns off: unset the '
            'variable.'
        )


def gpus() -> list[Any]:
    """Returns TensorFlow's physical GPUs, without opening them."""
    return list(tf.config.list_physical_devices('GPU'))
