import numpy as np
import pytest

from estimator_lab.data.images.augment import Augmentation, parse_augmentation
from estimator_lab.errors import FlagError

IMAGE = np.arange(60, dtype=np.uint8).reshape(6, 5, 2)


def test_empty_settings_change_nothing():
    assert np.array_equal(Augmentation()(IMAGE, 'k', 0), IMAGE)


def test_the_same_example_in_the_same_epoch_looks_the_same():
    augmentation = Augmentation(shift=2, mirror=True, brightness=0.3, seed=1)
    views = [augmentation(IMAGE, key, epoch) for key in 'abc' for epoch in range(3)]
    again = [augmentation(IMAGE, key, epoch) for key in 'abc' for epoch in range(3)]
    assert all(np.array_equal(a, b) for a, b in zip(views, again, strict=True))
    assert len({view.tobytes() for view in views}) > 6


def test_shift_moves_the_image_and_repeats_its_edge():
    padded = np.pad(IMAGE, ((2, 2), (2, 2), (0, 0)), mode='edge')
    crops = {padded[i : i + 6, j : j + 5].tobytes() for i in range(5) for j in range(5)}
    seen = {Augmentation(shift=2)(IMAGE, str(n), 0).tobytes() for n in range(400)}
    assert seen == crops  # all 25 shifts occur and nothing else


def test_mirror_exchanges_left_and_right_half_of_the_time():
    mirrored = [
        np.array_equal(Augmentation(mirror=True)(IMAGE, str(n), 0), IMAGE[:, ::-1]) for n in range(1000)
    ]
    assert abs(sum(mirrored) - 500) < 5 * 16  # the standard deviation is sqrt(1000 / 4) = 16


def test_brightness_is_clipped_to_the_range():
    views = [Augmentation(brightness=1.0)(IMAGE, str(n), 0) for n in range(50)]
    assert all(view.dtype == np.uint8 for view in views)
    assert any((view == 255).all() for view in views) or max(view.max() for view in views) == 255
    assert min(view.min() for view in views) == 0
    moved = [int(view[3, 2, 0]) - int(IMAGE[3, 2, 0]) for view in views]
    assert min(moved) < -20 and max(moved) > 100


def test_parsing():
    assert parse_augmentation('', 3) is None
    assert parse_augmentation('shift=2, mirror,brightness=0.1', 3) == Augmentation(2, True, 0.1, 3)
    assert parse_augmentation('mirror', 0) == Augmentation(mirror=True)


@pytest.mark.parametrize(
    'text', ['shift', 'shift=x', 'shift=-1', 'turn=3', 'brightness=2', 'mirror=maybe', 'brightness=nan']
)
def test_nonsense_is_rejected_with_what_is_allowed(text):
    with pytest.raises(FlagError, match=r'--augment=.*accepts shift=PIXELS'):
        parse_augmentation(text, 0)
