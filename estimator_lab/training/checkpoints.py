"""Checkpoints that survive a power loss, each with the record that describes it."""

from pathlib import Path
from typing import Any

from estimator_lab.base.errors import DataError
from estimator_lab.base.whole_files import sync, sync_folder
from estimator_lab.runs.record import Record, write_record
from estimator_lab.tf1 import tf


class CheckpointListener(tf.train.CheckpointSaverListener):
    """Writes experiment.json with the first checkpoint, and syncs each to the disk, as TensorFlow does not.

    So a start that fails before its first checkpoint changes nothing.

    Args:
      record: what experiment.json says; None to write none.
      least: the global step at which training goes on. TensorFlow takes a list of checkpoints that it can't
        read for none, and would begin anew.
    """

    def __init__(self, folder: Path, record: Record | None = None, least: int = 0) -> None:
        self._folder, self._record, self._least = folder, record, least

    def before_save(self, session: Any, global_step_value: int) -> None:
        """Writes the record, once: a checkpoint is never without it.

        Raises:
          DataError: the checkpoint to go on from was not restored.
        """
        if global_step_value < self._least:
            raise DataError(
                f'The list of checkpoints in {self._folder} could not be read, so the checkpoint of step '
                f'{self._least} was not restored: start again.'
            )
        if self._record:
            write_record(self._folder, self._record)
            self._record = None

    def after_save(self, session: Any, global_step_value: int) -> None:
        """Syncs the files of the checkpoint, then the list of checkpoints, then the folder."""
        folder = self._folder
        for path in (*folder.glob(f'model.ckpt-{global_step_value}.*'), *folder.glob('checkpoint')):
            with path.open('rb') as file:
                sync(file)
        sync_folder(folder)
