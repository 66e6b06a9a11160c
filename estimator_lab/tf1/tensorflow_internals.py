"""Internals of TensorFlow that have no public equivalent."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tensorflow.python.framework import ops
from tensorflow.python.tpu import tpu_function


def create_slots(optimizer: Any, variables: Sequence[Any]) -> None:
    """Creates an optimizer's slot variables in the current scope, ahead of `apply_gradients`.

    Slots that `apply_gradients` creates inside a branch of `tf.cond` have the branch's name as a prefix.
    """
    optimizer._create_slots(list(variables))


def save_by(save: Callable[..., Any]) -> Callable[..., Any]:
    """Makes the Saver of the current graph save by another function; returns the one that it had.

    An Estimator saves first when its session begins; under no strategy can a hook precede that.
    """
    (saver,) = ops.get_collection(ops.GraphKeys.SAVERS)
    before, saver.save = saver.save, save
    return before


def uses_tpus() -> bool:
    """Returns whether the graph is being built for the cores of a TPU."""
    return tpu_function.get_tpu_context().number_of_shards is not None


def record_reader(path: str) -> Any:
    """Returns a reader of a TFRecord file: `read(offset)` gives (record, offset of the next one).

    `read` raises DataLossError if the record or its length is damaged, and IndexError at the end of the file.
    """
    from tensorflow.python.lib.io.tf_record import tf_record_random_reader

    return tf_record_random_reader(path)


def close_event_files(folder: Path) -> None:
    """Closes the event files that FileWriterCache has open in a folder or below it.

    The cache would go on writing to them for the rest of the process, even after they were deleted.
    """
    from tensorflow.python.summary.writer.writer_cache import FileWriterCache

    with FileWriterCache._lock:
        own = [path for path in FileWriterCache._cache if Path(path).is_relative_to(folder)]
        writers = [FileWriterCache._cache.pop(path) for path in own]
    for writer in writers:
        writer.close()


@contextlib.contextmanager
def deterministic_operations() -> Iterator[None]:
    """Makes TensorFlow use only deterministic operations while the context is active, in all threads.

    TensorFlow has a public function to turn this on, and none to turn it off.
    """
    from tensorflow.python.framework import config

    was = config.is_op_determinism_enabled()
    config.enable_op_determinism()
    try:
        yield
    finally:
        if not was:
            config.disable_op_determinism()
