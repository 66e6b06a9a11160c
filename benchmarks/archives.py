"""Images of archives as arrays, and archives of images."""

import io
import itertools
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from estimator_lab.data.examples.labels import label_of
from estimator_lab.data.examples.member import Member
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.source import source_of


def stream_members(archive: str | Path) -> Iterator[Member]:
    """Yields the images of an archive with their data, in the stored order."""
    return scan_members(source_of(str(archive)), IMAGES, Scan())


def read_images(
    archive: str | Path, side: int = 28, channels: int = 1, count: int = 0
) -> tuple[np.ndarray, list[str]]:
    """Returns images uint8 [n, side, side, channels] and their labels; the first `count`, or all for 0."""
    members = list(itertools.islice(stream_members(archive), count or None))
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda member: decode_image(member.data, side, side, channels), members))
    return np.stack(images), [label_of(member.name) for member in members]


def write_tar(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Writes (name, bytes) as the members of an archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, 'w') as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
