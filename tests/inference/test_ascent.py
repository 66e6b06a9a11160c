"""Objectives against NumPy, gradients against central differences, and what the steps do to images."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from estimator_lab.core.endpoints import published
from estimator_lab.core.params import RAW_PIXELS
from estimator_lab.inference import ascent
from estimator_lab.inference.ascent import (
    AscentObjective,
    Waves,
    blurred,
    climb,
    climb_waves,
    colour_axes,
    octave_sizes,
    painted,
    resized,
)
from estimator_lab.inference.dreams import find_layer
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.trains

RNG = np.random.default_rng(1)


def objective_of(run, name, **more):
    return AscentObjective(run, find_layer(run, name), **more)


def published_values(run, name, images):
    """Returns an endpoint as PREDICT publishes it."""
    with tf.Graph().as_default() as graph:
        run.predictions({'image': tf.constant(images), 'key': tf.constant(['k'] * len(images))})
        with run.session() as session:
            return session.run(published(graph)[name])


@pytest.fixture
def photo():
    return 0.3 + 0.4 * np.random.default_rng(1).random((1, 20, 30, 1), np.float32)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['conv1_1', 'pool5', 'global_pool', 'logits'])
def test_the_objective_of_a_layer_is_the_mean_square_of_what_prediction_publishes(vgg, name):
    images = RNG.random((2, *vgg.shape), np.float32)
    with objective_of(vgg, name) as objective:
        found = objective(images, [0, 0])
    squares = np.square(published_values(vgg, name, images).reshape(2, -1))
    assert found == pytest.approx(squares.mean(axis=1), rel=1e-3) and found.min() > 0


def test_each_image_has_its_own_channel_or_the_log_odds_of_its_class(cnn):
    images = RNG.random((2, 8, 8, 1), np.float32)
    with objective_of(cnn, 'conv1', by_channel=True) as objective:
        found = objective(images, [1, 0])
        both, alone = objective.gradient(images, [1, 0]), objective.gradient(images[1:], [0])
    values = published_values(cnn, 'conv1', images)
    cosines = values / np.linalg.norm(values, axis=-1, keepdims=True).clip(1e-6)
    scores = (values * abs(cosines)).mean(axis=(1, 2))
    assert found == pytest.approx([scores[0, 1], scores[1, 0]], rel=1e-4)
    assert both[1] == pytest.approx(alone[0], abs=1e-6)
    with objective_of(cnn, 'logits', by_channel=True) as objective:
        found = objective(images, [2, 1])
    shares = softmax(published_values(cnn, 'logits', images).astype(float), axis=1)
    odds = [np.log(share / (1 - share)) for share in (shares[0, 2], shares[1, 1])]
    assert found == pytest.approx(odds, rel=1e-3)


@pytest.mark.parametrize('name', ['conv1', 'dense'])
def test_the_gradient_over_windows_is_that_of_the_mean_objective(cnn, name, monkeypatch):
    """By central differences along random ways up; conv1 in 2x2 windows of 6x5, dense in windows of 8x8."""
    monkeypatch.setattr(ascent, 'MOST_SIDE', 6)
    images = 0.2 + 0.6 * RNG.random((1, 12, 10, 1), np.float32)
    with objective_of(cnn, name) as objective:
        places = objective.windows(images)
        seen = np.zeros((1, 12, 10), int)
        for place in places:
            seen[place] += 1
        assert len(places) == 4 and seen.min() == 1
        uphill = objective.gradient(images, [0])
        for _ in range(3):
            step = 1e-3 * np.sign(uphill) * RNG.random(images.shape, np.float32)
            rise = objective(images + step, [0]) - objective(images - step, [0])
            assert np.sum(2 * step * uphill) / 4 == pytest.approx(rise[0], rel=0.02)


def test_the_gradient_is_smoothed_as_scipy_does():
    images = RNG.random((2, 20, 24, 3), np.float32)
    assert blurred(images) == pytest.approx(gaussian_filter(images, (0, 0.5, 0.5, 0), mode='wrap'), abs=1e-3)


def test_stripes_are_painted_in_the_colours_of_photos_and_wide_waves_are_left_out():
    red = np.array([1.0, 0.0, 0.0], np.float32)
    stripes = np.tile((-1.0) ** np.arange(400), (400, 1)).astype(np.float32)[np.newaxis, ..., np.newaxis]
    wide = np.cos(np.arange(400) * 2 * np.pi / 400).astype(np.float32)[:, np.newaxis, np.newaxis]
    found = painted(stripes * red)
    assert abs(painted(np.broadcast_to(3 + wide, stripes.shape))).max() < 0.1
    # Where red is brighter in photos, green and blue are, too: 0.0570 and 0.0458 for 0.0744.
    np.testing.assert_allclose(found[..., 1] / found[..., 0], 0.0570 / 0.0744, rtol=1e-3)
    np.testing.assert_allclose(found[..., 2] / found[..., 0], 0.0458 / 0.0744, rtol=1e-3)
    np.testing.assert_allclose(painted(stripes), stripes, atol=0.02)


def test_roughness_is_that_of_the_change(cnn):
    grounds = RNG.random((1, 8, 8, 1), np.float32)
    spot = grounds.copy()
    spot[0, 4, 4] += 0.5
    with objective_of(cnn, 'conv1') as objective:
        assert np.abs(objective.roughness(grounds, grounds)).max() == 0
        rough = objective.roughness(spot, grounds)
    assert rough.argmax() == 4 * 8 + 4 and rough[0, 4, 4, 0] > 1


def test_the_objective_increases_and_the_photo_keeps_its_size(cnn, photo):
    told = []
    with objective_of(cnn, 'conv1') as objective:
        found = climb(objective, photo, [0], 5, np.random.default_rng(1), on_progress=told.append)
        assert objective(found, [0]) > 1.2 * objective(photo, [0]) > 0
        again, other = (climb(objective, photo, [0], 5, np.random.default_rng(seed)) for seed in (1, 2))
    assert found.shape == photo.shape and found.min() >= 0 and found.max() <= 1
    assert np.allclose(found, again, atol=1e-6) and not np.allclose(found, other)
    assert len(told) == 5 * len(octave_sizes(20, 30, 4))
    assert told == sorted(told) and told[-1] == pytest.approx(1)


def test_nothing_to_climb_leaves_the_photo_as_it_is(cnn, photo):
    with objective_of(cnn, 'conv1', by_channel=True) as objective:
        # No image has a channel 2, so that the objective is 0 everywhere.
        found = climb(objective, photo, [2], 2, np.random.default_rng(1))
    assert found == pytest.approx(photo, abs=1e-6)


@pytest.mark.slow
def test_windows_leave_no_visible_seams(cnn, monkeypatch):
    """The mean change would differ by row if there were seams; or a mean image, or no wide changes."""
    monkeypatch.setattr(ascent, 'painted', lambda uphill: uphill)
    cnn = dataclasses.replace(cnn, params=dataclasses.replace(cnn.params, pixels=RAW_PIXELS))
    monkeypatch.setattr(ascent, 'MOST_SIDE', 8)
    grey = np.full((1, 20, 30, 1), 0.5, np.float32)
    with objective_of(cnn, 'conv1') as objective:
        monkeypatch.setattr(ascent, '_PACE', 0.2)
        found = climb(objective, grey, [0], 80, np.random.default_rng(1))
    rows = (found - 0.5)[0, 3:-3, :, 0].mean(axis=1)
    assert rows.std() < 0.25 * abs(rows.mean())


def test_octaves_end_with_the_photos_own_size():
    assert octave_sizes(100, 140, 4) == [(36, 51), (51, 71), (71, 100), (100, 140)]
    assert octave_sizes(100, 140, 60) == [(71, 100), (100, 140)]
    assert octave_sizes(100, 140, 200) == [(100, 140)]


def test_resizing_is_pillows():
    image = np.random.default_rng(1).random((2, 6, 9, 3), np.float32)
    expected = Image.fromarray(image[1, :, :, 2]).resize((5, 4), Image.Resampling.LANCZOS)
    assert resized(image, (4, 5))[1, :, :, 2] == pytest.approx(np.asarray(expected))
    assert resized(image, (6, 9)) is image


@pytest.mark.slow
@pytest.mark.parametrize('shape', [(2, 32, 32, 3), (1, 33, 35, 3)])
def test_waves_start_as_faint_noise_of_all_frequencies_and_climb(vgg, shape):
    with objective_of(vgg, 'conv2_1', by_channel=True) as objective:
        begin, end = climb_waves(objective, shape, [0, 1][: shape[0]], 9, np.random.default_rng(1))
        before, after = (objective(images, [0, 1][: shape[0]]) for images in (begin, end))
    assert begin.shape == end.shape == shape and end.min() > 0 and end.max() < 1
    assert begin.mean() == pytest.approx(0.5, abs=0.02) and 0.01 < begin.std() < 0.05
    power = np.abs(np.fft.fft2(begin[0, ..., 0] - 0.5))  # amplitudes fall with the frequency
    assert power[1:3, 1:3].mean() > 2 * power[12:15, 12:15].mean()
    assert (after > before).all()


@pytest.mark.parametrize(('name', 'most'), [('conv1', 8), ('dense', 3), ('logits', 3)])
def test_images_are_shifted_less_where_weights_belong_to_a_place(cnn, name, most):
    """Of 48 pixels, a sixth or a sixteenth: each column of the image is its number."""
    window = (slice(None), slice(0, 48), slice(0, 48))
    objective = SimpleNamespace(layer=find_layer(cnn, name), windows=lambda images: [window])
    shifts, ramp = set(), np.tile(np.arange(48, dtype=np.float32), (48, 1))[np.newaxis, ..., np.newaxis]

    def gradient(images, channels):
        shifts.add(int(images[0, 0, 24, 0] - 24))
        return images

    objective.gradient, rng = gradient, np.random.default_rng(1)
    for _ in range(200):
        ascent._jittered_gradient(objective, ramp, [0], rng)
    assert (min(shifts), max(shifts)) == (-most, most)


def test_waves_of_classes_are_coarser(cnn):
    spectra = []
    for name in ('conv1', 'logits'):
        with objective_of(cnn, name, by_channel=True) as objective:
            images = objective.waves((1, 32, 32, 1), np.random.default_rng(1)).images()
        spectra.append(np.abs(np.fft.fft2(images[0, ..., 0] - 0.5)))
    fine, coarse = (spectrum[12:15, 12:15].mean() / spectrum[1:3, 1:3].mean() for spectrum in spectra)
    assert coarse < fine / 2


def test_strokes_keep_their_contrast_and_are_neither_the_longest_nor_the_finest_waves(cnn):
    with objective_of(cnn, 'conv1') as objective:
        _, (image,) = climb_waves(objective, (1, 48, 48, 1), [0], 60, np.random.default_rng(1))
        assert objective(image[np.newaxis], [0]) > 0
    waves = np.log(image / (1 - image))[..., 0]
    assert waves.std() == pytest.approx(1.2, rel=0.01) and waves.mean() == pytest.approx(0, abs=1e-3)
    power = np.abs(np.fft.fft2(waves)) ** 2
    frequencies = np.hypot(np.fft.fftfreq(48)[:, np.newaxis], np.fft.fftfreq(48))
    assert power[frequencies > 0.25].sum() < 0.1 * power.sum()
    assert power[frequencies < 1 / 20].sum() < 1e-6 * power.sum()


def test_the_longest_strokes_are_of_as_many_pixels_of_the_layer(cnn):
    strides = []
    for name in ('conv1', 'conv2', 'dense'):
        with objective_of(cnn, name) as objective:
            strides.append(objective.stride)
    assert strides == [1, 2, 8]


def test_colours_are_decorrelated():
    axes = colour_axes(3).astype(float)
    covariance = np.array([[0.0744, 0.0570, 0.0458], [0.0570, 0.0670, 0.0566], [0.0458, 0.0566, 0.0883]])
    share = axes @ axes.T / covariance
    assert share == pytest.approx(share[0, 0], rel=1e-4)
    assert np.linalg.norm(axes, axis=0).max() == pytest.approx(1)
    assert colour_axes(1).tolist() == [[1]]


def power_of(waves):
    images = waves.images()[0, ..., 0]
    return np.abs(np.fft.fft2(np.log(images / (1 - images)))) ** 2


def test_strokes_along_both_axes_grow_alike_and_fill_the_picture_more_than_once(session):
    """Waves of two parameters moved half as far as those of one with twice the gain."""
    down, right = np.mgrid[:36, :36] / 36
    uphill = (np.cos(2 * np.pi * 4 * down) + np.cos(2 * np.pi * 4 * right))[np.newaxis, ..., np.newaxis]
    waves = Waves(session, (1, 36, 36, 1), 1.0, 40.0, np.random.default_rng(1))
    start = power_of(waves)
    assert start[:2, :2].max() < 1e-6 * start.mean() < start[0, 2]
    for _ in range(60):
        waves.climb(uphill)
    grown = power_of(waves)
    assert grown[4, 0] / grown[0, 4] == pytest.approx(1, abs=0.1)


def test_a_step_changes_the_pixels_by_one_and_a_half_grey_levels_in_the_mean(cnn, photo, monkeypatch):
    """DeepDream's 1.5 of 255, in one octave, without the gradient of the total variation."""
    monkeypatch.setattr(ascent, '_TV', 0.0)
    with objective_of(cnn, 'conv1') as objective:
        found = climb(objective, photo[:, :4, :4], [0], 1, np.random.default_rng(1))
    assert np.abs(found - photo[:, :4, :4]).mean() == pytest.approx(1.5 / 255, rel=1e-4)
