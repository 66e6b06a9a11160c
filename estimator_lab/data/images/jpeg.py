"""JPEG bytes straight to Pillow's decoder.

`Image.open` parses all segments of a JPEG in Python while it holds the interpreter's lock: 70 microseconds, a
quarter of the decoding time. Here only the frame header is searched.

Before Pillow 13, its raw decoder writes lines as wide as libjpeg finds them into an image as wide as the
caller says. So only headers that libjpeg reads in one way alone are accepted, and libjpeg gets the frame
header first: it uses the size found here, and a different one ends the decoding.
"""

import re
from typing import NamedTuple

from PIL import Image

_SOI = b'\xff\xd8'
# Start of frame: baseline, extended and progressive, Huffman-coded. Others are left to Pillow's own reader.
_FRAMES = (0xC0, 0xC1, 0xC2)
_PROGRESSIVE = 0xC2
_SOS = 0xDA
_MARKER = re.compile(rb'\xff([^\x00\x01\xd0-\xd7\xff])', re.DOTALL)  # of a segment, or the end
MAX_SCANNED_PIXELS = 40 * 64_000_000
"""Limit for pixels times scans."""
_LEAST_SCANNED = 10_000  # a scan of fewer pixels takes as long
_MOST_SEGMENTS = 10_000  # a file of 256 MB has 4,000 of the largest size
# Segments allowed besides the frame before the first scan: Huffman and quantization tables, the restart
# interval, application data and comments. libjpeg reads each to its stated length, or fails.
_SKIPPED = frozenset((0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE))
_MODES = {1: 'L', 3: 'RGB'}
_MARKER_BYTES = 2
_SIZED_BYTES = 4  # a marker and the length of its segment, which counts itself
_FRAME_BYTES = 10  # of a frame's segment before its components
_COMPONENT_BYTES = 3
_COEFFICIENT_BYTES = 2
_SCALES = (8, 4, 2)  # of libjpeg's inverse DCT


class Frame(NamedTuple):
    """The frame header of a JPEG.

    Attributes:
      height: in pixels, at least 1.
      width: in pixels, at least 1.
      components: 1 for grey, 3 for colour.
      place: offset of the header's marker in the data.
      in_one_pass: whether the first scan holds the whole image, so that libjpeg can decode it line by line;
        else it keeps 16 bits for each value until the last scan.
    """

    height: int
    width: int
    components: int
    place: int
    in_one_pass: bool = True

    @property
    def end(self) -> int:
        """Offset of the end of the header."""
        return self.place + _FRAME_BYTES + _COMPONENT_BYTES * self.components


def frame_of(data: bytes) -> Frame | None:
    """Returns the frame of an ordinary 8-bit JPEG, None for anything else.

    In an ordinary JPEG, one frame is among complete segments that libjpeg and Pillow both skip, up to the
    first scan: with no bytes between segments (fill bytes are legal, but rare), no second frame, no marker
    without a segment.
    """
    if data[:2] != _SOI:
        return None
    frame = None
    place = len(_SOI)
    for _ in range(_MOST_SEGMENTS):
        if place + _SIZED_BYTES > len(data) or data[place] != 0xFF:
            return None
        marker = data[place + 1]
        length = data[place + 2] << 8 | data[place + 3]
        end = place + _MARKER_BYTES + length
        if length < 2 or end > len(data):
            return None
        if marker == _SOS:
            if frame and not _is_in_one_pass(data, frame, place):
                return frame._replace(in_one_pass=False)
            return frame
        if marker in _FRAMES and frame is None:
            frame = _frame_at(data, place, end)
            if frame is None:
                return None
        elif marker not in _SKIPPED:
            return None
        place = end
    return None


def has_too_many_scans(data: bytes, width: int, height: int) -> bool:
    """Whether a JPEG has so many scans that decoding takes longer than a few seconds.

    A scan without data takes ten bytes of a file, and 0.6 nanoseconds for each pixel. Usual files have ten
    scans; `MAX_SCANNED_PIXELS` allows forty of the largest image.
    """
    most = MAX_SCANNED_PIXELS // max(width * height, _LEAST_SCANNED)
    if data.count(b'\xff\xda') <= most:  # some of these may be in comments, or after the image
        return False
    scans, place = 0, len(_SOI)
    for _ in range(_MOST_SEGMENTS + most):
        found = _MARKER.search(data, place)
        if not found or found[1] == b'\xd9':  # the end
            return scans > most
        scans += found[1] == b'\xda'
        place = found.end() + max(int.from_bytes(data[found.end() : found.end() + 2], 'big'), 2)
    return True


def decode_frame(data: bytes, frame: Frame, scale: int = 1, is_grey: bool = False) -> Image.Image:
    """Decodes a JPEG to the pixels that `Image.open` would give.

    Args:
      data: the JPEG.
      frame: its frame.
      scale: 1, 2, 4 or 8, by which the decoder scales it down.
      is_grey: whether only the luminance is decoded.

    Returns:
      An image of mode L or RGB, in the frame's size divided by `scale` and rounded up.

    Raises:
      ValueError: the data is damaged or incomplete, or has another frame too.
    """
    mode = 'L' if is_grey else _MODES[frame.components]
    size = -(-frame.width // scale), -(-frame.height // scale)
    # Tables and application data take effect at the first scan, so that the frame may precede them.
    parts = memoryview(data)
    frame_first = b''.join((_SOI, parts[frame.place : frame.end], parts[2 : frame.place], parts[frame.end :]))
    return Image.frombytes(mode, size, frame_first, 'jpeg', mode, '', scale, 0)


def scale_for(frame: Frame, height: int, width: int, slack: float) -> int:
    """Returns the largest scale that leaves at least `slack` times the requested size in both directions."""
    for scale in _SCALES:
        if frame.height >= slack * height * scale and frame.width >= slack * width * scale:
            return scale
    return 1


def bytes_to_decode(frame: Frame, scale: int = 1) -> int:
    """Returns the bytes of memory of a decoder; Pillow uses four for a pixel in colour."""
    pixels = frame.height * frame.width
    kept = 0 if frame.in_one_pass else pixels * frame.components * _COEFFICIENT_BYTES
    return kept + pixels // scale**2 * (1 if frame.components == 1 else 4)


def _is_in_one_pass(data: bytes, frame: Frame, scan: int) -> bool:
    """Whether the scan at offset `scan` is the only one."""
    components = data[scan + _SIZED_BYTES : scan + _SIZED_BYTES + 1]
    return data[frame.place + 1] != _PROGRESSIVE and components == bytes((frame.components,))


def _frame_at(data: bytes, place: int, end: int) -> Frame | None:
    """Returns the frame in segment `data[place:end]`; None if it is not an ordinary one."""
    if end - place < _FRAME_BYTES:
        return None
    height = data[place + 5] << 8 | data[place + 6]
    width = data[place + 7] << 8 | data[place + 8]
    frame = Frame(height, width, data[place + 9], place)
    ordinary = data[place + 4] == 8 and height and width and frame.components in _MODES and frame.end == end
    return frame if ordinary else None
