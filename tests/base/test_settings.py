"""Settings from Python are checked as those of a command line are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import setting, settings_from, settings_in_use, settings_of


@dataclass(frozen=True)
class Some:
    size: int = setting(3, 'a size', lower=1, upper=9)
    share: float = setting(0.5, 'a share', lower=0, below=1)
    fast: bool = setting(False, 'whether')
    name: str = setting('a', 'a name', choices=('a', 'b'))
    out: Path | None = setting(None, 'a file')
    data: Sequence[str] = setting((), 'files')
    sizes: str = setting('8', 'of layers', pattern=r'\d+(-\d+)*')
    room: str = setting('8M', 'bytes', is_size=True)


def test_values_get_the_types_of_their_settings():
    made = settings_from(
        Some, {'size': np.int64(4), 'share': 0, 'out': 'x', 'data': Path('a.tar'), 'room': 9}
    )
    assert made == Some(size=4, share=0.0, out=Path('x'), data=('a.tar',), room='9')
    assert [type(value) for value in (made.size, made.share)] == [int, float]
    assert settings_from(Some, {'data': ['a', Path('b')], 'out': None}).data == ('a', 'b')


@dataclass(frozen=True)
class Dependent:
    data: str = 'no setting'
    fast: bool = setting(False, 'whether')
    speed: float = setting(2.0, 'for fast=true', used_if=lambda settings: settings.fast)


def test_settings_without_an_effect_are_told_apart():
    assert settings_in_use(Dependent()) == {'fast': False}
    assert settings_in_use(Dependent(fast=True)) == {'fast': True, 'speed': 2.0}


@pytest.mark.parametrize(
    ('value', 'sentence'),
    [
        ({'sise': 3}, "Unknown setting 'sise'; did you mean size"),
        ({'size': 0}, 'size=0 must be 1 or more'),
        ({'size': 10}, 'size=10 must be 9 or less'),
        *(({'size': value}, f'size={value} must be a whole number') for value in (3.0, True, None)),
        ({'share': float('nan')}, 'share=nan must be'),
        ({'share': 1.5}, 'share=1.5 must be below 1'),
        ({'fast': 1}, 'fast=1 must be True or False'),
        ({'name': 'c'}, "name='c' must be one of 'a', 'b'"),
        ({'out': 3}, 'out=3 must be a path'),
        ({'data': b'x'}, "data=b'x' must be a path, or several"),
        ({'data': ['x', 3]}, r"data=\['x', 3\] must be a path, or several"),
        ({'name': 'c' * 500}, "name='ccccccc"),
        ({'sizes': [16, 8]}, r"sizes=\[16, 8\] must be a text, '16-8'"),
        *(({'sizes': value}, "must be a text, '16'") for value in ((16,), 16)),
        ({'sizes': [0.5]}, r'must be a text\.'),
        ({'name': ['a']}, r'must be a text\.'),
    ],
)
def test_other_values_are_refused(value, sentence):
    with pytest.raises(FlagError, match=sentence) as caught:
        settings_from(Some, value)
    assert len(str(caught.value)) < 150


def test_allowed_values_in_words():
    allowed = {name: one.allowed() for name, one in settings_of(Some).items()}
    assert allowed['size'] == '1 or more, 9 or less' and allowed['name'] == 'one of a, b'
    assert allowed['share'] == '0 or more, below 1' and allowed['fast'] == ''
