from estimator_lab.core.fonts import fitted, wrapped


def test_a_text_is_cut_to_its_width():
    line, whole = fitted('w' * 50, 40), fitted('w' * 50, 9999)
    assert line.length <= 40 < whole.length and whole.text == 'w' * 50
    assert fitted('w' * (len(line.text) + 1), 9999).length > 40, 'no letter too few'
    assert fitted('', 40).text == '' and fitted('w', 0).text == ''


def test_long_texts_go_on_in_the_next_line():
    name = 'train/n000001/0001_01.jpg'
    lines = wrapped(name, 110, 3)
    assert ''.join(line.text for line in lines) == name and len(lines) == 2
    assert lines[0].text == 'train/n000001/' and all(line.length <= 110 for line in lines)
    assert [line.text for line in wrapped('short', 80, 3)] == ['short']
    assert [line.text for line in wrapped('', 110, 3)] == ['']
    many = wrapped('w' * 100, 40, 3)
    assert len(many) == 3 and all(line.length <= 40 for line in many)
