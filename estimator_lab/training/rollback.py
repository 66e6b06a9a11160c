"""A start that fails before it has saved what it learned leaves the folder as it was."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from estimator_lab.errors import LabError
from estimator_lab.runs.record import FILE

_KEPT = 'bad_members'  # tells why it failed


@contextlib.contextmanager
def rolled_back_on_failure(folder: Path, is_new: bool, saved_step: Callable[[], int]) -> Iterator[None]:
    """Takes back what the block wrote into a folder if it ends with an error and no newer checkpoint.

    Args:
      folder: model_dir, which nobody else writes to.
      is_new: whether it was made for this start.
      saved_step: returns the global step of the newest checkpoint in it.
    """
    step, before = saved_step(), set(folder.rglob('*'))
    records = {path: path.read_bytes() for path in before if path.name == FILE and path.is_file()}
    try:
        yield
    except (LabError, MemoryError):
        with contextlib.suppress(OSError, LabError):
            if saved_step() <= step:
                _remove(set(folder.rglob('*')) - before)
                for path, data in records.items():
                    if path.read_bytes() != data:
                        path.write_bytes(data)
                if is_new:
                    folder.rmdir()
        raise


def _remove(paths: set[Path]) -> None:
    for path in sorted(paths, reverse=True):  # what is in a folder comes before it
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it holds what is kept
                path.rmdir()
        elif not path.name.startswith(_KEPT):
            path.unlink()
