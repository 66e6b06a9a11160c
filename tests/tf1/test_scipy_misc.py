"""The functions of scipy.misc, against figures of SciPy 1.1 with Pillow 6."""

import numpy as np
import pytest
from PIL import Image

from estimator_lab.tf1.scipy_misc import fromimage, imread, imresize, imrotate, imsave, toimage

pytestmark = pytest.mark.both

GREY = np.sin(np.arange(24) * 0.7 + 0.3).reshape(4, 6)
COLOUR = GREY[..., None] * [1, 2, 3]
BYTES = (GREY * 100 + 120).astype(np.uint8)


def test_sizes():
    assert imresize(GREY, 50).tolist() == [[118, 153, 153], [159, 127, 95]]
    assert imresize(BYTES, 0.5, 'nearest').tolist() == [[31, 151, 218], [205, 185, 56]]
    assert imresize(COLOUR, (2, 3), 'bicubic')[..., 1].tolist() == [[116, 147, 148], [153, 125, 100]]
    floats = imresize(BYTES, (2, 2), mode='F')
    np.testing.assert_allclose(floats, [[122.036, 141.268], [137.339, 101.857]], atol=1e-3)


def test_rotation():
    turned = imrotate(BYTES, 90, 'nearest')
    assert turned[:2].tolist() == [[0, 124, 205, 32, 120, 0], [0, 187, 151, 21, 185, 0]]
    assert imrotate(BYTES, 30)[1:3].tolist() == [[181, 161, 123, 117, 65, 73], [64, 47, 70, 62, 110, 93]]
    assert imrotate(COLOUR, -45, 'bicubic')[0, :, 1].tolist() == [202, 88, 77, 202, 0, 0]


def test_ranges_and_channels():
    assert np.array(toimage(GREY, cmin=-1, cmax=1))[0].tolist() == [165, 235, 254, 214, 133, 49]
    channels_first = np.array(toimage(COLOUR.transpose(2, 0, 1)))
    assert channels_first.shape == (4, 6, 3)
    assert channels_first[0, :, 1].tolist() == [152, 199, 212, 185, 130, 74]
    assert toimage(np.zeros([5, 6, 4])).mode == 'RGBA' and toimage(np.zeros([5, 6, 3])).mode == 'RGB'
    with pytest.raises(ValueError, match='suitable array shape'):
        toimage(np.zeros([5, 6, 2]))
    with pytest.raises(ValueError, match='larger than'):
        toimage(GREY, cmin=1, cmax=0)


def test_files(tmp_path):
    path = tmp_path / 'a.png'
    imsave(path, COLOUR)
    assert imread(path)[0, :, 2].tolist() == [165, 236, 255, 214, 132, 48]
    # Pillow rounds to grey since 7, and cut off before.
    assert (imread(path, mode='L')[0] - [149, 192, 204, 179, 129, 78]).max() <= 1
    flat = imread(path, flatten=True)
    wanted = [149.894, 192.454, 204.344, 179.635, 129.929, 78.81]
    assert flat.dtype == np.float32
    np.testing.assert_allclose(flat[0], wanted, atol=1e-3)


def test_palettes():
    """Colours of a picture with a palette are looked up, with their transparency where there is one."""
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), 'P')
    picture.putpalette([1, 2, 3, 4, 5, 6])
    assert fromimage(picture).tolist() == [[[1, 2, 3], [4, 5, 6]]]
    picture.info['transparency'] = 1
    assert fromimage(picture).tolist() == [[[1, 2, 3, 255], [4, 5, 6, 0]]]
    with pytest.raises(ValueError, match=r'^A palette is not supported: use Image\.putpalette\.$'):
        toimage(BYTES, pal=[[0, 0, 0]])
