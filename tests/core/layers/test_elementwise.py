import dataclasses

import numpy as np
import pytest

from estimator_lab.core.layers.elementwise import ACTIVATIONS, ActivationParams
from estimator_lab.core.model.hparams import resolve
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import tf
from tests.graphs import evaluate

X = np.linspace(-3, 3, 25, dtype=np.float32)
EXACT = {
    'elu': np.where(X > 0, X, np.expm1(X)),
    'leaky_relu': np.where(X > 0, X, 0.1 * X),
    'linear': X,
    'relu': np.maximum(X, 0),
    'selu': 1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * np.expm1(X)),
    'sigmoid': 1 / (1 + np.exp(-X)),
    'softplus': np.log1p(np.exp(X)),
    'tanh': np.tanh(X),
}


def test_activations_match_numpy():
    assert set(EXACT) == set(ACTIVATIONS)
    for name, exact in EXACT.items():
        function = ActivationParams(activation=name, slope=0.1).activation_function()
        assert np.allclose(evaluate(lambda f=function: f(tf.constant(X))), exact, atol=1e-6), name


def test_defaults_are_those_of_older_folders():
    assert dataclasses.asdict(ActivationParams()) == {'activation': 'relu', 'slope': 0.2}
    for wrong in ({'activation': 'relo'}, {'slope': 1.0}):
        with pytest.raises(FlagError, match='is not allowed'):
            resolve(ActivationParams, wrong)
