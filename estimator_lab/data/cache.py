"""The cache folder, and files that appear whole or not at all."""

import filecmp
import os
from pathlib import Path

from estimator_lab.errors import DataError


def cache_folder() -> Path:
    """Returns this package's folder in $XDG_CACHE_HOME or ~/.cache; it may not exist yet."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'estimator_lab'


def publish(partial: Path, path: Path) -> None:
    """Renames a finished file, without replacing another one.

    Raises:
      DataError: a different file of that name exists.
      OSError: it can't be renamed.
    """
    if os.path.lexists(path) and not (path.is_file() and filecmp.cmp(partial, path, shallow=False)):
        raise DataError(f'{path} exists already and differs: name another folder.')
    partial.replace(path)


def partial_name(path: Path) -> Path:
    """Returns a hidden name in the folder of `path` for the time of writing, different in each process."""
    return path.with_name(f'.{path.name}.{os.getpid()}.partial')
