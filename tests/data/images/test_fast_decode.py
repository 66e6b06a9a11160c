"""JPEGs that TensorFlow decodes have the pixels of Pillow's scaled decoding; all others are Pillow's."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.examples.member import BadExampleError, Member
from estimator_lab.data.images import fast_decode
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.fast_decode import decode_images_fast
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import read_batches
from tests.support import archive_files
from tests.support.decoders import DECODERS

SHAPE = ImageShape(20, 24, 1)
decode_fast = DECODERS['fast']


def photo(height, width, mode='RGB', seed=0):
    """A picture of few waves, as photographs mostly are."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin(y / height * rng.uniform(1, 9) + x / width * rng.uniform(1, 9) + rng.uniform(0, 6))
        for _ in Image.new(mode, (1, 1)).getbands()
    ]
    return Image.merge(mode, [Image.fromarray((wave * 90 + 128).astype(np.uint8)) for wave in waves])


def encoded(image, format='JPEG', **options):
    return archive_files.encoded(image, format, **options)


def interpolated(pixels, height, width):
    """Bilinear interpolation between the centres of pixels, by its definition, in float64."""
    pixels = pixels.astype(float)
    for axis, wanted in enumerate((height, width)):
        side = pixels.shape[axis]
        place = np.clip((np.arange(wanted) + 0.5) * side / wanted - 0.5, 0, side - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, side - 1)
        share = (place - low).reshape(-1, *[1] * (pixels.ndim - 1 - axis))
        pixels = pixels.take(low, axis) * (1 - share) + pixels.take(high, axis) * share
    return np.floor(pixels + 0.5)


@pytest.mark.parametrize(
    ('height', 'width', 'scale'),
    [
        *((13, 9, 1), (20, 24, 1), (59, 80, 1), (60, 72, 2), (60, 71, 1), (59, 72, 1)),
        *((119, 999, 2), (120, 144, 4), (200, 144, 4), (240, 288, 8), (500, 301, 8), (999, 2000, 8)),
    ],
)
@pytest.mark.parametrize('mode', ['L', 'RGB'])
def test_grey_is_the_luminance_scaled_by_the_decoder_and_interpolated(height, width, scale, mode):
    data = encoded(photo(height, width, mode), quality=95)
    with Image.open(io.BytesIO(data)) as image:
        image.draft('L', (width // scale, height // scale))
        assert image.size == (-(-width // scale), -(-height // scale))
        expected = interpolated(np.array(image), *SHAPE[:2])
    found = decode_fast(data, *SHAPE)
    assert found.shape == SHAPE and found.dtype == np.uint8
    assert np.abs(found[..., 0] - expected).max() <= 1


@pytest.mark.parametrize('shape', [(40, 30, 3), (31, 57, 1), (1, 500, 3)])
def test_pixels_do_not_depend_on_how_many_are_rounded_together(monkeypatch, shape):
    several = [encoded(photo(50 + number, 40)) for number in range(3)]
    whole = decode_images_fast(several, ImageOptions(ImageShape(*shape)))
    monkeypatch.setattr(fast_decode, '_ROUNDED_AT_ONCE', 160)
    fast_decode._decoder.cache_clear()
    in_parts = decode_images_fast(several, ImageOptions(ImageShape(*shape)))
    fast_decode._decoder.cache_clear()
    assert [pixels.shape for pixels in in_parts] == [shape] * 3
    np.testing.assert_array_equal(in_parts, whole)


TURNED = Image.Exif()
TURNED[0x0112] = 6  # by 90 degrees, which is ignored


@pytest.mark.parametrize('options', [{'exif': TURNED}, {'subsampling': 0}, {'progressive': True}])
def test_colours_are_those_of_pillows_decoder(options):
    data = encoded(photo(50, 40), **options)
    with Image.open(io.BytesIO(data)) as image:
        expected = interpolated(np.array(image), 22, 30)
    assert np.abs(decode_fast(data, 22, 30, 3) - expected).max() <= 2


@pytest.mark.parametrize('format', ['PNG', 'GIF', 'BMP', 'WEBP', 'TIFF', 'PPM'])
def test_other_kinds_are_decoded_exactly(format):
    data = encoded(photo(90, 70), format)
    assert np.array_equal(decode_fast(data, *SHAPE), decode_image(data, *SHAPE))


def mixed():
    """Images that go all the ways there are, some of them bad."""
    whole = [encoded(photo(30 * n, 33 * n, seed=n), progressive=n % 3 == 0) for n in range(1, 20)]
    whole[2] = whole[2][: len(whole[2]) // 2]
    whole[5] = encoded(photo(40, 50), 'PNG')
    whole[7] = b'no image'
    whole[9] = b''
    whole[11] = whole[11].replace(b'\xff\xc4', b'\xff\xfe')  # no tables for its codes
    whole[13] = encoded(photo(40, 50).convert('CMYK'))
    return whole


BAD = {2, 7, 9, 11}


def test_several_at_once_are_the_same_as_each_alone():
    together = decode_images_fast(mixed(), ImageOptions(SHAPE))
    for place, data in enumerate(mixed()):
        if place in BAD:
            with pytest.raises(BadExampleError) as error:
                decode_fast(data, *SHAPE)
            assert str(together[place]) == str(error.value)
        else:
            assert np.array_equal(together[place], decode_fast(data, *SHAPE)), place


def test_images_too_large_by_their_headers_never_reach_tensorflow(monkeypatch):
    asked = []
    monkeypatch.setattr(fast_decode, 'scaled_jpegs', lambda *arguments: asked.append(arguments))
    data = bytearray(encoded(photo(16, 16)))
    frame = data.index(b'\xff\xc0')
    data[frame + 5 : frame + 9] = (60_000).to_bytes(2, 'big') * 2
    with pytest.raises(BadExampleError, match='decompression bomb'):
        decode_fast(bytes(data), *SHAPE)
    assert not asked


def batches(decode):
    members = [Member('a.tar', f'n1/{n}.jpg', n, label='n1', data=data) for n, data in enumerate(mixed())]
    report = InputReport(IMAGES, lambda line: None)
    return list(read_batches(members, 8, ImageReader(ImageOptions(SHAPE, decode)), report)), report


def test_bad_images_have_the_same_places_and_reasons_as_exactly_decoded():
    (fast, fast_report), (exact, exact_report) = batches('fast'), batches('exact')
    assert (fast_report.seen, fast_report.bad) == (exact_report.seen, exact_report.bad) == (19, len(BAD))
    for one, other in zip(fast, exact, strict=True):
        assert (one.keys, one.labels, one.bad) == (other.keys, other.labels, other.bad)
        assert one.data['image'].shape == other.data['image'].shape
        gap = np.abs(one.data['image'].astype(int) - other.data['image'])
        assert gap.mean() < 3  # each image is at its own place


@pytest.mark.parametrize(('limit', 'value'), [('_MOST_TOGETHER', 2), ('_GROUP_PIXELS', 1)])
def test_many_images_are_decoded_in_groups(monkeypatch, limit, value):
    several = [encoded(photo(80, 96, seed=seed)) for seed in range(5)]
    expected = decode_images_fast(several, ImageOptions(SHAPE))
    calls, together = [], fast_decode._decoded_together

    def counted(several, places, *more):
        calls.append([*places])
        return together(several, places, *more)

    monkeypatch.setattr(fast_decode, '_decoded_together', counted)
    monkeypatch.setattr(fast_decode, limit, value)
    found = decode_images_fast(several, ImageOptions(SHAPE))
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
    assert sorted(itertools.chain(*calls)) == [0, 1, 2, 3, 4] and max(map(len, calls)) <= 2 < len(calls)


def test_a_jpeg_without_a_frame_is_pillows(monkeypatch):
    """One that ends too early, one whose segments are none, and one of more segments than are read."""
    whole = encoded(photo(80, 96))
    many = whole[:2] + b'\xff\xfe\x00\x02' * 99 + whole[2:]
    for data in (whole[:2], whole[:12] + b'..........', whole[:2] + b'..........'):
        (found,) = decode_images_fast([data], ImageOptions(SHAPE))
        assert isinstance(found, BadExampleError)
    (found,), (expected,) = (
        decode_images_fast([many], ImageOptions(SHAPE)),
        decode_images_fast([whole], ImageOptions(SHAPE)),
    )
    monkeypatch.setattr(fast_decode, '_MOST_SEGMENTS', 50)
    (pillows,) = decode_images_fast([many], ImageOptions(SHAPE))
    assert np.array_equal(found, expected)
    assert np.array_equal(pillows, decode_image(whole, *SHAPE))
