"""JPEG bytes straight to Pillow's decoder.

`Image.open` walks over all segments of a JPEG in Python, with the interpreter's lock held: 70 microseconds,
as long as a quarter of the decoding. Here only the frame header is looked for.
"""

from typing import NamedTuple

from PIL import Image

_SOI = b'\xff\xd8'
# Start of frame: baseline, extended and progressive, Huffman-coded. Others are left to Pillow's own reader.
_FRAMES = (0xC0, 0xC1, 0xC2)
_STANDALONE = (0x01, *range(0xD0, 0xDA))
_MODES = {1: 'L', 3: 'RGB'}
_SCALES = (8, 4, 2)  # what libjpeg divides by as it transforms back from frequencies


class Frame(NamedTuple):
    """Size in pixels and number of colour components of a JPEG; 1 is grey, 3 is colour, 4 is for print."""

    height: int
    width: int
    components: int


def frame_of(data: bytes) -> Frame | None:
    """Returns the frame of an ordinary JPEG of 8 bits, None for anything else."""
    if data[:2] != _SOI:
        return None
    place = 2
    while data[place : place + 1] == b'\xff' and place + 10 <= len(data):
        marker = data[place + 1]
        if marker in _FRAMES:
            height = int.from_bytes(data[place + 5 : place + 7], 'big')
            width = int.from_bytes(data[place + 7 : place + 9], 'big')
            ordinary = data[place + 4] == 8 and height and width and data[place + 9] in _MODES
            return Frame(height, width, data[place + 9]) if ordinary else None
        if marker in _STANDALONE:
            return None
        place += 2 + int.from_bytes(data[place + 2 : place + 4], 'big')
    return None


def decode_frame(data: bytes, frame: Frame, grey: bool = False, scale: int = 1) -> Image.Image:
    """Decodes a JPEG to the pixels that `Image.open` would give.

    Args:
      data: the JPEG.
      frame: its frame.
      grey: whether only its luminance is wanted, the first component; the others are then not computed.
      scale: 1, 2, 4 or 8: the image comes smaller by so much, computed from the low frequencies alone.

    Returns:
      An image of mode L or RGB, of size ceil(width / scale) x ceil(height / scale).

    Raises:
      ValueError: the data is damaged or incomplete.
    """
    mode = 'L' if grey else _MODES[frame.components]
    size = (-(-frame.width // scale), -(-frame.height // scale))
    return Image.frombytes(mode, size, data, 'jpeg', mode, '', scale, 0)


def scale_for(frame: Frame, height: int, width: int, slack: float) -> int:
    """Returns the largest scale that leaves at least `slack` times the wanted size in both directions."""
    for scale in _SCALES:
        if frame.height >= slack * height * scale and frame.width >= slack * width * scale:
            return scale
    return 1
