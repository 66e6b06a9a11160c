"""Each model keeps the contract, most of them on each TensorFlow."""

import functools
import shutil
from importlib import import_module

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.core.params import RAW_PIXELS, Pixels, resolve
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf
from tests.models.contract import declarations, graphs, runs
from tests.models.contract.models import SMALL, shape_of, subject_of
from tests.support.places import GOLDEN, ROOT

pytestmark = [pytest.mark.both, pytest.mark.trains]

CHECKS = {check.__name__: check for check in (*declarations.CHECKS, *graphs.CHECKS, *runs.CHECKS)}

# Values of weights at the default parameters, with the arithmetic.
WEIGHTS = {
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

CONVOLUTIONAL = {'kind': 'convolutional', 'filters': '2'}
PRETRAINED = {'pretrain_epochs': 2.0}

# What cannot be built: hyper-parameters, and words of the sentence.
REFUSED = [
    ('autoencoder', {**CONVOLUTIONAL, 'filters': '4-4-4', 'image_shape': (12, 12, 1)}, 'multiple of 8'),
    ('autoencoder', {'loss': 'cross_entropy', 'output': 'linear'}, 'loss=cross_entropy needs output=sigmoid'),
    ('autoencoder', {'corruption_level': 1.5}, 'corruption_level=1.5 must be 1 or less'),
    ('autoencoder', {'corruption': 'rain'}, "corruption='rain' must be one of 'none', 'masking', 'gaussian'"),
    ('autoencoder', {'layers': '20-x'}, "layers='20-x' must be like ''"),
    ('autoencoder', {**CONVOLUTIONAL, 'filters': ''}, "filters='' must be like '32-64-128-4'"),
    ('autoencoder', {'kind': 'round'}, "kind='round' must be one of 'dense', 'convolutional'"),
    ('autoencoder', PRETRAINED, 'pretrain_epochs=2 needs activation=sigmoid, not elu'),
    ('autoencoder', {**PRETRAINED, 'activation': 'sigmoid', **CONVOLUTIONAL}, 'needs kind=dense, not convol'),
    ('cnn', {'image_shape': (3, 3, 1)}, 'image_size=3 is too small: two poolings'),
    ('cnn', {'dropout_rate': 1.0}, 'dropout_rate=1.0 must be below 1'),
    ('dbn', {'layers': ''}, "layers='' must be like '500-500-2000'"),
    ('gan', {'optimizer': 'lbfgs'}, 'lbfgs'),
    ('gan', {'image_shape': (7, 7, 1)}, 'image_size=7 is too small for convolutions: give 8'),
    ('gan', {'image_shape': (12, 12, 1), 'filters': '2-2-2-2'}, 'the image 4 times, which takes 16 pixels'),
    ('gan', {'conditional': True, 'vocabulary': ('a',)}, 'needs two labels or more'),
    ('mlp', {'layers': ''}, "layers='' must be like '1024-1024'"),
    ('mlp', {'activation': 'none'}, "activation='none' must be one of 'elu'"),
    ('mlp', {'max_norm': -1.0}, 'max_norm=-1.0 must be 0 or more'),
    ('rbm', {'ais_chains': 1}, 'ais_chains=1 gives no error bar'),
    ('rbm', {'ais_chains': 9, 'visible_units': 'gaussian'}, 'needs visible_units=bernoulli'),
    ('recurrent', {'read': 'patches', 'patch_size': 3, 'image_shape': (4, 4, 1)}, 'not divide an image'),
    ('recurrent', {'cell': 'elman'}, "cell='elman' must be one of 'tanh', 'lstm', 'gru'"),
    ('recurrent', {'read': 'spiral'}, "read='spiral' must be one of"),
    ('recurrent', {'layers': ''}, "layers='' must be like '128'"),
    ('recursive', {'optimizer': 'lbfgs'}, 'lbfgs'),
    ('recursive', {'cell': 'rntn', 'units': 1000}, 'tensor is cubic in units'),
    ('resnet', {'image_shape': (31, 64, 3)}, 'image_size=31 is too small: .* needs at least 32 pixels'),
    ('style', {'image_shape': (7, 7, 1)}, 'image_size=7 is too small: give 8 or more'),
    ('vgg', {'image_shape': (31, 64, 3)}, 'image_size=31 is too small: five poolings'),
    ('vgg', {'vocabulary': ()}, 'head=dense needs labels'),
    ('vgg', {'depth': 12}, 'depth=12 must be one of 11, 13, 16, 19'),
]

# These two are made of the layers that the others have too, and take longest.
ONCE = ('resnet', 'vgg')
# A classifier, and two networks in turn: the trainings that guard each change.
TRAINED = ('cnn', 'gan')
RUNS = {check.__name__ for check in runs.CHECKS}


def marks_of(name, check):
    is_slow = name in ONCE or (check in RUNS and name not in TRAINED)
    return [pytest.mark.once] * (name in ONCE) + [pytest.mark.slow] * is_slow


EACH_MODEL = [
    pytest.param(name, check, id=f'{name}-{check}', marks=marks_of(name, check))
    for name in sorted(MODELS)
    for check in CHECKS
]


@pytest.fixture(scope='module')
def subject(tmp_path_factory):
    """Returns the model of a name, whose graphs and training runs are made once for all checks."""
    return functools.lru_cache(1)(lambda name: subject_of(name, tmp_path_factory.mktemp(name)))


@pytest.mark.parametrize(('name', 'check'), EACH_MODEL)
def test_each_model(subject, name, check):
    CHECKS[check](subject(name))


@pytest.mark.parametrize('name', sorted(MODELS))
def test_weights(name):
    model = find_model(name)
    with tf.Graph().as_default():
        features = {'image': tf.zeros([3, *model.params().image_shape]), 'key': tf.constant(['a', 'b', 'c'])}
        model.model_fn(features, None, tf.estimator.ModeKeys.PREDICT, {})
        count = sum(int(np.prod(v.shape.as_list())) for v in tf.trainable_variables())
    assert count == WEIGHTS[name]


def test_each_model_of_the_folder_is_in_the_registry():
    folder = ROOT / 'estimator_lab/models'
    files = {path.stem for path in folder.glob('[a-z]*.py')}
    files |= {path.parent.name for path in folder.glob('*/__init__.py')}
    owners = {name for name in files if hasattr(import_module(f'estimator_lab.models.{name}'), 'MODEL')}
    assert owners == {*MODELS}


@pytest.mark.once
@pytest.mark.parametrize('name', [name for name in MODELS if hasattr(find_model(name).params, 'stretch')])
def test_pale_images_are_seen_as_those_that_fill_the_range(name, tmp_path):
    params = {**SMALL[name], 'image_shape': shape_of(name), 'vocabulary': ('a', 'b')}
    params |= {'output': 'linear'} if name == 'autoencoder' else {}  # others reproduce pixels as they are
    output = {'rbm': 'hidden', 'autoencoder': 'code'}.get(name, 'probabilities')
    images = np.random.default_rng(1).random((3, *shape_of(name)), np.float32)
    pale = 0.8 + 0.2 * images
    weights, found = str(tmp_path / 'weights'), []
    for pixels in (RAW_PIXELS, Pixels(0.8, 1.0)):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            given = tf.placeholder(tf.float32, images.shape)
            features = {'image': given, 'key': tf.constant(['a', 'b', 'c'])}
            model_fn, mode = find_model(name).model_fn, tf.estimator.ModeKeys.PREDICT
            made = model_fn(features, None, mode, {**params, 'pixels': pixels}).predictions[output]
            saver = tf.train.Saver()
            if found:
                saver.restore(session, weights)
            else:
                session.run(tf.global_variables_initializer())
                saver.save(session, weights)
                usual = session.run(made, {given: images})
            found.append(session.run(made, {given: pale}))
    raw, scaled = found
    assert np.abs(scaled - usual).max() < 0.05 * np.abs(raw - usual).max()


@pytest.mark.once
@pytest.mark.parametrize(('name', 'params', 'words'), REFUSED)
def test_what_cannot_be_built_is_refused(name, params, words):
    model = find_model(name)
    with pytest.raises(FlagError, match=words):
        resolve(model.params, params).check()


@pytest.mark.parametrize('name', sorted(path.name for path in (GOLDEN / 'folders').iterdir()))
def test_an_earlier_folder_opens(name, tmp_path):
    """It predicts what it did when it was written; tests/golden/README.md says by which version."""
    folder = shutil.copytree(GOLDEN / 'folders' / name, tmp_path / name)
    known = np.load(folder / 'predictions.npz')
    trained = Trained.open(folder)
    with tf.Graph().as_default():
        tensors = dict(trained.predictions({'image': tf.constant(known['image'])}).predictions)
        with trained.session() as session:
            found = session.run({label: tensors[label] for label in known if label != 'image'})
    for label, values in found.items():
        assert np.allclose(values, known[label], 1e-4, 1e-5), label
