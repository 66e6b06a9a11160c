"""JPEGs assembled and broken at random, for the fuzzer of the frame parser and for its tests."""

import random
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.archive_files import encoded

SOI = b'\xff\xd8'
EOI = b'\xff\xd9'
_SOS = 0xDA
_WIDTHS = (1, 8, 16, 17, 37, 200, 4000, 65_500, 65_535, 0)
_HEIGHTS = (1, 1, 2, 8, 16, 17, 37, 200, 65_535, 0)
_FRAME_MARKERS = bytes.fromhex('c0 c0 c0 c1 c2 c3 c5 c6 c7 c9 ca cb cd ce cf de')
_SEGMENT_MARKERS = bytes.fromhex('c4 c8 cc db dc dd df e0 e1 e2 ee f0 f7 fe fe fe')

Edit = Callable[[list[bytes], int, random.Random], None]


def segment(marker: int, body: bytes, length: int | None = None) -> bytes:
    """Returns a marker with its segment, whose length field is `length`, by default the true one."""
    return bytes((0xFF, marker)) + (len(body) + 2 if length is None else length).to_bytes(2, 'big') + body


def frame_header(width: int, height: int, components: int = 3, bits: int = 8, marker: int = 0xC0) -> bytes:
    """Returns a frame's segment; the first of three components has twice the resolution of the others."""
    sampling = [0x22 if components == 3 and number == 0 else 0x11 for number in range(components)]
    named = b''.join(bytes((number + 1, each, min(number, 1))) for number, each in enumerate(sampling))
    size = height.to_bytes(2, 'big') + width.to_bytes(2, 'big')
    return segment(marker, bytes((bits,)) + size + bytes((components,)) + named)


def misread_segment(hidden: bytes, marker: int = 0xFE) -> bytes:
    """Returns a fill byte and a segment; a reader that takes the marker for its length jumps to `hidden`."""
    body = bytearray(0xFFFF - 2)
    place = (marker << 8 | 0xFF) - 3
    body[place : place + len(hidden)] = hidden
    return b'\xff' + segment(marker, bytes(body))


def real_jpegs() -> list[bytes]:
    """Returns small JPEGs of all kinds that Pillow writes."""
    pixels = np.random.default_rng(0).integers(0, 256, (23, 37, 3), dtype=np.uint8)
    colour = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    options: list[dict[str, object]] = [
        {},
        {'progressive': True},
        {'optimize': True, 'quality': 30},
        {'subsampling': '4:4:4'},
        {'restart_marker_blocks': 1},
        {'exif': exif, 'comment': b'a comment'},
        {'icc_profile': bytes(range(200)), 'dpi': (72, 72)},
    ]
    images = (colour, colour.convert('L'), colour.convert('CMYK'))
    return [encoded(image, 'JPEG', **each) for image in images for each in options]


def random_jpeg(sources: list[bytes], rng: random.Random) -> bytes:
    """Returns a source with its segments changed, or its bytes, or both."""
    data = rng.choice(sources)
    kind = rng.randrange(4)
    if kind:
        data = _edited(data, rng)
    return _mutated(data, rng) if kind in (0, 1) else data


def parts_of(data: bytes) -> list[bytes]:
    """Splits an intact JPEG into its segments; the last part is from the first scan to the end."""
    parts, place = [], len(SOI)
    while data[place + 1] != _SOS:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], 'big')
        parts.append(data[place:end])
        place = end
    return [*parts, data[place:]]


def _edited(data: bytes, rng: random.Random) -> bytes:
    parts = parts_of(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        edit = rng.choice(_EDITS)
        edit(parts, rng.randrange(len(parts)), rng)
    return SOI + b''.join(parts)


def _insert(parts: list[bytes], place: int, rng: random.Random) -> None:
    parts.insert(place, _oddity(rng))


def _insert_at_end(parts: list[bytes], place: int, rng: random.Random) -> None:
    """Inserts into the last part, mostly the scan, before or after its end marker."""
    last, addition = parts[-1], _oddity(rng)
    parts[-1] = rng.choice([last[:-2] + addition + last[-2:], last + addition, last[:-2] + addition + EOI])


def _resize(parts: list[bytes], place: int, rng: random.Random) -> None:
    """Changes the size of each frame; libjpeg fills a scan that is too short with grey."""
    for number, part in enumerate(parts):
        if len(part) > 9 and 0xC0 <= part[1] <= 0xC2:
            height, width = rng.choice(_HEIGHTS), rng.choice(_WIDTHS)
            parts[number] = part[:5] + height.to_bytes(2, 'big') + width.to_bytes(2, 'big') + part[9:]


def _repeat(parts: list[bytes], place: int, rng: random.Random) -> None:
    parts.insert(rng.randrange(len(parts)), parts[place])


def _move(parts: list[bytes], place: int, rng: random.Random) -> None:
    parts.insert(rng.randrange(len(parts)), parts.pop(place))


def _lie(parts: list[bytes], place: int, rng: random.Random) -> None:
    """Changes the length field of a segment."""
    part = parts[place]
    length = rng.choice([0, 1, 2, 3, len(part) - 3, len(part) - 1, len(part) + 30, rng.randrange(65_536)])
    parts[place] = part[:2] + (length % 65_536).to_bytes(2, 'big') + part[4:]


def _cut(parts: list[bytes], place: int, rng: random.Random) -> None:
    parts[place] = parts[place][: max(2, rng.randrange(len(parts[place]) + 1))]


_INSERTS: tuple[Edit, ...] = (_insert, _insert, _insert, _insert_at_end)
_EDITS = (*_INSERTS, _resize, _resize, _repeat, _move, _lie, _cut)


def _oddity(rng: random.Random) -> bytes:
    """Returns bytes that may or may not be valid between two segments."""
    frame = frame_header(
        rng.choice(_WIDTHS),
        rng.choice(_HEIGHTS),
        rng.choice([1, 3, 3, 4]),
        rng.choice([8, 8, 8, 12]),
        rng.choice(_FRAME_MARKERS),
    )
    hidden = rng.choice([frame, frame * 20, SOI + frame, rng.randbytes(rng.randrange(40))])
    marker = rng.choice(_SEGMENT_MARKERS)
    length = rng.choice([None, None, None, 0, 1, 2, rng.randrange(65_536)])
    whole = segment(marker, hidden, length)
    fill = b'\xff' * rng.randrange(1, 4)
    alone = bytes((0xFF, rng.choice([0x00, 0x01, 0x02, 0xBF, *range(0xD0, 0xDA)])))
    adobe = segment(0xEE, b'Adobe\0d\0\0\0\0' + bytes((rng.randrange(3),)))
    interval = segment(0xDD, bytes((0, rng.randrange(5))))
    misread = misread_segment(frame, rng.choice([0xE0, 0xE1, 0xFE]))
    oddities = [frame, whole, whole, fill, fill + whole, misread, alone, alone + whole, adobe, interval]
    return rng.choice([*oddities, b'junk', EOI + SOI])


def _mutated(data: bytes, rng: random.Random) -> bytes:
    """Returns the data with some of its first 700 bytes changed, lost or added, mostly to special values."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        place = rng.randrange(len(SOI), min(len(changed), 700))
        value = rng.choice(
            [0x00, 0x01, 0x02, 0xFF, 0xC0, 0xC2, 0xD8, 0xD9, 0xDA, 0xE0, 0xFE, rng.randrange(256)]
        )
        kind = rng.randrange(4)
        if kind == 0:
            del changed[place]
        elif kind == 1:
            changed.insert(place, value)
        else:
            changed[place] = value
    return bytes(changed)
