"""The line above each benchmark's figures: what they were measured with."""

import os
import platform
from importlib.metadata import version


def this_machine() -> str:
    """Returns the versions of TensorFlow and Python, how many cores there are, and what they do already."""
    return (
        f'TensorFlow {version("tensorflow")}, Python {platform.python_version()}, {os.cpu_count()} cores, '
        f'load {os.getloadavg()[0]:.1f} before the start'
    )
