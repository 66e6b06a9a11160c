"""The head of a GAN, with networks whose outputs are known: realness is the mean of an image's pixels."""

import dataclasses

import numpy as np
import pytest

from estimator_lab.core.adversarial.discriminator import Discriminated
from estimator_lab.core.adversarial.generator import Generated
from estimator_lab.core.adversarial.head import adversarial_spec
from estimator_lab.core.adversarial.params import AdversarialParams
from estimator_lab.core.adversarial.players import Players
from estimator_lab.core.adversarial.quality import published_samples
from estimator_lab.core.endpoints import published
from estimator_lab.core.projector import ProjectorHook
from estimator_lab.tf1 import tf
from tests.core.helpers import MODES, args_of, config_of, metrics_of, softmax, values_of

RNG = np.random.default_rng(0)
SHAPE = (2, 2, 1)
IMAGES = RNG.random((6, *SHAPE), np.float32)
IMAGES[:2] *= 0.5  # mostly below grey, so that the discriminator takes them for fakes
PARAMS = AdversarialParams(SHAPE, tuple('abc'), latent_size=4)
REALNESS = (2 * IMAGES - 1).reshape(6, 4).mean(1)
FAKE = -0.5  # every pixel of a fake, in [-1, 1]


def generator(latent, classes=None, training=False):
    """Fakes of one grey, a little lighter for a conditional generator's class 1."""
    shade = FAKE + (0.0 if classes is None else 0.25 * classes[:, 1])
    images = tf.fill([tf.shape(latent)[0], *SHAPE], 1.0) * tf.reshape(
        shade * tf.ones_like(latent[:, 0]), [-1, 1, 1, 1]
    )
    return Generated(images, [])


def discriminator(classifies=False):
    def network(images, classes=None, noise=None):
        flat = tf.reshape(images, [-1, 4])
        realness = tf.reduce_mean(flat, axis=1)
        logits = tf.stack([realness, -realness, 0 * realness], axis=1) if classifies else None
        return Discriminated(realness, logits, flat, {'hidden': flat})

    return network


def spec_of(mode, labels=None, config=None, params=PARAMS, features=None, **given):
    args = args_of(mode, params, IMAGES, labels, config, key=[*'abcdef'])
    if features:
        args = dataclasses.replace(args, features={**args.features, **features})
    network = discriminator(params.semi_supervised)
    players = Players(generator, generator, network, network if params.semi_supervised else None, **given)
    return adversarial_spec(args, players)


@pytest.mark.parametrize('loss', ['non_saturating', 'least_squares', 'wasserstein'])
def test_the_metrics_of_an_evaluation(loss):
    with tf.Graph().as_default() as graph:
        spec = spec_of(MODES.EVAL, params=dataclasses.replace(PARAMS, loss=loss))
        found = metrics_of(spec)
        value, errors = values_of([spec.loss, spec.predictions['error']])
        samples = values_of({k: v for k, v in published_samples(graph)._asdict().items() if v is not None})
    boundary = {'non_saturating': 0.0, 'least_squares': 0.5, 'wasserstein': (REALNESS.mean() + FAKE) / 2}[
        loss
    ]
    assert found['discriminator_accuracy_real'] == pytest.approx((boundary < REALNESS).mean())
    assert found['discriminator_accuracy_fake'] == 1.0
    assert found['diversity'] == pytest.approx(0.0, abs=1e-6) and found['total_examples'] == 6
    wanted = {
        'non_saturating': np.log1p(np.exp(-REALNESS)).mean() + np.log1p(np.exp(FAKE)),
        'least_squares': 0.5 * ((REALNESS - 1) ** 2).mean() + 0.5 * FAKE**2,
        'wasserstein': FAKE - REALNESS.mean(),
    }[loss]
    assert value == pytest.approx(wanted, rel=1e-5)
    assert np.allclose(errors, -REALNESS, atol=1e-6)
    assert np.allclose(samples['real'], IMAGES, atol=1e-6) and np.allclose(samples['fake'], (FAKE + 1) / 2)
    assert 'classes' not in samples and not spec.evaluation_hooks


def test_a_conditional_generator_gets_the_known_classes():
    params = dataclasses.replace(PARAMS, conditional=True)
    with tf.Graph().as_default() as graph:
        spec = spec_of(MODES.EVAL, ['a', 'b', '?', 'b', 'c', 'a'], params=params)
        samples = values_of(published_samples(graph)._asdict())
        assert metrics_of(spec)['total_examples'] == 6
    assert samples['classes'].tolist() == [0, 1, 1, 2, 0]
    assert np.allclose(samples['real'], IMAGES[[0, 1, 3, 4, 5]], atol=1e-6)
    shades = np.where(np.array([0, 1, 1, 2, 0]) == 1, FAKE + 0.25, FAKE)
    assert np.allclose(samples['fake'][:, 0, 0, 0], (shades + 1) / 2)


def test_a_discriminator_that_classifies_is_measured_as_a_classifier_too():
    params = dataclasses.replace(PARAMS, semi_supervised=True)
    with tf.Graph().as_default():
        spec = spec_of(MODES.EVAL, ['a', 'b', '?', 'b', 'c', 'a'], params=params)
        found, predicted = metrics_of(spec), values_of(spec.predictions)
    probabilities = softmax(np.stack([REALNESS, -REALNESS, 0 * REALNESS], axis=1))
    right = probabilities.argmax(1)[[0, 1, 3, 4, 5]] == [0, 1, 1, 2, 0]
    assert found['accuracy'] == pytest.approx(right.mean()) and found['total_examples'] == 5
    assert {'discriminator_accuracy_real', 'diversity', 'sliced_wasserstein'} <= set(found)
    assert np.allclose(predicted['probabilities'], probabilities, atol=1e-6)
    assert np.allclose(predicted['error'], -REALNESS, atol=1e-6)


def test_an_evaluation_shows_images_and_samples_in_the_projector(tmp_path):
    with tf.Graph().as_default():
        (hook,) = spec_of(MODES.EVAL, config=config_of(tmp_path)).evaluation_hooks
        vectors, origins, realness, _ = values_of(hook._tensors)
    assert isinstance(hook, ProjectorHook)
    assert origins.tolist() == [b'archive'] * 6 + [b'generator'] * 6
    assert np.allclose(realness, [*REALNESS, *[FAKE] * 6], atol=1e-6)
    assert np.allclose(vectors[:6], (2 * IMAGES - 1).reshape(6, 4), atol=1e-6)


def test_predictions_and_exports():
    with tf.Graph().as_default() as graph:
        spec = spec_of(MODES.PREDICT)
        found = values_of(spec.predictions)
        assert list(published(graph)) == ['hidden'] and set(spec.export_outputs) == {'serving_default'}
    assert np.allclose(found['realness'], REALNESS, atol=1e-6)
    assert np.allclose(found['error'], -REALNESS, atol=1e-6)
    assert found['key'].tolist() == [*map(str.encode, 'abcdef')]


@pytest.mark.parametrize('conditional', [False, True])
def test_an_export_makes_png_files_of_latent_vectors(conditional):
    params = dataclasses.replace(PARAMS, conditional=conditional)
    with tf.Graph().as_default():
        latent = tf.placeholder_with_default(np.zeros((3, 4), np.float32), [None, 4])
        features = {'latent': latent, 'label': tf.constant(['a', 'b', 'c'])}
        outputs = spec_of(MODES.PREDICT, params=params, features=features).export_outputs
        assert set(outputs) == {'serving_default', 'samples'}
        pictures = values_of(
            [tf.image.decode_png(outputs['samples'].outputs['png'][row]) for row in range(3)]
        )
        image = tf.placeholder(tf.float32, [None, *SHAPE])
        assert set(outputs['samples'].as_signature_def({'latent': latent}).outputs) == {'png', 'samples'}
        served = outputs['serving_default'].as_signature_def({'image': image})
        assert set(served.outputs) == {'realness', 'error'}
        for name, receiver in (('samples', {'image': image}), ('serving_default', {'latent': latent})):
            with pytest.raises(ValueError, match='other inputs'):
                outputs[name].as_signature_def(receiver)
    greys = [(FAKE + 1) / 2 + (0.125 if conditional and row == 1 else 0) for row in range(3)]
    assert [picture.max() for picture in pictures] == [
        int(grey * 255.5) for grey in greys
    ]  # as TensorFlow converts
