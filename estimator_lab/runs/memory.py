"""What a network takes at the least, before it is built for good: a sentence in place of a killed process."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.core.heads.model import AnyModel
from estimator_lab.data.kind import Reader
from estimator_lab.data.pipeline.input_fns import placeholder_features
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import tf

_BATCHES_ON_THE_WAY = 3  # of the input: two that wait, and one that is used
_LIMITS = ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes')
# Whose results a step of training keeps until gradients have come back to them.
_KEPT = ('Conv2D', 'Conv2DBackpropInput', 'MatMul', 'BatchMatMulV2', 'MaxPool', 'AvgPool')


class Network(NamedTuple):
    """What a network holds at the least, in bytes.

    Attributes:
      variables: of all its variables.
      kept: of what a step of training keeps of one example.
      example: of one example itself, as it waits for its step.
    """

    variables: int
    kept: int
    example: int

    def training(self, batch_size: int, vectors: int = 0) -> int:
        """Returns the bytes of a step of training: variables with gradients, and a batch on its way.

        Args:
          batch_size: examples.
          vectors: how often the optimizer keeps as many values as the variables have.
        """
        return self.held(vectors) + batch_size * (self.kept + _BATCHES_ON_THE_WAY * self.example)

    def held(self, vectors: int = 0) -> int:
        """Returns the bytes of that which do not depend on the batch."""
        return (2 + vectors) * self.variables

    def using(self, batch_size: int) -> int:
        """Returns the bytes of a batch that is only looked at."""
        return self.variables + batch_size * _BATCHES_ON_THE_WAY * self.example


def measure(model: AnyModel, params: Any, reader: Reader) -> Network:
    """Returns what a network takes: its graph is built and looked at, and nothing is computed.

    Args:
      model: whose network it is.
      params: its parameters.
      reader: of its examples.

    Raises:
      FlagError: a network of such sizes can't be built.
    """
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)  # which determinism asks for
        try:
            features = placeholder_features(reader)
            model.model_fn(features, None, tf.estimator.ModeKeys.PREDICT, vars(params))
        except (ValueError, OverflowError, MemoryError, tf.errors.OpError) as error:
            reason = str(error).strip().partition('\n')[0].partition(" for '{{")[0] or type(error).__name__
            raise FlagError(
                f'--image_size, --channels and --hparams make no network: {reason.rstrip(".")}.'
            ) from error
        variables = sum(_bytes_of(variable) for variable in tf.global_variables())
        kept = sum(_bytes_of(tensor) for tensor in _results(graph))
    example = sum(_signature_bytes(one.type, one.shape) for one in reader.signature.values())
    return Network(variables, kept, example)


def check_training(network: Network, batch_size: int, vectors: int = 0) -> None:
    """Raises FlagError if a step of training takes more memory than this machine has, at the least.

    Args:
      network: what it holds.
      batch_size: examples in a batch.
      vectors: see `Network.training`.
    """
    needed, there = network.training(batch_size, vectors), memory()
    kept = "weights, gradients and the optimizer's vectors" if vectors else 'weights and gradients'
    if needed > there:
        raise FlagError(
            f'A step with --batch_size={batch_size} takes {_shown(needed)} or more, of which '
            f'{_shown(network.held(vectors))} are {kept}, but this machine has '
            f'{_shown(there)}: give a smaller --batch_size, --image_size or network (--hparams).'
        )


def check_use(reader: Reader, batch_size: int) -> None:
    """Raises FlagError if batches of such a size don't fit into this machine's memory."""
    example = sum(_signature_bytes(one.type, one.shape) for one in reader.signature.values())
    needed, there = Network(0, 0, example).using(batch_size), memory()
    if needed > there:
        raise FlagError(
            f'--batch_size={batch_size} takes {_shown(needed)} or more, but this machine has '
            f'{_shown(there)}: give a smaller one.'
        )


def memory() -> int:
    """Returns the bytes of memory that this process may have: the machine's, or its container's."""
    found = [os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')]
    for path in map(Path, _LIMITS):
        try:
            found.append(int(path.read_text(encoding='ascii')))
        except (OSError, ValueError):  # no such limit: 'max'
            continue
    return min(found)


def _results(graph: Any) -> Iterator[Any]:
    for operation in graph.get_operations():
        if operation.type in _KEPT:
            yield from operation.outputs


def _bytes_of(tensor: Any) -> int:
    """Returns the bytes of a tensor, or a variable; a length that nobody knows counts as one."""
    if tensor.shape.ndims is None:
        return 0
    return math.prod(length or 1 for length in tensor.shape.as_list()) * tensor.dtype.size


def _signature_bytes(kind: str, shape: tuple[int | None, ...]) -> int:
    """Returns the bytes of one example's array, as it is read and as float32."""
    values = math.prod(length or 1 for length in shape)
    return values * (tf.as_dtype(kind).size + (tf.float32.size if kind == 'uint8' else 0))


def _shown(count: int) -> str:
    return f'{count / 1e9:,.1f} GB'
