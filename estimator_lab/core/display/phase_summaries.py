"""All phases of a run as one run of TensorBoard: the tags of a phase begin with its name.

TensorBoard treats each folder of event files as a run with its own colour and line in its list. Without this
module, a network with three pre-trained layers has eight of them, counting evaluations.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from estimator_lab.core.display.drawing import EVALUATION
from estimator_lab.tf1 import redirected_writers, tf

_redirected: dict[Path, Path] = {}  # folder of the current phase -> that of its run


def tag_in(phase: str, tag: str) -> str:
    """Returns the tag with the phase's name in front; '' is the last phase, whose tags have no prefix."""
    return f'{phase}/{tag}' if phase else tag


class PhaseWriter:
    """Replaces a `tf.summary.FileWriter`: writes to another folder, with the phase's name before each tag."""

    def __init__(self, folder: Path, phase: str) -> None:
        self._folder = str(folder)
        self._phase = phase

    @property
    def _writer(self) -> Any:
        return tf.summary.FileWriterCache.get(self._folder)

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Writes a `tf.Summary`, or the bytes of one."""
        renamed = tf.Summary()
        renamed.MergeFromString(summary if isinstance(summary, bytes) else summary.SerializeToString())
        for value in renamed.value:
            value.tag = tag_in(self._phase, value.tag)
        self._writer.add_summary(renamed, global_step)

    def close(self) -> None:
        """Does nothing: the writer of the other folder stays open for its other users."""

    def __getattr__(self, name: str) -> Any:
        """Returns all other methods from the writer of the other folder."""
        return getattr(self._writer, name)


class GraphHook(tf.train.SessionRunHook):
    """Writes the graph of a phase, to its folder, at the global step where the phase begins.

    TensorBoard draws the graph of the latest step. The graphs that TensorFlow writes by itself have no step,
    so that it would draw the first phase, next to a box for each function of the input pipeline. These are
    left out here.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._folder = folder
        self._step = step

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Writes the graph."""
        graph = session.graph.as_graph_def(add_shapes=True)
        graph.ClearField('library')
        event = tf.Event(wall_time=time.time(), step=max(self._step, 1), graph_def=graph.SerializeToString())
        tf.summary.FileWriterCache.get(str(self._folder)).add_event(event)


@contextlib.contextmanager
def summaries_in_run(folder: Path, run: Path) -> Iterator[None]:
    """Writes the summaries of a phase among those of its run, while the context is active.

    Args:
      folder: the phase's folder, to which an Estimator writes; its name is the phase's.
      run: model_dir.
    """
    writers = {
        str(folder): PhaseWriter(run, folder.name),
        str(folder / EVALUATION): PhaseWriter(run / EVALUATION, folder.name),
    }
    with redirected_writers(writers):
        _redirected[folder] = run
        try:
            yield
        finally:
            del _redirected[folder]


def shown_at(folder: Path) -> tuple[Path, str]:
    """Returns (the folder where TensorBoard looks for a folder's files, the prefix of their names)."""
    return (_redirected[folder], f'{folder.name}_') if folder in _redirected else (folder, '')
