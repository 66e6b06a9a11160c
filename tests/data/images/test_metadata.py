"""What describes an image, such as EXIF, is not read, and changes no pixel."""

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image, features

from estimator_lab.data.examples.member import BadExampleError, or_why
from estimator_lab.data.images import decode
from estimator_lab.data.images.decode import ImageShape, decode_image, open_image
from estimator_lab.data.images.export import decode_batch
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.tf1 import tf
from tests.support.archive_files import encoded, picture
from tests.support.decoders import DECODERS
from tests.support.memory import peak_of

pytestmark = pytest.mark.both

ORIENTATION, EXIF, GPS = 274, 34_665, 34_853
NUMBERS = 300_000
FORMATS = [
    *('JPEG', 'PNG', 'WEBP'),
    pytest.param(
        'AVIF', marks=pytest.mark.skipif(not features.check('avif'), reason='this Pillow decodes no AVIF')
    ),
]


def turned(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


@pytest.mark.parametrize('kind', FORMATS)
@pytest.mark.parametrize('orientation', [1, 3, 6])
def test_no_orientation_is_applied(kind, orientation):
    image = picture(3)
    options = {'JPEG': {'quality': 90}, 'WEBP': {'lossless': True}, 'AVIF': {'quality': 95}}.get(kind, {})
    plain, data = (encoded(image, kind, **options, exif=turned(number)) for number in (1, orientation))
    expected = np.array(Image.open(io.BytesIO(plain)).convert('RGB'))
    assert expected.shape == (24, 32, 3)
    for decoder in DECODERS.values():
        assert np.array_equal(decoder(data, 24, 32, 3), decoder(plain, 24, 32, 3))
        assert np.abs(decoder(data, 24, 32, 3) - expected.astype(int)).max() <= 2
    assert IMAGES.examine(data)[:3] == (32, 24, 3)
    assert np.array_equal(open_image(data), expected)


@pytest.mark.parametrize('options', [{}, {'compression': 'tiff_lzw'}, {'big_tiff': True}])
def test_a_tiff_that_pillow_would_turn_is_a_bad_example(options):
    image = picture(3)
    assert np.array_equal(decode_image(encoded(image, 'TIFF', exif=turned(1), **options), 24, 32, 3), image)
    with pytest.raises(BadExampleError, match='it is a TIFF with an orientation or EXIF'):
        decode_image(encoded(image, 'TIFF', exif=turned(8), **options), 24, 32, 3)


def test_a_jpeg_keeps_its_usual_metadata():
    exif = turned(6)
    exif[0x0128], exif[0x011A], exif[EXIF] = 2, 300.0, {36_864: b'0232'}
    data = encoded(picture(3), 'JPEG', exif=exif, dpi=(0, 0))
    assert np.array_equal(decode_image(data, 24, 32, 3), decode_image(encoded(picture(3), 'JPEG'), 24, 32, 3))
    two = io.BytesIO()
    picture(3).save(two, 'MPO', exif=exif, save_all=True, append_images=[picture(4)])
    assert decode_image(two.getvalue(), 24, 32, 3).shape == (24, 32, 3)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_exports_apply_no_orientation(kind):
    data = encoded(picture(3), kind, exif=turned(6))
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = session.run(decode_batch(tf.constant([data]), ImageShape(24, 32, 3)))
    assert np.array_equal(pixels[0], decode_image(data, 24, 32, 3))


def table(tag):
    """Returns a TIFF's header, and a table of one tag with many numbers."""
    return b'MM\0*' + struct.pack('>IHHHIII', 8, 1, tag, 3, NUMBERS, 26, 0) + b'\2\0' * NUMBERS


def tiff_with(tag):
    """Returns a TIFF of 8x8 pixels, of which one tag leads to a table of many numbers."""
    exif = Image.Exif()
    exif[tag] = 1
    data = bytearray(encoded(picture(1, 8, 8), 'TIFF', tiffinfo={tag: 1}))
    entry = re.search(struct.pack('<HHI', tag, 4, 1) + b'....', data, re.DOTALL)
    struct.pack_into('<I', data, entry.end() - 4, len(data))
    return bytes(data) + struct.pack('<HHHIII', 1, 36_864, 3, NUMBERS, len(data) + 18, 0) + bytes(2 * NUMBERS)


def jpeg_with(exif):
    data = encoded(picture(1, 8, 8), 'JPEG')
    pieces = [exif[start : start + 60_000] for start in range(0, len(exif), 60_000)]
    segments = (b'Exif\0\0' + piece for piece in pieces)
    jfif = data.index(b'\xff\xdb')  # without the JFIF header, which has the resolution
    marked = (b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment for segment in segments)
    return data[:2] + b''.join(marked) + data[jfif:]


def overlapping(kind=3, tags=4000, most=15_000):
    """Returns a table of many tags, each with all bytes of it."""
    entries = b''.join(struct.pack('>HHII', 1000 + n, kind, most, 8) for n in range(tags))
    return b'MM\0*' + struct.pack('>IH', 8, tags) + entries + bytes(8)


def in_a_jpeg(name, tables):
    data = encoded(picture(1, 8, 8), 'JPEG')
    return data[:2] + name[:2] + struct.pack('>H', len(name) + len(tables)) + name[2:] + tables + data[2:]


def hostile():
    yield 'jpeg', lambda: jpeg_with(table(0x0128))
    yield 'table in a later piece', lambda: jpeg_with(b'MM\0*' + struct.pack('>I', 60_000) + bytes(120_000))
    yield 'overlapping tags of a jpeg', lambda: in_a_jpeg(b'\xff\xe1Exif\0\0', overlapping())
    yield 'overlapping tags of an mpo', lambda: in_a_jpeg(b'\xff\xe2MPF\0', overlapping())
    yield 'overlapping tags of a tiff', lambda: overlapping(kind=1)
    yield 'exif of a tiff', lambda: tiff_with(EXIF)
    yield 'gps of a tiff', lambda: tiff_with(GPS)
    if features.check('avif'):
        yield 'avif', lambda: encoded(picture(1, 8, 8), 'AVIF', exif=numbers_and_a_turn())


def numbers_and_a_turn():
    """Returns EXIF that Pillow writes anew when it opens an AVIF: its turn is stored elsewhere."""
    exif = turned(6)
    exif[0xC000] = (700,) * NUMBERS
    return exif


@pytest.mark.parametrize('make', [pytest.param(make, id=name) for name, make in hostile()])
def test_metadata_of_many_numbers_makes_a_bad_example_and_is_not_read(make):
    data = make()
    for kind in ('JPEG', 'TIFF'):
        decode_image(encoded(picture(1), kind), 8, 8)  # imports what Pillow needs
    found, peak = peak_of(lambda: or_why(lambda data: decode_image(data, 8, 8, 3), data))
    assert isinstance(found, BadExampleError) and re.search(r'metadata claims|EXIF', str(found))
    assert peak < 3.5 * len(data) + 100_000  # each number is an object of 28 bytes, and a place in a tuple


@pytest.mark.parametrize(
    ('mode', 'kind', 'most'),
    [
        *(('RGB', 'PNG', 64), ('L', 'PNG', 64), ('RGB', 'TIFF', 64), ('RGB', 'JPEG', 64)),
        *(('RGBA', 'PNG', 32), ('P', 'PNG', 32), ('I;16', 'PNG', 32), ('CMYK', 'JPEG', 32)),
        ('RGB', 'WEBP', 16),
    ],
)
def test_the_limit_of_pixels_depends_on_the_copies_that_decoding_takes(mode, kind, most, monkeypatch):
    monkeypatch.setattr(decode, 'MAX_PIXELS', 64)
    assert decode_image(encoded(Image.new(mode, (most, 1)), kind), 8, 8).shape == (8, 8, 1)
    with pytest.raises(BadExampleError, match=f'{most + 1} x 1 pixels are more than the {most} in all'):
        decode_image(encoded(Image.new(mode, (most + 1, 1)), kind), 8, 8)
