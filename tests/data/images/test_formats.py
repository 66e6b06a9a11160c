"""Images of any mode in any format that can hold it, and the suffixes of all formats."""

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.file_types import is_image_name
from estimator_lab.data.images.decode import _FORMATS, ImageShape
from estimator_lab.data.images.fast_decode import pixels_or_why
from estimator_lab.data.images.reader import DECODERS
from estimator_lab.data.member import BadExampleError
from tests.archive_files import encoded

MODES = [
    *('1', 'L', 'P', 'LA', 'PA', 'RGB', 'RGBA', 'RGBa', 'La', 'CMYK', 'YCbCr', 'LAB', 'HSV'),
    *('I', 'I;16', 'F'),
]
FORMATS = ['JPEG', 'PNG', 'BMP', 'DIB', 'GIF', 'WEBP', 'TIFF', 'PPM', 'TGA', 'ICO', 'PCX', 'JPEG2000']


def in_every_mode_and_format():
    """Yields the mode, the format and the bytes of everything that Pillow can write."""
    for mode in MODES:
        try:
            image = Image.new(mode, (20, 12))
        except ValueError:
            continue
        for format in FORMATS:
            try:
                yield mode, format, encoded(image, format)
            except (OSError, KeyError, ValueError):
                continue  # it can't hold that mode


@pytest.mark.filterwarnings('ignore:::PIL')
@pytest.mark.parametrize('decoder', DECODERS.values(), ids=DECODERS)
def test_every_mode_in_every_format_decodes_or_is_a_bad_image(decoder):
    files = list(in_every_mode_and_format())
    assert len(files) > 40 and ('F', 'TIFF') in [file[:2] for file in files]
    for mode, format, data in files:
        for channels in (1, 3):
            image = pixels_or_why(decoder, data, ImageShape(8, 8, channels))
            # A format that the package does not read, and floating-point values, which have no known range.
            if format == 'ICO' or (mode, format) in (('F', 'TIFF'), ('F', 'PPM')):
                assert isinstance(image, BadExampleError) and str(image)
            else:
                assert (image.shape, image.dtype) == ((8, 8, channels), np.uint8), (mode, format)


def test_every_suffix_is_of_a_format_that_is_read():
    known = Image.registered_extensions()
    read = {format for suffix, format in known.items() if is_image_name(f'x{suffix}')}
    assert read <= {*_FORMATS, 'MPO'}  # which is a JPEG at its beginning
    assert read >= {'JPEG', 'PNG', 'GIF', 'WEBP', 'TIFF', 'BMP', 'PPM', 'JPEG2000', 'TGA', 'SGI', 'XPM'}
    unknown = ('.jpe', '.jfif', '.dib', '.qoi', '.dds')
    assert all(is_image_name(f'a.b/c{suffix.upper()}') for suffix in unknown)
    assert not any(map(is_image_name, ('jpg', 'a/.jpg', 'a.jpg/b', 'a.pdf', '__MACOSX/a.jpg', '')))
