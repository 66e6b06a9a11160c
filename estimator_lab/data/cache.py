"""Where what can be made again is kept: indexes of archives, the built-in data set."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Returns this package's folder in $XDG_CACHE_HOME or ~/.cache; it may not exist yet."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'estimator_lab'


def partial_name(path: Path) -> Path:
    """Returns a hidden name beside `path` for it while it is written: two processes never share one."""
    return path.with_name(f'.{path.name}.{os.getpid()}.partial')
