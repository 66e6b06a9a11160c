import numpy as np
import pytest

from estimator_lab import api
from estimator_lab.core.params import Pixels, resolve
from estimator_lab.models.autoencoder.model import Params, model_fn
from estimator_lab.tf1 import tf
from tests.support.small_runs import small_settings, train_run, values_in

pytestmark = pytest.mark.trains

SHAPE = (8, 12, 1)
SMALL = {'image_shape': SHAPE, 'vocabulary': ('even', 'odd'), 'layers': '20-10-3'}
CONVOLUTIONAL = {'kind': 'convolutional', 'filters': '4-6', 'layers': '5'}


def blobs(count):
    """Bright spots on black, uint8: three numbers say all about each of them."""
    rng = np.random.default_rng(0)
    down, across = np.mgrid[: SHAPE[0], : SHAPE[1]]
    y, x, size = (rng.uniform(*ends, (count, 1, 1)) for ends in ((2, 6), (3, 9), (1, 2)))
    spots = np.exp(-((down - y) ** 2 + (across - x) ** 2) / (2 * size**2))
    return np.rint(spots[..., np.newaxis] * 255).astype(np.uint8)


IMAGES = blobs(40)


def arrays(batch=8, epochs=1):
    """An input function over the images."""

    def input_fn():
        keys = [f'a.tar:{n % 2}/{n:03}.png' for n in range(len(IMAGES))]
        features = {'image': (IMAGES / 255).astype(np.float32), 'key': np.array(keys)}
        data = features, np.arange(len(IMAGES)) % 2
        return tf.data.Dataset.from_tensor_slices(data).repeat(epochs).batch(batch)

    return input_fn


@pytest.mark.slow
def test_it_learns_to_denoise(tmp_path):
    params = {**SMALL, 'corruption': 'gaussian', 'corruption_level': 0.5}
    params |= {'learning_rate': 0.01, 'train_steps': 400}
    config = tf.estimator.RunConfig(tf_random_seed=1, save_summary_steps=100)
    made = tf.estimator.Estimator(model_fn, str(tmp_path), config, params)
    found = made.train(arrays(epochs=None), max_steps=400).evaluate(arrays())
    # Noise of deviation 0.5 has a mean square of 0.25, or 6.02 dB.
    assert found['psnr_noisy'] == pytest.approx(6.02, abs=0.3)
    assert found['psnr_gain'] > 10
    assert found['ssim'] > found['ssim_noisy'] + 0.3


@pytest.mark.parametrize(
    'params',
    [
        {'loss': 'cross_entropy'},
        {'output': 'linear'},
        {**CONVOLUTIONAL, 'corruption': 'masking'},
        {**CONVOLUTIONAL, 'layers': ''},
        {'corruption': 'salt_and_pepper', 'activation': 'sigmoid'},
    ],
    ids=lambda params: '-'.join(map(str, params.values())),
)
def test_each_kind_learns(params, session):
    params = {**params, 'learning_rate': 0.01, 'learning_rate_schedule': 'constant'}
    features, labels = tf.data.make_one_shot_iterator(arrays(batch=40, epochs=None)()).get_next()
    tf.train.create_global_step()
    spec = model_fn(features, labels, tf.estimator.ModeKeys.TRAIN, {**SMALL, **params})
    session.run(tf.global_variables_initializer())
    losses = [session.run([spec.loss, spec.train_op])[0] for _ in range(60)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_code_wider_than_the_image_is_said():
    words = 'a code of 100 values is wider than the image of 96: nothing is compressed.'
    assert Params(SHAPE, layers='100').caution() == words
    assert Params(SHAPE, layers='96').caution() == ''


def test_operations_beside_the_layers_have_names_in_the_graph_of_tensorboard(tmp_path, graph):
    """Not those of their types, such as Reshape_2, at its top level: it scatters these."""
    config = tf.estimator.RunConfig(str(tmp_path))
    tf.train.get_or_create_global_step()
    features = {'image': tf.zeros([2, 8, 8, 1]), 'key': tf.constant(['a', 'b'])}
    params = {'image_shape': (8, 8, 1), 'layers': '6-3'}
    model_fn(features, None, tf.estimator.ModeKeys.TRAIN, params, config)
    top = {op.name.partition('/')[0] for op in graph.get_operations()}
    types = {'Reshape', 'Sigmoid', 'Sum', 'clip_by_value'}
    assert not types & {name.rstrip('_0123456789') for name in top}
    assert {'images', 'flatten', 'layer_1', 'output', 'reconstruction'} <= top


@pytest.mark.slow
def test_pre_trained_layers_are_unrolled(archive, tmp_path):
    def run(max_steps):
        hparams = 'layers=5-3,pretrain_epochs=0.5,activation=sigmoid'  # two steps a layer
        given = {'data': [str(archive)], 'max_steps': max_steps, 'hparams': hparams}
        return train_run(small_settings('autoencoder', tmp_path, **given)).step

    def variables(folder, step):
        return values_in(tmp_path / 'model' / folder, step)

    assert run(5) == 5
    before, begun, end = variables('pretrain_2', 4), variables('', 4), variables('', 5)
    for layer, mirror in ((1, 2), (2, 1)):
        for name in ('kernel', 'bias'):
            assert np.array_equal(begun[f'layer_{layer}/{name}'], before[f'layer_{layer}/{name}'])
            assert not np.array_equal(begun[f'decoder_{mirror}/{name}'], end[f'decoder_{mirror}/{name}'])
        assert np.array_equal(begun[f'decoder_{mirror}/kernel'], before[f'layer_{layer}/kernel'].T)
        assert np.array_equal(begun[f'decoder_{mirror}/bias'], before[f'layer_{layer}/visible_bias'])
    # Going on saves what it starts from once more: unrolling again would have changed the decoder.
    assert run(6) == 6
    again = variables('', 5)
    assert all(np.array_equal(again[name], end[name]) for name in end)


@pytest.mark.slow
def test_few_images_are_reconstructed_as_by_principal_components(tmp_path):
    """The deep network learns them by heart: its error on others was twice as large."""
    rng = np.random.default_rng(1)
    parts = rng.normal(size=(40, 256)) / np.sqrt(np.arange(1, 41))[:, np.newaxis]
    images = 0.5 + 0.1 * rng.normal(size=(400, 40)) @ parts + 0.02 * rng.normal(size=(400, 256))
    pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8).reshape(-1, 16, 16, 1)
    x, x_test = pixels[:200], pixels[200:]
    given = {'max_steps': 1000, 'hparams': {'learning_rate': 0.005}}
    run = api.fit('autoencoder', x, eval_data=x_test, model_dir=tmp_path / 'run', say=None, **given)
    seen, others = (part.reshape(len(part), -1) / 255 for part in (x, x_test))
    components = np.linalg.svd(seen - seen.mean(axis=0), full_matrices=False)[2][:30]
    centred = others - seen.mean(axis=0)
    error = np.square(centred - centred @ components.T @ components).sum(axis=1).mean()
    assert run.metrics['squared_error'] < 1.2 * error
    assert run.metrics['floats_per_image'] == 30


@pytest.mark.parametrize(
    ('few', 'given', 'sizes', 'is_linear'),
    [
        (True, {}, (30,), True),
        (False, {}, (1000, 500, 250, 30), False),
        (True, {'layers': '20-3'}, (20, 3), False),
        (True, {'output': 'sigmoid'}, (1000, 500, 250, 30), False),
        (True, {'output': 'auto'}, (1000, 500, 250, 30), False),  # a default that was given, too
        (True, {'loss': 'cross_entropy'}, (1000, 500, 250, 30), False),
        (False, {'output': 'linear'}, (1000, 500, 250, 30), True),
    ],
)
def test_what_is_chosen_holds_for_few_images_too(few, given, sizes, is_linear):
    params = resolve(Params, {'image_shape': SHAPE, 'few_images': few, **given}).for_data()
    assert (params.layer_sizes, params.is_linear) == (sizes, is_linear)
    params.check()


@pytest.mark.parametrize(
    ('given', 'is_linear'),
    [
        ({}, True),
        ({'kind': 'convolutional'}, True),
        ({'output': 'sigmoid'}, False),
        ({'loss': 'cross_entropy'}, False),
        ({'pretrain_epochs': 2.0, 'activation': 'sigmoid'}, False),
    ],
)
def test_the_output_is_scaled_to_a_narrow_range_of_pixels(given, is_linear):
    """A sigmoid was worse than the mean image of 16-bit files of which few bits are used."""
    named = {'image_shape': (16, 16, 1), **given}
    params = resolve(Params, {**named, 'pixels': Pixels(0.0, 0.016)}).for_data()
    assert (params.layer_sizes[:1], params.is_linear) == ((1000,) * (params.kind == 'dense'), is_linear)
    params.check()
    assert not resolve(Params, {**named, 'pixels': Pixels(0.0, 0.5)}).for_data().is_linear


@pytest.mark.slow
def test_images_of_a_narrow_range_are_reconstructed(tmp_path):
    images = (blobs(200) / 255 * 0.016).astype(np.float32)
    given = {'max_steps': 200, 'hparams': {'layers': '30'}}
    run = api.fit('autoencoder', images, model_dir=tmp_path / 'run', say=None, **given)
    assert run.metrics['squared_error'] < 0.5 * run.metrics['mean_image_error']


@pytest.mark.parametrize(('phase', 'decodes'), [('pretrain_1', False), ('pretrain_2', False), ('', True)])
def test_only_fine_tuning_has_a_decoder(phase, decodes, graph):
    tf.train.create_global_step()
    given = {**SMALL, 'activation': 'sigmoid', 'pretrain_epochs': 1.0, 'phase': phase}
    model_fn({'image': tf.zeros([2, *SHAPE])}, None, tf.estimator.ModeKeys.TRAIN, given)
    names = {variable.op.name for variable in tf.global_variables()}
    assert ('decoder_1/kernel' in names) == decodes
    assert ('layer_1/visible_bias' in names) != decodes
