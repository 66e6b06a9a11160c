"""The list of models, and which of their hyper-parameters have an effect."""

import re
from pathlib import Path

import pytest

from estimator_lab.base.settings import settings_in_use, settings_of
from estimator_lab.core.params import parse_hparams, resolve
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.data.archives.kinds import KINDS
from estimator_lab.tf1 import tf
from tests.models.contract.models import SMALL, shape_of

pytestmark = pytest.mark.both
LARGE = ('resnet', 'style', 'vgg')  # whose graphs take seconds


@pytest.mark.parametrize('name', sorted(MODELS))
def test_model_is_complete(name):
    model, entry = find_model(name), MODELS[name]
    assert model.name == name
    assert entry.summary and '\n' not in entry.summary
    assert entry.kinds and set(entry.kinds) <= set(KINDS)
    folder = Path(__file__).parents[1] / 'models'
    assert (folder / f'test_{name}.py').is_file() or (folder / name).is_dir(), 'a model needs tests'
    declared = settings_of(model.params)
    assert len({one.help for one in declared.values()} - declared.keys()) == len(declared)


def another(declared, value):
    """Returns another value that a setting allows."""
    some = ['8', *declared.choices] if isinstance(value, str) else [value * 0.5, value + 1]
    some = [not value] if isinstance(value, bool) else some
    allowed = [type(value)(one) for one in some if not declared.problem(type(value)(one))]
    return next((one for one in allowed if one != value), value)


def training_graph(name, **params):
    """Returns the GraphDef of a training graph."""
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        features = {'image': tf.zeros([3, *params['image_shape']]), 'key': tf.constant(['a', 'b', 'c'])}
        labels = tf.constant([0, 1, 2], tf.int64)
        find_model(name).model_fn(features, labels, tf.estimator.ModeKeys.TRAIN, params)
        return graph.as_graph_def()


def unnumbered(node):
    """Returns the text of a node without the numbers of its functions, which count on in a process."""
    return re.sub(r'(?<=[a-z])[_-]\d+(?=")', '', str(node))


def function_operations(graph):
    return sorted(sorted(node.op for node in one.node_def) for one in graph.library.function)


@pytest.mark.parametrize(
    'name', [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in sorted(MODELS)]
)
def test_hyper_parameters_without_an_effect_have_none(name):
    small = {'image_shape': shape_of(name), **SMALL[name]}
    params = resolve(find_model(name).params, small)
    used = settings_in_use(params)
    changed = {
        of: another(declared, getattr(params, of))
        for of, declared in settings_of(type(params)).items()
        if of not in used and of not in small
    }
    assert changed
    usual, other = training_graph(name, **small), training_graph(name, **small, **changed)
    assert len(usual.node) == len(other.node)
    for one, two in zip(usual.node, other.node, strict=True):
        assert one == two or unnumbered(one) == unnumbered(two)
    assert function_operations(usual) == function_operations(other)


@pytest.mark.parametrize(
    ('name', 'chosen', 'used', 'unused'),
    [
        ('cnn', 'optimizer=adam', 'learning_rate', 'momentum'),
        ('cnn', 'optimizer=nesterov', 'momentum', 'damping'),
        ('cnn', 'optimizer=lbfgs', 'memory', 'learning_rate'),
        ('mlp', 'optimizer=hessian_free', 'damping', 'clip_norm'),
        ('vgg', 'activation=leaky_relu', 'slope', 'momentum'),
        ('autoencoder', 'activation=leaky_relu', 'slope', 'corruption_level'),
        ('autoencoder', 'kind=convolutional', 'filters', 'slope'),
        ('rbm', 'optimizer=sgd', 'binarize', 'momentum'),
        ('dbn', 'pretrain_epochs=0', 'dropout_rate', 'cd_steps'),
        ('recurrent', 'read=patches', 'patch_size', 'activation'),
        ('recursive', 'cell=lstm', 'patch_size', 'momentum'),
    ],
)
def test_choices_decide_which_hyper_parameters_have_an_effect(name, chosen, used, unused):
    found = settings_in_use(resolve(find_model(name).params, parse_hparams(find_model(name).params, chosen)))
    assert used in found and unused not in found
