"""What a layer sees of an image, and its gradient against central differences."""

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.core.endpoints import published
from estimator_lab.inference.inceptionism import view as view_module
from estimator_lab.inference.inceptionism.view import View, find_layer, middle_layer, windows
from estimator_lab.tf1 import tf

RNG = np.random.default_rng(1)


def published_values(trained, name, images):
    """Returns an endpoint as PREDICT publishes it."""
    with tf.Graph().as_default() as graph:
        trained.predictions({'image': tf.constant(images), 'key': tf.constant(['k'] * len(images))})
        with trained.session() as session:
            return session.run(published(graph)[name])


@pytest.mark.parametrize(
    ('which', 'name'),
    [
        *(('cnn', name) for name in ('conv1', 'pool2', 'dense', 'logits')),
        *(('vgg', name) for name in ('conv1_1', 'pool5', 'global_pool', 'logits')),
        ('gan', 'conv_1'),
    ],
)
def test_the_layer_sees_what_prediction_publishes(request, which, name):
    trained = request.getfixturevalue(which)
    images = RNG.random((2, *trained.shape), np.float32)
    with View(trained, find_layer(trained, name)) as view:
        found = view.objective(images, [0, 0])
    squares = np.square(published_values(trained, name, images).reshape(2, -1))
    assert found == pytest.approx(squares.mean(axis=1), rel=1e-3) and found.min() > 0


def test_convolutions_see_any_size_and_dense_layers_their_own(cnn, vgg):
    with View(cnn, find_layer(cnn, 'conv2')) as view:
        assert view.objective(np.zeros((1, 21, 14, 1)), [0]).shape == (1,)
    with View(vgg, find_layer(vgg, 'logits')) as view:
        assert view.objective(np.zeros((1, 64, 97, 3)), [0]).shape == (1,)
    layer = find_layer(cnn, 'dense')
    assert layer.fixed and layer.sides == (8, 8) and layer.channels == 8
    assert not find_layer(cnn, 'pool2').fixed and find_layer(cnn, 'pool2').smallest == 4


def test_a_layer_that_is_not_there_gets_those_that_are(cnn):
    with pytest.raises(FlagError, match=r'--layer=conv3 is not a layer of .*; there are conv1, .*logits\.'):
        find_layer(cnn, 'conv3')
    with pytest.raises(FlagError, match='--layer is missing; there are conv1'):
        find_layer(cnn, '')


def test_the_middle_layer_is_a_convolution(cnn, vgg):
    assert middle_layer(cnn) == 'conv2' and middle_layer(vgg) == 'conv4_2'


@pytest.mark.parametrize('name', ['conv1', 'dense'])
def test_the_gradient_over_windows_is_that_of_the_mean_objective(cnn, name, monkeypatch):
    """By central differences along random ways up; conv1 in 2x2 windows of 6x5, dense in windows of 8x8."""
    monkeypatch.setattr(view_module, 'MOST_SIDE', 6)
    images = 0.2 + 0.6 * RNG.random((1, 12, 10, 1), np.float32)
    with View(cnn, find_layer(cnn, name)) as view:
        assert len(view.windows(12, 10)) == 4
        (uphill,) = view.climb(images, images, [0])
        for _ in range(3):
            step = 2e-3 * np.sign(uphill) * RNG.random(images.shape, np.float32)
            rise = view.objective(images + step, [0]) - view.objective(images - step, [0])
            assert np.sum(2 * step * uphill) / 4 == pytest.approx(rise[0], rel=0.02)


def test_each_image_has_its_own_channel(cnn):
    images = RNG.random((2, 8, 8, 1), np.float32)
    with View(cnn, find_layer(cnn, 'conv1'), by_channel=True) as view:
        found = view.objective(images, [1, 0])
        (both,) = view.climb(images, images, [1, 0])
        (alone,) = view.climb(images[1:], images[1:], [0])
    values = published_values(cnn, 'conv1', images)
    assert found == pytest.approx([values[0, ..., 1].mean(), values[1, ..., 0].mean()], rel=1e-4)
    assert both[1] == pytest.approx(alone[0], abs=1e-6)


def test_roughness_is_that_of_the_change(cnn):
    grounds = RNG.random((1, 8, 8, 1), np.float32)
    with View(cnn, find_layer(cnn, 'conv1')) as view:
        assert np.abs(view.climb(grounds, grounds, [0], rough=True)[1]).max() == 0
        spot = grounds.copy()
        spot[0, 4, 4] += 0.5
        _, rough = view.climb(spot, grounds, [0], rough=True)
    assert rough.argmax() == 4 * 8 + 4 and rough[0, 4, 4, 0] > 1


@pytest.mark.parametrize(
    ('height', 'width', 'sides', 'exact', 'count', 'shape'),
    [
        (100, 90, (512, 512), False, 1, (100, 90)),
        (100, 90, (50, 60), False, 4, (50, 45)),
        (101, 90, (50, 100), False, 3, (34, 90)),
        (28, 28, (28, 28), True, 1, (28, 28)),
        (60, 29, (28, 28), True, 6, (28, 28)),
    ],
)
def test_windows_of_one_size_cover_the_image(height, width, sides, exact, count, shape):
    found = windows(height, width, sides, exact)
    seen = np.zeros((height, width), int)
    for window in found:
        assert seen[window].shape == shape
        seen[window] += 1
    assert len(found) == count and seen.min() == 1
