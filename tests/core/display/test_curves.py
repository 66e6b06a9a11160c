import numpy as np
import pytest

from estimator_lab.core.display.charts import draw_curves, heat_map

BLUE, WHITE, RED, GREY = (0, 0, 255), (255, 255, 255), (255, 0, 0), (128, 128, 128)


def test_a_heat_map_has_a_column_a_step_and_a_row_a_unit():
    picture = heat_map(np.array([[2.0, 0.0], [-2.0, 1.0], [np.nan, 0.0]]))
    side = 12
    assert picture.size == (3 * side, 2 * side)

    def at(step, unit):
        return picture.getpixel((step * side + side // 2, unit * side + side // 2))

    assert [at(0, 0), at(0, 1), at(1, 0), at(2, 0)] == [RED, WHITE, BLUE, GREY]
    assert at(1, 1) == (255, 128, 128)  # half of the largest


@pytest.mark.parametrize('shape', [(1, 1), (784, 3), (5, 2000)])
def test_a_heat_map_has_a_pixel_for_each_value_at_least(shape):
    picture = heat_map(np.zeros(shape))
    assert picture.width % shape[0] == 0 and picture.height % shape[1] == 0


def inked(picture, colour):
    """Returns (columns, rows) of the pixels of a colour within the panel."""
    pixels = np.array(picture)[22:262, 62:542]
    rows, columns = np.nonzero((pixels == colour).all(axis=2))
    return columns, rows


def test_a_curve_goes_through_its_points():
    picture = draw_curves('y', 'x', {'up': ([0, 1, 2], [0.0, 1.0, 0.5])})
    columns, rows = inked(picture, (0x1F, 0x77, 0xB4))
    highest = columns[rows == rows.min()].mean()
    assert highest == pytest.approx(240, abs=5)  # in the middle
    assert rows[columns >= columns.max() - 2].mean() == pytest.approx(120, abs=5)  # half way down


def test_a_logarithmic_curve_that_falls_by_decades_is_straight():
    picture = draw_curves('y', 'x', {'down': (range(5), [10.0**-n for n in range(5)])}, logarithmic=True)
    columns, rows = inked(picture, (0x1F, 0x77, 0xB4))
    assert np.abs(rows - columns / 2).max() < 4  # from corner to corner: 480 to the right, 240 down


@pytest.mark.parametrize('values', [[0.0, 0.0], [np.nan, 1.0], [np.inf, np.nan], [1e-38, 1e38]])
def test_odd_values_are_drawn_or_left_out(values):
    for logarithmic in (False, True):
        assert draw_curves('y', 'x', {'odd': (range(2), values)}, logarithmic).mode == 'RGB'
