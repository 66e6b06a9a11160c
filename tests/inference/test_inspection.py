import dataclasses

import numpy as np
import pytest
from scipy.signal import correlate2d

from estimator_lab.base.errors import FlagError
from estimator_lab.core import keys
from estimator_lab.core.endpoints import publish
from estimator_lab.core.layer_sizes import LayerSize
from estimator_lab.core.params import Pixels
from estimator_lab.inference.inspection import (
    grad_cam,
    inspect_image,
    network_layers,
    saliency,
    show_in_tensorboard,
)
from estimator_lab.models.cnn import network as cnn_network
from estimator_lab.runs.trained import Trained
from estimator_lab.runs.weights.checkpoint import HeldCheckpoint, write_checkpoint
from estimator_lab.tf1 import tf
from tests.support.altered_models import altered
from tests.support.differences import derivative
from tests.support.small_runs import values_in

pytestmark = pytest.mark.trains

IMAGE = np.random.default_rng(1).integers(0, 256, (8, 8, 1), np.uint8)


@pytest.fixture(scope='module')
def found(cnn):
    return inspect_image(cnn, IMAGE)


@pytest.fixture(scope='module')
def weights(cnn):
    return tf.train.load_checkpoint(cnn.checkpoint).get_tensor


def logits(cnn, images):
    """Returns the class scores of images float [n, 8, 8, 1] in [0, 1], by another way through the network."""
    with tf.Graph().as_default(), tf.Session() as session:
        out = dict(cnn_network(tf.constant(images, tf.float32), cnn.params))['logits']
        tf.train.Saver().restore(session, cnn.checkpoint)
        return session.run(out)


def test_maps_are_what_the_kernels_make_of_the_image(found, weights):
    kernel, bias = weights('conv2d/kernel'), weights('conv2d/bias')
    seen = (IMAGE / 255 - weights('centred/mean_image'))[..., 0]
    for number in range(2):
        expected = correlate2d(seen, kernel[:, :, 0, number], 'same') + bias[number]
        assert found.maps['conv1'][..., number] == pytest.approx(np.maximum(expected, 0), abs=1e-5)
    assert found.maps['conv2'].shape == (4, 4, 2)
    assert np.array_equal(found.filters['filters_conv1'], kernel)


def test_saliency_is_that_of_the_predicted_label_or_the_one_asked_for(cnn, found):
    step = 2e-4  # small enough for the network's kinks, large enough for float32
    steps = step * np.eye(64).reshape(64, 8, 8, 1)
    scores = logits(cnn, np.concatenate([IMAGE[np.newaxis] / 255, IMAGE / 255 + steps, IMAGE / 255 - steps]))
    changes = np.abs(scores[1:65] - scores[65:]) / (2 * step)
    predicted = scores[0].argmax()
    assert found.values[keys.CLASSES] == predicted
    assert found.heat['saliency'].ravel() == pytest.approx(changes[:, predicted], abs=2e-3)
    other = (predicted + 1) % 4
    asked_for = inspect_image(cnn, IMAGE, cnn.vocabulary.labels[other])
    assert asked_for.heat['saliency'].ravel() == pytest.approx(changes[:, other], abs=2e-3)
    assert found.heat['grad_cam'].shape == (4, 4) and np.min(found.heat['grad_cam']) >= 0


def test_pictures_have_the_names_that_training_gives_them(found):
    maps = {'filters_conv1', 'activation_map_conv1', 'activation_map_conv2'}
    assert set(found.pictures()) == {'inspected', 'saliency', 'grad_cam', *maps}


def dense_fn(features, labels, mode, params=None, config=None):
    """A model function without convolutions and labels; its error is half the squared first hidden unit."""
    weights = tf.get_variable('dense/kernel', [64, 3])
    hidden = tf.matmul(tf.reshape(features['image'], [-1, 64]), weights)
    publish('hidden', hidden)
    found = {keys.HIDDEN: hidden, keys.ERROR: tf.square(hidden[:, 0]) / 2}
    return tf.estimator.EstimatorSpec(mode, predictions=found)


def test_a_dense_network_shows_what_its_units_look_at_and_where_its_error_is_from(cnn, tmp_path):
    weights = np.arange(192, dtype=np.float32).reshape(64, 3) / 192
    write_checkpoint(tmp_path / 'dense', {'dense/kernel': weights, 'global_step': np.int64(3)})
    architecture = altered(cnn.architecture, model_fn=dense_fn)
    record, held = dataclasses.replace(cnn.record, vocabulary=()), HeldCheckpoint(str(tmp_path / 'dense'))
    dense = dataclasses.replace(cnn, architecture=architecture, record=record, held=held)
    found = inspect_image(dense, IMAGE)
    assert found.filters['receptive_fields'].reshape(64, 3) == pytest.approx(weights)
    first = (IMAGE.ravel() / 255) @ weights[:, 0]
    # d (h^2 / 2) / dx = h w
    assert found.heat['saliency'].ravel() == pytest.approx(first * weights[:, 0], rel=1e-5)
    assert set(found.pictures()) == {'inspected', 'receptive_fields', 'saliency'}
    with pytest.raises(FlagError, match='label=x has no meaning for model=cnn'):
        inspect_image(dense, IMAGE, 'x')


def test_a_network_without_anything_to_show_shows_the_image(cnn):
    def constant_fn(features, labels, mode, params=None, config=None):
        return tf.estimator.EstimatorSpec(mode, predictions={'mean': tf.reduce_mean(features['image'])[None]})

    architecture = altered(cnn.architecture, model_fn=constant_fn)
    nothing = dataclasses.replace(cnn, architecture=architecture)
    assert set(inspect_image(nothing, IMAGE).pictures()) == {'inspected'}


def test_pictures_go_to_tensorboard(cnn, found, tmp_path, capsys):
    pictures, elsewhere = found.pictures(), dataclasses.replace(cnn, model_dir=tmp_path)
    assert [title for title, _ in show_in_tensorboard(elsewhere, 'events', pictures)] == ['TensorBoard']
    events = [e for p in (tmp_path / 'events').iterdir() for e in tf.train.summary_iterator(str(p))]
    shown = {value.tag: value.image for event in events for value in event.summary.value}
    assert set(shown) == {f'images/{name}/image' for name in pictures}
    assert all(event.step == 3 for event in events if event.summary.value)
    picture = pictures['saliency']
    image = shown['images/saliency/image']
    assert (image.width, image.height) == picture.size and image.encoded_image_string[1:4] == b'PNG'
    (tmp_path / 'file').write_text('')
    assert not list(show_in_tensorboard(elsewhere, 'file', pictures))
    assert 'file cannot be written' in capsys.readouterr().err


# Gradients against central differences, in float64, on a smooth network.
SHAPE = (1, 5, 4, 3)


@pytest.fixture
def network():
    """A convolution, tanh and a dense layer; in a graph of its own."""
    rng = np.random.default_rng(1)
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float64, SHAPE)
        maps = tf.nn.tanh(tf.nn.conv2d(images, tf.constant(rng.normal(size=(3, 3, 3, 2))), 1, 'SAME'))
        score = tf.reduce_sum(tf.reshape(maps, [-1]) * tf.constant(rng.normal(size=40)))
        yield session, images, maps, score, rng.random(SHAPE)


def differences(of, at):
    """Returns d of / d at by central differences, of the shape of `at`."""
    found = [derivative(lambda values: of(values[0]), [at], 0, place, step=1e-5) for place in range(at.size)]
    return np.reshape(found, at.shape)


def test_saliency_is_the_largest_change_of_the_score_by_a_channel(network):
    session, images, _, score, image = network
    expected = differences(lambda at: session.run(score, {images: at}), image)
    (gradient,) = tf.gradients(score, images)
    found = session.run(saliency(gradient), {images: image})
    assert found == pytest.approx(np.abs(expected).max(axis=3), abs=1e-6)


def test_grad_cam_weighs_each_map_by_the_mean_change_of_the_score(network):
    session, images, maps, score, image = network
    at = session.run(maps, {images: image})
    weights = differences(lambda changed: session.run(score, {maps: changed}), at).mean(axis=(1, 2))[0]
    expected = np.maximum(sum(weights[k] * at[..., k] for k in range(2)), 0)
    assert 0 < np.count_nonzero(expected) < expected.size
    assert session.run(grad_cam(score, maps), {images: image}) == pytest.approx(expected, abs=1e-6)


def test_a_score_that_does_not_depend_on_the_maps_has_no_grad_cam(network):
    _, images, maps, *_ = network
    assert grad_cam(tf.reduce_sum(images), maps) is None


def test_the_layers_of_a_cnn(cnn_dir):
    trained = Trained.open(cnn_dir)
    layers = network_layers(trained)
    found = {layer.name: layer for layer in layers}
    # 8x8 pixels, 5x5 filters, 2 of them in the first convolution, before which is the mean image; 4 labels.
    assert found['conv1'] == LayerSize('conv1', '8x8x2', 5 * 5 * 2 + 2, 8 * 8)
    assert found['logits'].shape == '4' and found['logits'].parameters == 8 * 4 + 4
    assert layers[0].name == 'conv1' and layers[-1].name == 'logits'
    values = {name: value.size for name, value in values_in(trained.checkpoint).items()}
    slots = ('Adam', 'beta1_power', 'beta2_power', 'global_step', 'input/consumed')
    in_file = sum(size for name, size in values.items() if not any(slot in name for slot in slots))
    assert sum(layer.parameters + layer.others for layer in layers) == in_file


def test_texts_of_an_inspection_are_text(cnn):
    assert cnn.inspect(IMAGE).values['labels'].item() in cnn.labels


def test_pictures_have_the_contrast_that_the_network_sees(cnn):
    """A 16-bit image of a narrow window was drawn as flat grey."""
    run = dataclasses.replace(cnn, params=dataclasses.replace(cnn.params, pixels=Pixels(0.46, 0.47)))
    window = (0.46 + 0.01 * IMAGE / 255).astype(np.float32)
    found = inspect_image(run, window)
    shown = np.asarray(found.pictures()['inspected'].convert('L')).astype(int)
    assert shown[24::48, 24::48] == pytest.approx(IMAGE[..., 0], abs=1)
    assert np.ptp(np.asarray(found.pictures()['saliency'].convert('L'))) > 100
