import io

import numpy as np
import pytest
from PIL import Image

from estimator_lab.core.picture import labelled_grid, png_bytes


@pytest.mark.parametrize(('count', 'rows'), [(0, 1), (1, 1), (8, 1), (9, 2), (24, 3)])
def test_rows_of_eight(count, rows):
    picture = labelled_grid(np.zeros((count, 28, 28, 1)), ['x'] * count)
    assert picture.size == (8 * 100 + 4, rows * 114 + 4)


def test_images_and_their_text():
    images = np.stack([np.full((10, 10, 3), value) for value in (0.0, 0.5, 1.5)])
    picture = np.asarray(labelled_grid(images, ['n000001', 'a label far too long for its place', 'Ω']))
    assert picture[50, 50].tolist() == [0, 0, 0]
    assert picture[50, 150].tolist() == [128, 128, 128]
    assert picture[50, 250].tolist() == [255, 255, 255]  # clipped
    below = picture[101:113]
    assert all((below[:, left : left + 96] < 128).any() for left in (4, 104, 204))  # some ink
    assert (below[:, 300:] == 255).all()


def test_png():
    picture = labelled_grid(np.zeros((1, 4, 4, 1)), ['x'])
    assert Image.open(io.BytesIO(png_bytes(picture))).size == picture.size
