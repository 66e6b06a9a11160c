"""The cache folder."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Returns this package's folder in $XDG_CACHE_HOME or ~/.cache; it may not exist yet."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'estimator_lab'
