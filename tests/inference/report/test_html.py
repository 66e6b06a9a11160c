from html.parser import HTMLParser

from PIL import Image

from estimator_lab.inference.report.html import element, figure, page, table

HOSTILE = '</title></style><script>alert(1)</script>" onload="x" & \x1b[31m \u202e'


def started(text):
    """Returns the elements of a page with their attributes, and its texts."""
    found, said = [], []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, dict(attributes)))

        def handle_data(self, data):
            said.append(data)

    Parser().feed(text)
    return found, ''.join(said)


def test_a_text_stays_a_text_wherever_it_stands():
    body = [element('p', HOSTILE, id=HOSTILE), table((HOSTILE,), [(HOSTILE, 1)])]
    found, said = started(page(HOSTILE, [*body, HOSTILE_FIGURE]))
    tags = [tag for tag, _ in found]
    assert 'script' not in tags and tags.count('style') == 1 and tags.count('title') == 1
    assert not any('onload' in attributes for _, attributes in found)
    shown = HOSTILE.replace('\x1b', r'\x1b').replace('\u202e', r'\u202e')
    assert said.count(shown) == 5  # title, paragraph, head, cell, caption
    assert dict(found)['img']['alt'] == shown


def test_texts_and_elements_keep_their_order():
    _, said = started(page('', ['1', element('b', '2', element('i', '3'), '4'), '5', element('u', '6')]))
    assert said.endswith('123456\n')


def test_a_small_picture_is_enlarged_by_a_whole_number():
    image = dict(started(page('', [figure(Image.new('L', (50, 20)), 'x')]))[0])['img']
    assert (image['width'], image['height'], image['class']) == ('500', '200', 'small')
    assert image['src'].startswith('data:image/png;base64,')


def test_numbers_stand_to_the_right_and_nothing_is_a_dash():
    found, said = started(page('', [table((), [('a', 1.5), ('b', True), ('c', '')])]))
    classes = [attributes.get('class') for tag, attributes in found if tag == 'td']
    assert classes == [None, 'number', None, None, None, None] and said.endswith('a1.5bTruec-\n')


HOSTILE_FIGURE = figure(Image.new('RGB', (4, 4)), HOSTILE)
