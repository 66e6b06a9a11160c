import numpy as np

from estimator_lab.core.charts import confusion_picture, heat_map

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


def test_numbers_that_are_too_wide_for_their_cell_are_smaller():
    size = 60
    picture = confusion_picture(np.eye(size, dtype=int) * 88, [''] * size, '')
    first = np.asarray(picture.convert('L'))[-size * 17 - 6 :, -size * 17 - 6 :][1:16, 1:16]
    assert (first > 200).any()  # white on blue
