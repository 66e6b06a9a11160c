"""What a model has made of noise, as an archive."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from estimator_lab.core.display.picture import as_picture, png_bytes


def write_archive(path: Path, batches: Iterator[tuple[np.ndarray, list[str]]]) -> int:
    """Writes samples as a tar archive that can be trained on; returns how many there were.

    Args:
      path: the archive; its members are LABEL/000012.png, or samples/000012.png without labels.
      batches: samples float32 [n, height, width, channels] in [0, 1], some at a time, with their n labels.

    Raises:
      OSError: if it can't be written.
    """
    number = 0
    with tarfile.open(path, 'w') as archive:
        for images, labels in batches:
            for image, label in zip(images, labels, strict=True):
                data = png_bytes(as_picture(image))
                info = tarfile.TarInfo(f'{label or "samples"}/{number:06}.png')
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
                number += 1
    return number
