"""All phases of a run in one run of TensorBoard: a phase's tags begin with its name.

To TensorBoard each folder of event files is a run of its own, with a colour and a line in its list. A network
of three pre-trained layers had eight of them, evaluations included, and fifty such networks were no longer to
be told apart. Now it has two, training and evaluation, as any other.
"""

from pathlib import Path
from typing import Any

from estimator_lab.core.display.drawing import EVALUATION
from estimator_lab.tf1 import tf


def tag_in(phase: str, tag: str) -> str:
    """Returns what a tag of a phase is called; '' is the last phase, whose tags are the run's own."""
    return f'{phase}/{tag}' if phase else tag


class PhaseWriter:
    """Takes the place of a `tf.summary.FileWriter`: it writes to that of another folder.

    Args:
      folder: where the events go.
      phase: stands before each tag, and a slash between them.
    """

    def __init__(self, folder: Path, phase: str) -> None:
        self.folder = folder
        self.phase = phase

    @property
    def _writer(self) -> Any:
        return tf.summary.FileWriterCache.get(str(self.folder))

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Writes a `tf.Summary`, or the bytes of one."""
        told = tf.Summary()
        told.MergeFromString(summary if isinstance(summary, bytes) else summary.SerializeToString())
        for value in told.value:
            value.tag = tag_in(self.phase, value.tag)
        self._writer.add_summary(told, global_step)

    def close(self) -> None:
        """Leaves the other writer to whoever uses it."""

    def __getattr__(self, name: str) -> Any:
        """All else is the other writer's."""
        return getattr(self._writer, name)


class GraphHook(tf.train.SessionRunHook):
    """Writes the graph of a phase with its first step: of several in a run, TensorBoard draws the latest.

    Those that TensorFlow writes by itself are of no step, and the first of them would be drawn.

    Args:
      folder: the phase's.
      step: the global step at which it begins.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._folder = folder
        self._step = step

    def after_create_session(self, session: Any, coord: Any) -> None:
        tf.summary.FileWriterCache.get(str(self._folder)).add_graph(session.graph, self._step)


def show_as_tags(folder: Path, run: Path) -> None:
    """Has what a phase shows come among the event files of its run, from now on in this process.

    Args:
      folder: the phase's, which an Estimator writes to; its name is that of the phase.
      run: model_dir.
    """
    cache = tf.summary.FileWriterCache
    with cache._lock:
        cache._cache[str(folder)] = PhaseWriter(run, folder.name)
        cache._cache[str(folder / EVALUATION)] = PhaseWriter(run / EVALUATION, folder.name)


def shown_at(folder: Path) -> tuple[Path, str]:
    """Returns (the folder where TensorBoard looks for files of a folder, what their names begin with)."""
    writer = tf.summary.FileWriterCache._cache.get(str(folder))
    return (writer.folder, f'{writer.phase}_') if isinstance(writer, PhaseWriter) else (folder, '')
