import numpy as np
import pytest

from estimator_lab.core.picture import labelled_grid, numbered_tiles, overlay, stretched


@pytest.mark.parametrize(('count', 'rows'), [(1, 1), (8, 1), (9, 2), (24, 3)])
def test_a_grid_has_rows_of_eight(count, rows):
    picture = labelled_grid(np.zeros((count, 28, 28, 1)), ['x'] * count)
    assert picture.size == (8 * 100 + 4, rows * 119 + 4)


def test_images_have_their_texts_below():
    images = np.stack([np.full((10, 10, 3), value) for value in (0.0, 0.5, 1.5)])
    picture = np.asarray(labelled_grid(images, ['n000001', 'a label far too long for its image', 'Ω']))
    assert picture[50, 50].tolist() == [0, 0, 0]
    assert picture[50, 150].tolist() == [128, 128, 128]
    assert picture[50, 250].tolist() == [255, 255, 255]  # clipped
    below = picture[101:113]
    assert all((below[:, left : left + 96] < 128).any() for left in (4, 104, 204))  # some ink
    assert (below[:, 300:] == 255).all()


def test_a_title_is_above_the_images():
    images = np.ones((2, 8, 8, 1))
    plain, titled = (labelled_grid(images, ['', ''], title=title) for title in ('', 'Samples'))
    assert titled.height - plain.height == 23
    pixels = np.asarray(titled.convert('L'))
    assert (pixels[:23] < 128).any() and np.array_equal(pixels[27:], np.asarray(plain.convert('L'))[4:])
    assert labelled_grid(images, ['', ''], title='word ' * 50).height > titled.height


def test_each_tile_is_scaled_to_its_own_range():
    tiles = np.array([[0.0, 5.0], [-1.0, 1.0], [3.0, 3.0]]).reshape(3, 1, 2, 1)
    assert stretched(tiles).ravel().tolist() == [0, 1, 0, 1, 0, 0]


def test_a_few_high_values_do_not_darken_the_others():
    tile = np.zeros((1, 10, 10, 1))
    tile[0, 0, :5, 0] = [1.0, 1.0, 1.0, 1.0, 100.0]
    assert stretched(tile)[0, 0, 0, 0] == 0.01
    assert stretched(tile, 98)[0, 0, :5, 0].tolist() == pytest.approx([1] * 5)
    tile[0, 0, :4, 0] = 0.0  # fewer values than that are above the lowest
    assert stretched(tile, 98)[0, 0, 4, 0] == 1


def test_the_strongest_tiles_are_shown_with_their_numbers(monkeypatch):
    from estimator_lab.core import picture

    shown = []
    monkeypatch.setattr(
        picture,
        'labelled_grid',
        lambda tiles, *others, title: shown.append((tiles.shape, *others, title)),
    )
    tiles = np.array([1.0, -9.0, 0.0, 5.0]).reshape(4, 1, 1, 1) * np.ones((1, 2, 2, 6))
    numbered_tiles(tiles, 2, 'conv1')
    assert shown == [((2, 2, 2, 1), ['1', '3'], 2, 'conv1')]


def test_heat_covers_the_whole_image():
    heat = np.zeros((4, 8))
    heat[0, 7] = 1.0  # top right
    for side, channels in ((64, 1), (8, 3)):
        picture = np.asarray(overlay(np.full((8, 16, channels), 128, np.uint8), heat, side)).astype(int)
        assert picture.shape == (side // 2, side, 3)
        assert picture[0, -1].tolist() == [230, 230, 26]  # 0.2 * 128 + 0.8 * (255, 255, 0)
        assert picture[-1, 0].tolist() == [128, 128, 128]
