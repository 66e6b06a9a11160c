"""Checks of the metadata of encoded images, before Pillow reads it."""

import re
import struct

from estimator_lab.data.examples.member import BadExampleError

_MOST_TAGS = 2**16
_MOST_NUMBERS = 400_000  # of the tags of a TIFF: a row of each colour in a strip of its own takes fewer
# Bytes of a value by the type of a TIFF's tag; values of one byte are not numbers.
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_TAGS_IN_JPEG = re.compile(rb'\xff(?:\xe1(..)Exif\0\0|\xe2(..)MPF\0)', re.DOTALL)  # as in a TIFF
_EXIF_IN_AVIF = re.compile(rb'infe(?:\x02.{7}|\x03.{9})Exif', re.DOTALL)  # ISO 14496-12, 8.11.6


def check_metadata(data: bytes) -> None:
    """Raises BadExampleError for an image whose metadata would take long to read, or much memory.

    Pillow reads all tags of a TIFF, the tags of EXIF for the resolution of a JPEG, and the places of further
    images in a JPEG, each number as an object: five million take ten seconds and a gigabyte.
    """
    if data.startswith((b'II', b'MM')):
        _check_tags(data)
    elif data.startswith(b'\xff\xd8') and (b'Exif\0\0' in data or b'MPF\0' in data):
        found = list(_TAGS_IN_JPEG.finditer(data))
        for segment in found:
            size = int.from_bytes(segment[1] or segment[2], 'big')
            is_whole = _check_tags(data[segment.end() : segment.start() + 2 + size])
            if not is_whole and len(found) > 1:  # Pillow joins them
                raise BadExampleError('its EXIF is in several pieces: save it without')
    elif data[4:8] == b'ftyp' and _EXIF_IN_AVIF.search(data):
        raise BadExampleError('it is an AVIF with EXIF, all of which would be read: save it without')


def _check_tags(data: bytes) -> bool:
    """Checks the first table of tags of a TIFF; returns whether it is whole.

    Source: TIFF 6.0, section 2, "Image File Directory"; BigTIFF has 64-bit counts and offsets.

    Raises:
      BadExampleError: its tags hold very many numbers, such as offsets of strips, or overlap.
    """
    order, is_big = '<' if data[:2] == b'II' else '>', data[2:3] == b'+'  # as Pillow decides
    numbers = claimed = 0
    try:
        (place,) = struct.unpack_from(f'{order}{"Q" if is_big else "I"}', data, 8 if is_big else 4)
        (tags,) = struct.unpack_from(f'{order}{"Q" if is_big else "H"}', data, place)
        entry = struct.Struct(f'{order}{"2xHQ8x" if is_big else "2xHI4x"}')
        place += 8 if is_big else 2
        for first in range(place, place + min(tags, _MOST_TAGS) * entry.size, entry.size):
            kind, count = entry.unpack_from(data, first)
            size = _VALUE_BYTES.get(kind, 0)
            numbers += count if size > 1 else 0
            claimed += count * size
            if numbers > _MOST_NUMBERS or claimed > len(data):
                raise BadExampleError(f'its metadata claims {claimed:,} bytes, which take too long to read')
    except struct.error:  # it is cut off, as Pillow reports
        return False
    return True
