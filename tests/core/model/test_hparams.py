import dataclasses

import pytest

from estimator_lab.base.settings import setting, structural_settings
from estimator_lab.core.model.hparams import (
    are_sizes,
    describe_hparams,
    parse_hparams,
    resolve,
    sizes,
)
from estimator_lab.errors import FlagError


@dataclasses.dataclass(frozen=True)
class Params:
    image_shape: tuple = (4, 4, 1)
    rate: float = setting(0.5, 'a rate above 0', lambda v: v > 0)
    units: int = setting(3, 'units, at least 1', lambda v: v >= 1, structural=True)
    tied: bool = setting(False, 'whether weights are tied', lambda v: True)
    kind: str = setting('a', 'a or b', 'ab'.__contains__)


def test_values_have_the_type_of_their_default():
    values = parse_hparams(Params, 'rate=2, units=7,tied=true,kind=b')
    assert values == {'rate': 2.0, 'units': 7, 'tied': True, 'kind': 'b'}
    assert isinstance(values['rate'], float)
    assert parse_hparams(Params, '') == {}


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('rat=2', r"Unknown hyper-parameter 'rat'; did you mean rate\? Known are: rate, units, tied, kind\."),
        ('image_shape=3', 'Unknown hyper-parameter'),
        ('units=2.5', r'--hparams=units=2\.5 is not a whole number\.'),
        ('tied=perhaps', '--hparams=tied=perhaps is not true or false'),
        ('rate', '--hparams takes name=value'),
        ('rate=nan', '--hparams=rate=nan is not a finite number'),
        ('rate=inf', '--hparams=rate=inf is not a finite number'),
        ('units=2,rate=1,units=3', 'units is given twice'),
    ],
)
def test_what_cannot_be_parsed_is_one_sentence(text, words):
    with pytest.raises(FlagError, match=words):
        parse_hparams(Params, text)


def test_resolving_fills_in_defaults():
    assert resolve(Params, None) == Params()
    assert resolve(Params, {'units': 9, 'image_shape': (1, 2, 3)}) == Params((1, 2, 3), units=9)


@pytest.mark.parametrize(
    ('params', 'words'),
    [
        ({'unit': 1}, r'did you mean units\? Known are: image_shape, rate'),
        ({'rate': 0}, 'rate=0 is not allowed: a rate above 0'),
        ({'kind': 'c'}, 'kind=c is not allowed: a or b'),
        ({'rate': float('nan')}, 'rate=nan is not allowed'),
    ],
)
def test_what_a_model_function_refuses(params, words):
    with pytest.raises(FlagError, match=words):
        resolve(Params, params)


def test_description_and_shapes():
    assert describe_hparams(Params).splitlines()[1].split() == ['units=3', 'units,', 'at', 'least', '1']
    assert list(structural_settings(Params)) == ['units']


@pytest.mark.parametrize(('text', 'expected'), [('', ()), ('30', (30,)), ('1000-500-30', (1000, 500, 30))])
def test_sizes_of_layers(text, expected):
    assert sizes(text) == expected
    assert are_sizes(text)


@pytest.mark.parametrize('text', ['a', '5-', '-5', '5--6', '0', '5-0', '5 6', '1.5', '5,6'])
def test_no_sizes(text):
    assert not are_sizes(text)
    with pytest.raises(ValueError, match='not a list of sizes'):
        sizes(text)
