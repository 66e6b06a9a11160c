"""A warning for streams sorted by label, and none for others."""

import random

import pytest

from estimator_lab.data.member import Member
from estimator_lab.data.order.shuffling import LabelOrderWatch, effective_classes


@pytest.mark.parametrize(
    ('counts', 'classes'),
    [({}, 0), ({'a': 9}, 1), ({'a': 5, 'b': 5}, 2), ({'a': 3, 'b': 1}, 1.6), (dict.fromkeys('abcd', 7), 4)],
)
def test_effective_classes(counts, classes):
    assert effective_classes(counts) == classes  # 4**2 / (3**2 + 1**2) = 1.6


def said(labels, counts, buffer):
    lines = []
    watch = LabelOrderWatch(counts, lines.append)
    for _ in range(2):
        watch([Member('a.tar', 'x.jpg', 0, label=label) for label in labels[:buffer]])
    return lines


def sorted_labels(classes, each):
    return [f'n{n:06}' for n in range(classes) for _ in range(each)]


@pytest.mark.parametrize(('classes', 'each', 'buffer'), [(10, 200, 100), (10, 200, 500), (8631, 364, 10_000)])
def test_sorted_archives_give_one_warning(classes, each, buffer):
    counts = dict.fromkeys((f'n{n:06}' for n in range(classes)), each)
    (line,) = said(sorted_labels(classes, each), counts, buffer)
    spanned = -(-buffer // each)
    assert f'first {buffer:,} images' in line and f'hold {spanned:,} of {classes:,} labels' in line
    share = f'{min(each, buffer) / buffer:.0%} are n000000'
    assert share in line and 'estimator_lab.data.pack' in line


def test_the_whole_warning():
    counts = {'a': 40, 'b': 60, 'c': 50, 'd': 50}
    (line,) = said(['a'] * 3 + ['b'] * 7, counts, 10)
    assert line == (
        'Warning: the archive is sorted by label. Its first 10 images, which fill --shuffle_buffer, '
        'hold 2 of 4 labels (70% are b), so that batches will be lopsided. Uncompressed archives on '
        'disk are shuffled as a whole: python -m estimator_lab.data.pack writes them.'
    )


@pytest.mark.parametrize(
    ('classes', 'each', 'buffer'),
    [(10, 200, 2000), (10, 200, 1500), (2, 50, 100), (1000, 1, 1000), (5, 9, 1)],
)
def test_a_buffer_that_spans_enough_is_fine(classes, each, buffer):
    counts = dict.fromkeys((f'n{n:06}' for n in range(classes)), each)
    assert said(sorted_labels(classes, each), counts, buffer) == []


@pytest.mark.parametrize(('classes', 'each', 'buffer'), [(10, 200, 20), (2, 500, 50), (8631, 4, 500)])
def test_mixed_archives_are_fine(classes, each, buffer):
    labels = sorted_labels(classes, each)
    counts = dict.fromkeys(labels, each)
    for seed in range(20):
        random.Random(seed).shuffle(labels)
        assert said(labels, counts, buffer) == []


def test_a_rare_class_gives_no_warning():
    labels = ['common'] * 95 + ['rare'] * 5
    random.Random(1).shuffle(labels)
    assert said(labels, {'common': 950, 'rare': 50}, 40) == []


@pytest.mark.parametrize(
    ('labels', 'is_warned'), [('aabbbb', True), ('aababb', False), ('aa', True), ('a', False)]
)
def test_the_limit_of_runs(labels, is_warned):
    """Of 8 classes, more than (1 + 1/8) / 2 = 0.5625 of the neighbours: 4 of 5 are, 2 of 5 are not."""
    assert bool(said(list(labels), dict.fromkeys('abcdefgh', 9), 9)) == is_warned
