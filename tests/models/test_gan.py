import dataclasses

import numpy as np
import pytest

from estimator_lab.core.model import Task
from estimator_lab.core.noise import Noise, fresh_seed
from estimator_lab.errors import DataError, FlagError
from estimator_lab.models import gan
from estimator_lab.models.gan import Params, check, model_fn, players, task
from estimator_lab.tf1 import tf
from estimator_lab.training.experiment import Experiment
from tests.archive_files import encoded, picture, small_archive, write_tar
from tests.models.contract.graphs import a_bad_batch_changes_nothing
from tests.models.contract.subject import Subject
from tests.small_runs import small_settings

TRAIN = tf.estimator.ModeKeys.TRAIN
SMALL = {'filters': '2-3', 'latent_size': 3, 'image_shape': (9, 8, 1), 'vocabulary': tuple('abc')}
DENSE = {'kind': 'dense', 'layers': '5-4', 'generator_layers': '5'}
RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 9, 8, 1), np.float32)


def features(weight=1.0):
    names = tf.constant([f'a.tar:{n}.png' for n in range(len(IMAGES))])
    return {'image': tf.constant(IMAGES), 'key': names, 'weight': tf.fill([len(IMAGES)], weight)}


def step_of(**params):
    """Returns a session that has made its variables, and the spec of TRAIN."""
    labels = tf.constant([0, 1, -1, -1, 2, -1], tf.int64)
    tf.set_random_seed(1)
    tf.train.create_global_step()
    spec = model_fn(features(), labels, TRAIN, {**SMALL, **params})
    session = tf.Session()
    session.run([tf.global_variables_initializer(), tf.tables_initializer()])
    return session, spec


KINDS = {
    'plain': {},
    'dense': DENSE,
    'wasserstein': {'loss': 'wasserstein', 'discriminator_steps': 3, 'normalization': 'none'},
    'least_squares_r1': {'loss': 'least_squares', 'r1': 1.0, 'dropout_rate': 0.3},
    'conditional': {'conditional': True},
    'semi_supervised': {'semi_supervised': True, **DENSE, 'normalization': 'weight', 'noise': 0.3},
}


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_a_step_teaches_both_players_and_is_counted_once(kind):
    with tf.Graph().as_default() as graph:
        session, spec = step_of(**KINDS[kind])
        with session:
            before = {v.op.name: session.run(v) for v in tf.trainable_variables()}
            for _ in range(2):
                loss, _ = session.run([spec.loss, spec.train_op])
            assert np.isfinite(loss)
            assert session.run(tf.train.get_global_step(graph)) == 2
            same = {name for name, old in before.items() if np.array_equal(old, value(session, name))}
            # What a critic adds to images and fakes alike has no gradient.
            assert same <= ({'discriminator/logits/bias'} if kind == 'wasserstein' else set())
            averages = [v.op.name for v in tf.global_variables('generator_average/')]
            assert len(averages) == len(network_variables('generator'))


def value(session, name):
    return session.run(next(v for v in tf.global_variables() if v.op.name == name))


def network_variables(scope):
    return [v for v in tf.global_variables(f'{scope}/') if not v.op.name.endswith(('/Adam', '/Adam_1'))]


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_bad_examples_teach_nothing(kind, tmp_path):
    """Nor does it matter that some of three slices of two examples are empty."""
    hparams = {**SMALL, **KINDS[kind]}
    shape = hparams.pop('image_shape')
    a_bad_batch_changes_nothing(Subject(gan.MODEL, hparams, shape, tmp_path))


def test_the_average_follows_the_generator():
    """At step t it keeps min(decay, (1 + t) / (10 + t)): a tenth at first."""
    with tf.Graph().as_default():
        session, spec = step_of(average_decay=0.15)
        with session:
            name = 'transposed_conv_1/kernel'
            averages = [value(session, f'generator_average/{name}')]
            kernels = []
            for _ in range(3):
                session.run(spec.train_op)
                averages.append(value(session, f'generator_average/{name}'))
                kernels.append(value(session, f'generator/{name}'))
    for kept, (old, new, kernel) in zip(
        (1 / 10, 0.15, 0.15), zip(averages, averages[1:], kernels, strict=False), strict=True
    ):
        assert np.allclose(new, kept * old + (1 - kept) * kernel, atol=1e-6)


def test_moves_are_made_in_turn():
    """By plain gradient descent: the generator goes down the loss of the discriminator that has moved."""
    params = {'optimizer': 'sgd', 'learning_rate': 0.1, 'normalization': 'none', **DENSE}
    with tf.Graph().as_default() as graph:
        session, spec = step_of(**params)
        with session:
            start, _, end = (session.run(what) for what in (networks(), spec.train_op, networks()))
            players = make_test_players(params)
            noise = Noise(fresh_seed(features()))
            fakes = players.generator(noise.normal([len(IMAGES), 3]), None, training=True).images
            loss = tf.reduce_mean(tf.nn.softplus(-players.discriminator(fakes).realness))
            mine = tf.trainable_variables('generator/')
            gradients = tf.gradients(loss, mine)
            # Back to the step's beginning, but for what the discriminator has become.
            session.run(tf.assign(tf.train.get_global_step(graph), 0))
            for variable in tf.trainable_variables():
                of = end if variable.op.name.startswith('discriminator/') else start
                variable.load(of[variable.op.name], session)
            for variable, gradient in zip(mine, session.run(gradients), strict=True):
                name = variable.op.name
                assert np.allclose(end[name], start[name] - 0.1 * gradient, atol=1e-6), name
    changed = [n for n in end if n.startswith('discriminator/') and not np.array_equal(start[n], end[n])]
    assert changed


def test_gradients_are_clipped_and_the_rate_warms_up():
    params = {'optimizer': 'sgd', 'learning_rate': 0.1, 'learning_rate_schedule': 'constant', **DENSE}

    def way(**more):
        """The length of the discriminator's first step."""
        with tf.Graph().as_default():
            session, spec = step_of(**params, normalization='none', **more)
            with session:
                variables = network_variables('discriminator')
                before = session.run(variables)
                session.run(spec.train_op)
                after = session.run(variables)
                return np.sqrt(sum(((b - a) ** 2).sum() for a, b in zip(before, after, strict=True)))

    whole = way()
    assert way(clip_norm=0.001) == pytest.approx(0.1 * 0.001, rel=1e-3) and whole > 0.001
    assert way(warmup_steps=10) == pytest.approx(whole / 10, rel=1e-3)


def networks():
    return {v.op.name: v for v in tf.trainable_variables()}


def make_test_players(params):
    return players(Params(**{**SMALL, **params}))


def test_a_gradient_that_is_no_number_changes_nothing():
    with tf.Graph().as_default():
        session, spec = step_of(normalization='none')
        with session:
            session.run(spec.train_op)
            (bias,) = (v for v in tf.trainable_variables() if v.op.name == 'discriminator/logits/bias')
            bias.load([np.nan], session)
            before = {v.op.name: session.run(v) for v in network_variables('generator')}
            session.run(spec.train_op)
            assert all(np.array_equal(old, value(session, name)) for name, old in before.items())


@pytest.mark.parametrize(
    ('side', 'filters'),
    [
        *((8, (128,)), (28, (64, 128)), (32, (64, 128, 256))),
        *((64, (32, 64, 128, 256)), (128, (16, 32, 64, 128, 256))),
    ],
)
def test_filters_by_the_size_of_the_image(side, filters):
    assert Params((side, side, 1)).chosen_filters == filters


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'conditional': True, 'semi_supervised': True}, 'give one of them'),
        ({'semi_supervised': True, 'loss': 'wasserstein'}, 'loss=wasserstein has no probabilities'),
        ({'image_shape': (7, 7, 1)}, '--image_size=7 is too small for convolutions: give 8'),
        (
            {'image_shape': (12, 12, 1), 'filters': '2-2-2-2'},
            'halves the image 4 times, which takes 16 pixels',
        ),
        ({'conditional': True, 'vocabulary': ('a',)}, 'need two labels or more'),
    ],
)
def test_what_does_not_go_together(changes, sentence):
    with pytest.raises(FlagError, match=sentence):
        check(dataclasses.replace(Params(), **changes))


def test_the_parameters_decide_the_task():
    assert task(Params()) == Task('sliced_wasserstein', False, labelled=False)
    scored = task(Params(judge='x', conditional=True))
    assert scored == Task('frechet_distance', False, labelled=True, reference_classifier='x')
    assert task(Params(semi_supervised=True)) == Task('accuracy', True, True, uses_unlabelled=True)


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    return str(small_archive(tmp_path_factory.mktemp('images')))


def settings(archive, folder, hparams='', **changes):
    hparams = f'filters=2,latent_size=3{hparams}'
    return small_settings('gan', folder, data=[archive], hparams=hparams, **changes)


@pytest.mark.parametrize(
    ('hparams', 'changes', 'sentence'),
    [
        (',discriminator_steps=7', {}, r'--batch_size=6 is too small: .* takes 7 examples or more'),
    ],
)
def test_settings_that_can_t_work(archive, tmp_path, hparams, changes, sentence):
    with pytest.raises(FlagError, match=sentence):
        Experiment(settings(archive, tmp_path / 'x', hparams, **changes), lambda line: None)


def test_another_model_has_no_use_for_images_without_labels(archive, tmp_path):
    run = small_settings('cnn', tmp_path, data=[archive], unlabelled_data=['u.tar'])
    with pytest.raises(FlagError, match='--unlabelled_data has no use for --model=cnn'):
        Experiment(run, lambda line: None)


def test_an_archive_of_one_image(tmp_path):
    one = write_tar(tmp_path / 'one.tar', [('a/1.png', encoded(picture(1)))])
    with pytest.raises(DataError, match=r'1 example in \S+one.tar is too few: --model=gan .* 2 or more'):
        Experiment(settings(str(one), tmp_path / 'x'), lambda line: None)
