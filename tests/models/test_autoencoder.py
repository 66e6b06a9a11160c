import numpy as np
import pytest

from estimator_lab.core.reconstruction.principal_components import load_components
from estimator_lab.errors import FlagError
from estimator_lab.models import autoencoder
from estimator_lab.models.autoencoder import Params, check, model_fn, prepare
from estimator_lab.tf1 import tf
from tests.small_runs import summaries_in

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
    params['model_dir'] = str(folder)
    prepare(Params(SHAPE, layers='20-10-3'), lambda: [IMAGES], folder)
    model = estimator(folder, **params).train(arrays(epochs=None), max_steps=600)
    return model, model.evaluate(arrays()), folder


def test_it_learns_to_denoise(trained):
    _, found, _ = trained
    # Noise of deviation 0.5 has a mean square of 0.25, or 6.02 dB.
    assert found['psnr_noisy'] == pytest.approx(6.02, abs=0.3)
    assert found['psnr_gain'] > 10
    assert found['ssim'] > found['ssim_noisy'] + 0.3


def test_the_pictures_of_an_evaluation(trained):
    images = {tag: value.image for tag, value in summaries_in(trained[2] / 'eval').items()}
    # Below a title, rows of eight, 119 high: three kinds of image; four walks; twice eight worst pairs.
    rows = {tag: (image.height - 27) / 119 for tag, image in images.items() if image.height}
    assert rows == {'images/reconstruction/image': 3, 'images/walk/image': 4, 'images/worst/image': 4}


def test_principal_components_get_the_same_noise_and_are_no_better(trained):
    _, found, folder = trained
    components = load_components(folder / 'principal_components.npz', 96)
    assert components.axes.shape == (3, 96)
    pixels = (IMAGES / 255).astype(np.float32)
    clean = ((components.reconstruct(pixels) - pixels) ** 2).sum(axis=(1, 2, 3)).mean()
    # Of 96 values' noise, the axes let 3 through: 3 * 0.25 on average.
    assert found['pca_squared_error'] == pytest.approx(clean + 0.75, rel=0.15)
    assert found['squared_error'] < found['pca_squared_error']


@pytest.mark.parametrize(
    'params',
    [
        {'tied': True, 'loss': 'cross_entropy'},
        {'output': 'linear', 'decoder_layers': '15'},
        CONVOLUTIONAL,
        {**CONVOLUTIONAL, 'tied': True, 'corruption': 'masking'},
        {**CONVOLUTIONAL, 'layers': ''},
        {'corruption': 'salt_and_pepper', 'activation': 'sigmoid', 'code_activation': 'sigmoid'},
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


@pytest.mark.parametrize(
    ('params', 'words'),
    [
        (
            {'kind': 'convolutional', 'filters': '4-4-4'},
            '--image_size=12 does not fit --hparams=filters=4-4-4: .* 3 times, .* a multiple of 8 pixels.',
        ),
        (
            {'tied': True, 'decoder_layers': '10-10'},
            'tied=true needs a decoder .* the encoder: leave out decoder_layers=10-10, or give 10-20.',
        ),
        ({'loss': 'cross_entropy', 'output': 'linear'}, 'loss=cross_entropy needs output=sigmoid'),
    ],
)
def test_what_does_not_fit(params, words):
    with pytest.raises(FlagError, match=words):
        model_fn(None, None, 'train', {**SMALL, **params})


def test_a_code_wider_than_the_image_is_said_once(caplog):
    autoencoder._warn_of_wide_code.cache_clear()
    for _ in range(2):
        check(Params(SHAPE, layers='100'))
    check(Params(SHAPE, layers='96'))
    assert caplog.messages == ['a code of 100 values is wider than the image of 96: nothing is compressed.']


def test_the_published_sizes():
    sizes = Params((28, 28, 1)).sizes
    assert (sizes.layers, sizes.decoder_layers) == ((1000, 500, 250, 30), (250, 500, 1000))
    photos = Params((128, 128, 1), kind='convolutional').sizes
    assert (photos.layers, photos.map_shape) == ((), (8, 8, 4))
    assert photos.code == 256  # of 16,384 pixels: 64 to 1
    check(Params((8, 16, 1), kind='convolutional', filters='4-4-4'))  # three halvings fit


def test_tied_weights_need_no_unrolling():
    with tf.Graph().as_default() as graph:
        params = {'tied': True, 'pretrain_epochs': 1.0, 'activation': 'sigmoid'}
        spec = spec_of(tf.zeros([2, 96]), 'train', params)
        assert not [
            op for op in graph.get_operations() if op.type == 'Transpose' and 'kernel' in op.inputs[0].name
        ]
        assert spec.scaffold.init_fn
