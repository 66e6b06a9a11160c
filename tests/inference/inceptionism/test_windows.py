import numpy as np
import pytest

from estimator_lab.inference.inceptionism.windows import windows


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
