"""Where what can be made again is kept: indexes of archives, the built-in data set."""

import filecmp
import os
from pathlib import Path

from estimator_lab.errors import DataError


def cache_folder() -> Path:
    """Returns this package's folder in $XDG_CACHE_HOME or ~/.cache; it may not exist yet."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'estimator_lab'


def publish(partial: Path, path: Path) -> None:
    """Gives a finished file its name, which no other file loses by it.

    Raises:
      DataError: a file of that name holds something else.
      OSError: it can't be renamed.
    """
    if os.path.lexists(path) and not (path.is_file() and filecmp.cmp(partial, path, shallow=False)):
        raise DataError(f'{path} is there already, and holds something else: name another folder.')
    partial.replace(path)


def partial_name(path: Path) -> Path:
    """Returns a hidden name beside `path` for it while it is written: two processes never share one."""
    return path.with_name(f'.{path.name}.{os.getpid()}.partial')
