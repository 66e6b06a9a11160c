import pytest

from estimator_lab import dream, evaluate, export, inspect, predict, report, train
from estimator_lab.base.settings import settings_of
from estimator_lab.base.suggestions import _ALIASES, HPARAMS, suggested, unknown
from estimator_lab.data import demo, pack
from estimator_lab.models.registry import MODELS, find_model
from tests.commands import flags_of


@pytest.mark.parametrize(
    ('name', 'meant'),
    [
        ('steps', ['max_steps']),
        ('Learning-Rate', ['learning_rate']),
        ('learning_rat', ['learning_rate']),
        ('zzz', []),
        ('checkpoint', ['model_dir', 'warm_start']),
    ],
)
def test_names_that_may_have_been_meant(name, meant):
    assert suggested(name, ['max_steps', 'learning_rate', 'data', 'warm_start', 'model_dir']) == meant


def test_the_units_of_each_models_hidden_layers_are_found():
    meant = [
        suggested('hidden_units', settings_of(find_model(model).params))[0] for model in ('mlp', 'cnn', 'rbm')
    ]
    assert meant == ['layers', 'dense_units', 'hidden_units']


def test_the_sentence_lists_what_exists():
    assert unknown('Unknown thing', 'lr', ['data', 'learning_rate']) == (
        "Unknown thing 'lr'; did you mean learning_rate? Known are: data, learning_rate."
    )
    assert unknown('Unknown thing', 'zzz', ['data']) == "Unknown thing 'zzz'; known are: data."


def test_only_names_that_exist_are_suggested():
    hparams = {name for model in MODELS for name in settings_of(find_model(model).params)}
    assert set(HPARAMS) <= hparams
    commands = (dream, evaluate, export, inspect, predict, report, train, demo, pack)
    assert set(_ALIASES) <= hparams.union(*map(flags_of, commands))
