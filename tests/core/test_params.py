import dataclasses
import re

import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import setting, settings_that_are
from estimator_lab.core.params import (
    SIZES,
    AnyOptimizer,
    ClassifierParams,
    TrainingParams,
    describe_hparams,
    parse_hparams,
    resolve,
    sizes,
)
from estimator_lab.core.registry import MODELS, find_model

pytestmark = pytest.mark.both


@dataclasses.dataclass(frozen=True)
class Params:
    image_shape: tuple[int, int, int] = (4, 4, 1)
    vocabulary: tuple[str, ...] = ()
    rate: float = setting(0.5, 'a rate', above=0)
    units: int = setting(3, 'units', lower=1, structural=True)
    tied: bool = setting(False, 'whether weights are tied')
    kind: str = setting('a', 'kind of the network', choices=('a', 'b'))
    layers: str = setting('30', 'units of each layer', pattern=SIZES)


def test_values_have_the_type_of_their_default():
    values = parse_hparams(Params, 'rate=2, units=7,tied=true,kind=b')
    assert values == {'rate': 2.0, 'units': 7, 'tied': True, 'kind': 'b'}
    assert isinstance(values['rate'], float)
    assert parse_hparams(Params, '') == {}
    assert parse_hparams(Params, 'kind=a,b, units=7') == {'kind': 'a,b', 'units': 7}  # of a name with a comma


def test_values_by_name_are_no_text():
    """A comma, or the name of another, may be in a value."""
    values = {'kind': 'a.jpg,units=3', 'rate': 0.1}
    assert parse_hparams(Params, values) == values
    with pytest.raises(FlagError, match=r"Unknown hyper-parameter 'rat'; did you mean rate"):
        parse_hparams(Params, {'rat': 1})


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('rat=2', r"Unknown hyper-parameter 'rat'; did you mean rate\? Known are: rate, units, tied"),
        ('image_shape=3', 'Unknown hyper-parameter'),
        ('units=2.5', r'units=2\.5 is not a whole number\.'),
        ('tied=perhaps', 'tied=perhaps is not true or false'),
        ('rate', 'hparams takes name=value'),
        ('units=2,rate=1,units=3', 'units is given twice'),
    ],
)
def test_what_cannot_be_parsed_is_one_sentence(text, words):
    with pytest.raises(FlagError, match=words):
        parse_hparams(Params, text)


def test_parameters_know_which_were_given_also_after_a_model_function_got_them():
    params = resolve(TrainingParams, {'momentum': TrainingParams.momentum, 'image_shape': (8, 8, 1)})
    assert params.given == resolve(TrainingParams, vars(params)).given == ('momentum',)


def test_resolving_fills_in_defaults_and_converts():
    assert resolve(Params, None) == Params()
    found = resolve(Params, {'units': 9, 'image_shape': [1, 2, 3], 'rate': 1})
    assert found == Params((1, 2, 3), units=9, rate=1.0)
    assert isinstance(found.image_shape, tuple) and isinstance(found.rate, float)


def test_defaults_of_every_classifier():
    params = resolve(ClassifierParams, {})
    rate = params.optimizer, params.learning_rate, params.learning_rate_schedule
    assert rate == ('adam', 0.001, 'cosine')
    assert (params.warmup_steps, params.momentum, params.clip_norm, params.weight_decay) == (0, 0.9, 0.0, 0.0)
    assert params.stretch and not params.balanced and not params.curves and params.class_weights == ()


@pytest.mark.parametrize(
    ('params', 'words'),
    [
        ({'unit': 1}, r'did you mean units\? Known are: image_shape, vocabulary, rate'),
        ({'rate': 0}, 'Hyper-parameter rate=0 must be above 0'),
        ({'rate': float('nan')}, 'rate=nan must be a finite number'),
        ({'rate': None}, 'rate=None must be a finite number'),
        ({'units': 0}, 'units=0 must be 1 or more'),
        ({'units': '32'}, "units='32' must be a whole number"),
        ({'units': 32.5}, 'units=32.5 must be a whole number'),
        ({'image_shape': (8, 8)}, 'image_shape=.* must be of type tuple'),
        ({'image_shape': (8, 8, '1')}, 'image_shape=.* must be of type tuple'),
        ({'vocabulary': 'abc'}, 'vocabulary=.* must be of type tuple'),
    ],
)
def test_what_a_model_function_refuses(params, words):
    with pytest.raises(FlagError, match=words):
        resolve(Params, params)


def test_the_description_says_what_is_allowed():
    lines = [line.strip() for line in describe_hparams(Params).splitlines()]
    assert lines[:2] == ['rate=0.5  a rate; above 0', 'units=3  units; 1 or more']
    assert lines[3] == 'kind=a  kind of the network; one of a, b'
    assert settings_that_are(Params, 'structural') == ['units']


@pytest.mark.parametrize(('text', 'expected'), [('', ()), ('30', (30,)), ('1000-500-30', (1000, 500, 30))])
def test_sizes_of_layers(text, expected):
    assert sizes(text) == expected


@pytest.mark.parametrize('text', ['a', '5-', '-5', '5--6', '0', '5-0', '5 6', '1.5', '5,6', ''])
def test_no_sizes(text):
    with pytest.raises(FlagError, match="must be like '30'"):
        resolve(Params, {'layers': text})


def test_only_models_that_say_so_have_settings_of_second_order_optimizers():
    assert 'damping' in describe_hparams(AnyOptimizer)
    for params in (TrainingParams, ClassifierParams):
        assert 'damping' not in describe_hparams(params) and 'lbfgs' not in describe_hparams(params)
    without = {name for name in MODELS if not issubclass(find_model(name).params, AnyOptimizer)}
    assert without == {'gan', 'rbm', 'recursive'}


@pytest.mark.parametrize(
    ('given', 'rate', 'clip_norm'),
    [
        ({}, 0.001, 0.0),
        ({'optimizer': 'sgd'}, 0.4, 1.0),
        ({'optimizer': 'sgd', 'clip_norm': 2.0}, 0.4, 2.0),
        ({'optimizer': 'sgd', 'learning_rate': 0.001}, 0.001, 0.0),
        ({'optimizer': 'adadelta'}, 2.0, 0.0),
        ({'optimizer': 'lbfgs'}, 0.001, 0.0),
    ],
)
def test_each_optimizer_has_a_learning_rate_of_its_own(given, rate, clip_norm):
    params = resolve(find_model('mlp').params, given)
    assert (params.learning_rate, params.clip_norm) == (rate, clip_norm)


def test_other_rates_are_in_proportion_to_the_one_for_adam():
    rates = {'resnet': 0.005, 'autoencoder': 0.05, 'style': 0.05, 'gan': 0.025}
    for name, rate in rates.items():
        params = resolve(find_model(name).params, {'optimizer': 'momentum'})
        assert (params.learning_rate, params.clip_norm) == (rate, 1.0), name
    assert resolve(find_model('rbm').params, {'optimizer': 'sgd'}).learning_rate == 0  # it has its own


def test_help_states_the_learning_rate_of_each_optimizer():
    (line,) = re.findall('.* learning_rate=.*', describe_hparams(find_model('cnn').params))
    assert 'unless a learning rate is given, 2 for adadelta' in line and '0.4 for sgd' in line
    assert not re.search('for (adam|lbfgs)', line)
