"""The autoencoder's head against NumPy."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.core.params import GradientParams
from estimator_lab.core.projector import ProjectorHook
from estimator_lab.models.autoencoder import head
from estimator_lab.models.autoencoder.head import Reconstructed, ssim
from estimator_lab.models.autoencoder.report import ReconstructionReportHook
from estimator_lab.tf1 import tf
from tests.core.helpers import (
    MODES,
    args_of,
    config_of,
    drawn,
    metrics_of,
    pixels_of,
    scopes,
    summary_tags,
    values_of,
)
from tests.support.graphs import initialize
from tests.support.small_runs import summaries_in

pytestmark = pytest.mark.both

RNG = np.random.default_rng(0)
SHAPE = (6, 6, 1)
IMAGES = RNG.random((5, *SHAPE), np.float32)
NOISY = IMAGES + RNG.normal(0, 0.2, IMAGES.shape).astype(np.float32)
VALUES = IMAGES + RNG.normal(0, 0.4, IMAGES.shape).astype(np.float32)  # some of them outside of [0, 1]
CLIPPED = VALUES.clip(0, 1)
CODE = RNG.random((5, 3), np.float32)
WEIGHTS = np.array([1, 0, 2, 1, 1], np.float32)


@dataclasses.dataclass(frozen=True)
class Params(GradientParams):
    """What the head reads of an autoencoder's parameters."""

    loss: str = 'squared_error'
    corruption: str = 'none'


def params(**changes):
    given = {'optimizer': 'sgd', 'learning_rate': 1.0, 'learning_rate_schedule': 'constant', **changes}
    return Params(SHAPE, tuple('ab'), **given)


def spec_of(mode, changes=None, config=None, values=None, inputs=IMAGES, labels=None):
    values = tf.constant(VALUES) if values is None else values
    args = args_of(mode, params(**(changes or {})), IMAGES, labels, config, key=[*'abcde'], weight=WEIGHTS)
    made = Reconstructed(args.images, tf.constant(inputs), tf.constant(CODE), 3 * values, values)
    if inputs is IMAGES:
        made = made._replace(inputs=made.images)
    kernel = tf.get_variable('dense/kernel', initializer=tf.constant(RNG.random((36, 70), np.float32)))
    layer = tf.constant(CODE) + 0.0 * tf.reduce_sum(kernel)
    if mode == MODES.PREDICT:
        return head.predict_spec(args, made)
    loss = head.loss(args, made)
    if mode == MODES.EVAL:
        return head.eval_spec(args, made, loss)
    return head.train_spec(args, made, {'dense': layer}, loss)


def errors(first, second):
    return ((first - second) ** 2).reshape(5, -1).sum(1)


def psnr(first, second):
    return -10 * np.log10(errors(first, second) / 36)


def cross_entropies():
    probabilities = 1 / (1 + np.exp(-3 * VALUES.astype(float)))
    each = -(IMAGES * np.log(probabilities) + (1 - IMAGES) * np.log1p(-probabilities))
    return each.reshape(5, -1).sum(1)


def ssim_of(first, second):
    return values_of(ssim(tf.constant(first), tf.constant(second))).mean()


def test_predictions(graph):
    spec = spec_of(MODES.PREDICT)
    found = values_of(spec.predictions)
    assert 'predictions' in scopes()
    assert np.array_equal(found['code'], CODE)
    assert np.allclose(found['reconstruction'], CLIPPED)
    assert np.allclose(found['error'], errors(IMAGES, CLIPPED), rtol=1e-5)
    assert found['key'].tolist() == [*map(str.encode, 'abcde')]


def test_the_metrics_of_an_evaluation(graph):
    spec = spec_of(MODES.EVAL)
    found, error = metrics_of(spec), values_of(spec.predictions['error'])
    assert {'objective', 'metrics'} <= scopes()
    assert found == {
        'squared_error': pytest.approx(errors(IMAGES, CLIPPED).mean(), rel=1e-5),
        'psnr': pytest.approx(psnr(IMAGES, CLIPPED).mean(), rel=1e-5),
        'ssim': pytest.approx(ssim_of(IMAGES, CLIPPED), rel=1e-5),
        'floats_per_image': 3,
        'mean_image_error': pytest.approx(IMAGES.var(axis=0).sum(), rel=1e-5),
        'total_examples': 5,
    }
    assert np.allclose(error, errors(IMAGES, CLIPPED), rtol=1e-5)
    assert spec.mode == MODES.EVAL and not spec.evaluation_hooks


def test_a_corruption_is_measured_as_well(graph):
    found = metrics_of(spec_of(MODES.EVAL, {'corruption': 'gaussian'}, inputs=NOISY))
    assert found['ssim_noisy'] == pytest.approx(ssim_of(IMAGES, NOISY), rel=1e-5)
    noisy = psnr(IMAGES, NOISY).mean()
    assert found['psnr_noisy'] == pytest.approx(noisy, rel=1e-5)
    assert found['psnr_gain'] == pytest.approx(psnr(IMAGES, CLIPPED).mean() - noisy, abs=1e-4)


def test_the_cross_entropy_is_a_metric_if_it_is_the_loss(graph):
    spec = spec_of(MODES.EVAL, {'loss': 'cross_entropy'})
    found, loss = metrics_of(spec)['cross_entropy'], values_of(spec.loss)
    assert found == pytest.approx(cross_entropies().mean(), rel=1e-5)
    assert loss == pytest.approx((cross_entropies() * WEIGHTS).sum() / 4, rel=1e-5)


def test_a_step_goes_down_the_squared_error_before_clipping(session):
    step = tf.train.create_global_step()
    values = tf.Variable(VALUES)
    spec = spec_of(MODES.TRAIN, values=values)
    assert {'train_error', 'train'} <= scopes()
    initialize(session)
    loss = session.run(spec.loss)
    session.run(spec.train_op)
    change, steps = VALUES - session.run(values), session.run(step)
    assert loss == pytest.approx((errors(IMAGES, VALUES) * WEIGHTS).sum() / 4, rel=1e-5)
    wanted = 2 * (VALUES - IMAGES) * (WEIGHTS / 4)[:, None, None, None]
    assert np.allclose(change, wanted, atol=1e-5)
    assert steps == 1 and spec.mode == MODES.TRAIN and not spec.training_hooks


def row_of(images):
    """A row of a picture: eight tiles with a black pixel after each, and black ones for missing images."""
    tiles = np.pad(images[..., 0].clip(0, 1), [(0, 8 - len(images)), (0, 1), (0, 1)])
    return np.concatenate([*tiles], axis=1)


@pytest.mark.parametrize(
    ('corruption', 'rows'),
    [('none', [IMAGES, VALUES]), ('gaussian', [IMAGES, NOISY, VALUES])],
)
def test_training_shows_errors_codes_and_pictures(tmp_path, corruption, rows, graph):
    tf.train.create_global_step()
    values = tf.Variable(VALUES, name='head/kernel')
    inputs = IMAGES if corruption == 'none' else NOISY
    spec_of(MODES.TRAIN, {'corruption': corruption}, config_of(tmp_path), values, inputs)
    found = {value.tag: value for value in tf.Summary.FromString(values_of(tf.summary.merge_all())).value}
    tags = summary_tags()
    shown = drawn()
    assert found['squared_error'].simple_value == pytest.approx(errors(IMAGES, CLIPPED).mean(), rel=1e-5)
    assert {'outputs/code', 'outputs/error', 'activations/dense'} <= tags
    assert {'weights/head/kernel', 'learning_rate'} <= tags
    picture = pixels_of(shown['images/reconstruction/image'])
    assert np.allclose(picture, 255 * np.concatenate([*map(row_of, rows)]), atol=1)


def test_an_evaluation_shows_reconstructions_and_codes(tmp_path, graph):
    tf.train.create_global_step()
    labels = np.array([0, 1, 0, 1, -1])
    report, codes = spec_of(MODES.EVAL, config=config_of(tmp_path), labels=labels).evaluation_hooks
    vectors, shown_labels, keys, error, _ = values_of(codes._tensors)
    assert isinstance(report, ReconstructionReportHook) and isinstance(codes, ProjectorHook)
    assert np.array_equal(vectors, CODE) and shown_labels.tolist() == labels.tolist()
    assert keys.tolist() == [*map(str.encode, 'abcde')] and codes._name == 'code'
    assert np.allclose(error, errors(IMAGES, CLIPPED), rtol=1e-5)
    assert codes._texts_of['error'](1.23456) == '1.235' and codes._texts_of['label'](-1) == 'unknown'


@pytest.mark.parametrize('corrupted', [False, True])
def test_the_report_of_two_batches(tmp_path, corrupted, graph):
    """Two batches of 5 and 3 images: the worst of all are found."""
    images = RNG.random((8, *SHAPE), np.float32) * np.arange(1, 9)[:, None, None, None] / 8
    tf.train.create_global_step()
    batch, keys = tf.placeholder(tf.float32, [None, *SHAPE]), tf.placeholder(tf.string, [None])
    error = tf.reduce_sum(tf.square(0.1 * batch), axis=[1, 2, 3])
    given = {'images': batch, 'reconstruction': 0.9 * batch, 'error': error, 'key': keys}
    hook = ReconstructionReportHook(given | ({'inputs': 0.5 * batch} if corrupted else {}), tmp_path)
    hook.begin()
    with tf.Session() as session:
        initialize(session)
        for part in (slice(0, 5), slice(5, 8)):
            fetches = hook.before_run(None).fetches
            names = [f'a.tar:x/n/{n}.png'.encode() for n in range(8)][part]
            results = session.run(fetches, {batch: images[part], keys: names})
            hook.after_run(None, SimpleNamespace(results=results))
        hook.end(session)
        tf.summary.FileWriterCache.get(str(tmp_path)).flush()
    values = summaries_in(tmp_path)
    worst = [example['key'].item().decode() for example in hook._worst.ranked()]
    wanted = sorted(range(8), key=lambda n: -((0.1 * images[n]) ** 2).sum())
    assert worst == [f'a.tar:x/n/{n}.png' for n in wanted]
    # Below a title, rows of eight, 119 high.
    rows = {tag: (value.image.height - 27) / 119 for tag, value in values.items() if value.image.height}
    assert rows == {'images/reconstruction/image': 2 + corrupted, 'images/worst/image': 2}
