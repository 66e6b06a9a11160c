import itertools
import random

from estimator_lab.base.printable import (
    cell_of,
    escaped,
    is_clean,
    json_escaped,
    json_text,
    padded,
    printable,
    unescaped,
    write_csv,
)

MARKS = (0x061C, 0x200E, 0x200F)
CONTROLS = [
    chr(n) for n in (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A), *MARKS)
]


def name_of(raw):
    return raw.decode('utf-8', 'surrogateescape')


def test_no_control_character_is_left():
    for control in CONTROLS:
        for text in (printable(f'a{control}b'), escaped(f'a{control}b')):
            assert control not in text and is_clean(text) and text.isprintable()
    assert printable('\x1b[2J\n\x9b\u202e') == r'\x1b[2J\x0a\u009b\u202e'


def test_ordinary_texts_stay_as_they_are():
    for text in ('n000001/0001_01.jpg', 'Müller', '日本語', 'a\\b', 'C:\\data', '\u00a0\u202f', '👩\u200d🔬'):
        assert printable(text) == escaped(text) == text and is_clean(text)


def test_bytes_that_are_no_utf8():
    assert escaped(name_of(b'caf\xe9.jpg')) == r'caf\xe9.jpg'
    assert escaped(name_of('é'.encode())) == 'é'


def test_different_names_stay_different_and_come_back():
    rng = random.Random(1)
    parts = [b'\\', b'x', b'u', b'1b', b'80', b'202e', b'5c', b'\x1b', b'\x80', '\x80'.encode(), b'\n']
    parts.append('\u202e'.encode())
    few = [b''.join(chosen) for count in range(4) for chosen in itertools.product(parts, repeat=count)]
    many = [b''.join(rng.choices(parts, k=rng.randrange(4, 9))) for _ in range(5000)]
    raws = set(few + many)
    names = {escaped(name_of(raw)): raw for raw in raws}
    assert len(names) == len(raws)
    for name, raw in names.items():
        assert is_clean(name) and unescaped(name).encode('utf-8', 'surrogateescape') == raw


def test_what_was_made_printable_stays_so():
    for text in (r'\x1b', '\x1b', r'\\x1b', 'a\\'):
        assert printable(printable(text)) == printable(text)


def test_json_keeps_its_values():
    text = '{\n "a": "\x9b\u202e\x7fü",\n "b": "\\n"\n}'
    assert json_escaped(text) == '{\n "a": "\\u009b\\u202e\\u007fü",\n "b": "\\n"\n}'


def test_a_column_of_a_table():
    assert padded('', 3) == '   ' and padded('a long label', 8) == 'a long …'
    assert padded('a\tb', 8) == 'a\\x09b  '


def test_cells_of_a_table():
    for text in ('=1+1', '+1+1', '-2+3', '@SUM(A1)', ' =1', '\uff1d1', '-:a.jpg', '-', '-1x'):
        assert cell_of(text) == f"'{text}"
    for mark in ('\u200d', '\u2060', '\ufeff', ' \u200b'):
        assert cell_of(f'{mark}=1') == f"'{mark}=1"
    assert cell_of('x;=HYPERLINK("y")') == 'x;\'=HYPERLINK("y")'
    assert cell_of('=1; \uff1d2;3;-a') == "'=1;' \uff1d2;3;'-a"
    for value in ('-1', '+1.5', '-2e-07', -1, -0.5, None, '', 'a=b', 'n-1', "'"):
        assert cell_of(value) == value
    assert cell_of('\t=1') == r'\x09=1' and cell_of('\r') == r'\x0d'


def test_a_table(tmp_path):
    write_csv(tmp_path / 'a.csv', ('key', 'loss'), [('=1\n', 0.5), ('a,b', None)])
    assert (tmp_path / 'a.csv').read_text() == 'key,loss\n\'=1\\x0a,0.5\n"a,b",\n'


def test_json_is_strict():
    assert json_text({'a': [float('nan'), 1.5], 'b': (float('inf'), '\x9b')}) == (
        '{"a": [null, 1.5], "b": [null, "\\u009b"]}'
    )
