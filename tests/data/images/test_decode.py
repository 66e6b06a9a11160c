"""Pixels equal those of the notes; all formats have a defined outcome, and bad bytes raise one error."""

import gc
import io
import random
import struct
import subprocess
import sys
import tarfile
import threading
import time
import traceback
import zlib
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image, ImageFile

from estimator_lab.base.errors import DataError
from estimator_lab.data.examples.member import BadExampleError, or_why
from estimator_lab.data.images import decode
from estimator_lab.data.images.decode import decode_image, shrink_image
from tests.support.archive_files import encoded as encode
from tests.support.decoders import DECODERS
from tests.support.places import real_data

# The module's own filter; pytest resets it for each test.
pytestmark = pytest.mark.filterwarnings('ignore:::PIL')


def noise(mode, width=37, height=23, seed=0):
    rng = np.random.default_rng(seed)
    bands = Image.new(mode, (1, 1)).getbands()
    pixels = rng.integers(0, 256, (len(bands), height, width), dtype=np.uint8)
    return Image.merge(mode, [Image.fromarray(band) for band in pixels])


def as_in_the_notes(data, height, width, mode='L'):
    """The code of the notes; ANTIALIAS is now LANCZOS, and `getdata` is deprecated."""
    im0 = Image.open(io.BytesIO(data))
    im0 = im0.resize((width, height), Image.Resampling.LANCZOS).convert(mode)
    return np.frombuffer(im0.tobytes(), np.uint8).reshape(height, width, -1)


@pytest.mark.parametrize('mode', ['L', 'RGB'])
@pytest.mark.parametrize('format', ['PNG', 'JPEG', 'BMP', 'TIFF', 'PPM', 'WEBP'])
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('size', [(128, 128), (16, 50), (23, 37), (1, 1)])
def test_pixels_equal_those_of_the_notes(mode, format, channels, size):
    data = encode(noise(mode), format)
    image = decode_image(data, *size, channels)
    assert image.shape == (*size, channels) and image.dtype == np.uint8
    assert np.array_equal(image, as_in_the_notes(data, *size, {1: 'L', 3: 'RGB'}[channels]))


def test_photos_equal_those_of_the_notes():
    with tarfile.open(real_data('photos-test.tar'), 'r|*') as tar:
        for info, _ in zip(tar, range(20), strict=False):
            data = tar.extractfile(info).read()
            assert np.array_equal(decode_image(data, 128, 128), as_in_the_notes(data, 128, 128))


def new(mode, value):
    return Image.new(mode, (9, 9), value)


def palette():
    """Its colour 7 is red."""
    image = new('P', 7)
    image.putpalette([0] * 21 + [255, 0, 0])
    return image


SIXTEEN = Image.fromarray(np.full((9, 9), 9000, np.uint16))
BLACK = (0, 0, 0)


@pytest.mark.parametrize(
    ('image', 'options', 'grey', 'rgb'),
    [
        (palette(), {}, 76, (255, 0, 0)),  # 0.299 * 255
        (palette(), {'kind': 'GIF'}, 76, (255, 0, 0)),
        (palette(), {'transparency': 7}, 0, BLACK),
        (palette(), {'transparency': b'\xff' * 7 + b'\x80'}, 38, (128, 0, 0)),
        (new('RGBA', (255, 0, 0, 128)), {}, 38, (128, 0, 0)),
        (new('RGBA', (255, 99, 3, 0)), {}, 0, BLACK),
        (new('RGBA', (200, 200, 200, 255)), {}, 200, (200, 200, 200)),
        (new('LA', (200, 255)), {}, 200, (200, 200, 200)),
        (new('LA', (200, 51)), {}, 40, (40, 40, 40)),
        (new('RGBA', (0, 255, 0, 128)), {'kind': 'WEBP', 'lossless': True}, 75, (0, 128, 0)),
        # The colour key of a PNG, its chunk tRNS.
        (new('L', 90), {'transparency': 91}, 90, (90, 90, 90)),
        (new('L', 90), {'transparency': 90}, 0, BLACK),
        (new('RGB', (90, 9, 9)), {'transparency': (90, 9, 9)}, 0, BLACK),
        (SIXTEEN, {'transparency': 9000}, 0, BLACK),
        (new('1', 1), {'transparency': 1}, 0, BLACK),
        # Without it, the same images are not black.
        (new('RGB', (90, 9, 9)), {}, 33, (90, 9, 9)),
        (SIXTEEN, {}, 35, (35, 35, 35)),
        (new('1', 1), {}, 255, (255, 255, 255)),
    ],
)
def test_palettes_and_what_is_transparent_on_black(image, options, grey, rgb):
    """A uniform image, resized to something else."""
    data = encode(image, **options)
    assert (decode_image(data, 5, 3, 1) == grey).all() and (decode_image(data, 5, 3, 3) == rgb).all()


@pytest.mark.parametrize('decoder', DECODERS.values(), ids=DECODERS)
def test_transparent_images_are_composed_on_white_if_asked(decoder):
    def on_white(image, **options):
        return decoder(encode(image, **options), 4, 4, 3, background='white')[0, 0].tolist()

    assert on_white(new('RGBA', (0, 0, 0, 0))) == [255, 255, 255]
    assert on_white(new('RGBA', (255, 0, 0, 128))) == [255, 127, 127]
    assert on_white(new('LA', (0, 255))) == [0, 0, 0]
    assert on_white(new('L', 90), transparency=90) == [255, 255, 255]
    assert on_white(SIXTEEN, transparency=9000) == [255, 255, 255]


@pytest.mark.parametrize('decoder', DECODERS.values(), ids=DECODERS)
def test_16_bit_values_keep_their_levels_if_asked(decoder):
    """10 of 16 bits are four levels of 8."""
    levels = np.arange(0, 1024, 8, dtype=np.uint16).reshape(8, 16)
    data = encode(Image.fromarray(levels))
    assert len(np.unique(decoder(data, 8, 16))) <= 5
    kept = decoder(data, 8, 16, 3, floats=True)
    assert kept.dtype == np.float32 and kept.shape == (8, 16, 3)
    assert kept[..., 2] == pytest.approx(levels / 65535, abs=1e-6)
    assert decoder(encode(noise('RGB')), 8, 8, floats=True).dtype == np.uint8


def test_16_bit_values_are_scaled():
    levels = np.array([0, 128, 129, 257, 32767, 32896, 65407, 65535], np.uint16)
    expected = [0, 0, 1, 1, 127, 128, 255, 255]  # round(v / 257)
    image = Image.fromarray(levels[np.newaxis].repeat(4, 0))
    png, tiff = (encode(image, format) for format in ('PNG', 'TIFF'))
    pgm = b'P5 8 1 65535\n' + levels.astype('>u2').tobytes()
    for data in (png, tiff, pgm):
        assert decode_image(data, 4, 8)[0, :, 0].tolist() == expected
        assert decode_image(data, 4, 8, 3)[0, :, 2].tolist() == expected


def test_cmyk_jpeg():
    data = encode(Image.new('CMYK', (9, 9), (0, 255, 255, 0)), 'JPEG')
    red, green, blue = decode_image(data, 4, 4, 3)[0, 0]
    assert red > 250 > 5 > max(green, blue)


# Bad bytes.


def png_chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png_head(width, height):
    return b'\x89PNG\r\n\x1a\n' + png_chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))


def png_that_claims(width, height):
    return png_head(width, height) + png_chunk(b'IDAT', zlib.compress(bytes(1000))) + png_chunk(b'IEND', b'')


def jpeg_that_claims(width, height):
    data = encode(noise('RGB'), 'JPEG')
    frame = data.index(b'\xff\xc0') + 5
    return data[:frame] + struct.pack('>HH', height, width) + data[frame + 4 :]


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (b'', '0 bytes'),
        (b'not an image', '^not an image in a known format$'),
        (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'not an image in a known format'),
        (encode(noise('RGB'), 'JPEG')[:-200], 'truncated'),
        (encode(noise('RGB'))[:-200], 'truncated'),
        (b'\x89PNG\r\n\x1a\n', '.'),
        (b'P5 0 0 255\n', '.'),
        (png_that_claims(8001, 8000), '8001 x 8000 pixels'),
        (png_that_claims(12_000, 12_000), '12000 x 12000 pixels'),
        (png_that_claims(2**31 - 1, 2**31 - 1), 'decompression bomb'),
        (png_that_claims(70_000, 1), '70000 x 1 pixels'),
        (png_that_claims(8000, 8000), 'truncated'),  # allowed, but the pixels are missing
        (jpeg_that_claims(65_535, 65_535), 'decompression bomb'),
        (jpeg_that_claims(8001, 8000), '8001 x 8000 pixels are more than'),
        (jpeg_that_claims(0, 16), '.'),
    ],
)
@pytest.mark.parametrize('decoder', DECODERS.values(), ids=DECODERS)
def test_bad_bytes_are_one_error_with_a_reason(decoder, data, reason):
    with pytest.raises(BadExampleError, match=reason) as caught:
        decoder(data, 8, 8)
    assert isinstance(caught.value, DataError)
    assert '0x' not in str(caught.value)  # no memory address: the same report every time


def large(format, mode='RGB', value=0, **options):
    return encode(Image.new(mode, (600, 500), value), format, **options)


@pytest.mark.parametrize(
    'data',
    [
        large('PNG')[:-200],
        large('JPEG')[:-600],
        large('TIFF', compression='tiff_lzw').replace(bytes(2), b'\xff\xff', 1),
        large('TIFF', 'F'),
        large('TIFF', 'I', -1),
    ],
    ids=['png', 'jpeg', 'tiff', 'float', '32 bit'],
)
@pytest.mark.parametrize('decoder', [decode_image, DECODERS['fast'], shrink_image])
def test_a_stored_error_keeps_no_image_alive(decoder, data):
    """Each fails once the image is there; it is free at once, not in some later collection."""
    gc.disable()
    gc.freeze()  # so that gc.get_objects() returns new objects only
    try:
        with pytest.raises(BadExampleError) as caught:
            decoder(data, *((8,) if decoder is shrink_image else (8, 8)))
        assert not [each for each in gc.get_objects() if isinstance(each, Image.Image)]
    finally:
        gc.unfreeze()
        gc.enable()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    _, *inside = (frame.f_locals for frame, _ in traceback.walk_tb(caught.value.__traceback__))
    assert all('data' not in each and 'args' not in each for each in inside)


def test_only_bad_image_errors_escape_from_mutated_images():
    rng = random.Random(0)
    formats = ['PNG', 'JPEG', 'BMP', 'TIFF', 'PPM', 'GIF', 'WEBP']
    sources = [encode(noise(mode, 12, 9), format) for format in formats for mode in ('L', 'RGB')]
    bad = 0
    for round_ in range(600):
        data = bytearray(sources[round_ % len(sources)])
        for _ in range(rng.choice([1, 3, 10])):
            data[rng.randrange(min(len(data), 400))] = rng.randrange(256)
        if round_ % 5 == 0:
            del data[rng.randrange(len(data)) :]
        pixels = or_why(lambda data: decode_image(data, 8, 8), bytes(data))
        if isinstance(pixels, BadExampleError):
            assert str(pixels)
            bad += 1
        else:
            assert pixels.shape == (8, 8, 1)
    assert bad > 100


# Formats and limits.


def bmp_rle():
    pixels, start = bytes([9, 0, 0, 0]) * 9, 54 + 1024
    head = b'BM' + struct.pack('<IHHI', start + len(pixels), 0, 0, start)
    head += struct.pack('<IiiHHIIiiII', 40, 9, 9, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    return head + bytes(1024) + pixels


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (encode(noise('RGB'), 'DDS'), 'not an image in a known format'),
        (encode(noise('RGB'), 'TGA'), 'not an image in a known format'),
        (encode(noise('L'), 'SGI'), 'not an image in a known format'),
        (encode(new('1', 0), 'XBM'), 'not an image in a known format'),
        (b'P3 2 1 255 1 2 3 4 5 6\n', 'this kind of PPM is not supported: convert it to PNG'),
        (b'P2 2 1 15 1 2\n', 'this kind of PPM is not supported'),
        (bmp_rle(), 'this kind of BMP is not supported'),
    ],
    ids=['dds', 'tga', 'sgi', 'xbm', 'text', 'few levels', 'rle'],
)
def test_formats_that_python_decodes_are_refused(data, words):
    """They are slow, and uncompressed DDS gave wrong pixels."""
    with pytest.raises(BadExampleError, match=words):
        decode_image(data, 4, 4)


@pytest.mark.slow
def test_the_largest_images_are_allowed_in_every_mode():
    """Each takes 300 MB, which one thread at a time may."""
    for mode, size in (('RGB', (8000, 8000)), ('RGBA', (8000, 4000))):
        data = encode(Image.new(mode, size), 'TIFF', compression='tiff_adobe_deflate')
        assert decode_image(data, 4, 4).max() == 0


def test_large_images_are_decoded_one_at_a_time(monkeypatch):
    monkeypatch.setattr(decode, 'LARGE_PIXELS', 1000)
    under_way, most, lock, load = [0], [0], threading.Lock(), Image.Image.resize

    def resize(*given, **options):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.01)
        with lock:
            under_way[0] -= 1
        return load(*given, **options)

    monkeypatch.setattr(Image.Image, 'resize', resize)
    for side, is_large in ((40, True), (20, False)):
        data, most[0] = encode(noise('RGB', side, side)), 0
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(decode_image, [data] * 12, [8] * 12, [8] * 12))
        assert (most[0] == 1) == is_large


def tiff_of_many_numbers(order, is_big):
    count = struct.pack(f'{order}{"Q" if is_big else "I"}', 5_000_000)
    tag = struct.pack(f'{order}HH', 273, 4) + count + bytes(8 if is_big else 4)
    magic = {'<': b'II', '>': b'MM'}[order] + struct.pack(f'{order}H', 43 if is_big else 42)
    if is_big:
        return magic + struct.pack(f'{order}HHQQ', 8, 0, 16, 1) + tag + bytes(8)
    return magic + struct.pack(f'{order}IH', 8, 1) + tag + bytes(4)


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (tiff_of_many_numbers('<', False), 'claims 20,000,000 bytes'),
        (tiff_of_many_numbers('>', False), 'claims 20,000,000 bytes'),
        (tiff_of_many_numbers('<', True), 'claims 20,000,000 bytes'),
        (jpeg_that_claims(8000, 8000)[:-2] + b'\xff\xda\0\x08\1\1\0\0\0\0' * 50, 'it has too many scans'),
        (png_head(9, 9) + png_chunk(b'tEXt', b'a\0b') * 200_000, 'pieces, which take too long to decode'),
    ],
    ids=['tiff', 'big-endian', 'bigtiff', 'jpeg', 'png'],
)
@pytest.mark.parametrize('decoder', DECODERS.values(), ids=DECODERS)
def test_images_made_to_take_long_end_soon(decoder, data, words):
    started = time.process_time()
    with pytest.raises(BadExampleError, match=words):
        decoder(data, 8, 8)
    assert time.process_time() - started < 10


def test_an_image_that_lacked_memory_is_decoded_again(monkeypatch):
    data, failures = encode(noise('RGB')), [MemoryError, None]
    load = ImageFile.ImageFile.load

    def failing(image):
        if failures and (error := failures.pop(0)):
            raise error
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, 'load', failing)
    found = decode_image(data, 8, 8, 3)
    assert not failures
    assert np.array_equal(found, decode_image(data, 8, 8, 3))


def test_damaged_bytes_for_which_pillow_lacks_memory_are_a_bad_example(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, 'load', Mock(side_effect=MemoryError))
    with pytest.raises(BadExampleError, match='MemoryError'):
        decode_image(encode(noise('RGB')), 8, 8)


def test_a_deep_stack_is_no_bad_example(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, 'load', Mock(side_effect=RecursionError))
    with pytest.raises(RecursionError):
        decode_image(encode(noise('RGB')), 8, 8)


def test_too_little_memory_is_no_bad_example():
    program = """
import io, resource
from PIL import Image
from estimator_lab.base.errors import DataError
from estimator_lab.data.images.decode import decode_image
file = io.BytesIO()
Image.new('RGB', (5000, 5000), 'red').save(file, 'PNG')
decode_image(file.getvalue(), 8, 8)
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 50 * 2**20, resource.RLIM_INFINITY))
try:
    decode_image(file.getvalue(), 8, 8)
except DataError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=False)
    said = 'There is not enough memory to decode an image of 5000x5000 pixels, which takes up to 191 MB: '
    assert ended.stdout == f'{said}end other programs, or start fewer processes.\n', ended.stderr
