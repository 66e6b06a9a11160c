"""Estimates the least memory that a network needs, so that a sentence replaces a killed process."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.base.errors import FlagError
from estimator_lab.core.model import AnyModel
from estimator_lab.data.input_fns import placeholder_features
from estimator_lab.data.kind import Reader
from estimator_lab.runs.devices import gpu_memory
from estimator_lab.runs.summary import LayerSize, layer_sizes
from estimator_lab.tf1 import tf

_BATCHES_AT_ONCE = 3  # of the input: two that wait, and one in use
_LIMITS = ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes')
# Operations whose results are kept for the backward pass.
_KEPT = ('Conv2D', 'Conv2DBackpropInput', 'MatMul', 'BatchMatMulV2', 'MaxPool', 'AvgPool')


class Network(NamedTuple):
    """The least memory that a network needs, in bytes.

    Attributes:
      variables: of all its variables.
      kept: results that a training step keeps for one example.
      example: one example in the input queue.
      layers: of the network, from the input to the output.
    """

    variables: int
    kept: int
    example: int
    layers: Sequence[LayerSize] = ()

    def training(self, batch_size: int, vectors: int = 0) -> int:
        """Returns the bytes of a training step: variables, gradients and batches.

        Args:
          batch_size: examples.
          vectors: copies of the size of all variables that the optimizer keeps.
        """
        return self.held(vectors) + batch_size * (self.kept + _BATCHES_AT_ONCE * self.example)

    def held(self, vectors: int = 0) -> int:
        """Returns the bytes that do not depend on the batch."""
        return (2 + vectors) * self.variables


def measure(model: AnyModel, params: Any, reader: Reader) -> Network:
    """Returns what a network needs; its graph is built, but not run.

    Raises:
      FlagError: a network of such sizes can't be built.
    """
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)  # --deterministic requires a seed
        try:
            features = placeholder_features(reader)
            model.model_fn(features, None, tf.estimator.ModeKeys.PREDICT, vars(params))
        except (ValueError, OverflowError, MemoryError, tf.errors.OpError) as error:
            reason = str(error).strip().partition('\n')[0].partition(" for '{{")[0] or type(error).__name__
            raise FlagError(
                f'--image_size, --channels and --hparams make no network: {reason.rstrip(".")}.'
            ) from error
        variables = sum(_bytes_of(variable) for variable in tf.global_variables())
        results = (one.outputs for one in graph.get_operations() if one.type in _KEPT)
        kept = sum(_bytes_of(tensor) for outputs in results for tensor in outputs)
        layers = layer_sizes(graph)
    return Network(variables, kept, _example_bytes(reader), layers)


def check_training(network: Network, batch_size: int, vectors: int = 0) -> None:
    """Raises FlagError if a training step needs more memory than the device has; see `Network.training`."""
    on_gpu = gpu_memory()
    needed = network.training(batch_size, vectors)
    device, there = ('this machine', memory()) if on_gpu is None else ('the GPU', on_gpu)
    kept = "weights, gradients and the optimizer's vectors" if vectors else 'weights and gradients'
    if needed > there:
        raise FlagError(
            f'A step with --batch_size={batch_size} takes {shown_bytes(needed)} or more, of which '
            f'{shown_bytes(network.held(vectors))} are {kept}, but {device} has '
            f'{shown_bytes(there)}: give a smaller --batch_size, --image_size or network (--hparams).'
        )


def check_use(reader: Reader, batch_size: int) -> None:
    """Raises FlagError if batches of this size don't fit into this machine's memory."""
    needed, there = batch_size * _BATCHES_AT_ONCE * _example_bytes(reader), memory()
    if needed > there:
        raise FlagError(
            f'--batch_size={batch_size} takes {shown_bytes(needed)} or more, but this machine has '
            f'{shown_bytes(there)}: give a smaller one.'
        )


def memory() -> int:
    """Returns the bytes of memory that this process may use: the machine's, or its container's."""
    found = [os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')]
    for path in map(Path, _LIMITS):
        try:
            found.append(int(path.read_text(encoding='ascii')))
        except (OSError, ValueError):  # no limit: 'max'
            continue
    return min(found)


def _bytes_of(tensor: Any) -> int:
    """Returns the bytes of a tensor or a variable; an unknown length counts as one."""
    if tensor.shape.ndims is None:
        return 0
    return math.prod(length or 1 for length in tensor.shape.as_list()) * tensor.dtype.size


def _example_bytes(reader: Reader) -> int:
    """Returns the bytes of one example's arrays, as read and as float32."""
    return sum(
        math.prod(length or 1 for length in one.shape)
        * (tf.as_dtype(one.type).size + (tf.float32.size if one.type == 'uint8' else 0))
        for one in reader.signature.values()
    )


def shown_bytes(count: int) -> str:
    """Returns a number of bytes in gigabytes, megabytes or kilobytes, at least 0.1 of them."""
    units = (('GB', 1e9), ('MB', 1e6), ('kB', 1e3))
    unit, size = next((pair for pair in units if count >= pair[1] / 10), units[-1])
    return f'{count / size:,.1f} {unit}'
