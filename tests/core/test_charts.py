import numpy as np
import pytest

from estimator_lab.core.charts import confusion_picture, draw_bars, draw_curves, heat_map
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


def inked(picture, colour):
    """Returns (columns, rows) of the pixels of a colour within the panel."""
    pixels = np.array(picture)[26:266, 72:472]
    rows, columns = np.nonzero((pixels == colour).all(axis=2))
    return columns, rows


def test_a_curve_goes_through_its_points():
    picture = draw_curves('y', 'x', {'up': ([0, 1, 2], [0.0, 1.0, 0.5])})
    columns, rows = inked(picture, (0x1F, 0x77, 0xB4))
    highest = columns[rows == rows.min()].mean()
    assert highest == pytest.approx(200, abs=5)  # in the middle
    assert rows[columns >= columns.max() - 2].mean() == pytest.approx(120, abs=5)  # half way down


def test_a_logarithmic_curve_of_powers_of_ten_is_straight():
    picture = draw_curves('y', 'x', {'down': (range(5), [10.0**-n for n in range(5)])}, logarithmic=True)
    columns, rows = inked(picture, (0x1F, 0x77, 0xB4))
    assert np.abs(rows - 0.6 * columns).max() < 4  # from corner to corner: 400 to the right, 240 down


def legend_columns(names):
    """Returns the columns of the picture in which the colours of a legend begin."""
    picture = np.array(draw_curves('y', 'x', {name: (range(2), [n, n + 1]) for n, name in enumerate(names)}))
    below = picture[266 + 2 * 19 :]
    painted = (below.max(axis=2).astype(int) - below.min(axis=2) > 60).any(axis=0)
    return np.flatnonzero(np.diff(painted.astype(int), prepend=0) == 1).tolist()


def test_the_legend_of_many_curves_has_two_columns_if_all_names_fit():
    assert legend_columns(['a', 'b']) == [72]
    assert legend_columns(['a', 'b', 'c']) == [72, 272]
    assert legend_columns(['a', 'b', 'a name that is longer than half of the chart']) == [72]


def test_texts_of_a_chart_are_at_least_nine_pixels_high_where_three_quarters_of_its_size_are_shown():
    picture = np.asarray(draw_curves('Hgp', 'x', {'a': (range(2), range(2))}).convert('L'))
    rows = np.flatnonzero((picture[:24, 72:] < 128).any(axis=1))
    assert (rows.max() - rows.min() + 1) * 0.75 >= 9


@pytest.mark.parametrize('values', [[0.0, 0.0], [np.nan, 1.0], [np.inf, np.nan], [1e-38, 1e38]])
def test_extreme_values_are_drawn_or_left_out(values):
    for logarithmic in (False, True):
        assert draw_curves('y', 'x', {'odd': (range(2), values)}, logarithmic).mode == 'RGB'


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


def test_bars_have_the_length_of_their_shares():
    picture = draw_bars('title', [('a', 0.25, 4), ('b', 1.0, 3)])
    blue = (np.asarray(picture) == (66, 146, 198)).all(axis=2)
    assert picture.height == 3 * 22 + 12
    assert [blue[6 + 22 * n + 7].sum() for n in (1, 2)] == pytest.approx([0.25 * 340, 340], abs=2)
