"""Small files that would take minutes or hours to decode are bad images; others are decoded as before."""

import struct

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.images import jpeg, work
from estimator_lab.data.images.decode import decode_image, open_image, shrink_image
from estimator_lab.data.images.reader import DECODERS
from estimator_lab.data.member import BadExampleError
from tests.archive_files import encoded, picture

ALL = {**DECODERS, 'shrink': shrink_image}


def progressive(scans, side=500):
    """A progressive JPEG whose last scan is repeated."""
    data = encoded(Image.new('RGB', (side, side), (9, 99, 200)), 'JPEG', progressive=True)
    last = data.rindex(b'\xff\xda')
    return data[:last] + data[last:-2] * (scans - data.count(b'\xff\xda') + 1) + data[-2:]


@pytest.mark.parametrize('decoder', ALL.values(), ids=ALL)
def test_a_jpeg_of_20_000_scans_is_a_bad_image(decoder):
    with pytest.raises(BadExampleError, match='too many scans of 500 x 500 pixels'):
        decoder(progressive(20_000), 8, 8)


def test_the_limit_is_of_pixels_times_scans(monkeypatch):
    monkeypatch.setattr(jpeg, 'MAX_SCANNED_PIXELS', 12 * 200**2)
    assert decode_image(progressive(12, 200), 8, 8).shape == (8, 8, 1)
    assert decode_image(progressive(40, 100), 8, 8).shape == (8, 8, 1)
    # A file that `frame_of` leaves to Pillow, as it has a fill byte.
    for data in (progressive(13, 200), b'\xff\xd8\xff' + progressive(13, 200)[2:], progressive(60, 10)):
        with pytest.raises(BadExampleError, match='too many scans'):
            decode_image(data, 8, 8)


def test_only_scans_of_the_image_count(monkeypatch):
    plain = encoded(picture(1, 200, 200), 'JPEG', progressive=True)
    expected = decode_image(plain, 8, 8)
    monkeypatch.setattr(jpeg, 'MAX_SCANNED_PIXELS', 20 * 200**2)
    comment = b'\xff\xfe' + struct.pack('>H', 2 + 2000) + b'\xff\xda' * 1000
    for data in (
        plain[:2] + comment + plain[2:],
        plain[:-2] + comment + plain[-2:],
        plain + b'\xff\xda' * 1000,
    ):
        assert np.array_equal(decode_image(data, 8, 8), expected)
    monkeypatch.setattr(jpeg, '_MOST_SEGMENTS', 50)
    with pytest.raises(BadExampleError, match='too many scans'):
        decode_image(plain[:-2] + b'\xff\xfe\0\2' * 90 + comment + plain[-2:], 8, 8)


# Formats that Pillow decodes in Python.


def bitmap(width, height):
    """A BMP with runs of one pixel."""
    rows = (b'\1\7' * width + b'\0\0') * height + b'\0\1'
    start = 14 + 40 + 1024
    header = struct.pack('<IiiHHIIiiII', 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return b'BM' + struct.pack('<IHHI', start + len(rows), 0, 0, start) + header + bytes(1024) + rows


def pixmap(width, height):
    rows = (b'"' + b'a' * width + b'",\n') * height
    return (
        b'/* XPM */\nstatic char *x[] = {\n"%d %d 1 1",\n"a c #070707",\n' % (width, height) + rows + b'};\n'
    )


def surface(width, height):
    """A DDS without compression."""
    size = struct.pack('<5I', 124, 0x1007, height, width, 0)
    pixels = struct.pack('<8I', 32, 0x40, 0, 24, 0xFF0000, 0xFF00, 0xFF, 0)
    return b'DDS ' + size + bytes(52) + pixels + struct.pack('<I', 0x1000) + bytes(16 + 3 * width * height)


IN_PYTHON = {
    'plain bits': lambda width, height: b'P1 %d %d\n' % (width, height) + b'0 ' * width * height,
    'plain grey': lambda width, height: b'P2 %d %d 255\n' % (width, height) + b'9 ' * width * height,
    'plain colour': lambda width, height: b'P3 %d %d 255\n' % (width, height) + b'100 ' * 3 * width * height,
    'odd maximum': lambda width, height: b'P5 %d %d 100\n' % (width, height) + bytes(width * height),
    'runs': bitmap,
    'pixmap': pixmap,
    'surface': surface,
    'qoi': lambda width, height: (
        b'qoif'
        + struct.pack('>IIBB', width, height, 3, 0)
        + b'\xfe\1\2\3' * width * height
        + bytes(7)
        + b'\1'
    ),
}


@pytest.mark.parametrize('make', IN_PYTHON.values(), ids=IN_PYTHON)
def test_what_pillow_decodes_in_python_has_fewer_pixels(make, monkeypatch):
    monkeypatch.setattr(work, '_HEADER_BYTES', 1200)  # of a BMP
    monkeypatch.setattr(work, 'MAX_PYTHON_PIXELS', 600)
    assert open_image(make(30, 20)).size == (30, 20)
    with pytest.raises(
        BadExampleError, match=r'^30 x 21 pixels in .* take too long .*; 600 pixels are allowed'
    ):
        open_image(make(30, 21))


@pytest.mark.parametrize(
    'data',
    [
        pixmap(9, 9).replace(b'"aaaaaaaaa"', b'"' + b'a' * 2**21 + b'"'),
        bitmap(9, 9)[:-2] + b'\0\2\0\0' * 2**19 + b'\0\1',  # moves by no pixels
        b'P2 9 9 255\n' + b'#\n' * 2000 + b'9 ' * 81,
        b'P1 9 9\n' + b' ' * 2**21,
    ],
    ids=['long line', 'empty moves', 'comments', 'spaces'],
)
def test_bytes_that_are_not_pixels_are_limited_too(data):
    with pytest.raises(BadExampleError, match='take too long to decode'):
        open_image(data)


# Headers, which Pillow reads in Python for every format.


def chunks(count):
    data = encoded(picture(1))
    place = data.index(b'IDAT') - 4
    return data[:place] + (bytes(4) + b'IDAT' + b'\x35\xaf\x06\x1e') * count + data[place:]


@pytest.mark.parametrize(
    'data',
    [
        b'\xff\xd8' + b'\xff' * 5000 + encoded(picture(1), 'JPEG')[2:],
        b'\xff\xd8' + b'\xff\xfe\0\2' * 5000 + b'\xff' + encoded(picture(1), 'JPEG')[2:],
        b'P5 #' + b'x' * 5000 + b'\n9 9 255\n' + bytes(81),
        chunks(1000),
        encoded(picture(1), 'GIF')[:781]
        + b'!\xfe'
        + b'\1x' * 5000
        + b'\0'
        + encoded(picture(1), 'GIF')[781:],
        b'/* XPM */\n' + b'\n' * 5000 + pixmap(9, 9)[10:],
    ],
    ids=['fill bytes', 'comments', 'long comment', 'chunks', 'blocks', 'lines'],
)
def test_files_in_very_many_pieces_are_bad_images(data, monkeypatch):
    assert open_image(data).size in ((32, 24), (9, 9))
    monkeypatch.setattr(work, '_MOST_READS', 1000)
    with pytest.raises(BadExampleError, match='more than 1,000 pieces'):
        open_image(data)


def tiff(strips, order, big):
    """A TIFF of 10 x 10 black pixels that lists a number of strips of one row, all at its beginning."""
    count, number, inline, start = ('Q', 'Q', 8, 16) if big else ('H', 'I', 4, 8)
    lists = start + struct.calcsize(f'={count}') + 9 * (4 + 2 * inline) + inline
    values = {256: 10, 257: 10, 258: 8, 259: 1, 262: 1, 273: lists, 277: 1, 278: 1, 279: lists + 4 * strips}
    head = (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(f'{order}I', start)
    if big:
        head = b'II+\0' + struct.pack('<HHQ', 8, 0, start)
    directory = struct.pack(f'{order}{count}', len(values))
    for tag, value in values.items():
        length = strips if tag in (273, 279) else 1
        directory += struct.pack(f'{order}HH{number}{number}', tag, 4, length, value)
    sizes = struct.pack(f'{order}{strips}I', *[10] * strips)
    return head + directory + bytes(inline) + struct.pack(f'{order}{strips}I', *[0] * strips) + sizes


@pytest.mark.parametrize(('order', 'big'), [('<', False), ('>', False), ('<', True)])
def test_a_tiff_of_very_many_strips_is_a_bad_image(order, big, monkeypatch):
    monkeypatch.setattr(work, '_MOST_NUMBERS', 100)
    assert open_image(tiff(100, order, big)).size == (10, 10)
    with pytest.raises(BadExampleError, match='its TIFF tag 273 has 101 numbers: they take too long'):
        open_image(tiff(101, order, big))
