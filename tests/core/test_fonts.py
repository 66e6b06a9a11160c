import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from estimator_lab.core import fonts
from estimator_lab.core.fonts import fitted, wrapped


@pytest.fixture
def only_fonts(monkeypatch):
    """Limits the system fonts to some names; returns those that exist."""

    def only(*names):
        monkeypatch.setattr(fonts, '_SYSTEM', names)
        fonts._fonts.cache_clear()
        fonts._has.cache_clear()
        return fonts._fonts(fonts.SIZE)[1:]

    yield only
    monkeypatch.undo()
    fonts._fonts.cache_clear()
    fonts._has.cache_clear()


def ink(line):
    picture = Image.new('L', (200, 20), 255)
    line.draw(ImageDraw.Draw(picture), (0, 0))
    return np.asarray(picture)


def test_without_a_font_different_labels_stay_different(only_fonts):
    assert not only_fonts()
    assert fitted('n000001', 999).text == 'n000001'
    assert fitted('猫 2', 999).text == 'U+732B 2'
    labels = ['猫', '犬', 'кот', 'пёс', 'گربه', '😀']
    texts = [fitted(label, 999).text for label in labels]
    assert len(set(texts)) == len(labels) and all(text.isascii() for text in texts)
    assert fitted('ệ', 999).text in ('ệ', 'e')  # without accents if Pillow's own font lacks the letter


def test_a_text_is_cut_to_its_width():
    line, whole = fitted('w' * 50, 40), fitted('w' * 50, 9999)
    assert line.length <= 40 < whole.length and whole.text.startswith(line.text)
    assert fitted('', 40).text == '' and fitted('w', 0).text == ''


def test_letters_of_a_system_font_are_drawn(only_fonts):
    if not only_fonts('DejaVuSans.ttf'):
        pytest.skip('no DejaVu Sans on this machine')
    cat, dog = fitted('кот', 999), fitted('пёс', 999)
    assert (cat.text, dog.text) == ('кот', 'пёс') and cat.font is dog.font
    assert (ink(cat) < 128).any() and not np.array_equal(ink(cat), ink(dog))
    # The font has no Chinese: a box for each letter would make all labels equal.
    assert fitted('猫', 999).text == 'U+732B'


def test_latin_keeps_its_font(only_fonts):
    own = ImageFont.load_default(fonts.SIZE)
    assert fitted('n000001', 999).font.getlength('n000001') == own.getlength('n000001')
    only_fonts('DejaVuSans.ttf')
    assert fitted('n000001', 999).font is fonts._fonts(fonts.SIZE)[0]


def test_long_texts_go_on_in_the_next_line():
    name = 'train/n000001/0001_01.jpg'
    lines = wrapped(name, 110, 3)
    assert ''.join(line.text for line in lines) == name and len(lines) == 2
    assert lines[0].text == 'train/n000001/' and all(line.length <= 110 for line in lines)
    assert [line.text for line in wrapped('short', 80, 3)] == ['short']
    assert [line.text for line in wrapped('', 110, 3)] == ['']
    many = wrapped('w' * 100, 40, 3)
    assert len(many) == 3 and all(line.length <= 40 for line in many)


def test_pillow_without_sizes_has_small_letters(monkeypatch):
    small = ImageFont.load_default()

    def load_default(*size):
        if size:
            raise TypeError
        return small

    monkeypatch.setattr(ImageFont, 'load_default', load_default)
    fonts._fonts.cache_clear()
    assert fitted('n000001', 999).font is small
    monkeypatch.undo()
    fonts._fonts.cache_clear()


def test_texts_have_the_requested_size():
    assert 1.5 < fitted('n000001', 999, 30).length / fitted('n000001', 999).length < 2.5
