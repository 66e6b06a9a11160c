import dataclasses
import json

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.core import keys
from estimator_lab.models.style.losses import content_losses, gram_matrices
from estimator_lab.models.style.model import Params, model_fn
from estimator_lab.models.style.perceptual import FILE, built_in_perceptual_loss
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf
from estimator_lab.training.plan import make_plan
from tests.support.archive_files import encoded, picture
from tests.support.graphs import initialize
from tests.support.small_runs import small_settings, stopped_at, train_run, values_in

pytestmark = pytest.mark.trains

TRAIN, EVAL, PREDICT = (getattr(tf.estimator.ModeKeys, name) for name in ('TRAIN', 'EVAL', 'PREDICT'))
SMALL = {'filters': '3-4', 'blocks': 1, 'image_shape': (16, 16, 3), 'style_weight': 2.0}
PHOTOS = np.random.default_rng(0).random((3, 16, 16, 3)).astype(np.float32)


def features(photos=PHOTOS, keyed=True):
    found = {'image': tf.constant(photos)}
    return {**found, 'key': tf.constant([f'a.tar:{n}.png' for n in range(len(photos))])} if keyed else found


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        tf.train.create_global_step()
        yield


@pytest.mark.slow
def test_a_step_leaves_the_perceptual_loss_as_it_is_and_out_of_checkpoints(session):
    spec = model_fn(features(), None, TRAIN, {**SMALL, 'learning_rate': 0.01})
    initialize(session)
    loss_network = session.run(tf.local_variables())
    session.run(spec.train_op)
    assert all(map(np.array_equal, loss_network, session.run(tf.local_variables())))
    saved = [v.op.name for v in tf.global_variables()]
    assert not [name for name in saved if not name.startswith(('painter/', 'global_step', 'train/'))]


def test_metrics_are_those_of_the_losses(session):
    """The content loss of one photo as it is is 0; its perceptual loss is that of the style alone."""
    spec = model_fn(features(), None, EVAL, SMALL)
    initialize(session)
    session.run([update for _, update in spec.eval_metric_ops.values()])
    found = session.run({name: value for name, (value, _) in spec.eval_metric_ops.items()})
    assert found[keys.PERCEPTUAL_LOSS] == pytest.approx(
        found[keys.CONTENT_LOSS] + 2 * found[keys.STYLE_LOSS], rel=1e-5
    )
    assert found[keys.TOTAL_EXAMPLES] == 3
    error, loss = session.run([spec.predictions[keys.ERROR], spec.loss])
    assert error.shape == (3,) and np.mean(error) == pytest.approx(loss, rel=1e-5)
    assert np.mean(error) == pytest.approx(
        found[keys.PERCEPTUAL_LOSS] + 5 * found[keys.TOTAL_VARIATION], rel=1e-5
    )
    perceptual_loss = built_in_perceptual_loss(3)
    maps = perceptual_loss.network.perceive(tf.constant(PHOTOS), list(perceptual_loss.grams))
    session.run(tf.local_variables_initializer())
    grams = session.run({name: gram_matrices(values) for name, values in maps.items()})
    distances = [
        ((grams[name] - target) ** 2).sum((1, 2)) / (target**2).sum((1, 2))
        for name, target in perceptual_loss.grams.items()
    ]
    assert found[keys.PHOTO_LOSS] == pytest.approx(2 * np.mean(distances), rel=1e-4)
    assert session.run(tf.reduce_max(content_losses(maps['conv3'], maps['conv3']))) == 0


@pytest.mark.slow
def test_each_style_has_its_own_scale_and_an_evaluation_chooses_by_name(session, tmp_path):
    perceptual_loss = built_in_perceptual_loss(3)
    two = {name: np.concatenate([gram, 2 * gram]) for name, gram in perceptual_loss.grams.items()}
    dataclasses.replace(perceptual_loss, grams=two).save(tmp_path / FILE)
    params = {**SMALL, 'styles': ('a', 'b'), 'model_dir': str(tmp_path), 'learning_rate': 0.01}
    spec = model_fn(features(), None, TRAIN, params)
    turned = {name: tf.reverse(values, [0]) for name, values in features().items()}
    with tf.variable_scope('', reuse=tf.AUTO_REUSE):
        errors = [model_fn(f, None, EVAL, params).predictions[keys.ERROR] for f in (features(), turned)]
    initialize(session)
    scale = next(v for v in tf.trainable_variables() if v.op.name == 'painter/down_1/scale')
    session.run(spec.train_op)
    moved = session.run(scale)
    assert (moved[0] != moved[1]).any()
    first, second = session.run(errors)
    assert np.allclose(first, second[::-1], rtol=1e-4)


def test_strength_and_colours():
    photos = np.random.default_rng(1).random((1, 9, 21, 3)).astype(np.float32)
    found = {}
    variants = {'none': {'strength': 0.0}, 'half': {'strength': 0.5}, 'colour': {'preserve_colour': True}}
    for name, options in {'whole': {}, **variants}.items():
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            params = {**SMALL, **options}
            painted = model_fn(features(photos, keyed=False), None, PREDICT, params).predictions[keys.PAINTED]
            initialize(session)
            found[name] = session.run(painted)
    assert found['whole'].shape == photos.shape and not np.allclose(found['whole'], photos, atol=0.02)
    assert np.allclose(found['none'], photos, atol=1e-6)
    assert np.allclose(found['half'], (found['whole'] + photos) / 2, atol=1e-5)
    luminance = np.array([0.299, 0.587, 0.114])
    wanted = photos + ((found['whole'] - photos) @ luminance)[..., np.newaxis]
    assert np.allclose(found['colour'], np.clip(wanted, 0, 1), atol=1e-5)


@pytest.mark.parametrize(
    ('mix', 'shares'), [('', (1, 0)), ('b', (0, 1)), ('a:1+b:3', (0.25, 0.75)), ('b + a', (0.5, 0.5))]
)
def test_shares(mix, shares):
    assert Params(styles=('a', 'b'), mix=mix).shares == shares


@pytest.mark.parametrize('mix', ['c', 'a:0', 'a:-1', 'a:x', 'a:nan', 'a:inf', '+', 'a+'])
def test_a_mix_that_there_is_not(mix):
    with pytest.raises(FlagError, match=r'^mix=.*(There is no style|has no valid share)'):
        Params(image_shape=(16, 16, 3), styles=('a', 'b'), mix=mix).check()


def settings(folder, **changes):
    hparams = f'learning_rate_schedule=constant,filters=3-4,blocks=1,style_image={folder / "ink.png"}'
    given = {'image_size': 16, 'channels': 3, 'save_checkpoints_steps': 2, 'hparams': hparams}
    return small_settings('style', folder, **{**given, **changes})


def style_picture(folder, seed=5):
    (folder / 'ink.png').write_bytes(encoded(picture(seed, 40, 50)))


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_exactly_without_its_picture(tmp_path):
    style_picture(tmp_path)
    whole = settings(tmp_path)
    train_run(whole)
    (tmp_path / 'ink.png').unlink()
    parts = dataclasses.replace(whole, model_dir=stopped_at(2, whole.model_dir, tmp_path / 'parts'))
    result = train_run(parts)
    assert result.step == 4 and result.metrics[keys.TOTAL_EXAMPLES] == 24
    first, second = values_in(whole.model_dir), values_in(parts.model_dir)
    assert first.keys() == second.keys() and not [name for name in first if 'perceptual' in name]
    assert all(np.allclose(first[name], second[name], rtol=1e-3, atol=1e-5) for name in first)
    assert Trained.open(parts.model_dir).params.styles == ('ink',)
    more = dataclasses.replace(parts, max_steps=6)
    other = dataclasses.replace(more, hparams=more.hparams.replace('ink.png', 'other.png'))
    with pytest.raises(FlagError, match='was started with another style_image than'):
        make_plan(other, lambda line: None)
    (parts.model_dir / FILE).write_bytes(b'junk')
    with pytest.raises(DataError, match='has no usable style'):
        make_plan(more, lambda line: None)


def test_it_learns_in_one_process(tmp_path, monkeypatch):
    style_picture(tmp_path)
    jobs = {'chief': ['a:1'], 'worker': ['b:1'], 'ps': ['c:1']}
    cluster = json.dumps({'cluster': jobs, 'task': {'type': 'chief', 'index': 0}})
    monkeypatch.setenv('TF_CONFIG', cluster)
    with pytest.raises(FlagError, match='model=style takes one process, but TF_CONFIG names a cluster'):
        make_plan(settings(tmp_path, distribution='parameter_server'), lambda line: None)


def test_a_run_can_begin_with_the_weights_of_other_styles(style_dir, tmp_path):
    """Of two there: if one is learned here, scales and shifts are new; all fit ink and chalk."""
    style_picture(tmp_path)
    (tmp_path / 'chalk.png').write_bytes((tmp_path / 'ink.png').read_bytes())
    one = settings(tmp_path, warm_start=style_dir, max_steps=1)
    both = dataclasses.replace(one, hparams=f'{one.hparams}+{tmp_path / "chalk.png"}')
    of_one, of_both = (make_plan(each, lambda line: None).warm_start for each in (one, both))
    assert 'painter/down_1/kernel' in of_one.taken and 'painter/picture/bias' in of_one.taken
    layers = ('down_1', 'down_2', 'residual_1a', 'residual_1b', 'up_1')
    assert set(of_one.new) == {f'painter/{layer}/{part}' for layer in layers for part in ('scale', 'shift')}
    assert of_both.new == () and 'painter/down_1/scale' in of_both.taken
