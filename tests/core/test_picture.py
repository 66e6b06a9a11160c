import numpy as np
import pytest

from estimator_lab.core.picture import (
    confusion_picture,
    fitted,
    heat_map,
    labelled_grid,
    numbered_tiles,
    overlay,
    spelled,
    stretched,
    wrapped,
)
from estimator_lab.models.recursive.pictures import tree_picture

pytestmark = pytest.mark.both


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
        picture, 'labelled_grid', lambda tiles, *others, title: shown.append((tiles.shape, *others, title))
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


def test_a_text_is_cut_to_its_width():
    line, whole = fitted('w' * 50, 40), fitted('w' * 50, 9999)
    assert line.length <= 40 < whole.length and whole.text == 'w' * 50
    assert fitted('w' * (len(line.text) + 1), 9999).length > 40, 'no letter too few'
    assert fitted('', 40).text == '' and fitted('w', 0).text == ''


def test_texts_are_transliterated():
    """By the usual letters: DIN 5007-2, but for details."""
    texts = ['große Bären', 'Ünal', 'Łódź', 'Ærøskøbing', 'España', 'Я', '猫 №1', 'é\n%']
    right = ['grosse Baeren', 'Uenal', 'Lodz', 'Aeroeskoebing', 'Espana', 'U+042F', 'U+732B No1']
    assert spelled(texts) == [*right, 'e\n%']
    assert fitted('große', 999).text == 'grosse'
    assert [line.text for line in wrapped('a/b', 999, 3)] == ['a/b']


@pytest.mark.parametrize(
    'texts',
    [
        ['Bar', 'Bär', 'Baer', 'BÄR', 'Bår', 'Baar', 'Ba\u0308r'],
        ['cafe', 'café', 'cafè', 'cafe\u0301'],
        ['is große', 'seen as grosse 0.98'],
        ['ﬁn', 'fin', '²', '2', 'Ⅳ', 'IV', '猫', '犬', 'Крот', 'Krot'],
    ],
)
def test_different_words_stay_different(texts):
    found = spelled(texts)
    assert all(map(str.isascii, found)) and len({word for text in found for word in text.split()}) == len(
        {word for text in texts for word in text.split()}
    )
    assert all(one == text for one, text in zip(found, texts, strict=True) if text.isascii())


@pytest.mark.parametrize('first', ['Bar', 'Baer', 'Bar Bär'])
def test_labels_that_differ_in_an_accent_differ_in_each_picture(first):
    """From a picture of two equal labels."""
    images, matrix, node = np.zeros((2, 8, 8, 1)), np.eye(2, dtype=int), np.array([-1])
    for draw in (
        lambda labels: labelled_grid(images, labels),
        lambda labels: confusion_picture(matrix, labels, ''),
        lambda labels: tree_picture([''], labels, node, np.array([[0.0, 1.0]]), node),
    ):
        different, same = draw([first, 'Bär']), draw([first, first])
        assert different.size != same.size or different.tobytes() != same.tobytes()


def test_long_texts_go_on_in_the_next_line():
    name = 'train/n000001/0001_01.jpg'
    lines = wrapped(name, 110, 3)
    assert ''.join(line.text for line in lines) == name and len(lines) == 2
    assert lines[0].text == 'train/n000001/' and all(line.length <= 110 for line in lines)
    assert [line.text for line in wrapped('short', 80, 3)] == ['short']
    assert [line.text for line in wrapped('', 110, 3)] == ['']
    many = wrapped('w' * 100, 40, 3)
    assert len(many) == 3 and all(line.length <= 40 for line in many)


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


def test_a_label_above_a_confusion_matrix_is_read_from_below():
    """Its dark letters, which come first, are below its dots."""
    picture = confusion_picture(np.eye(1, dtype=int), ['MMMMMM......'], '')
    pixels = np.asarray(picture.convert('L')).astype(int)
    left = int(np.flatnonzero(pixels[-6] == 204)[0])
    ink = (255 - pixels[40 : picture.height - 48 - 6, left:]).sum(axis=1)
    rows = np.flatnonzero(ink)
    assert (ink @ np.arange(len(ink))) / ink.sum() > (rows[0] + rows[-1]) / 2 + 5


def test_numbers_that_are_too_wide_for_their_cell_are_smaller():
    size = 60
    picture = confusion_picture(np.eye(size, dtype=int) * 88, [''] * size, '')
    first = np.asarray(picture.convert('L'))[-size * 17 - 6 :, -size * 17 - 6 :][1:16, 1:16]
    assert (first > 200).any()  # white on blue


def test_values_of_many_steps_have_a_pixel_each():
    assert heat_map(np.ones((961, 481))).size == (961, 481)


def test_full_heat_is_yellow_and_none_leaves_the_grey_image():
    picture = overlay(np.full((8, 8, 1), 1.0), np.array([[0.0, 1.0]] * 2), 8)
    # Of full heat 0.8 are yellow, and 0.2 of the white image.
    assert [picture.getpixel((x, 4)) for x in (0, 7)] == [WHITE, (255, 255, 51)]
