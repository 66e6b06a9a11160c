import numpy as np
import pytest

from estimator_lab.core.reconstruction.encoder_decoder import EncoderDecoder, Sizes
from estimator_lab.tf1 import tf
from tests.differences import assert_gradients

DENSE = Sizes((4, 3, 2), layers=(7, 5, 2), decoder_layers=(5, 7))
CONVOLUTIONAL = Sizes((8, 12, 3), layers=(9, 4), decoder_layers=(9,), filters=(5, 6), kernel_size=3)


def images_of(sizes, count=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *sizes.image_shape)).astype(np.float32)


def variables():
    return {v.op.name: tuple(v.shape.as_list()) for v in tf.trainable_variables()}


def build(sizes, **options):
    coder = EncoderDecoder(sizes, tf.nn.tanh, **options)
    images = tf.constant(images_of(sizes))
    code, _ = coder.encode(images)
    return coder, code, coder.decode(code)[0]


def test_a_dense_coder_by_hand():
    with tf.Graph().as_default(), tf.Session() as session:
        coder, code, output = build(DENSE, code_activation=tf.nn.sigmoid)
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
        coder.decode(code)  # again, with the same variables
        assert len(variables()) == 12

    def layer(values, name):
        return values @ weights[f'{name}/kernel'] + weights[f'{name}/bias']

    values = images_of(DENSE).reshape(3, 24)
    values = np.tanh(layer(np.tanh(layer(values, 'layer_1')), 'layer_2'))
    values = 1 / (1 + np.exp(-layer(values, 'layer_3')))
    assert np.allclose(found_code, values, atol=1e-5)
    values = np.tanh(layer(np.tanh(layer(values, 'decoder_1')), 'decoder_2'))
    assert np.allclose(found.reshape(3, 24), layer(values, 'decoder_3'), atol=1e-5)


def fill_biases(session):
    """Zeros would hide a bias that is left out."""
    rng = np.random.default_rng(5)
    for variable in tf.trainable_variables():
        if variable.op.name.endswith('bias'):
            variable.load(rng.normal(size=variable.shape.as_list()).astype(np.float32), session)


def test_tied_weights_are_the_encoders_transposed():
    with tf.Graph().as_default(), tf.Session() as session:
        _, code, output = build(DENSE, tied=True)
        decoder = [name for name in variables() if name.startswith('decoder')]
        assert decoder == [f'decoder_{number}/bias' for number in (1, 2, 3)]
        session.run(tf.global_variables_initializer())
        fill_biases(session)
        weights = {v.op.name: v.eval(session) for v in tf.trainable_variables()}
        values, found = session.run([code, output])
    for number, kernel in ((1, 'layer_3'), (2, 'layer_2')):
        values = np.tanh(values @ weights[f'{kernel}/kernel'].T + weights[f'decoder_{number}/bias'])
    expected = values @ weights['layer_1/kernel'].T + weights['decoder_3/bias']
    assert np.allclose(found.reshape(3, 24), expected, atol=1e-5)


def test_a_convolutional_coder():
    with tf.Graph().as_default(), tf.Session() as session:
        _, code, output = build(CONVOLUTIONAL)
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


@pytest.mark.parametrize('tied', [False, True])
def test_the_code_may_be_the_output_of_the_convolutions(tied):
    sizes = Sizes((8, 12, 3), layers=(), decoder_layers=(), filters=(5, 2), kernel_size=3)
    with tf.Graph().as_default(), tf.Session() as session:
        _, code, output = build(sizes, tied=tied, code_activation=tf.nn.sigmoid)
        assert {name for name in variables() if name.endswith('kernel')} == {
            *('conv_1/kernel', 'conv_2/kernel'),
            *([] if tied else ['transposed_conv_1/kernel', 'transposed_conv_2/kernel']),
        }
        session.run(tf.global_variables_initializer())
        code, output = session.run([code, output])
    assert sizes.code == 12 and code.shape == (3, 12)  # two halvings leave 2x3 of 2 channels
    assert code.min() > 0 and code.max() < 1  # not tanh, the other layers' activation
    assert output.shape == (3, 8, 12, 3)


def test_a_decoder_of_dense_layers_on_a_code_of_convolutions():
    sizes = Sizes((8, 12, 3), layers=(), decoder_layers=(7,), filters=(5, 2), kernel_size=3)
    with tf.Graph().as_default():
        _, _, output = build(sizes)
        assert variables()['decoder_1/kernel'] == (12, 7)
        assert variables()['decoder_2/kernel'] == (7, 12)
        assert output.shape.as_list() == [3, 8, 12, 3]


def test_a_tied_convolution_is_the_adjoint_of_the_encoders():
    # All layers are linear: the code is C x, the output C' C x, and <x, C' C x> = <C x, C x>.
    sizes = Sizes((8, 8, 2), layers=(6,), decoder_layers=(), filters=(3,), kernel_size=4)
    with tf.Graph().as_default(), tf.Session() as session:
        images = images_of(sizes)
        coder = EncoderDecoder(sizes, tf.identity, tied=True)
        code, _ = coder.encode(tf.constant(images))
        output, _ = coder.decode(code)
        assert {n for n in variables() if not n.endswith('bias')} == {'conv_1/kernel', 'layer_1/kernel'}
        session.run(tf.global_variables_initializer())
        code, output = session.run([code, output])
    assert np.allclose((images * output).sum(axis=(1, 2, 3)), (code**2).sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize('sizes', [DENSE, CONVOLUTIONAL], ids=['dense', 'convolutional'])
def test_gradients_of_tied_weights_by_finite_differences(sizes):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        _, _, output = build(sizes, tied=True)
        kernels = [v for v in tf.trainable_variables() if v.op.name.endswith('kernel')]
        session.run(tf.global_variables_initializer())
        assert_gradients(session, tf.reduce_mean(tf.square(output)), kernels)


def test_initial_weights_depend_on_the_seed():
    def kernel(seed):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(seed)
            build(DENSE)
            session.run(tf.global_variables_initializer())
            return session.run(tf.trainable_variables()[0])

    assert np.array_equal(kernel(1), kernel(1))
    assert not np.array_equal(kernel(1), kernel(2))
