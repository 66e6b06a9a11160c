from estimator_lab.core import fonts
from estimator_lab.core.fonts import fitted, wrapped


def test_a_text_is_cut_to_its_width():
    line, whole = fitted('w' * 50, 40), fitted('w' * 50, 9999)
    assert line.length <= 40 < whole.length and whole.text == 'w' * 50
    assert fitted('w' * (len(line.text) + 1), 9999).length > 40, 'no letter too few'
    assert fitted('', 40).text == '' and fitted('w', 0).text == ''


def test_a_label_of_any_length_is_measured_a_few_times_only(monkeypatch):
    measured = []

    class Font:
        def getlength(self, text):
            measured.append(text)
            return 8 * len(text)

    monkeypatch.setattr(fonts, '_font', lambda size: Font())
    assert fitted('w' * 1_000_000, 80).text == 'w' * 10
    assert len(measured) <= 12 and max(map(len, measured)) <= 1000


def test_long_texts_go_on_in_the_next_line():
    name = 'train/n000001/0001_01.jpg'
    lines = wrapped(name, 110, 3)
    assert ''.join(line.text for line in lines) == name and len(lines) == 2
    assert lines[0].text == 'train/n000001/' and all(line.length <= 110 for line in lines)
    assert [line.text for line in wrapped('short', 80, 3)] == ['short']
    assert [line.text for line in wrapped('', 110, 3)] == ['']
    many = wrapped('w' * 100, 40, 3)
    assert len(many) == 3 and all(line.length <= 40 for line in many)
