"""Checks that an untrusted model_dir can't make this program read, write or delete files elsewhere.

TensorFlow trusts the file `checkpoint`: it restores the checkpoint named there, and later deletes the oldest
ones listed there, wherever they are. It also writes and deletes through symbolic links in the folder.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.files import all_below, in_subfolders, read_regular, why_unread
from estimator_lab.base.json_input import shown
from estimator_lab.base.keys import RECORD
from estimator_lab.runs.weights.checkpoint import PATTERN
from estimator_lab.tf1 import tf

_STATE = 'checkpoint'
_LONGEST_REASON = 200
_MOST_BYTES = 2**20  # of a state file: some thousand names
_WRITTEN_FOLDERS = ('eval', 'export', 'profile', 'inspect', 'dreams')
_TEMPORARY = re.compile(r'tmp_(chief|worker)_\d+')
_UNSAFE = re.compile(rf'{PATTERN.pattern}|[\x00-\x1f\x7f]')  # of the name of a checkpoint


def check_safe_paths(model_dir: Path, flag: str = option.model_dir, trains: bool = False) -> None:
    """Checks that opening a folder, or training in it, touches nothing outside of it.

    The folder may itself be a link, or not exist. `trains` says whether a training will write there, under
    names that TensorFlow and models choose.

    Raises:
      DataError: its file `checkpoint`, or a phase's, can't be read, names anything but checkpoints in
        the folder, or a newest one that does not exist; or a file or folder that may be written is a link
        to elsewhere.
    """
    home = os.path.realpath(model_dir)
    links = all_below(model_dir) if trains else _written(model_dir)
    for link in filter(Path.is_symlink, links):
        if os.path.commonpath([home, os.path.realpath(link)]) != home:
            raise DataError(
                f'{flag}={model_dir} holds the link {str(link)!r}, through which this program would write or '
                'delete elsewhere: put the file or folder itself there, or remove it.'
            )
    for folder in (model_dir, *_phases(model_dir)):
        newest_checkpoint(folder)


def _phases(model_dir: Path) -> list[Path]:
    """Returns the folders of phases in a model_dir, and links to such folders.

    A killed worker leaves a temporary folder of TensorFlow's, whose list names the chief's checkpoints.
    """
    folders = {path.parent for name in (_STATE, RECORD) for path in in_subfolders(model_dir, name)}
    return sorted(
        folder
        for folder in folders
        if folder.name not in _WRITTEN_FOLDERS
        and (folder.is_symlink() or not _TEMPORARY.fullmatch(folder.name))
    )


def _written(model_dir: Path) -> Iterator[Path]:
    """Yields the folders that commands other than `train` write in, and the paths below them.

    Links elsewhere are only read through: checkpoints may be links.
    """
    phases = _phases(model_dir)
    yield from phases
    for folder in (model_dir, *phases):
        for name in _WRITTEN_FOLDERS:
            yield folder / name
            yield from all_below(folder / name)


def newest_checkpoint(folder: Path) -> str:
    """Returns the path of the checkpoint that a folder's list names as the newest; '' without a list.

    TensorFlow takes a list that it can't read for none, with which a training would begin anew.

    Raises:
      DataError: the list can't be read, or is wrong; see `check_safe_paths`.
    """
    try:
        return str(folder / _checked_state(folder).model_checkpoint_path)
    except (FileNotFoundError, NotADirectoryError):
        return ''
    except (OSError, ValueError, text_format.ParseError) as error:
        text = ''.join(letter if letter.isprintable() else '?' for letter in why_unread(error))
        reason = text[:_LONGEST_REASON].rstrip('.')
        raise DataError(
            f"{folder / _STATE}, the list of the folder's checkpoints, cannot be used: {reason}."
        ) from error


def _checked_state(folder: Path) -> Any:
    """Returns the list of checkpoints, a CheckpointState; raises ValueError if it is wrong."""
    state = _state(folder)
    if not state.model_checkpoint_path:
        raise ValueError('it names no checkpoint')
    for named in (state.model_checkpoint_path, *state.all_model_checkpoint_paths):
        path = folder / named
        if path.name in ('', '.', '..') or named.endswith('/') or _UNSAFE.search(path.name):
            raise ValueError(f'it names {shown(named)}, which is not the name of a checkpoint')
        if path.parent != folder and os.path.realpath(path.parent) != os.path.realpath(folder):
            raise ValueError(f'it names {shown(named)}, which is outside of the folder')
    newest = str(folder / state.model_checkpoint_path)
    if not any(map(os.path.exists, (f'{newest}.index', newest))):  # TensorFlow would start again at step 0
        if _state(folder) != state:  # a training has saved again meanwhile, and removed it
            return _checked_state(folder)
        raise ValueError(f'it names {shown(state.model_checkpoint_path)}, which does not exist')
    return state


def _state(folder: Path) -> Any:
    state = type(tf.train.generate_checkpoint_state_proto('.', 'any'))()
    text_format.Parse(read_regular(folder / _STATE, _MOST_BYTES).decode(), state)
    return state
