import numpy as np
import pytest

from estimator_lab.core.charts import confusion_picture, heat_map
from estimator_lab.core.fonts import fitted

MATRIX = np.array([[9, 1, 0], [0, 5, 5], [0, 0, 0]])
BLUE, WHITE, RED, GREY = (0, 0, 255), (255, 255, 255), (255, 0, 0), (128, 128, 128)


def test_a_heat_map_has_a_column_per_step_and_a_row_per_unit():
    picture = heat_map(np.array([[2.0, 0.0], [-2.0, 1.0], [np.nan, 0.0]]))
    side = 12
    assert picture.size == (3 * side, 2 * side)

    def at(step, unit):
        return picture.getpixel((step * side + side // 2, unit * side + side // 2))

    assert [at(0, 0), at(0, 1), at(1, 0), at(2, 0)] == [RED, WHITE, BLUE, GREY]
    assert at(1, 1) == (255, 128, 128)  # half of the largest


@pytest.mark.parametrize('shape', [(1, 1), (784, 3), (5, 2000)])
def test_a_heat_map_has_at_least_a_pixel_per_value(shape):
    picture = heat_map(np.zeros(shape))
    assert picture.width % shape[0] == 0 and picture.height % shape[1] == 0


def cells(picture, size):
    """Returns the colour of each cell, near its corner, outside its number."""
    pixels = np.asarray(picture).astype(int)
    side = 48
    top = picture.height - size * side - 6
    left = int(np.flatnonzero((pixels[-6] == 204).all(axis=1))[0])  # the lower edge of the cells
    return pixels[top + 4 :: side, left + 4 :: side][:size, :size]


def test_a_confusion_matrix_is_blue_on_its_diagonal_and_red_elsewhere():
    found = cells(confusion_picture(MATRIX, ['a', 'b', 'c'], 'title'), 3)
    red, blue = found[..., 0], found[..., 2]
    assert blue[0, 0] > red[0, 0] and blue[1, 1] > red[1, 1]
    assert red[0, 1] > blue[0, 1] and red[1, 2] > blue[1, 2]
    assert blue[1, 2] < blue[0, 1]  # half of the row against a tenth
    for empty in ((0, 2), (1, 0), (2, 0), (2, 2)):
        assert found[empty].tolist() == [255, 255, 255]
    # One in ten: 255 * (1 - sqrt(0.1)) + sqrt(0.1) * (179, 0, 0), rounded down.
    assert found[0, 1].tolist() == [230, 174, 174]


def test_the_title_of_a_small_confusion_matrix_is_not_cut():
    title = 'Accuracy 0.9975 on 400 unseen images (18 more could not be decoded) after 500 steps'
    picture = confusion_picture(np.eye(2, dtype=int), ['a', 'b'], title)
    ink = np.flatnonzero((np.asarray(picture.convert('L'))[2:16] < 128).any(axis=0))
    assert ink.max() - ink.min() > 0.97 * fitted(title, 10_000).length and ink.max() < picture.width - 4


def test_a_confusion_matrix_fits_on_a_screen():
    for size, most in ((1, 300), (20, 1200), (60, 1200)):
        labels = [f'a rather long label of many words {n}' for n in range(size)]
        assert max(confusion_picture(np.eye(size, dtype=int), labels, 'x').size) <= most


def test_numbers_that_are_too_wide_for_their_cell_are_smaller():
    size = 60
    picture = confusion_picture(np.eye(size, dtype=int) * 88, [''] * size, '')
    first = np.asarray(picture.convert('L'))[-size * 17 - 6 :, -size * 17 - 6 :][1:16, 1:16]
    assert (first > 200).any()  # white on blue


@pytest.mark.parametrize('label', ['', 'ü', '深度', 'line\nbreak', '\udcff'])
def test_any_label_can_be_drawn(label):
    assert confusion_picture(np.eye(2, dtype=int), [label, 'b'], label.replace('\n', ' ')).size
