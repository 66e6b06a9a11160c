"""How much memory a step needs, as far as it can be told before, and whether the machine has it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from estimator_lab.errors import FlagError

_MEGABYTE = 2**20


def activation_bytes(operations: Sequence[Any], batch_size: int) -> int:
    """Returns the size of all that some operations compute, which a backward pass may need.

    Args:
      operations: of the network, up to the loss.
      batch_size: in the place of a first axis of unknown length; other unknown lengths are left out.
    """
    return sum(_bytes(tensor, batch_size) for op in operations for tensor in op.outputs)


def _bytes(tensor: Any, batch_size: int) -> int:
    if not tensor.shape.ndims:
        return 0
    first, *others = tensor.shape.as_list()
    return (batch_size if first is None else first) * math.prod(n or 1 for n in others) * tensor.dtype.size


def available_bytes(meminfo: Path = Path('/proc/meminfo')) -> int | None:
    """Returns how much memory Linux can still give; None where the system does not tell."""
    try:
        lines = meminfo.read_text(encoding='utf-8').splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(':')
        if name == 'MemAvailable':
            return int(value.split()[0]) * 1024
    return None


def check_memory(
    operations: Sequence[Any], batch_size: int, vectors: int, available: int | None = None
) -> None:
    """Raises FlagError if a step needs more memory than there is.

    Args:
      operations: of the network, up to the loss.
      batch_size: examples in a batch.
      vectors: bytes that the optimizer keeps for itself.
      available: bytes; None for what the system says is free. If it does not, nothing is refused.
    """
    available = available_bytes() if available is None else available
    activations = activation_bytes(operations, batch_size)
    if available is None or activations + vectors <= available:
        return
    raise FlagError(
        f'--batch_size={batch_size} needs about {activations // _MEGABYTE:,} MB for its activations and '
        f'{vectors // _MEGABYTE:,} MB for the optimizer, but {available // _MEGABYTE:,} MB are free: use a '
        'smaller batch.'
    )
