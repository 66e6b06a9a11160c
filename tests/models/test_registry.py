"""Walks the list of models: one without tests or a parameter count fails here.

tests/test_every_model.py runs `check_model` on each.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.base.settings import settings_in_use, settings_of
from estimator_lab.core.model.hparams import describe_hparams, resolve
from estimator_lab.data.kinds import KINDS
from estimator_lab.errors import FlagError
from estimator_lab.models.registry import MODELS, find_model, with_model
from estimator_lab.tf1 import tf

# Sizes in which a test of a step is quick, by model; for images of 8x8.
SMALL = {
    'autoencoder': {'layers': '6-3'},
    'cnn': {'filters': 2, 'dense_units': 8},
    'dbn': {'layers': '6-5', 'pretrain_epochs': 0.0},
    'gan': {'filters': '2', 'latent_size': 3},
    'mlp': {'layers': '6-5'},
    'rbm': {'hidden_units': 6},
    'recurrent': {'layers': '6'},
    'resnet': {'image_shape': (32, 32, 1), 'depth': 18, 'filters': 1},
    'recursive': {'units': 6, 'embedding_units': 5},
    'style': {'filters': '2', 'blocks': 1},
    # five poolings take more than 8x8
    'vgg': {'image_shape': (32, 32, 1), 'depth': 11, 'filters': 1, 'dense_units': 3, 'batch_norm': True},
}

# Trainable values at the default parameters, with the arithmetic.
PARAMETER_COUNTS = {
    # 16384-1000-500-250-30 and back: kernels 16384*1000 + 1000*500 + 500*250 + 250*30, twice; biases of
    # 1000 + 500 + 250 + 30 and 250 + 500 + 1000 + 16384 units
    'autoencoder': 2 * 17_016_500 + 1_780 + 18_134,
    # each of three machines has weights and a hidden bias; those of fine-tuning have no visible bias, and
    # 128*128 pixels enter
    'dbn': 16_384 * 500 + 500 + 500 * 500 + 500 + 500 * 2000 + 2000 + 2000 * 10 + 10,
    # 128 is halved 5 times, to 4x4 with 16, 32, 64, 128 and 256 filters of 4x4. The generator: 64 numbers
    # into 4*4*256, five transposed convolutions, the last with a bias, two numbers of normalisation a map
    # but for the image's; the discriminator: five convolutions with biases, 4*4*256 values to one logit
    'gan': (
        64 * 4096
        + 16 * (256 * 128 + 128 * 64 + 64 * 32 + 32 * 16 + 16 * 1)
        + 1
        + 2 * (256 + 128 + 64 + 32 + 16)
        + 16 * (1 * 16 + 16 * 32 + 32 * 64 + 64 * 128 + 128 * 256)
        + (16 + 32 + 64 + 128 + 256)
        + 4096
        + 1
    ),
    # of grey pictures: convolutions 9*9*1*16, 3*3*16*32 and 3*3*32*64; five blocks of two 3*3*64*64;
    # 3*3*64*32 and 3*3*32*16 on the way back; a scale and a shift for each of their maps; 9*9*16*1 and a bias
    'style': (
        81 * 16
        + 2 * (9 * 16 * 32 + 9 * 32 * 64)
        + 10 * 9 * 64 * 64
        + 2 * (16 + 32 + 64 + 10 * 64 + 32 + 16)
        + (81 * 16 + 1)
    ),
    # 16384-1024-1024-10, with a bias for each unit
    'mlp': 16_384 * 1024 + 1024 * 1024 + 1024 * 10 + 1024 + 1024 + 10,
    # rows of 128 pixels above a state of 128, to four gates; their biases; logits 128*10+10
    'recurrent': (128 + 128) * 4 * 128 + 4 * 128 + 1290,
    # torchvision's ResNet-50 has 25,557,032, with 1000 classes in place of 10
    'resnet': 25_557_032 - 990 * 2049,
    # convolutions 3*3*in*out+out; of 128x128 pixels the blocks leave 4x4: fc6 4*4*512*4096+4096, fc7
    # 4096*4096+4096, fc8 4096*10+10
    'vgg': (
        (9 * 3 * 64 + 64)
        + (9 * 64 * 64 + 64)
        + (9 * 64 * 128 + 128)
        + (9 * 128 * 128 + 128)
        + (9 * 128 * 256 + 256)
        + 2 * (9 * 256 * 256 + 256)
        + (9 * 256 * 512 + 512)
        + 5 * (9 * 512 * 512 + 512)
        + (16 * 512 * 4096 + 4096)
        + (4096 * 4096 + 4096)
        + 40_970
    ),
    # weights, 500 hidden and 16,384 visible biases
    'rbm': 16_384 * 500 + 500 + 16_384,
    # patches of (4+2*2)^2 pixels to 128; leaves to 3 gates; nodes of 4 children to 7 gates; logits
    'recursive': 64 * 128 + 128 + 128 * 384 + 384 + 512 * 896 + 896 + 128 * 10 + 10,
    # conv 5*5*1*32+32, conv 5*5*32*32+32, dense 32*32*32*1024+1024, logits 1024*10+10
    'cnn': 832 + 25_632 + 33_555_456 + 10_250,
}


@pytest.mark.parametrize('name', sorted(MODELS))
def test_model_is_complete(name):
    model, entry = find_model(name), MODELS[name]
    assert model.name == name
    assert entry.summary and '\n' not in entry.summary
    assert entry.kinds and set(entry.kinds) <= set(KINDS)
    assert (Path(__file__).parent / f'test_{name}.py').is_file(), 'a model needs tests'
    assert len(describe_hparams(model.params).splitlines()) == len(settings_of(model.params))


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(FlagError, match=r'--model=cmm is unknown; known are: .*cnn'):
        find_model('cmm')


@pytest.mark.parametrize('name', sorted(MODELS))
def test_parameter_count(name):
    model = find_model(name)
    with tf.Graph().as_default():
        images = tf.zeros([3, *model.params().image_shape])
        features = {'image': images, 'key': tf.constant(['a', 'b', 'c'])}
        model.model_fn(features, None, tf.estimator.ModeKeys.PREDICT, {})
        count = sum(int(np.prod(v.shape.as_list())) for v in tf.trainable_variables())
    assert count == PARAMETER_COUNTS[name]


def another(declared, value):
    """Returns another value that a setting allows."""
    some = ['8', 'linear', 'unrolled', 'gaussian'] if isinstance(value, str) else [value * 0.5, value + 1]
    some = [not value] if isinstance(value, bool) else some
    allowed = [type(value)(one) for one in some if declared.valid is None or declared.valid(one)]
    return next((one for one in allowed if one != value), value)


def graph_parts(name, **params):
    """Returns the nodes of a training graph, and the operations of its functions."""
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        features = {'image': tf.zeros([3, *params['image_shape']]), 'key': tf.constant(['a', 'b', 'c'])}
        labels = tf.constant([0, 1, 2], tf.int64)
        find_model(name).model_fn(features, labels, tf.estimator.ModeKeys.TRAIN, params)
        written = graph.as_graph_def()
    nodes = [re.sub(r'(?<=[a-z])[_-]\d+(?=")', '', str(node)) for node in written.node]
    return nodes, sorted(sorted(node.op for node in one.node_def) for one in written.library.function)


@pytest.mark.parametrize('name', sorted(MODELS))
def test_hyper_parameters_without_an_effect_have_none(name):
    small = {'image_shape': (8, 8, 1), **SMALL[name]}
    params = resolve(find_model(name).params, small)
    used = settings_in_use(params)
    changed = {
        of: another(declared, getattr(params, of))
        for of, declared in settings_of(type(params)).items()
        if of not in used and of not in small
    }
    assert changed and 'cg_steps' in changed
    assert graph_parts(name, **small, **changed) == graph_parts(name, **small)


@pytest.mark.parametrize(
    ('name', 'chosen', 'used', 'unused'),
    [
        ('cnn', 'optimizer=adam', 'learning_rate', 'momentum'),
        ('cnn', 'optimizer=nesterov', 'momentum', 'damping'),
        ('cnn', 'optimizer=lbfgs', 'memory', 'learning_rate'),
        ('mlp', 'optimizer=hessian_free', 'damping', 'clip_norm'),
        ('vgg', 'activation=leaky_relu', 'slope', 'momentum'),
        ('autoencoder', 'code_activation=leaky_relu', 'slope', 'corruption_level'),
        ('autoencoder', 'kind=convolutional', 'filters', 'slope'),
        ('rbm', 'optimizer=sgd', 'binarize', 'initial_momentum'),
        ('dbn', 'pretraining=denoising', 'masking', 'cd_steps'),
        ('gan', 'kind=dense', 'generator_layers', 'filters'),
        ('recurrent', 'cell=linear', 'states', 'forget_bias'),
        ('recursive', 'cell=lstm', 'patch_size', 'embedding_range'),
    ],
)
def test_choices_decide_which_hyper_parameters_have_an_effect(name, chosen, used, unused):
    found = settings_in_use(resolve(find_model(name).params, dict([chosen.split('=')])))
    assert used in found and unused not in found


def test_a_model_of_another_package_is_listed_for_a_while():
    guest = dataclasses.replace(find_model('mlp'), name='guest')
    with with_model(guest):
        assert find_model('guest') is guest and MODELS['guest'].kinds == ('image',)
    assert 'guest' not in MODELS
    with (
        pytest.raises(FlagError, match='another model called mlp'),
        with_model(dataclasses.replace(guest, name='mlp')),
    ):
        pass
