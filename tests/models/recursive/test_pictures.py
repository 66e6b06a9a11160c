from types import SimpleNamespace

import numpy as np

from estimator_lab.models.recursive import pictures
from estimator_lab.models.recursive.pictures import TreesHook, tree_picture

LEFT = [-1, -1, 0, -1, 2]


def shown(wrong=None, probability=1.0, left=LEFT, token='tok'):
    """Draws a tree of one class, 0; nodes whose prediction is wrong have another label."""
    count = len(left)
    tokens = [token if child < 0 else '' for child in left]
    chances, true = np.full([count, 1], probability), np.full(count, {None: -1, False: 0, True: 1}[wrong])
    return tree_picture(tokens, ['x'], np.array(left), chances, true)


def colours(picture):
    return {colour for _, colour in picture.getcolors(picture.width * picture.height)}


def test_texts_differ_from_their_nodes_in_brightness():
    # Relative luminance as in WCAG 2; 3 is its least contrast for large texts.
    def luminance(colour):
        linear = [(v / 255 + 0.055) ** 2.4 / 1.055**2.4 if v > 10 else v / 255 / 12.92 for v in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for probability in (0.0, 0.5, 0.75, 0.76, 1.0):
        for wrong in (False, True):
            picture = shown(wrong, probability, token='')
            fill, ink = ((8, 81, 156), (179, 0, 0))[wrong], (0, 255)[probability > 0.75]
            node = luminance([int((1 - probability) * 255 + probability * value) for value in fill])
            bright, dark = sorted((node, luminance([ink] * 3)), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) > 3
            assert any(max(colour) < 60 for colour in colours(picture)) == (not ink)


def test_a_node_is_centred_above_its_children():
    blank = np.full(3, 255)
    pixels = np.asarray(shown())
    painted = np.argwhere((pixels != blank).any(2))
    top = painted[painted[:, 0] == painted[:, 0].min()]
    # Leaves at 0, 1 and 2, of 76 pixels each: the root over (0.5 + 2) / 2.
    assert abs(top[:, 1].mean() - (6 + (1.25 + 0.5) * 76)) < 1


def test_pictures_of_large_trees_are_cut_off():
    left = [-1] + [child for place in range(1, 3000) for child in (-1, 2 * place - 2)]
    picture = shown(left=left)
    assert max(picture.size) <= 4000
    assert shown(left=[-1]).width < 200


def test_each_node_has_the_colour_of_its_own_prediction():
    chances, true = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.4]]), np.array([1, -1, 0])
    pixels = np.asarray(tree_picture(['', '', ''], ['', ''], np.array([-1, -1, 0]), chances, true))
    # Leaves at 6 + 38 and 6 + 114 of the lower row, the root between them.
    assert pixels[6 + 75, 6 + 38].tolist() == [179, 0, 0]  # is 1, seen as 0
    assert pixels[6 + 75, 6 + 114].tolist() == [8, 81, 156]  # unknown
    assert pixels[6 + 25, 6 + 76].tolist() == [106, 150, 195]  # 0.6 of the way from white


def test_a_token_that_is_not_known_is_drawn_as_such(monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, 'tree_picture', lambda texts, *others: drawn.append(texts))
    token, left, level = (np.array([row]) for row in ([0, 2, -1, 0], [-1, -1, 0, 0], [0, 0, 1, -1]))
    trees = {'token': token, 'left': left, 'level': level, 'node_label': left}
    hook = TreesHook(trees, np.ones([1, 4, 2]), np.zeros([3, 1]), ['good', 'bad'], ['x', 'y'], None)
    hook.begin()
    hook.after_run(None, SimpleNamespace(results=hook._first))
    assert drawn == [['<unknown>', 'bad', '']]
