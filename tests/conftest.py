"""Shared by all tests: a fresh interpreter, small archives, where the shared data lies."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / 'shared'
_SET_BY_TF1 = ('TF_CPP_MIN_LOG_LEVEL', 'TF_ENABLE_ONEDNN_OPTS', 'TF_USE_LEGACY_KERAS')


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python in a process of its own, where nothing is imported yet."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if k not in _SET_BY_TF1}
        return subprocess.run(
            [sys.executable, *arguments],
            env={**inherited, 'PYTHONPATH': str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def shared_data() -> Path:
    """The folder of the shared archives, which users of the package do not have."""
    folder = SHARED / 'data'
    if not folder.is_dir():
        pytest.skip(f'{folder} is not on this machine')
    return folder


def picture(seed: int, height: int = 24, width: int = 32, mode: str = 'RGB') -> Image.Image:
    """Returns a smooth random picture, so that resizing it is well defined."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, kind: str = 'PNG') -> bytes:
    """Returns the picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def write_tar(path: Path, files: Iterable[tuple[str, bytes]], mode: str = 'w') -> Path:
    """Writes a tar of the given (name, bytes) members."""
    with tarfile.open(path, mode) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A tar of 24 PNGs of 32x24 pixels, 6 of each of 4 labels, in label order."""
    files = [
        (f'train/n{label:06}/{index:04}_01.png', encoded(picture(10 * label + index)))
        for label in range(4)
        for index in range(6)
    ]
    return write_tar(tmp_path / 'train.tar', files)
