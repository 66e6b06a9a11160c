"""Undoes a start that failed before it saved a checkpoint."""

import contextlib
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from estimator_lab.base.whole_files import whole_file
from estimator_lab.core.display.drawing import EVALUATION
from estimator_lab.core.display.projector import projection_files
from estimator_lab.errors import LabError
from estimator_lab.runs.record import FILE

# `bad_members.csv` is missing here on purpose: it says why the start failed.
_WRITTEN = re.compile(
    r'projector_config\.partial|experiment\.json|tokens\.txt|(style|principal_components)\.npz'
    r'|checkpoint(\.tmp.*)?|model\.ckpt-\d.*|graph\.pbtxt(\.tmp.*)?|timeline-\d+\.json'
    rf'|events\.out\.tfevents\.\d+\.{re.escape(socket.gethostname())}(\..*)?'
)
_EXPORTED = re.compile(r'(temp-)?\d+')
PROFILE = 'profile'
"""Folder of timelines within that of a phase."""


@contextlib.contextmanager
def rolled_back_on_failure(folders: Sequence[Path], saved_step: Callable[[], int]) -> Iterator[None]:
    """Removes what the block wrote if it fails without saving a newer checkpoint.

    Only files and folders that are new and have a name that training writes are removed. All else stays:
    predictions, notes, another run in a folder of its own.

    Args:
      folders: of the phases, the last of them model_dir, in which no other process trains.
      saved_step: returns the global step of the newest checkpoint in them.
    """
    step, before, places = saved_step(), set(_written(folders)), set(_places(folders))
    records = {path: path.read_bytes() for path in before if path.name == FILE and path.is_file()}
    try:
        yield
    except (LabError, MemoryError, OSError):
        with contextlib.suppress(OSError, LabError):
            if saved_step() <= step:
                for path in set(_written(folders)) - before:
                    _remove(path)
                for path, data in records.items():
                    if path.read_bytes() != data:
                        with whole_file(path) as file:  # the disk may be full
                            file.write(data)
                for place in sorted(set(_places(folders)) - places, reverse=True):  # the innermost first
                    with contextlib.suppress(OSError):  # not empty
                        place.rmdir()
        raise


def _places(folders: Sequence[Path]) -> Iterator[Path]:
    """Yields the folders in which training writes, if they exist."""
    for folder in folders:
        places = (folder, *map(folder.joinpath, (EVALUATION, PROFILE, 'export')), *folder.glob('export/*'))
        yield from (place for place in places if place.is_dir())


def _written(folders: Sequence[Path]) -> Iterator[Path]:
    """Yields what training wrote: files, and folders of SavedModels."""
    for place in _places(folders):
        own, is_export = projection_files(place), place.parent.name == 'export'
        for path in place.iterdir():
            if path.name in own or (_EXPORTED if is_export else _WRITTEN).fullmatch(path.name):
                yield path


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
