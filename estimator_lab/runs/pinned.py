"""Keeps a checkpoint readable while a training next to it deletes its files."""

import tempfile
import weakref
from contextlib import ExitStack
from pathlib import Path

from estimator_lab.base.regular_files import open_regular

_OPEN_FILES = Path('/proc/self/fd')


class PinnedCheckpoint:
    """A checkpoint whose files are held open as long as this object exists.

    A training keeps its newest checkpoints only: one that was found by name may be deleted before it is
    restored. Links in a temporary folder lead to the open files; on systems without /proc, `path` is that of
    the checkpoint itself.

    Args:
      checkpoint: the common part of the names of its files.

    Attributes:
      path: the same of the links.

    Raises:
      OSError, ValueError: a file can't be opened.
    """

    def __init__(self, checkpoint: str) -> None:
        self.path = checkpoint
        place = Path(checkpoint)
        parts = [file for file in place.parent.iterdir() if _is_part(file.name, place.name)]
        with ExitStack() as stack:
            opened = {file.name: stack.enter_context(open_regular(file)) for file in parts}
            if _OPEN_FILES.is_dir():
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='estimator_lab_')))
                for name, file in opened.items():
                    (folder / name).symlink_to(_OPEN_FILES / str(file.fileno()))
                self.path = str(folder / place.name)
                weakref.finalize(self, stack.pop_all().close)


def _is_part(name: str, checkpoint: str) -> bool:
    """Whether a file is one of a checkpoint's; a checkpoint of format V1 is a single file."""
    return name in (checkpoint, f'{checkpoint}.index') or name.startswith(f'{checkpoint}.data-')
