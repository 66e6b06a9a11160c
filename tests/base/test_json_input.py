"""Reading untrusted JSON: what is accepted and what is rejected."""

import json
import os
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from estimator_lab.base.json_input import as_object, parse_json, read_json, shown


class Point(NamedTuple):
    x: float
    y: float = 0.0


@dataclass(frozen=True)
class Drawing:
    name: str
    size: tuple[int, int]
    points: list[Point]
    colours: dict[str, tuple[str, ...]]
    filled: bool = False
    more: Any = None


DRAWING = {'name': 'ü', 'size': [3, 4], 'points': [{'x': 1}, {'x': 0.5, 'y': 2}], 'colours': {'a': ['red']}}


def test_objects_of_the_types_that_are_expected():
    expected = Drawing('ü', (3, 4), [Point(1), Point(0.5, 2)], {'a': ('red',)})
    assert as_object(parse_json(json.dumps(DRAWING).encode()), Drawing) == expected
    assert as_object({**DRAWING, 'more': [{'any': 1}]}, Drawing).more == [{'any': 1}]
    (point,) = as_object({**DRAWING, 'points': [{'x': np.float32(0.5)}]}, Drawing).points
    assert point == (0.5, 0) and type(point.x) is float


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'name': 3}, 'its name is 3, not a text'),
        ({'name': None}, 'its name is None, not a text'),
        ({'size': [3]}, r'its size is \[3\], not a list'),
        ({'size': 'ab'}, "its size is 'ab', not a list"),
        ({'size': [3, True]}, r'its size\[1\] is True, not a whole number'),
        ({'size': [3, 2.0]}, r'its size\[1\] is 2\.0, not a whole number'),
        ({'size': [3, 2**63]}, r'its size\[1\] is 9223372036854775808, not a whole number of at most 63'),
        ({'points': [{'x': 1}, 7]}, r'its points\[1\] is 7, not an object'),
        ({'points': [{'x': 'one'}]}, r"its points\[0\]\.x is 'one', not a number"),
        ({'points': [{'y': 1}]}, r"its points\[0\] has no field 'x'"),
        ({'points': [{'x': True}]}, r'x is True, not a number'),
        ({'points': {}}, r'its points is \{\}, not a list'),
        ({'colours': {'a': [1]}}, r"its colours\['a'\]\[0\] is 1, not a text"),
        ({'colours': []}, r'its colours is \[\], not an object'),
        ({'filled': 1}, 'its filled is 1, not true or false'),
        ({'other': 1}, "it has an unknown field 'other'"),
    ],
)
def test_other_types_are_named(changes, words):
    with pytest.raises(ValueError, match=words):
        as_object({**DRAWING, **changes}, Drawing)


def test_no_object_and_no_field():
    with pytest.raises(ValueError, match=r'it is \[1\], not an object'):
        as_object([1], Drawing)
    with pytest.raises(ValueError, match="it has no field 'name'"):
        as_object({}, Drawing)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        *((start * 33 + '1' + end * 33, 'nested more than 32 deep') for start, end in ('[]', ('{"a":', '}'))),
        ('[' * 100_000, 'nested more than 32 deep'),
        ('{"a": 1, "b": 2, "a": 1}', "has the name 'a' twice"),
        ('[NaN]', 'holds NaN'),
        ('-Infinity', 'holds -Infinity'),
        ('1e999', 'the number 1e999, which is too large'),
        ('9' * 10_000, 'more than 100 digits'),
        (r'["\ud800"]', 'half of a surrogate pair'),
        (r'{"\udc00": 1}', 'half of a surrogate pair'),
        (b'"\xff"', "can't decode byte 0xff"),
        ('', 'Expecting value'),
        ('\ufeff{}', 'BOM'),
    ],
)
def test_json_that_is_refused(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 300 and '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('value', 'quoted'),
    [
        ('a' * 74 + '\nb', "'" + 'a' * 74 + "\\nb'"),
        ('two  spaces', "'two  spaces'"),
        ('a' * 90, "'" + 'a' * 76 + '...'),
        ([1, {'b': (2.5, None)}], "[1, {'b': (2.5, None)}]"),
        (['a' * 9] * 100, '[' + "'aaaaaaaaa', " * 5 + "'aaaaaaaaa'" + '...'),
        (np.zeros((2, 2)), 'array([[0., 0.], [0., 0.]])'),
        (10**99, '1' + '0' * 76 + '...'),
    ],
)
def test_values_are_shown_on_a_line_of_eighty_letters(value, quoted):
    assert shown(value) == quoted and len(quoted) <= 80


def test_a_long_list_of_arrays_is_shown_quickly():
    class Slow:
        shown = 0

        def __repr__(self):
            Slow.shown += 1
            return 'array'

    assert shown([Slow()] * 10_000).startswith('[array, array')
    assert Slow.shown < 100


def test_files(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('[1, 2]')
    assert read_json(path, 6) == [1, 2]
    with pytest.raises(ValueError, match='it has 6 bytes, 5 are allowed'):
        read_json(path, 5)
    os.mkfifo(tmp_path / 'pipe')
    for name in ('pipe', '.'):
        with pytest.raises(ValueError, match='not a regular file'):
            read_json(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / 'none')


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / 'large.json'
    with path.open('wb') as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match='1,099,511,627,776 bytes, 67,108,864 are allowed'):
        read_json(path)


def test_a_repeated_name_among_many_is_found_quickly():
    """Counting each name in the list of all would take minutes."""
    names = [f'"{number}": 0' for number in range(100_000)]
    started = time.process_time()
    with pytest.raises(ValueError, match="it has the name '99999' twice in one object"):
        parse_json(f'{{{", ".join([*names, names[-1]])}}}')
    assert time.process_time() - started < 10
