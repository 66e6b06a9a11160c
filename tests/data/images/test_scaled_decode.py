"""JPEGs that are scaled while Pillow decodes them, against Pillow's own draft mode."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.scaled_decode import decode_image_scaled
from estimator_lab.data.member import BadExampleError
from tests.archive_files import encoded, picture

SIZE = (300, 420)  # height, width


def drafted(data, height, width, channels):
    """The same by Pillow's public interface."""
    mode = {1: 'L', 3: 'RGB'}[channels]
    image = Image.open(io.BytesIO(data))
    image.draft(mode, (math.ceil(1.5 * width), math.ceil(1.5 * height)))
    image = image.resize((width, height), Image.Resampling.BILINEAR).convert(mode)
    return np.array(image).reshape(height, width, channels)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('mode', ['L', 'RGB'])
@pytest.mark.parametrize(('height', 'width'), [(32, 32), (64, 90), (150, 60), (299, 421), (1, 1)])
@pytest.mark.parametrize('options', [{}, {'progressive': True}, {'subsampling': 0}])
def test_pixels_are_those_of_the_draft_mode(mode, channels, height, width, options):
    data = encoded(picture(1, *SIZE, mode=mode), 'JPEG', quality=90, **options)
    found = decode_image_scaled(data, height, width, channels)
    assert np.array_equal(found, drafted(data, height, width, channels))
    exact = decode_image(data, height, width, channels)
    assert np.abs(found.astype(int) - exact).mean() < 3


def test_other_formats_and_damaged_jpegs_are_decoded_exactly():
    png = encoded(picture(2, *SIZE))
    cmyk = encoded(picture(2, *SIZE).convert('CMYK'), 'JPEG')
    for data in (png, cmyk):
        assert np.array_equal(decode_image_scaled(data, 30, 40, 3), decode_image(data, 30, 40, 3))
    jpeg = encoded(picture(2, *SIZE), 'JPEG')
    for data in (b'', jpeg[:100], jpeg[: len(jpeg) // 2], b'\xff\xd8\xffno image'):
        with pytest.raises(BadExampleError) as caught:
            decode_image_scaled(data, 30, 40, 1)
        with pytest.raises(BadExampleError) as expected:
            decode_image(data, 30, 40, 1)
        assert str(caught.value) == str(expected.value)
    with pytest.raises(ValueError, match='must be at least 1'):
        decode_image_scaled(jpeg, 0, 40, 1)
