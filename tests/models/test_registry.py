"""Walks the list of models: one without tests, help or a parameter count fails here."""

from pathlib import Path

import numpy as np
import pytest

from estimator_lab.core import keys
from estimator_lab.core.hparams import describe_hparams, hparam_fields
from estimator_lab.errors import FlagError
from estimator_lab.models.registry import MODELS, find_model
from estimator_lab.tf1 import tf

# Trainable values at the default parameters, with the arithmetic.
PARAMETER_COUNTS = {
    # conv 5*5*1*32+32, conv 5*5*32*32+32, dense 32*32*32*1024+1024, logits 1024*10+10
    # 16384-1000-500-250-30 and back: kernels 16384*1000 + 1000*500 + 500*250 + 250*30, twice; biases of
    # 1000 + 500 + 250 + 30 and 250 + 500 + 1000 + 16384 units
    'autoencoder': 2 * 17_016_500 + 1_780 + 18_134,
    # each of three machines has weights and a hidden bias; those of fine-tuning have no visible bias, and
    # 128*128 pixels enter
    'dbn': 16_384 * 500 + 500 + 500 * 500 + 500 + 500 * 2000 + 2000 + 2000 * 10 + 10,
    # weights, 500 hidden and 16,384 visible biases
    'rbm': 16_384 * 500 + 500 + 16_384,
    'cnn': 832 + 25_632 + 33_555_456 + 10_250,
}


@pytest.mark.parametrize('name', sorted(MODELS))
def test_model_is_complete(name):
    model = find_model(name)
    module = model.load()
    assert model.summary and '\n' not in model.summary
    assert (Path(__file__).parent / f'test_{name}.py').is_file(), 'a model needs tests'
    assert all(f.metadata['help'] for f in hparam_fields(module.Params).values())
    assert len(describe_hparams(module.Params).splitlines()) == len(hparam_fields(module.Params))
    module.check(module.Params())


@pytest.mark.parametrize('name', sorted(MODELS))
def test_parameter_count(name):
    module = find_model(name).load()
    params = module.Params()
    with tf.Graph().as_default():
        features = {'image': tf.zeros([1, *params.image_shape]), 'key': tf.constant(['k'])}
        module.model_fn(features, None, tf.estimator.ModeKeys.PREDICT)
        count = sum(int(np.prod(v.shape.as_list())) for v in tf.trainable_variables())
    assert count == PARAMETER_COUNTS[name]


@pytest.mark.parametrize('name', sorted(MODELS))
def test_evaluate_can_find_the_worst_examples(name):
    module = find_model(name).load()
    params = module.Params()
    with tf.Graph().as_default():
        features = {'image': tf.zeros([2, *params.image_shape]), 'key': tf.constant(['k', 'l'])}
        spec = module.model_fn(features, tf.constant([0, 1], tf.int64), tf.estimator.ModeKeys.EVAL)
    assert {keys.CLASSES, keys.PROBABILITIES} <= set(spec.predictions) or keys.ERROR in spec.predictions


def test_every_model_has_a_count():
    assert set(PARAMETER_COUNTS) == set(MODELS)


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(FlagError, match=r'--model=cmm is unknown; known are: .*cnn'):
        find_model('cmm')
