"""The precision of a network: float32, or float16 or bfloat16 where the device supports it."""

import functools
import os
import platform
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.runs.devices import gpus, has_fast_float16
from estimator_lab.tf1 import tf

FLOAT32, FLOAT16, BFLOAT16 = 'float32', 'float16', 'bfloat16'
PRECISIONS = (FLOAT32, FLOAT16, BFLOAT16)
_FLAGS = {'avx512_bf16', 'amx_bf16'}
_ONEDNN_OFF = ('0', 'false')


def session_config(precision: str) -> Any:
    """Returns the session configuration with which any model trains and evaluates in that precision.

    With 'float16' and 'bfloat16', TensorFlow rewrites convolutions, matrix products and the operations
    between them when the session optimizes its graph. Variables, their updates, checkpoints and the loss stay
    float32. Which rewrite does so depends on the device. float16 is slow without a GPU, and meant for tests.

    Args:
      precision: one of PRECISIONS.

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
    """Checks that the device computes in that precision.

    Raises:
      FlagError: for an unknown precision; for float16 on a GPU that TensorFlow leaves in float32; for
        bfloat16 on a GPU, where the processor lacks it, or where oneDNN is off.
    """
    if precision not in PRECISIONS:
        raise FlagError(f'--precision={precision} is not allowed: one of {", ".join(PRECISIONS)}.')
    if precision == FLOAT16 and not has_fast_float16():
        raise FlagError(
            '--precision=float16 needs GPUs of compute capability 7.0 (Volta) or later, as TensorFlow leaves '
            'older ones in float32: use --precision=float32.'
        )
    if precision == BFLOAT16:
        _check_bfloat16()


def _check_bfloat16() -> None:
    if gpus():
        raise FlagError(
            '--precision=bfloat16 works on CPUs only, as TensorFlow has no such rewrite for GPUs: use '
            '--precision=float16, or --device=cpu.'
        )
    if not supports_bfloat16():
        raise FlagError(
            f'--precision={BFLOAT16} needs a processor with AVX512-BF16 or AMX-BF16, which this one '
            f'({processor()}) lacks: use --precision=float32.'
        )
    if os.environ.get('TF_ENABLE_ONEDNN_OPTS', '').lower() in _ONEDNN_OFF:
        raise FlagError(
            f'--precision={BFLOAT16} needs oneDNN, which TF_ENABLE_ONEDNN_OPTS turns off: unset it, or use '
            '--precision=float32.'
        )


def supports_bfloat16() -> bool:
    """Returns whether the processor multiplies bfloat16; False if unknown."""
    return bool(_FLAGS.intersection(_cpuinfo().get('flags', '').split()))


def cpu_precisions() -> list[str]:
    """Returns the precisions that are fast on this processor; float16 is on none."""
    return [FLOAT32, BFLOAT16] if supports_bfloat16() else [FLOAT32]


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
