import numpy as np
import pytest

from estimator_lab.models.autoencoder import model
from estimator_lab.models.autoencoder.model import Params, model_fn
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.once

SHAPE = (8, 12, 1)
SMALL = {'image_shape': SHAPE, 'vocabulary': ('even', 'odd'), 'layers': '20-10-3'}
CONVOLUTIONAL = {'kind': 'convolutional', 'filters': '4-6', 'layers': '5'}


def blobs(count, seed=0):
    """Bright spots on black, uint8: three numbers say all about each of them."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[: SHAPE[0], : SHAPE[1]]
    y, x, size = (rng.uniform(*ends, (count, 1, 1)) for ends in ((2, 6), (3, 9), (1, 2)))
    spots = np.exp(-((down - y) ** 2 + (across - x) ** 2) / (2 * size**2))
    return np.rint(spots[..., np.newaxis] * 255).astype(np.uint8)


IMAGES = blobs(40)


def arrays(images=IMAGES, batch=8, labels=True, epochs=1, first=0):
    """An input function over images, from batch number `first` on."""

    def input_fn():
        keys = [f'a.tar:{n % 2}/{n:03}.png' for n in range(len(images))]
        features = {'image': (images / 255).astype(np.float32), 'key': np.array(keys)}
        data = (features, np.arange(len(images)) % 2) if labels else features
        return tf.data.Dataset.from_tensor_slices(data).repeat(epochs).batch(batch).skip(first)

    return input_fn


def estimator(folder, **params):
    config = tf.estimator.RunConfig(tf_random_seed=1, save_summary_steps=20)
    return tf.estimator.Estimator(model_fn, str(folder), config, {**SMALL, **params})


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A denoising autoencoder, its evaluation, and the folder of both."""
    folder = tmp_path_factory.mktemp('trained')
    params = {'corruption': 'gaussian', 'corruption_level': 0.5, 'learning_rate': 0.01, 'train_steps': 600}
    made = estimator(folder, **params).train(arrays(epochs=None), max_steps=600)
    return made, made.evaluate(arrays()), folder


def test_it_learns_to_denoise(trained):
    _, found, _ = trained
    # Noise of deviation 0.5 has a mean square of 0.25, or 6.02 dB.
    assert found['psnr_noisy'] == pytest.approx(6.02, abs=0.3)
    assert found['psnr_gain'] > 10
    assert found['ssim'] > found['ssim_noisy'] + 0.3


@pytest.mark.parametrize(
    'params',
    [
        {'loss': 'cross_entropy'},
        {'output': 'linear'},
        CONVOLUTIONAL,
        {**CONVOLUTIONAL, 'corruption': 'masking'},
        {**CONVOLUTIONAL, 'layers': ''},
        {'corruption': 'salt_and_pepper', 'activation': 'sigmoid'},
    ],
    ids=lambda params: '-'.join(map(str, params.values())),
)
def test_each_kind_learns(params):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        params = {**params, 'learning_rate': 0.01, 'learning_rate_schedule': 'constant'}
        features, labels = tf.data.make_one_shot_iterator(arrays(batch=40, epochs=None)()).get_next()
        spec = spec_of(features, 'train', params, labels)
        session.run(tf.global_variables_initializer())
        losses = [session.run([spec.loss, spec.train_op])[0] for _ in range(60)]
    assert losses[-1] < 0.8 * losses[0]


def spec_of(features, mode, params, labels=None):
    tf.train.get_or_create_global_step()
    return model_fn(features, labels, mode, {**SMALL, **params})


def test_a_code_wider_than_the_image_is_said():
    words = 'a code of 100 values is wider than the image of 96: nothing is compressed.'
    assert model.MODEL.caution(Params(SHAPE, layers='100')) == words
    assert model.MODEL.caution(Params(SHAPE, layers='96')) == ''


def test_operations_beside_the_layers_have_names_in_the_graph_of_tensorboard(tmp_path):
    """Not those of their types, such as Reshape_2, at its top level: it scatters these."""
    config = tf.estimator.RunConfig(str(tmp_path))
    with tf.Graph().as_default() as graph:
        tf.train.get_or_create_global_step()
        features = {'image': tf.zeros([2, 8, 8, 1]), 'key': tf.constant(['a', 'b'])}
        params = {'image_shape': (8, 8, 1), 'layers': '6-3'}
        model_fn(features, None, tf.estimator.ModeKeys.TRAIN, params, config)
    top = {op.name.partition('/')[0]: op.type for op in graph.get_operations()}
    tops = {
        name for name in top if name.rstrip('_0123456789') in ('Reshape', 'Sigmoid', 'Sum', 'clip_by_value')
    }
    assert not tops and {'images', 'flatten', 'layer_1', 'output', 'reconstruction'} <= top.keys()
