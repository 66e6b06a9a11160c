"""How often a DataLoader of PyTorch has iterated over a stream, as its worker processes count together.

The process that makes a stream is not told when its DataLoader begins another pass: its workers, new or old
ones, only iterate over their copies once more. So they count in a file that all of them see.
"""

import contextlib
import fcntl
import json
import os
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any


class Passes:
    """The number of times that all workers together have begun.

    Attributes:
      number: of the pass that this process is in, from 0.
    """

    def __init__(self) -> None:
        self.number = 0
        self._path: Path | None = None
        if 'torch.utils.data' in sys.modules:
            descriptor, name = tempfile.mkstemp(prefix='estimator_lab_passes_')
            os.close(descriptor)
            self._path = Path(name)
            weakref.finalize(self, _remove, self._path, os.getpid())

    def begin(self, info: Any, has_run: bool) -> int:
        """Returns the number of the pass, from 0, that a worker begins.

        Args:
          info: of the worker. Its seed is that of the pass plus its number.
          has_run: whether this process has been in a pass, and thus begins the one after.
        """
        own = self.number + 1 if has_run else 0
        if self._path:
            seed = info.seed - info.id
            with contextlib.suppress(OSError, ValueError), self._path.open('r+', encoding='utf-8') as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                text = file.read()
                last, number, workers = json.loads(text) if text else (None, -1, [])
                if has_run:
                    number = max(number, own)
                elif seed != last or info.id in workers:  # it is the first one of this pass
                    own, number, workers = number + 1, number + 1, []
                else:
                    own = number
                file.seek(0)
                file.truncate()
                file.write(json.dumps([seed, number, [*workers, info.id]]))
        self.number = own
        return self.number


def _remove(path: Path, process: int) -> None:
    if process == os.getpid():  # not a fork
        with contextlib.suppress(OSError):
            path.unlink()
