"""Whether a step fits into the memory of the machine."""

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError, option
from estimator_lab.core.summaries import SCOPE

_CGROUP = Path('/sys/fs/cgroup/memory.max')  # of a container; a number, or 'max'


def check_fits(graph: Any, batch_size: int) -> None:
    """Raises FlagError if the largest layer of a batch alone takes more memory than there is.

    TensorFlow would end with a segmentation fault. Layers are the tensors of the graph whose first dimension
    is unknown; more than one is in memory, so that a batch which passes may still be too large.
    """
    name, each = max(_layers(graph), key=lambda layer: layer[1], default=('', 0))
    memory = _memory()
    if each * batch_size > memory:
        raise FlagError(
            f'{option.batch_size}={batch_size} does not fit into the {_shown(memory)} of this machine: the '
            f'layer {name} alone takes {_shown(each * batch_size)}. Give {max(memory // each // 4, 1):,} or '
            'fewer.'
        )


def _layers(graph: Any) -> Any:
    """Yields (name, bytes of an example) of the tensors that have a row for each example."""
    for operation in graph.get_operations():
        for tensor in operation.outputs:
            sides = tensor.shape.as_list() if tensor.shape.rank else []
            is_picture = tensor.op.name.startswith(SCOPE)  # whose rows are not examples
            if sides and sides[0] is None and None not in sides[1:] and not is_picture:
                yield tensor.op.name, math.prod(sides[1:]) * max(tensor.dtype.size or 1, 1)


def _memory() -> int:
    """Returns the bytes of memory of the machine, or of the container."""
    found = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    with suppress(OSError, ValueError):
        found = min(found, int(_CGROUP.read_text(encoding='ascii')))
    return found


def _shown(count: int) -> str:
    return f'{count / 2**30:,.0f} GB'
