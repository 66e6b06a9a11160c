"""`check_model`, tried on a model of a package outside this one, and on models that break the contract."""

import importlib
import re
import sys

import pytest

from estimator_lab.api import check_model
from estimator_lab.errors import FlagError
from estimator_lab.model_checks.suite import CHECKS, ModelCheckError
from estimator_lab.models.registry import MODELS
from tests.places import ROOT

SOURCE = '''
"""A model of another package."""

import dataclasses

from estimator_lab.base.settings import setting
from estimator_lab.core.heads.classification import classification_spec
from estimator_lab.core.heads.model import Model, Task
from estimator_lab.core.heads.model_function import model_function
from estimator_lab.core.layers.elementwise import dropout
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.core.model.hparams import at_least_1, structural
from estimator_lab.core.model.params import ClassifierParams, Phase
from estimator_lab.tf1 import tf


@dataclasses.dataclass(frozen=True)
class Params(ClassifierParams):
    units: int = structural(16, 'units of the hidden layer', at_least_1)
    dropout_rate: float = setting(0.5, 'share of hidden units dropped in training, in [0, 1)')


def task(params):
    return Task()


def phases(params):
    return [Phase()]


@model_function(Params)
def model_fn(args):
    start = tf.glorot_uniform_initializer()
    hidden_layer = tf.layers.Dense(args.params.units, tf.nn.relu, name='hidden', kernel_initializer=start)
    output_layer = tf.layers.Dense(args.params.num_classes, name='logits', kernel_initializer=start)
    hidden = hidden_layer(tf.layers.flatten(args.images))
    endpoints = {'hidden': Endpoint(hidden, hidden_layer.kernel)}
    hidden = dropout(hidden, args.params.dropout_rate, args.noise)
    logits = output_layer(hidden)
    spec = classification_spec(args, logits, endpoints)
    return spec


MODEL = Model('little', Params, model_fn, task=task, phases=phases)
'''

# What is replaced, by what, the checks that then fail, and words of the sentence.
BROKEN = {
    'name': ("Model('little'", "Model('Little One'", 'name_is_a_word', "'Little One' must be one word"),
    'help': ("'units of the hidden layer'", "' '", 'settings_have_help', 'units has no help text'),
    'default': ('structural(16', 'structural(0', 'defaults_are_allowed', 'units=0 is not allowed'),
    'phase': ('Phase()', "Phase('first')", 'last_phase_is_final', 'must be core.model.params.FINAL'),
    'metric': ('Task()', "Task('recall')", 'evaluation_has_its_metrics', 'lack recall'),
    'seed': (', kernel_initializer=start', '', 'initial_weights_repeat', 'begin with different values of'),
    'noisy predictions': (
        'logits = output_layer(hidden)',
        'logits = output_layer(hidden) + tf.random.uniform([])',
        'predictions_repeat',
        'differ in probabilities',
    ),
    'a batch as a whole': (
        'logits = output_layer(hidden)',
        'logits = output_layer(hidden - tf.reduce_mean(hidden, 0))',
        'an_example_is_predicted_alone',
        'depends on the other images of its batch',
    ),
    'a bad batch': (
        '    return spec',
        '    if args.training:\n'
        '        decayed = tf.assign_sub(output_layer.bias, tf.ones_like(output_layer.bias))\n'
        '        spec = spec._replace(train_op=tf.group(spec.train_op, decayed))\n'
        '    return spec',
        'a_bad_batch_changes_nothing',
        'changes logits/bias.',
    ),
    'two steps in one': (
        '    return spec',
        '    if args.training:\n'
        '        more = tf.assign_add(tf.train.get_global_step(), 1)\n'
        '        spec = spec._replace(train_op=tf.group(spec.train_op, more))\n'
        '    return spec',
        'a_step_counts_one',
        'advances the global step by 2',
    ),
    'no name': (
        'logits = output_layer(hidden)',
        'logits = output_layer(hidden) * tf.Variable(1.0)',
        'variables_have_names',
        'no names of their own: Variable',
    ),
    'more variables': (
        "name='hidden'",
        "name='hidden' if args.training else 'other'",
        'modes_share_variables',
        'EVAL has the variable other/',
    ),
    'Python': (
        'logits = output_layer(hidden)',
        'logits = output_layer(tf.ensure_shape(tf.py_func(lambda x: x, [hidden], tf.float32), hidden.shape))',
        'predictions_need_no_python',
        'calls Python (PyFunc)',
    ),
    'no endpoints': (
        '    spec = classification_spec(args, logits, endpoints)',
        '    spec = classification_spec(args, logits, endpoints)\n'
        "    tf.get_default_graph().clear_collection('estimator_lab/endpoints')",
        'endpoints_have_a_row_for_each_example',
        'publishes no endpoints',
    ),
    'half precision': (
        'logits = output_layer(hidden)',
        "logits = output_layer(hidden) + tf.cast(tf.get_variable('half', [], tf.float16), tf.float32)",
        'bfloat16_trains',
        'must be float32: half',
    ),
}


@pytest.fixture
def little(tmp_path, monkeypatch):
    """Writes the model with changes into a package outside this one, and imports it."""
    package = tmp_path / 'their_models'
    package.mkdir()
    (package / '__init__.py').touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(old='', new=''):
        assert old in SOURCE
        (package / 'little.py').write_text(SOURCE.replace(old, new) if old else SOURCE)
        for name in ('their_models', 'their_models.little'):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module('their_models.little')

    return load


@pytest.mark.slow
def test_a_model_of_another_package_passes(little, capfd):
    passed = check_model(little(), {'units': 6})
    assert passed == [*CHECKS] and len(passed) >= 41
    assert 'little' not in MODELS
    assert capfd.readouterr().out == ''


@pytest.mark.parametrize(
    ('old', 'new', 'check', 'words'),
    [case for case in BROKEN.values() if case[2]],
    ids=[n for n in BROKEN if BROKEN[n][2]],
)
def test_a_broken_contract_is_named(little, old, new, check, words):
    assert check_model(little(), {'units': 6}, only=[check]) == [check]
    with pytest.raises(ModelCheckError) as raised:
        check_model(little(old, new), {'units': 6}, only=[check])
    assert set(raised.value.failures) == {check}
    sentence = raised.value.failures[check]
    assert words in sentence and re.search(r'[.]$', sentence) and '\n' not in sentence
    assert f'fails 1 of 1 checks:\n{check}: {sentence}' in str(raised.value)


def test_one_error_is_reported_once(little):
    """Checks that need the same graph are not repeated."""
    broken = little(
        'hidden = hidden_layer(', "raise ValueError('the layer\\nis lost')\n    hidden = hidden_layer("
    )
    with pytest.raises(AssertionError) as raised:
        check_model(broken, only=['loss_is_finite', 'a_step_counts_one', 'name_is_a_word'])
    assert raised.value.failures == {'loss_is_finite': 'It raises ValueError: the layer is lost.'}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'model': re}, 're is not a model: a model file ends with MODEL'),
        ({'only': ['no_such_check']}, "There is no check 'no_such_check'"),
    ],
)
def test_wrong_arguments(little, arguments, message):
    with pytest.raises(FlagError, match=message):
        check_model(**{'model': little(), **arguments})


def test_hyper_parameters_that_do_not_exist(little):
    with pytest.raises(
        ModelCheckError, match='given to check_model are not allowed: Unknown hyper-parameter'
    ):
        check_model(little(), {'unit': 6}, only=['given_hyper_parameters_are_allowed'])


def test_the_page_lists_the_checks():
    page = (ROOT / 'docs/adding_a_model.md').read_text(encoding='utf-8')
    assert f'fails 1 of {len(CHECKS)} checks' in page
    for name, check in CHECKS.items():
        assert check.__doc__ and f'| `{name}` | {check.__doc__.splitlines()[0]} |' in page
