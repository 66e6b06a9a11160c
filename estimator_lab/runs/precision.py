"""The precision of a network: float32, or bfloat16 on processors that support it."""

import functools
import os
import platform
from pathlib import Path
from typing import Any

from estimator_lab.errors import FlagError
from estimator_lab.tf1 import tf

PRECISIONS = ('float32', 'bfloat16')
_FLAGS = {'avx512_bf16', 'amx_bf16'}
_ONEDNN_OFF = ('0', 'false')


def session_config(precision: str) -> Any:
    """Returns the session configuration with which any model trains and evaluates in that precision.

    With 'bfloat16', convolutions, matrix products and the operations between them are rewritten to bfloat16
    when the session optimizes its graph. Variables, their updates, checkpoints and the loss stay float32.

    Args:
      precision: one of PRECISIONS.

    Returns:
      A tf.ConfigProto; None, Estimator's own, for 'float32'.
    """
    if precision == 'float32':
        return None
    # Estimator's own configuration, but for the rewrite.
    config = tf.ConfigProto(allow_soft_placement=True)
    rewrites = config.graph_options.rewrite_options
    rewrites.meta_optimizer_iterations = rewrites.ONE
    rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
    return config


def check_precision(precision: str) -> None:
    """Checks that this machine computes in that precision at full speed.

    Raises:
      FlagError: for an unknown precision; for bfloat16 where the processor lacks it or oneDNN is off.
    """
    if precision not in PRECISIONS:
        raise FlagError(f'--precision={precision} is not allowed: one of {", ".join(PRECISIONS)}.')
    if precision == 'float32':
        return
    if not supports_bfloat16():
        raise FlagError(
            f'--precision={precision} needs a processor with AVX512-BF16 or AMX-BF16, which this one '
            f'({processor()}) lacks: use --precision=float32.'
        )
    if os.environ.get('TF_ENABLE_ONEDNN_OPTS', '').lower() in _ONEDNN_OFF:
        raise FlagError(
            f'--precision={precision} needs oneDNN, which TF_ENABLE_ONEDNN_OPTS turns off: unset it, or use '
            '--precision=float32.'
        )


def supports_bfloat16() -> bool:
    """Returns whether the processor multiplies bfloat16; False if unknown."""
    return bool(_FLAGS.intersection(_cpuinfo().get('flags', '').split()))


def processor() -> str:
    """Returns the processor's name, such as 'AMD EPYC', or its architecture."""
    return _cpuinfo().get('model name') or platform.machine()


def refuse_nondeterminism() -> None:
    """Makes TensorFlow use only deterministic operations, in the whole process."""
    # tf.compat.v1.config has no such switch.
    tf.compat.v2.config.experimental.enable_op_determinism()


@functools.cache
def _cpuinfo(path: Path = Path('/proc/cpuinfo')) -> dict[str, str]:
    """Returns the properties of the first processor on Linux, by name; {} elsewhere."""
    try:
        lines = path.read_text(encoding='utf-8').partition('\n\n')[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(':') for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}
