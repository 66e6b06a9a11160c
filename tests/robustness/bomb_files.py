"""Small files that claim to be large, or that expand to gigabytes."""

import gzip
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from tests.archive_files import encoded

LABELS = 4


def images_of(size: tuple[int, int]) -> dict[str, bytes]:
    """Returns intact images of one colour, a few kilobytes each, by file name."""
    palette = Image.new('P', size)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    colour = Image.new('RGB', size, (200, 100, 50))
    return {
        'palette.png': encoded(palette, 'PNG', bits=1, transparency=0),
        'alpha.png': encoded(Image.new('RGBA', size, (9, 9, 9, 9)), 'PNG'),
        'deep.png': encoded(Image.fromarray(np.zeros(size[::-1], np.uint16)), 'PNG'),
        'baseline.jpg': encoded(colour, 'JPEG'),
        'progressive.jpg': encoded(colour, 'JPEG', progressive=True, subsampling='4:4:4'),
        'inks.jpg': encoded(Image.new('CMYK', size), 'JPEG'),
        'frame.gif': encoded(palette, 'GIF'),
        'strip.tif': encoded(colour, 'TIFF', compression='tiff_lzw', tiffinfo={278: size[1]}),
        'lossless.webp': encoded(colour, 'WEBP', lossless=True),
    }


def header(name: str, size: int) -> tarfile.TarInfo:
    """Returns the header of a member."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def zeros(path: Path, members: int, size: int) -> None:
    """Writes a gzip archive of members of zeros."""
    with gzip.open(path, 'wb', compresslevel=1) as file:
        block = bytes(2**20)
        for number in range(members):
            file.write(header(f'n{number % LABELS}/{number}.png', size).tobuf())
            left = size + -size % 512
            while left:
                left -= file.write(block[:left])
        file.write(bytes(1024))
