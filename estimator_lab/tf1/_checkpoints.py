"""Checkpoints that a power loss, a full disk or a failing read can't destroy.

TensorFlow syncs neither checkpoints nor the file `checkpoint`, which lists them: after a power loss the list
may name files without bytes, or be empty itself. A resumed training first overwrites the checkpoint that it
has restored, so that a full disk destroys it. And TensorFlow ignores a list that it fails to read, when file
descriptors run out, say: training would begin anew and overwrite the checkpoints.
"""

import functools
import os
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow.python.checkpoint import checkpoint_management
from tensorflow.python.lib.io import file_io
from tensorflow.python.training import basic_session_run_hooks
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

from estimator_lab.base.whole_files import sync, sync_folder


def protect_checkpoints() -> None:
    """Makes TensorFlow sync checkpoints, write each one once, and raise OSError for an unreadable list."""
    hook = basic_session_run_hooks.CheckpointSaverHook
    hook.after_create_session = _without_saving_again(hook.after_create_session)
    management = checkpoint_management
    management.update_checkpoint_state_internal = _synced(management.update_checkpoint_state_internal)
    management.get_checkpoint_state = _raising(management.get_checkpoint_state)
    file_io.rename = _synced_rename(file_io.rename)


def _without_saving_again(start: Any) -> Any:
    """Returns `CheckpointSaverHook.after_create_session` that saves only if nothing was restored."""

    @functools.wraps(start)
    def start_session(self: Any, session: Any, coord: Any) -> None:
        saver = self._get_saver()
        path = f'{self._save_path}-{session.run(self._global_step_tensor)}'
        is_restored = saver is not None and path in saver.last_checkpoints[-1:]
        if is_restored:
            saver.save = lambda *args, **kwargs: path
        try:
            start(self, session, coord)
        finally:
            if is_restored:
                del saver.save

    return start_session


def _synced(update: Any) -> Any:
    """Returns `update_checkpoint_state_internal` that syncs a checkpoint before the list names it."""

    @functools.wraps(update)
    def update_synced(save_dir: str, model_checkpoint_path: str, *args: Any, **kwargs: Any) -> None:
        path = Path(model_checkpoint_path)
        if _is_local(model_checkpoint_path):
            for file in path.parent.iterdir():
                if file.name.startswith(f'{path.name}.'):
                    _sync(file)
            sync_folder(path.parent)
        update(save_dir, model_checkpoint_path, *args, **kwargs)

    return update_synced


def _synced_rename(rename: Any) -> Any:
    """Returns `file_io.rename`, by which the list and the graph replace the old ones, with syncs."""

    @functools.wraps(rename)
    def rename_synced(oldname: Any, newname: Any, overwrite: bool = False) -> None:
        old, new = Path(os.fsdecode(oldname)), os.fsdecode(newname)  # Estimator names exports in bytes
        if _is_local(new) and old.is_file():
            _sync(old)
        rename(oldname, newname, overwrite)
        if _is_local(new):
            sync_folder(Path(new).parent)

    return rename_synced


def _raising(get: Any) -> Any:
    """Returns `get_checkpoint_state` that raises the OSErrors that TensorFlow logs and ignores."""

    @functools.wraps(get)
    def get_or_raise(checkpoint_dir: Any, latest_filename: str | None = None) -> Any:
        path = Path(os.fsdecode(checkpoint_dir), latest_filename or 'checkpoint')
        if not _is_local(checkpoint_dir):
            return get(checkpoint_dir, latest_filename)
        try:
            state = text_format.Parse(path.read_text(errors='replace'), CheckpointState())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except text_format.ParseError:
            state = CheckpointState()
        if not state.model_checkpoint_path:
            return get(checkpoint_dir, latest_filename)  # for its messages
        # Relative names are those of files in the folder; absolute ones stay as they are.
        state.model_checkpoint_path = str(path.parent / state.model_checkpoint_path)
        state.all_model_checkpoint_paths[:] = [
            str(path.parent / name) for name in state.all_model_checkpoint_paths
        ]
        return state

    return get_or_raise


def _sync(path: Path) -> None:
    with path.open('rb') as file:
        sync(file)


def _is_local(path: Any) -> bool:
    return '://' not in os.fsdecode(path)
