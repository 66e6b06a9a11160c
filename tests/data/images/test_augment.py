from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from estimator_lab.base.errors import FlagError
from estimator_lab.data.images import augment
from estimator_lab.data.images.augment import Augmentation, parse_augmentation
from tests.support.archive_files import picture

IMAGE = np.arange(60, dtype=np.uint8).reshape(6, 5, 2)


def test_the_same_example_in_the_same_epoch_looks_the_same():
    augmentation = Augmentation(shift=2, mirror=True, brightness=0.3, seed=1)
    views, again = (
        [augmentation(IMAGE, key, epoch).tobytes() for key in 'abc' for epoch in range(3)] for _ in range(2)
    )
    assert views == again and len(set(views)) > 6


def test_shift_moves_the_image_and_repeats_its_edge():
    padded = np.pad(IMAGE, ((2, 2), (2, 2), (0, 0)), mode='edge')
    crops = {padded[i : i + 6, j : j + 5].tobytes() for i in range(5) for j in range(5)}
    seen = {Augmentation(shift=2)(IMAGE, str(n), 0).tobytes() for n in range(400)}
    assert seen == crops  # all 25 shifts occur and nothing else


def test_mirror_exchanges_left_and_right_half_of_the_time():
    views = (Augmentation(mirror=True)(IMAGE, str(n), 0) for n in range(10_000))
    mirrored = sum(np.array_equal(view, IMAGE[:, ::-1]) for view in views)
    assert abs(mirrored - 5_000) < 5 * 50  # the standard deviation is sqrt(10,000 / 4) = 50


PHOTO = np.array(picture(3, 40, 60))
GREY = PHOTO[..., :1]
CHANGES = {'crop': 0.3, 'rotation': 30.0, 'contrast': 0.5, 'saturation': 0.5, 'cutout': 12}


@pytest.mark.parametrize('name', CHANGES)
@pytest.mark.parametrize('image', [PHOTO, GREY], ids=['colour', 'grey'])
def test_each_change_depends_on_seed_epoch_and_key_alone(name, image):
    change = Augmentation(**{name: CHANGES[name]}, seed=1)
    before = image.copy()
    first = change(image, 'k', 0)
    assert first.shape == image.shape and first.dtype == np.uint8 and np.array_equal(image, before)
    assert np.array_equal(change(image, 'k', 0), first)
    others = [change(image, 'k', 1), change(image, 'l', 0), replace(change, seed=2)(image, 'k', 0)]
    if name == 'saturation' and image is GREY:
        assert np.array_equal(first, image)
    else:
        assert len({one.tobytes() for one in (first, *others, image)}) == 5


def test_crops_have_the_area_and_the_sides_of_the_paper():
    """Of an image whose values are the coordinates, a crop tells where it was."""
    rows, columns = np.mgrid[0:200, 0:200].astype(np.uint8)
    images = np.stack([rows, columns, rows], -1)
    crops = [Augmentation(crop=0.25)(images, str(n), 0) for n in range(200)]
    sides = np.array([[np.ptp(crop[..., channel]) for channel in (0, 1)] for crop in crops]) / 199
    areas, ratios = sides.prod(1), sides[:, 0] / sides[:, 1]
    assert 0.22 < areas.min() < 0.35 and areas.max() > 0.85
    assert 0.72 < ratios.min() < 0.85 and 1.2 < ratios.max() < 1.38
    assert crops[0][:, 0, 1].min() >= 0 and (np.diff(crops[0][:, 0, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize('angle', [-90, 17, 90])
def test_a_rotation_is_that_of_pillow(angle):
    square = PHOTO[:, :40]
    expected = np.asarray(Image.fromarray(square).rotate(angle, Image.Resampling.BILINEAR))
    found = augment._rotated(square, angle)
    inside = slice(10, 30)
    assert np.abs(found[inside, inside].astype(int) - expected[inside, inside]).max() <= 2
    assert augment._rotated(np.full_like(PHOTO, 9), 33).min() == 9  # edge pixels, not black corners


def test_rotations_are_in_both_directions_up_to_the_angle(monkeypatch):
    monkeypatch.setattr(augment, '_rotated', lambda image, degrees, resampling: degrees)
    monkeypatch.setattr(Augmentation, '_moved', lambda changes, degrees, rng: degrees)
    angles = [Augmentation(rotation=30.0)(PHOTO, str(n), 0) for n in range(200)]
    assert -30 <= min(angles) < -28 and 28 < max(angles) <= 30


def test_contrast_and_saturation():
    flat = np.full((4, 4, 3), 77, np.uint8)
    assert np.array_equal(Augmentation(contrast=1.0)(flat, 'k', 0), flat)
    spreads = [Augmentation(contrast=0.5)(PHOTO, str(n), 0).std() / PHOTO.std() for n in range(100)]
    assert 0.45 < min(spreads) < 0.6 and 1.2 < max(spreads) < 1.55
    greys = [Augmentation(saturation=1.0)(PHOTO, str(n), 0) for n in range(100)]
    distances = [np.ptp(one.astype(int), axis=-1).mean() for one in greys]
    assert min(distances) < 0.2 * np.ptp(PHOTO, axis=-1).mean() < max(distances)


def test_cutout_is_a_square_of_the_mean_colour():
    for n in range(30):
        found = Augmentation(cutout=9)(PHOTO, str(n), 0)
        hole = (found == np.rint(PHOTO.mean((0, 1)))).all(-1) & (found != PHOTO).any(-1)
        height, width = (np.ptp(np.flatnonzero(hole.any(axis))) + 1 for axis in (1, 0))
        assert 4 <= height <= 9 and 4 <= width <= 9
        assert np.array_equal(found[~hole], PHOTO[~hole])


def test_parsing_of_all_changes():
    text = 'crop=0.5,rotation=10, shift=2,mirror,brightness=0.1,contrast=0.2,saturation=0.3,cutout=8'
    expected = Augmentation(2, True, 0.1, 7, crop=0.5, rotation=10, contrast=0.2, saturation=0.3, cutout=8)
    assert parse_augmentation(text, 7, 128) == expected
    assert parse_augmentation(text.replace('mirror', 'mirror=True'), 7, 128) == expected
    assert not parse_augmentation('mirror=false', 0, 8).mirror
    for wrong in ('crop', 'cutout=1.5', 'shift', 'shift=x', 'turn=3'):
        with pytest.raises(FlagError, match=f'^augment={wrong} is not understood: it accepts shift=PIXELS'):
            parse_augmentation(wrong, 0, 128)
    for wrong in ('crop=0', 'crop=1.1', 'rotation=181', 'shift=-1', 'brightness=nan', 'mirror=maybe'):
        with pytest.raises(FlagError, match=f'^augment={wrong}: {wrong[:4]}.* must be'):
            parse_augmentation(wrong, 0, 128)
    with pytest.raises(FlagError, match=r'^augment=shift=1,shift=2: shift is given twice\.'):
        parse_augmentation('shift=1,shift=2', 0, 128)


def test_contrast_is_about_the_mean_grey():
    """Of a red and a black pixel, the mean grey is half of what red weighs: 255 * 0.299 / 2 = 38.1."""
    image = np.array([[[255, 0, 0], [0, 0, 0]]], np.uint8)
    change = Augmentation(contrast=1.0, seed=3)
    darker = [found for n in range(40) if (found := change(image, str(n), 0))[0, 1, 0] > 0]
    assert darker
    for found in darker:  # with a factor f below 1, red is m + f (255 - m), and black m - f m
        red, black = found[0, :, 0].astype(float)
        factor = (red - black) / 255
        assert black == pytest.approx((1 - factor) * 38.1, abs=1)


@pytest.mark.parametrize('name', ['shift', 'cutout'])
def test_no_change_is_larger_than_the_image(name):
    assert getattr(parse_augmentation(f'{name}=12', 0, 12), name) == 12
    with pytest.raises(FlagError, match=f'{name}=13 is more than the 12 pixels of an image'):
        parse_augmentation(f'{name}=13', 0, 12)
