"""Small archives for tests."""

import contextlib
import gzip
import io
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(seed: int, height: int = 24, width: int = 32, mode: str = 'RGB') -> Image.Image:
    """Returns a smooth random picture, so that resizing it is well defined."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, kind: str = 'PNG', **options: Any) -> bytes:
    """Returns the picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@contextlib.contextmanager
def piped(path: Path, data: bytes) -> Iterator[Path]:
    """Yields a new pipe, into which a thread writes some data once."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[data], daemon=True)
    writer.start()
    yield path
    writer.join()


def write_tar(path: Path, files: Iterable[tuple[str, bytes]], mode: str = 'w') -> Path:
    """Writes a tar of the given (name, bytes) members."""
    with tarfile.open(path, mode) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    """Writes files below a folder, by their paths in it."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def gzipped(archive: Path) -> Path:
    """Writes ARCHIVE.gz, with the same contents."""
    path = archive.with_name(f'{archive.name}.gz')
    path.write_bytes(gzip.compress(archive.read_bytes(), mtime=0))
    return path


def tar_bytes(
    files: Mapping[str, bytes], format: int = tarfile.GNU_FORMAT, extra: Iterable[tarfile.TarInfo] = ()
) -> bytes:
    """Returns a tar of `extra`, which have no data, and `files`; two zero blocks end it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w', format=format) as tar:
        for info in extra:
            tar.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        end = tar.offset
    return buffer.getvalue()[: end + 1024]


def small_archive(folder: Path) -> Path:
    """Writes train.tar: 24 PNGs of 32x24 pixels, 6 of each of 4 labels, in label order."""
    files = [
        (f'train/n{label:06}/{index:04}_01.png', encoded(picture(10 * label + index)))
        for label in range(4)
        for index in range(6)
    ]
    return write_tar(folder / 'train.tar', files)


def faces_in_cache(archive: Path) -> None:
    """Makes an archive the built-in faces in the cache folder, so that they are not drawn."""
    from estimator_lab.data.demo_sets.archives import DEMO_VERSION
    from estimator_lab.data.sources.files import cache_folder

    faces = cache_folder() / f'demo-v{DEMO_VERSION}-seed0-10x160+40'
    faces.mkdir(parents=True)
    for name in ('train.tar', 'test.tar'):
        (faces / name).write_bytes(archive.read_bytes())
