"""Opens a page in a headless Chromium, as a person would see it."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from PIL import Image

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
_FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--hide-scrollbars')


def screenshot(url: str, path: Path, size: tuple[int, int] = (1200, 800), seconds: int = 30) -> Image.Image:
    """Returns a picture of a page, which is also written; skips the test without a Chromium.

    Args:
      url: of the page.
      path: of the picture, a PNG.
      size: of the window, in pixels.
      seconds: of the page's own clock, which its scripts have.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip('no Chromium on this machine: apt-get install chromium')
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = (f'--user-data-dir={profile}', f'--screenshot={path}', f'--window-size={size[0]},{size[1]}')
        budget = f'--virtual-time-budget={1000 * seconds}'
        subprocess.run([program, *_FLAGS, *flags, budget, url], capture_output=True, timeout=300, check=True)
    with Image.open(path) as picture:
        return picture.convert('RGB')


def colours(picture: Image.Image) -> int:
    """Returns the number of different colours of a picture."""
    return len(picture.getcolors(picture.width * picture.height) or ())
