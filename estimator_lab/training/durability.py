"""Checkpoints that survive a power loss."""

from pathlib import Path
from typing import Any

from estimator_lab.base.whole_files import sync, sync_folder
from estimator_lab.tf1 import tf


class SyncCheckpoints(tf.train.CheckpointSaverListener):
    """Syncs each checkpoint and the list that names it to the disk, which TensorFlow does not.

    Args:
      model_dir: the folder of the checkpoints; nothing is done if it is a URL.
    """

    def __init__(self, model_dir: str) -> None:
        self._model_dir = model_dir

    def after_save(self, session: Any, global_step_value: int) -> None:
        """Syncs the files of the checkpoint, then the list of checkpoints, then the folder."""
        if '://' in self._model_dir:
            return
        folder = Path(self._model_dir)
        for path in (*folder.glob(f'model.ckpt-{global_step_value}.*'), *folder.glob('checkpoint')):
            with path.open('rb') as file:
                sync(file)
        sync_folder(folder)
