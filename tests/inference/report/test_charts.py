import re

import pytest

from estimator_lab.inference.report.charts import chart, thinned


def points_of(figure):
    """Returns the points of each curve, in pixels of the picture."""
    return [
        [tuple(map(float, point.split(','))) for point in re.split('[ML]', path.get('d'))[1:]]
        for path in figure.iter('path')
    ]


def texts(figure):
    return [text.text for text in figure.iter('text')]


def test_points_lie_where_their_numbers_say():
    figure = chart('loss', {'training': {0: 4.0, 50: 3.0, 100: 0.0}, 'evaluation': {100: 2.0}})
    training, evaluation = points_of(figure)
    (left, top), (middle, quarter), (right, bottom) = training
    assert middle == (left + right) / 2
    assert quarter == pytest.approx(top + (bottom - top) / 4, abs=0.1)
    assert evaluation == [(right, pytest.approx((top + bottom) / 2, abs=0.1))]
    assert {'loss', '0', '50', '100', '4', '2'} <= set(texts(figure))
    assert [span.text for span in figure.iter('title')][:1] == ['training, step 0: 4']


def test_colours_go_by_the_name_of_a_curve():
    names = ['training', 'evaluation']
    alone = chart('accuracy', {'evaluation': {1: 0.5}}, names)
    both = chart('loss', {'training': {1: 0.5}, 'evaluation': {1: 0.5}}, names)
    (colour,) = (path.get('style') for path in alone.iter('path'))
    assert [path.get('style') for path in both.iter('path')][1] == colour


@pytest.mark.parametrize('value', [0.0, -3.5, 1e38, -1e-38])
def test_one_value_is_a_point_in_the_middle(value):
    ((point,),) = points_of(chart('x', {'training': {7: value}}))
    assert 0 < point[0] < 440 and 0 < point[1] < 230


def test_a_long_curve_keeps_its_ends_and_its_peaks():
    curve = {step: float(step % 7) for step in range(10_000)}
    curve[4321], curve[1234] = 99.0, -99.0
    kept = thinned(curve)
    assert len(kept) <= 402
    assert kept == sorted(kept) and kept[0] == (0, 0.0) and kept[-1][0] == 9999
    assert (4321, 99.0) in kept and (1234, -99.0) in kept
    assert thinned({1: 2.0}) == [(1, 2.0)]
