"""A training step of both networks, and what the model function returns."""

import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.core.endpoints import published
from estimator_lab.core.model import Task
from estimator_lab.core.noise import Noise, fresh_seed
from estimator_lab.models.gan.model import MODEL, Params, model_fn
from estimator_lab.models.gan.networks import GENERATOR, discriminator, generator
from estimator_lab.models.gan.scores import diversity
from estimator_lab.tf1 import tf
from estimator_lab.training.plan import make_plan
from tests.core.helpers import MODES, config_of, drawn, metrics_of, pixels_of, values_of
from tests.models.contract.graphs import a_bad_batch_changes_nothing
from tests.models.contract.subject import Subject
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.small_runs import small_settings

pytestmark = pytest.mark.trains

SMALL = {'filters': '2-3', 'latent_size': 3, 'image_shape': (9, 8, 1), 'vocabulary': tuple('abc')}
LABELS = [b'a', b'b', b'?', b'b', b'c', b'a']
RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 9, 8, 1), np.float32)
KINDS = {'plain': {}, 'conditional': {'conditional': True}, 'augmented': {'diff_augment': True}}


def spec_of(mode, config=None, extra=None, **params):
    """Returns the EstimatorSpec for six images in the current graph."""
    tf.set_random_seed(1)
    tf.train.get_or_create_global_step()
    names = tf.constant([f'a.tar:{n}.png' for n in range(len(IMAGES))])
    features = {'image': tf.constant(IMAGES), 'key': names, **(extra or {})}
    return model_fn(features, tf.constant(LABELS), mode, {**SMALL, **params}, config)


def step_of(**params):
    """Returns a session that has made its variables, and the spec of TRAIN."""
    spec = spec_of(MODES.TRAIN, **params)
    session = tf.Session()
    session.run([tf.global_variables_initializer(), tf.tables_initializer()])
    return session, spec


def weights(session, scope=None):
    """Returns trainable variables by name: in one call, as each compiles the whole graph anew."""
    return session.run({v.op.name: v for v in tf.trainable_variables(scope)})


def value(session, name):
    return session.run(next(v for v in tf.global_variables() if v.op.name == name))


def network_variables(scope):
    return [v for v in tf.global_variables(f'{scope}/') if not v.op.name.endswith(('/Adam', '/Adam_1'))]


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
def test_a_step_teaches_both_networks_and_is_counted_once(kind, graph):
    session, spec = step_of(**KINDS[kind])
    with session:
        before = weights(session)
        for _ in range(2):
            loss, _ = session.run([spec.loss, spec.train_op])
        assert np.isfinite(loss)
        assert session.run(tf.train.get_global_step(graph)) == 2
        after = weights(session)
        assert not {name for name in before if np.array_equal(before[name], after[name])}
        assert len(network_variables('generator_average')) == len(network_variables('generator'))


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['conditional', 'augmented'])
def test_bad_examples_teach_nothing(kind, tmp_path):
    hparams = {**SMALL, **KINDS[kind]}
    shape = hparams.pop('image_shape')
    a_bad_batch_changes_nothing(Subject(MODEL, hparams, shape, tmp_path))


@pytest.mark.slow
def test_the_average_follows_the_generator(graph):
    """At step t it keeps min(0.999, (1 + t) / (10 + t)): a tenth at first."""
    name = 'transposed_conv_1/kernel'
    session, spec = step_of()
    with session:
        for step in range(3):
            old = value(session, f'generator_average/{name}')
            session.run(spec.train_op)
            new, kernel = (value(session, f'{scope}/{name}') for scope in ('generator_average', 'generator'))
            kept = (1 + step) / (10 + step)
            assert np.allclose(new, kept * old + (1 - kept) * kernel, atol=1e-6)


@pytest.mark.slow
def test_moves_are_made_in_turn(graph):
    """By plain gradient descent: the generator goes down the loss of the discriminator that has moved."""
    session, spec = step_of(optimizer='sgd', learning_rate=0.1)
    with session:
        everything = {v.op.name: v for v in tf.global_variables()}
        start, _, end = (session.run(what) for what in (everything, spec.train_op, everything))
        params = Params(**SMALL)
        noise = Noise(fresh_seed({'key': tf.constant(['a.tar:0.png'])}))
        fakes = generator(noise.normal([len(IMAGES), 3]), None, params, GENERATOR, noise)
        realness = dict(discriminator(fakes, None, params))['realness']
        mine = tf.trainable_variables('generator/')
        gradients = tf.gradients(tf.reduce_mean(tf.nn.softplus(-realness)), mine)
        # Back to the step's beginning, but for what the discriminator has become.
        session.run(tf.assign(tf.train.get_global_step(graph), 0))
        for name, variable in everything.items():
            if name != 'global_step':
                variable.load((end if name.startswith('discriminator/') else start)[name], session)
        for variable, gradient in zip(mine, session.run(gradients), strict=True):
            name = variable.op.name
            assert np.allclose(end[name], start[name] - 0.1 * gradient, atol=1e-6), name
    assert [n for n in end if n.startswith('discriminator/') and not np.array_equal(start[n], end[n])]


@pytest.mark.slow
def test_gradients_are_clipped_and_the_rate_warms_up():
    params = {'optimizer': 'sgd', 'learning_rate': 0.1, 'learning_rate_schedule': 'constant'}

    def way(**more):
        """The length of the discriminator's first step."""
        with tf.Graph().as_default():
            session, spec = step_of(**params, **more)
            with session:
                variables = tf.trainable_variables('discriminator/')
                before = session.run(variables)
                session.run(spec.train_op)
                after = session.run(variables)
                return np.sqrt(sum(((b - a) ** 2).sum() for a, b in zip(before, after, strict=True)))

    whole = way()
    assert way(clip_norm=0.001) == pytest.approx(0.1 * 0.001, rel=1e-3) and whole > 0.001
    assert way(warmup_steps=10) == pytest.approx(whole / 10, rel=1e-3)


def assert_the_generator_rests(session, spec):
    before = weights(session, 'generator/')
    session.run(spec.train_op)
    after = weights(session, 'generator/')
    assert before and all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_a_gradient_that_is_no_number_changes_nothing(graph):
    session, spec = step_of()
    with session:
        session.run(spec.train_op)
        (bias,) = (v for v in tf.trainable_variables() if v.op.name == 'discriminator/logits/bias')
        bias.load([np.nan], session)
        assert_the_generator_rests(session, spec)


@pytest.mark.slow
def test_the_discriminator_sees_both_kinds_of_images_augmented_in_both_updates(monkeypatch, graph):
    """If augmentation makes all images black, the generator has no gradient, and both kinds look the same."""
    monkeypatch.setattr('estimator_lab.models.gan.game.augmented', lambda images, noise: 0.0 * images)
    session, spec = step_of(diff_augment=True)
    with session:
        assert_the_generator_rests(session, spec)


@pytest.mark.slow
def test_a_row_of_samples_has_one_label_and_each_column_one_latent_vector(monkeypatch, tmp_path, graph):
    def tiles(latent, one_hot, params, scope):
        """Images of one grey: 80 a label, and up to 79 for the vector."""
        greys = tf.floor(79 * tf.sigmoid(latent[:, 0])) + 80 * tf.cast(tf.argmax(one_hot, axis=1), tf.float32)
        return tf.ones([24, 9, 8, 1]) * (2 * greys / 255 - 1)[:, None, None, None]

    monkeypatch.setattr('estimator_lab.models.gan.head.generator', tiles)
    spec_of(MODES.TRAIN, config_of(tmp_path), conditional=True)
    found = pixels_of(drawn()['images/samples/image'])[::10, ::9]
    assert (found // 80).tolist() == [[0] * 8, [1] * 8, [2] * 8]
    vectors = found % 80
    assert np.array_equal(vectors, [vectors[0]] * 3) and len(set(vectors[0])) > 4


@pytest.fixture
def evaluated(monkeypatch):
    """The samples of the last EVAL."""
    found = []

    def noted(samples, one_hot):
        found.append(samples)
        return diversity(samples, one_hot)

    monkeypatch.setattr('estimator_lab.models.gan.head.diversity', noted)
    return lambda: {name: value for name, value in found[-1]._asdict().items() if value is not None}


def test_the_metrics_of_an_evaluation(evaluated, tmp_path, graph):
    spec = spec_of(MODES.EVAL, config_of(tmp_path))
    assert len(spec.evaluation_hooks) == 1, 'images and samples are in the projector'
    samples = evaluated()
    fakes = dict(discriminator(2 * samples['fake'] - 1, None, Params(**SMALL)))['realness'][:, 0]
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        found = session.run([spec.loss, spec.predictions['error'], fakes, samples])
        session.run(tf.local_variables_initializer())
        session.run([update for _, update in spec.eval_metric_ops.values()])
        metrics = session.run({name: value for name, (value, _) in spec.eval_metric_ops.items()})
    loss, errors, fake, samples = found
    assert metrics['total_examples'] == 6 and 'classes' not in samples
    assert metrics['discriminator_accuracy_real'] == pytest.approx((errors < 0).mean())
    assert metrics['discriminator_accuracy_fake'] == pytest.approx((fake <= 0).mean())
    assert loss == pytest.approx(np.log1p(np.exp(errors)).mean() + np.log1p(np.exp(fake)).mean(), rel=1e-5)
    assert np.allclose(samples['real'], IMAGES, atol=1e-6)

    def spread(images):
        flat = images.reshape(6, -1)
        return ((flat[:, np.newaxis] - flat) ** 2).sum()

    assert metrics['diversity'] == pytest.approx(spread(samples['fake']) / spread(samples['real']), rel=1e-3)


def test_a_conditional_generator_gets_the_known_classes(evaluated, graph):
    spec = spec_of(MODES.EVAL, conditional=True)
    samples = values_of(evaluated())
    assert metrics_of(spec)['total_examples'] == 6
    assert samples['classes'].tolist() == [0, 1, 1, 2, 0]
    assert np.allclose(samples['real'], IMAGES[[0, 1, 3, 4, 5]], atol=1e-6)


def test_predictions_publish_the_discriminators_layers(graph):
    spec = spec_of(MODES.PREDICT)
    found = values_of(spec.predictions)
    assert list(published(graph)) == ['conv_1', 'conv_2']
    assert set(spec.export_outputs) == {'serving_default'}
    assert np.allclose(found['error'], -found['realness'], atol=1e-6)
    assert found['key'].tolist() == [f'a.tar:{n}.png'.encode() for n in range(6)]


@pytest.mark.parametrize('conditional', [False, True])
def test_an_export_makes_png_files_of_latent_vectors(conditional, graph):
    latent = tf.placeholder_with_default(RNG.normal(size=(3, 3)).astype(np.float32), [None, 3])
    extra = {'latent': latent, 'label': tf.constant(['a', 'b', 'c'])}
    outputs = spec_of(MODES.PREDICT, extra=extra, conditional=conditional).export_outputs
    assert set(outputs) == {'serving_default', 'samples'}
    made = outputs['samples'].outputs
    pixels = [tf.image.decode_png(made['png'][row]) for row in range(3)]
    samples, pixels = values_of([made['samples'], pixels])
    image = tf.placeholder(tf.float32, [None, 9, 8, 1])
    assert set(outputs['samples'].as_signature_def({'latent': latent}).outputs) == {'png', 'samples'}
    served = outputs['serving_default'].as_signature_def({'image': image})
    assert set(served.outputs) == {'realness', 'error'}
    for name, receiver in (('samples', {'image': image}), ('serving_default', {'latent': latent})):
        with pytest.raises(ValueError, match='other inputs'):
            outputs[name].as_signature_def(receiver)
    assert np.array_equal(np.stack(pixels), (samples * 255.5).astype(np.uint8))  # as TensorFlow converts


def test_the_parameters_decide_the_task():
    assert MODEL.task(Params()) == Task('diversity', True, labelled=False)
    scored = MODEL.task(Params(judge='x', conditional=True))
    assert scored == Task('frechet_distance', False, labelled=True)


def test_an_archive_of_one_image(tmp_path):
    one = write_tar(tmp_path / 'one.tar', [('a/1.png', encoded(picture(1)))])
    run = small_settings('gan', tmp_path / 'x', data=[str(one)], hparams='filters=2,latent_size=3')
    with pytest.raises(DataError, match=r'one.tar holds too few examples, 1: model=gan .* 2 or more'):
        make_plan(run, lambda line: None)
