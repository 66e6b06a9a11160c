import numpy as np
import pytest

from estimator_lab.core.display.charts import confusion_picture

MATRIX = np.array([[9, 1, 0], [0, 5, 5], [0, 0, 0]])


def cells(picture, size):
    """Returns the colour of each cell, near its corner, where no figure is."""
    pixels = np.asarray(picture).astype(int)
    side = 48
    left, top = picture.width - size * side - 6, picture.height - size * side - 6
    return pixels[top + 4 :: side, left + 4 :: side][:size, :size]


def test_what_is_right_is_blue_and_mistakes_are_red_by_their_share():
    found = cells(confusion_picture(MATRIX, ['a', 'b', 'c'], 'title'), 3)
    red, blue = found[..., 0], found[..., 2]
    assert blue[0, 0] > red[0, 0] and blue[1, 1] > red[1, 1]
    assert red[0, 1] > blue[0, 1] and red[1, 2] > blue[1, 2]
    assert blue[1, 2] < blue[0, 1]  # half of the row against a tenth
    for empty in ((0, 2), (1, 0), (2, 0), (2, 2)):
        assert found[empty].tolist() == [255, 255, 255]
    # One in ten: 255 * (1 - sqrt(0.1)) + sqrt(0.1) * (179, 0, 0), cut off.
    assert found[0, 1].tolist() == [230, 174, 174]


def test_any_number_of_classes_fits_on_a_screen():
    for size, most in ((1, 300), (20, 1200), (60, 1200)):
        labels = [f'a rather long label of many words {n}' for n in range(size)]
        assert max(confusion_picture(np.eye(size, dtype=int), labels, 'x').size) <= most


@pytest.mark.parametrize('label', ['', 'ü', '深度', 'line\nbreak', '\udcff'])
def test_any_label_can_be_drawn(label):
    assert confusion_picture(np.eye(2, dtype=int), [label, 'b'], label.replace('\n', ' ')).size
