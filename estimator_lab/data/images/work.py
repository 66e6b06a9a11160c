"""Limits on the time that it takes to decode an image, which a few kilobytes could extend to hours.

A decoder can't be interrupted, so that time is limited in advance: by the pixels of formats that Pillow
decodes in Python, by the pixels and scans of a JPEG, and by the number of pieces in which a file is read.
"""

import contextlib
import io
import struct

from PIL import Image, ImageFile

from estimator_lab.data.images.jpeg import has_too_many_scans
from estimator_lab.data.member import BadExampleError

MAX_PYTHON_PIXELS = 5_000_000
"""Larger images are rejected if Pillow decodes them in Python, at up to 0.7 microseconds a pixel."""

_MOST_READS = 300_000  # a second or less; a PNG of 256 MB in chunks of 8 kB takes a third of them
_MOST_COMMENTS = 1000  # in a plain PNM: Pillow copies up to a megabyte for each
# Bytes of a file for each of its pixels; more are not pixels, but read in Python as well.
_BYTES_A_PIXEL = {'ppm_plain': 20, 'xpm': 4, 'bmp_rle': 3}
_USUAL_BYTES_A_PIXEL = 6
_HEADER_BYTES = 2**20
_MOST_TAGS = 2**16
_MOST_NUMBERS = 400_000  # of a tag of a TIFF: a row of each colour in a strip of its own takes fewer
_NUMBER_TYPES = (3, 4, 5, 8, 9, 10, 11, 12, 13, 16)  # of TIFF tags; the others are bytes
_FAST = ('SGI16',)  # registered as Python code, but it calls C for each colour


class CountedFile(io.BytesIO):
    """The bytes of an image, which end in a BadExampleError if they are read in too many pieces."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Returns the next bytes."""
        self._count()
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Returns the next line."""
        self._count()
        return super().readline(size)

    def _count(self) -> None:
        self._reads += 1
        if self._reads > _MOST_READS:
            raise BadExampleError(f'it has more than {_MOST_READS:,} pieces, which take too long to decode')


def check_tags(data: bytes) -> None:
    """Checks that no tag of a TIFF holds very many numbers, such as offsets of strips; other files pass.

    Pillow makes an object of each when it opens the file: five million take ten seconds and a gigabyte.

    Source: TIFF 6.0, section 2, "Image File Directory"; BigTIFF has 64-bit counts and offsets.

    Raises:
      BadExampleError: one does.
    """
    order = {b'II': '<', b'MM': '>'}.get(data[:2])
    if not order or not {42, 43}.intersection(data[2:4]):
        return
    is_big = data[2] == 43  # as Pillow decides; it reads no big-endian BigTIFF
    with contextlib.suppress(struct.error):  # a file that is cut off, as Pillow reports
        (place,) = struct.unpack_from(f'{order}{"Q" if is_big else "I"}', data, 8 if is_big else 4)
        (tags,) = struct.unpack_from(f'{order}{"Q" if is_big else "H"}', data, place)
        entry = struct.Struct(f'{order}{"HHQ8x" if is_big else "HHI4x"}')
        place += 8 if is_big else 2
        for number in range(min(tags, _MOST_TAGS)):
            tag, kind, count = entry.unpack_from(data, place + number * entry.size)
            if kind in _NUMBER_TYPES and count > _MOST_NUMBERS:
                raise BadExampleError(f'its TIFF tag {tag} has {count:,} numbers: they take too long to read')


def check_work(data: bytes, image: ImageFile.ImageFile) -> None:
    """Checks that an opened image takes no more than a few seconds to decode.

    Args:
      data: its bytes.
      image: before its pixels are loaded; Python decoders then read `data` without counting.

    Raises:
      BadExampleError: it takes longer.
    """
    codecs = {tile[0] for tile in image.tile}
    pixels = image.width * image.height
    if 'jpeg' in codecs:
        check_scans(data, image.width, image.height)
    slow = codecs.intersection(Image.DECODERS).difference(_FAST)
    if not slow:
        return
    each = max(_BYTES_A_PIXEL.get(codec, _USUAL_BYTES_A_PIXEL) for codec in slow)
    comments = data.count(b'#') if 'ppm_plain' in slow else 0
    if pixels > MAX_PYTHON_PIXELS or len(data) > each * pixels + _HEADER_BYTES or comments > _MOST_COMMENTS:
        raise BadExampleError(
            f'{image.width} x {image.height} pixels in {len(data):,} bytes of this kind of {image.format} '
            f'take too long to decode; {MAX_PYTHON_PIXELS:,} pixels are allowed'
        )
    image.fp = io.BytesIO(data)


def check_scans(data: bytes, width: int, height: int) -> None:
    """Raises BadExampleError if a JPEG has too many scans."""
    if has_too_many_scans(data, width, height):
        raise BadExampleError(
            f'it has too many scans of {width} x {height} pixels, which take too long to decode'
        )
