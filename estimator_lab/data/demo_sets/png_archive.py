"""Arrays of images -> a tar archive of PNGs, `train/7/00015.png`."""

import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from estimator_lab.base.whole_files import whole_file
from estimator_lab.errors import DataError


def write_png_archive(path: Path, part: str, images: Iterable[np.ndarray], labels: Iterable[str]) -> None:
    """Writes an archive, compressed with gzip; the same images give the same bytes.

    Args:
      path: of the archive.
      part: the first folder in the names of its members.
      images: uint8 [height, width] or [height, width, 3] each.
      labels: of the images, names of folders.

    Raises:
      DataError: it can't be written.
    """
    try:
        # No time and no name in gzip's header.
        with (
            whole_file(path, replaces=False) as file,
            gzip.GzipFile('', 'wb', fileobj=file, mtime=0) as stream,
            tarfile.open(fileobj=stream, mode='w', format=tarfile.USTAR_FORMAT) as archive,
        ):
            for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
                data = io.BytesIO()
                Image.fromarray(pixels).save(data, 'PNG')
                header = tarfile.TarInfo(f'{part}/{label}/{number:05}.png')
                header.size = data.tell()
                data.seek(0)
                archive.addfile(header, data)
    except OSError as error:
        raise DataError(f'{error.filename or path} cannot be used: {error.strerror or error}.') from error
