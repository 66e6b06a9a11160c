"""The parts of a report's page: untrusted text stays text, curves are where their numbers say."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from estimator_lab.core.confusion import Confusion
from estimator_lab.inference.evaluation import Evaluation
from estimator_lab.inference.report.charts import chart, charts, thinned
from estimator_lab.inference.report.html import figure, html, page, table
from tests.support.markup import Markup

HOSTILE = "</title></style><script>alert(1)</script>\" onload='x' & {0} $title \x1b[31m \u202e"


def parsed(text):
    """Returns the elements of a page with their attributes, and its text."""
    page = Markup(text)
    return page.elements, ''.join(page.texts)


def test_untrusted_text_stays_text():
    body = [
        html('<p id="{}">{}</p>', HOSTILE, HOSTILE),
        table([(HOSTILE, 1)]),
        figure(Image.new('RGB', (4, 4)), HOSTILE),
        chart(HOSTILE, {HOSTILE: {1: 0.5}}),
    ]
    found, said = parsed(page(HOSTILE, body))
    tags = [tag for tag, _ in found]
    assert 'script' not in tags and tags.count('style') == 1 and tags.count('title') == 2
    assert not any('onload' in attributes for _, attributes in found)
    shown = HOSTILE.replace('\x1b', r'\x1b').replace('\u202e', r'\u202e')
    # title, paragraph, cell, caption; of the chart its title, the mark and the legend
    assert said.count(shown) == 7
    named = dict(found)
    assert named['img']['alt'] == named['p']['id'] == shown and shown in named['svg']['aria-label']


def test_parts_keep_their_order():
    inner = html('<b>{}</b>', ['2', html('<i>{}</i>', 3), '4'])
    assert html('{}{}{}', '1<', inner, '5') == '1&lt;<b>2<i>3</i>4</b>5'


def test_a_small_picture_is_enlarged_by_a_whole_number():
    image = dict(parsed(figure(Image.new('L', (50, 20)), 'x'))[0])['img']
    assert (image['width'], image['height'], image['class']) == ('500', '200', 'small')
    assert image['src'].startswith('data:image/png;base64,')
    assert dict(parsed(figure(Image.new('L', (480, 20)), 'x'))[0])['img']['class'] == 'large'


def test_numbers_are_aligned_right_and_missing_values_are_dashes():
    found, said = parsed(table([('a', 1.5), ('b', True), ('c', ''), ('d', None)]))
    classes = [attributes.get('class') for tag, attributes in found if tag == 'td']
    assert classes == [None, 'number', *[None] * 6] and said == 'a1.5bTruec-d-'


def points_of(drawn):
    """Returns the points of each curve of a chart, in pixels."""
    return [
        [tuple(map(float, point.split(','))) for point in re.split('[ML]', path.get('d'))[1:]]
        for path in ElementTree.fromstring(drawn).iter('path')
    ]


def test_points_lie_where_their_numbers_say():
    drawn = chart('loss', {'training': {0: 4.0, 50: 3.0, 100: 0.0}, 'evaluation': {100: 2.0}})
    training, evaluation = points_of(drawn)
    (left, top), (middle, quarter), (right, bottom) = training
    assert middle == (left + right) / 2 and top < bottom  # y grows downwards
    assert quarter == pytest.approx(top + (bottom - top) / 4, abs=0.1)
    assert evaluation == [(right, pytest.approx((top + bottom) / 2, abs=0.1))]
    tree = ElementTree.fromstring(drawn)
    assert {'loss', '0', '20', '100', '4', '2'} <= {text.text for text in tree.iter('text')}
    assert next(tree.iter('title')).text == 'training, step 0: 4'


def test_equal_names_of_curves_have_equal_colours():
    names = ['training', 'evaluation']
    alone = chart('accuracy', {'evaluation': {1: 0.5}}, names)
    both = chart('loss', {'training': {1: 0.5}, 'evaluation': {1: 0.5}}, names)
    (colour,) = re.findall(r'<path .*?style="(.*?)"', alone)
    training, evaluation = re.findall(r'<path .*?style="(.*?)"', both)
    assert colour == evaluation != training


@pytest.mark.parametrize('value', [0.0, -3.5, 1e38, -1e-38])
def test_a_single_value_is_inside_the_chart(value):
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


@pytest.mark.slow
def test_an_evaluation_shows_its_classes_as_its_text_does(cnn):
    confusion = Confusion(('a<b', 'b', 'c'))
    confusion.add(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]))
    evaluation = Evaluation(cnn, {'accuracy': 0.75}, 4, confusion=confusion)
    found, said = parsed(''.join(evaluation.sections()['Evaluation']))
    assert [tag for tag, _ in found].count('pre') == 1
    assert next(line for line in said.splitlines() if line.startswith('a<b')) in evaluation.text()
    assert 'img' in dict(parsed(''.join(evaluation.sections()['Confusion']))[0])


def test_a_quantity_that_never_changes_has_no_chart():
    curves = {'flat': {1: 0.5, 2: 0.5}, 'rising': {1: 0.5, 2: 0.6}, 'single': {1: 0.5}}
    shown = str(charts({name: {'training': curve} for name, curve in curves.items()}, [], ['training']))
    assert [name for name in curves if name in shown] == ['rising', 'single']
