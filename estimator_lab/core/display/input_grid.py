"""What the network is shown: a grid of the batch's images, each with its label."""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.core.display.picture import labelled_grid
from estimator_lab.core.display.summaries import picture_value
from estimator_lab.tf1 import Tensor, tf


class InputGridHook(tf.train.SessionRunHook):
    """Writes a grid of the batch's images, each with its label, as an image summary.

    Args:
      images: float32 tensor [batch, height, width, channels] in [0, 1]; channels 1 or 3.
      labels: int64 tensor [batch].
      text_of: the text of a class id.
      every_n_steps: steps between two grids; the first step has one.
      output_dir: where the summary goes.
    """

    _SHOWN = 24

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        text_of: Callable[[int], str],
        every_n_steps: int,
        output_dir: str,
    ) -> None:
        self._batch = (images[: self._SHOWN], labels[: self._SHOWN])
        self._text_of = text_of
        self._timer = tf.train.SecondOrStepTimer(every_steps=every_n_steps)
        self._output_dir = output_dir
        self._step = 0

    def begin(self) -> None:
        self._global_step = tf.train.get_global_step()
        self._writer = tf.summary.FileWriterCache.get(self._output_dir)

    def before_run(self, run_context: Any) -> Any:
        due = self._timer.should_trigger_for_step(self._step)
        return tf.train.SessionRunArgs((self._global_step, self._batch if due else ()))

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._step, batch = run_values.results
        if batch:
            self._timer.update_last_triggered_step(self._step)
            self._write(*batch)

    def _write(self, images: Tensor, labels: Sequence[int]) -> None:
        picture = labelled_grid(images, [self._text_of(int(label)) for label in labels])
        value = picture_value('images/input', picture)
        self._writer.add_summary(tf.Summary(value=[value]), self._step)
