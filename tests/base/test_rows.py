"""Rows of CSV and JSON from untrusted text."""

import pytest

from estimator_lab.base.rows import cell_of, json_text, write_csv

pytestmark = pytest.mark.once


def test_cells_of_a_table():
    for text in ('=1+1', '+1+1', '-2+3', '@SUM(A1)', ' =1', '\uff1d1', '-:a.jpg', '-', '-1x'):
        assert cell_of(text) == f"'{text}"
    for mark in ('\u200e', '\u200f', '\u061c', '\ufeff', ' \u200b'):
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
