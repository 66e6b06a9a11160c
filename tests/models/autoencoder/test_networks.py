"""The encoder and the decoder against NumPy."""

import numpy as np
import pytest

from estimator_lab.core.endpoints import operation
from estimator_lab.models.autoencoder.model import Params
from estimator_lab.models.autoencoder.networks import code_size, decoder, encoder, map_shape
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

DENSE = Params((4, 3, 2), layers='7-5-2', activation='tanh')
CONVOLUTIONAL = Params(
    (8, 12, 3), kind='convolutional', layers='9-4', filters='5-6', kernel_size=3, activation='tanh'
)
PLAIN = Params((8, 12, 3), kind='convolutional', filters='5-2', kernel_size=3, activation='tanh')


def images_of(params, count=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *params.image_shape)).astype(np.float32)


def variables():
    return {v.op.name: tuple(v.shape.as_list()) for v in tf.trainable_variables()}


def build(params):
    code, _ = encoder(tf.constant(images_of(params)), params)
    return code, decoder(code, params)[0]


def test_a_dense_coder_by_hand(session):
    code, output = build(DENSE)
    layers = [f'{name}_{number}' for name in ('layer', 'decoder') for number in (1, 2, 3)]
    kernels = dict(zip(layers, [(24, 7), (7, 5), (5, 2), (2, 5), (5, 7), (7, 24)], strict=True))
    assert variables() == {
        **{f'{name}/kernel': shape for name, shape in kernels.items()},
        **{f'{name}/bias': shape[1:] for name, shape in kernels.items()},
    }
    session.run(tf.global_variables_initializer())
    fill_biases(session)
    weights = {v.op.name: v.eval(session) for v in tf.trainable_variables()}
    found_code, found = session.run([code, output])
    decoder(code, DENSE)  # again, with the same variables
    assert len(variables()) == 12

    def layer(values, name):
        return values @ weights[f'{name}/kernel'] + weights[f'{name}/bias']

    values = images_of(DENSE).reshape(3, 24)
    values = np.tanh(layer(np.tanh(layer(values, 'layer_1')), 'layer_2'))
    values = layer(values, 'layer_3')
    assert np.allclose(found_code, values, atol=1e-5)
    values = np.tanh(layer(np.tanh(layer(values, 'decoder_1')), 'decoder_2'))
    assert np.allclose(found.reshape(3, 24), layer(values, 'decoder_3'), atol=1e-5)


def fill_biases(session):
    """Zeros would hide a bias that is left out."""
    rng = np.random.default_rng(5)
    for variable in tf.trainable_variables():
        if variable.op.name.endswith('bias'):
            variable.load(rng.normal(size=variable.shape.as_list()).astype(np.float32), session)


def test_a_convolutional_coder(session):
    code, output = build(CONVOLUTIONAL)
    # Two halvings leave 2x3 of 6 channels, 36 values.
    assert {name: shape for name, shape in variables().items() if name.endswith('kernel')} == {
        **{'conv_1/kernel': (3, 3, 3, 5), 'conv_2/kernel': (3, 3, 5, 6)},
        **{'layer_1/kernel': (36, 9), 'layer_2/kernel': (9, 4)},
        **{'decoder_1/kernel': (4, 9), 'decoder_2/kernel': (9, 36)},
        **{'transposed_conv_1/kernel': (3, 3, 5, 6), 'transposed_conv_2/kernel': (3, 3, 3, 5)},
    }
    session.run(tf.global_variables_initializer())
    code, output = session.run([code, output])
    assert code.shape == (3, 4)
    assert output.shape == (3, 8, 12, 3)


def test_the_code_may_be_the_output_of_the_convolutions(session):
    code, output = build(PLAIN)
    assert operation(code) == 'BiasAdd'  # not Tanh, the other layers' activation
    assert {name for name in variables() if name.endswith('kernel')} == {
        *('conv_1/kernel', 'conv_2/kernel', 'transposed_conv_1/kernel', 'transposed_conv_2/kernel')
    }
    session.run(tf.global_variables_initializer())
    code, output = session.run([code, output])
    assert code_size(PLAIN) == 12 and code.shape == (3, 12)  # two halvings leave 2x3 of 2 channels
    assert output.shape == (3, 8, 12, 3)


def test_the_published_sizes():
    assert Params((28, 28, 1)).layer_sizes == (1000, 500, 250, 30)
    photos = Params((128, 128, 1), kind='convolutional')
    assert (photos.layer_sizes, map_shape(photos)) == ((), (8, 8, 4))
    assert code_size(photos) == 256  # of 16,384 pixels: 64 to 1
