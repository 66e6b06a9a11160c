import pytest

from estimator_lab.base.settings import settings_of
from estimator_lab.base.suggestions import HPARAMS, suggested, unknown
from estimator_lab.core.registry import MODELS, find_model


@pytest.mark.parametrize(
    ('name', 'meant'),
    [
        ('max_step', ['max_steps']),
        ('Learning-Rate', ['learning_rate']),
        ('learning_rat', ['learning_rate']),
        ('zzz', []),
    ],
)
def test_names_that_may_have_been_meant(name, meant):
    assert suggested(name, ['max_steps', 'learning_rate', 'data', 'warm_start', 'model_dir']) == meant


def test_the_sentence_lists_what_exists():
    assert unknown('Unknown thing', 'rate', ['data', 'rates']) == (
        "Unknown thing 'rate'; did you mean rates? Known are: data, rates."
    )
    assert unknown('Unknown thing', 'zzz', ['data']) == "Unknown thing 'zzz'; known are: data."


def test_a_long_list_is_cut():
    sentence = unknown('Unknown thing', 'x' * 500, [f'name_{number}' for number in range(100)])
    assert len(sentence) < 400 and sentence.endswith(', name_26, name_27, and 72 more.')


def test_only_names_that_exist_are_suggested():
    hparams = {name for model in MODELS for name in settings_of(find_model(model).params)}
    assert set(HPARAMS) <= hparams
