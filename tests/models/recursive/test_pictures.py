import numpy as np
import pytest

from estimator_lab.models.recursive.pictures import ShownTree, shown_tree, tree_picture

pytestmark = pytest.mark.once

LEFT = [-1, -1, 0, -1, 2]


def shown(wrong=None, probability=1.0, left=LEFT):
    count = len(left)
    return ShownTree(
        left,
        ['tok' if child < 0 else '' for child in left],
        ['x'] * count,
        [probability] * count,
        [wrong] * count,
    )


def colours(picture):
    return {colour for _, colour in picture.getcolors(picture.width * picture.height)}


def test_high_probabilities_are_dark_and_mistakes_red():
    sure, unsure, wrong = (
        colours(tree_picture(tree)) for tree in (shown(), shown(probability=0.5), shown(True))
    )
    assert (8, 81, 156) in sure and (8, 81, 156) not in unsure
    assert (179, 0, 0) in wrong and (179, 0, 0) not in sure


def test_texts_differ_from_their_nodes_in_brightness():
    # Relative luminance as in WCAG 2; 3 is its least contrast for large texts.
    def luminance(colour):
        linear = [(v / 255 + 0.055) ** 2.4 / 1.055**2.4 if v > 10 else v / 255 / 12.92 for v in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for probability in (0.0, 0.5, 0.75, 0.76, 1.0):
        for wrong in (False, True):
            picture = tree_picture(shown(wrong, probability)._replace(tokens=[''] * 5))
            fill, ink = ((8, 81, 156), (179, 0, 0))[wrong], (0, 255)[probability > 0.75]
            node = luminance([int((1 - probability) * 255 + probability * value) for value in fill])
            bright, dark = sorted((node, luminance([ink] * 3)), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) > 3
            assert any(max(colour) < 60 for colour in colours(picture)) == (not ink)


def test_a_node_is_centred_above_its_children():
    blank = np.full(3, 255)
    pixels = np.asarray(tree_picture(shown()))
    painted = np.argwhere((pixels != blank).any(2))
    top = painted[painted[:, 0] == painted[:, 0].min()]
    # Leaves at 0, 1 and 2, of 76 pixels each: the root over (0.5 + 2) / 2.
    assert abs(top[:, 1].mean() - (6 + (1.25 + 0.5) * 76)) < 1


def test_pictures_of_large_trees_are_cut_off():
    left = [-1] + [child for place in range(1, 3000) for child in (-1, 2 * place - 2)]
    picture = tree_picture(shown(left=left))
    assert max(picture.size) <= 4000
    assert tree_picture(shown(left=[-1])).width < 200


def test_the_texts_of_a_tree():
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    tree = shown_tree(['b', 'a', ''], ['no', 'yes'], np.array([-1, -1, 0]), chances, np.array([1, -1, 0]))
    assert tree.labels == ['no', 'yes', 'no'] and tree.left == [-1, -1, 0]
    assert tree.wrong == [True, None, False] and np.allclose(tree.probabilities, [0.9, 0.8, 0.6])
