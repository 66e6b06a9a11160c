import numpy as np
import pytest
from PIL import Image

from estimator_lab.inference.inceptionism import view as view_module
from estimator_lab.inference.inceptionism.ascent import (
    Ascent,
    _clipped,
    _put_back,
    _reflected,
    _taken,
    dream,
    octave_sizes,
    resized,
)
from estimator_lab.inference.inceptionism.view import View, find_layer


@pytest.fixture(scope='module')
def view(cnn):
    with View(cnn, find_layer(cnn, 'conv1')) as view:
        yield view


@pytest.fixture
def photo():
    return 0.3 + 0.4 * np.random.default_rng(1).random((1, 20, 30, 1), np.float32)


def test_octaves_end_with_the_photos_own_size():
    assert octave_sizes(100, 140, 4) == [(36, 51), (51, 71), (71, 100), (100, 140)]
    assert octave_sizes(100, 140, 60) == [(71, 100), (100, 140)]
    assert octave_sizes(100, 140, 200) == [(100, 140)]


def test_the_objective_grows_and_the_photo_keeps_its_size(view, photo):
    told = []
    ascent = Ascent([(10, 15), (20, 30)], 5, jitter=4, tv=0.1, smoothing=(0.5, 0.5))
    rng = np.random.default_rng(1)
    found = dream(view, photo, 0, [0], ascent, rng, lambda *state: told.append(state))
    assert found.images.shape == photo.shape
    assert found.after > 1.2 * found.before > 0
    assert found.images.min() >= 0 and found.images.max() <= 1
    assert [state[:2] for state in told] == [(o, i) for o in (1, 2) for i in range(1, 6)]
    assert told[4][2] == pytest.approx(0.2) and told[-1][2] == pytest.approx(1)


def test_a_dream_depends_on_its_seed_alone(view, photo):
    def dreamt(seed):
        return dream(view, photo, 0.1, [0], Ascent([(20, 30)], 3), np.random.default_rng(seed)).images

    assert np.allclose(dreamt(1), dreamt(1), atol=1e-6) and not np.allclose(dreamt(1), dreamt(2))


def test_a_step_changes_pixels_by_so_many_grey_levels(view, photo):
    found = dream(view, photo, 0, [0], Ascent([(20, 30)], 1, step_size=2.0), np.random.default_rng(1))
    assert np.abs(found.images - photo).mean() * 255 == pytest.approx(2, rel=0.01)


def test_windows_leave_no_visible_seams(view, photo, monkeypatch):
    """The mean change differs by row if there are seams: 52 % with the jitter alone, 76 % without shifts."""
    monkeypatch.setattr(view_module, 'MOST_SIDE', 8)
    ascent = Ascent([(20, 30)], 80, step_size=0.2, jitter=1)
    found = dream(view, np.full_like(photo, 0.5), 0, [0], ascent, np.random.default_rng(1))
    rows = (found.images - 0.5)[0, 3:-3, :, 0].mean(axis=1)
    assert rows.std() < 0.25 * abs(rows.mean())


def test_nothing_to_climb_leaves_the_photo_as_it_is(cnn, photo):
    with View(cnn, find_layer(cnn, 'conv1'), by_channel=True) as view:
        # No image has a channel 2, so that the objective is 0 everywhere.
        found = dream(view, photo, 0, [2], Ascent([(20, 30)], 2), np.random.default_rng(1))
    assert np.array_equal(found.images, photo)


def test_resizing_is_pillows():
    image = np.random.default_rng(1).random((2, 6, 9, 3), np.float32)
    expected = Image.fromarray(image[1, :, :, 2]).resize((5, 4), Image.Resampling.LANCZOS)
    assert resized(image, (4, 5))[1, :, :, 2] == pytest.approx(np.asarray(expected))
    assert resized(image, (6, 9)) is image


@pytest.mark.parametrize('shift', [(0, 0), (2, -1), (-3, 4)])
def test_shifted_images_are_reflected_at_their_borders(shift):
    image = np.arange(30, dtype=np.float32).reshape(1, 5, 6, 1)
    places = [_reflected(side, by) for side, by in zip((5, 6), shift, strict=True)]
    wide = np.pad(image[0, ..., 0], 5, mode='symmetric')
    expected = wide[5 - shift[0] :, 5 - shift[1] :][:5, :6]
    assert np.array_equal(_taken(image, places)[0, ..., 0], expected)
    # The gradient of a sum over what was taken counts how often each pixel was.
    counts = _put_back(np.ones_like(image), places)
    assert counts.sum() == 30
    assert np.array_equal(counts.ravel(), np.bincount(expected.astype(int).ravel(), minlength=30))


def test_gradients_are_clipped_to_three_deviations():
    gradients = np.random.default_rng(1).normal(size=(2, 20, 20, 1)).astype(np.float32)
    gradients[0, 3, 3] = 1000
    clipped = _clipped(gradients.copy())
    assert clipped[0, 3, 3, 0] == pytest.approx(3 * gradients[0].std())
    assert np.array_equal(clipped[0, :3], gradients[0, :3])
