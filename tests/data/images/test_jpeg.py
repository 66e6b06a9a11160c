"""The short way to JPEG pixels gives those of Pillow's own, or leaves the image to it."""

import io
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.images import decode
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.fast_decode import decode_image_fast
from estimator_lab.data.images.jpeg import Frame, decode_frame, frame_of, scale_for
from estimator_lab.data.member import BadExampleError
from tests.archive_files import encoded


def noise(mode='RGB', width=37, height=23):
    bands = Image.new(mode, (1, 1)).getbands()
    pixels = np.random.default_rng(0).integers(0, 256, (len(bands), height, width), dtype=np.uint8)
    return Image.merge(mode, [Image.fromarray(band) for band in pixels])


def jpeg(image=None, **options):
    return encoded(image or noise(), 'JPEG', **options)


def exif():
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010E] = 'a description ' * 50
    return tags


ORDINARY = {
    'baseline': jpeg(),
    'progressive': jpeg(progressive=True),
    'optimized': jpeg(optimize=True),
    '4:4:4': jpeg(subsampling='4:4:4'),
    '4:2:2': jpeg(subsampling='4:2:2'),
    '4:2:0': jpeg(subsampling='4:2:0'),
    'rgb': jpeg(keep_rgb=True),
    'grey': jpeg(noise('L')),
    'progressive grey': jpeg(noise('L'), progressive=True),
    'restart markers': jpeg(restart_marker_blocks=1),
    'exif': jpeg(exif=exif()),
    'icc': jpeg(icc_profile=bytes(range(256)) * 300),  # two segments
    'comment': jpeg(comment=b'\xff\xc0' + b'no frame' * 20),
    'all of them': jpeg(exif=exif(), icc_profile=bytes(999), comment=b'hello', progressive=True, quality=30),
    'one pixel': jpeg(noise(width=1, height=1)),
}
# An extended-sequential frame (SOF1) of the same Huffman-coded data.
ORDINARY['extended'] = ORDINARY['baseline'].replace(b'\xff\xc0', b'\xff\xc1', 1)


def own_pixels(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, np.array(image)


@pytest.mark.parametrize('data', ORDINARY.values(), ids=ORDINARY)
def test_ordinary_jpegs_have_pillows_pixels(data):
    mode, pixels = own_pixels(data)
    frame = frame_of(data)
    assert frame[:3] == (*pixels.shape[:2], {'L': 1, 'RGB': 3}[mode])
    assert data[frame.place] == 0xFF and data[frame.place + 1] in (0xC0, 0xC1, 0xC2)
    image = decode_frame(data, frame)
    assert image.mode == mode
    assert np.array_equal(np.array(image), pixels)


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'\xff\xd8',
        b'\xff\xd8\xff',
        b'\x89PNG\r\n\x1a\n' + bytes(50),
        b'\xff\xd8' + bytes(50),
        b'\xff\xd8\xff\xfe\xff\xff' + bytes(50),  # one longer than the file
        jpeg(noise('CMYK')),  # Adobe's, inverted
        jpeg().replace(b'\x08\x00\x17\x00\x25\x03', b'\x08\x00\x00\x00\x25\x03', 1),  # no rows
        jpeg().replace(b'\x08\x00\x17\x00\x25\x03', b'\x08\x00\x17\x00\x00\x03', 1),  # no columns
    ],
)
def test_anything_else_is_left_to_pillow(data):
    assert frame_of(data) is None


@pytest.mark.parametrize('decoder', [decode_image, decode_image_fast])
@pytest.mark.parametrize('name', ['baseline', 'progressive', 'grey', 'exif', 'restart markers'])
def test_cut_off_anywhere_is_a_bad_image_or_pillows_pixels(decoder, name):
    data = ORDINARY[name]
    bad = 0
    for length in range(len(data)):
        cut = data[:length]
        with mock.patch.object(decode, 'frame_of', return_value=None):
            expected = outcome(decode_image, cut)
        found = outcome(decoder, cut)
        if isinstance(expected, str):
            assert found == expected, length
            bad += 1
        elif decoder is decode_image:
            assert np.array_equal(found, expected), length
    assert bad > len(data) * 0.9  # all but those that lack the end marker alone


def outcome(decoder, data):
    try:
        return decoder(data, 8, 8, 1)
    except BadExampleError as error:
        return str(error)


@pytest.mark.parametrize(
    ('height', 'width', 'slack', 'scale'),
    [
        (128, 128, 1.0, 1),
        (256, 256, 1.0, 2),
        (256, 255, 1.0, 1),
        (512, 512, 1.0, 4),
        (1024, 1024, 1.0, 8),
        (9999, 128, 1.0, 1),
        (192, 192, 0.75, 2),
        (191, 192, 0.75, 1),
        (384, 400, 0.75, 4),
        (768, 768, 0.75, 8),
        (1, 1, 0.75, 1),
    ],
)
def test_scale_leaves_the_requested_share_in_both_directions(height, width, slack, scale):
    assert scale_for(Frame(height, width, 3, 2), 128, 128, slack) == scale
