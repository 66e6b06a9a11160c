import numpy as np
import pytest

from estimator_lab.models.autoencoder.head import cross_entropy, psnr, squared_error, ssim
from estimator_lab.tf1 import tf
from tests.support.graphs import evaluate

pytestmark = pytest.mark.both


def pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.random(shape)
    return images.astype(np.float32), (images + 0.2 * rng.normal(size=shape)).astype(np.float32)


def value(metric, *arrays):
    return evaluate(lambda: metric(*map(tf.constant, arrays)))


def test_equal_images():
    images, _ = pair((2, 12, 12, 1))
    assert value(psnr, images, images).tolist() == [100, 100]
    assert value(ssim, images, images) == pytest.approx([1, 1])
    assert value(squared_error, images, images).tolist() == [0, 0]


def test_cross_entropy():
    images, logits = pair((3, 5, 4, 1))
    chances = 1 / (1 + np.exp(-logits.astype(float)))
    expected = -(images * np.log(chances) + (1 - images) * np.log(1 - chances)).sum(axis=(1, 2, 3))
    assert np.allclose(value(cross_entropy, images, logits), expected, rtol=1e-5)
    # For large logits it is the logit: log(1 + exp(100)) = 100 in float32.
    far = np.full((1, 1, 1, 1), 100, np.float32)
    assert value(cross_entropy, far * 0, far) == pytest.approx([100])


def structural_similarity(image, other, window):
    """Wang et al. 2004, equation 13, with C1 = 0.01^2 and C2 = 0.03^2, on one channel."""
    offsets = np.arange(window) - (window - 1) / 2
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights = np.outer(line, line) / np.outer(line, line).sum()

    def smoothed(values):
        return (np.lib.stride_tricks.sliding_window_view(values, (window, window)) * weights).sum(axis=(2, 3))

    mean, other_mean = smoothed(image), smoothed(other)
    variance, other_variance = smoothed(image**2) - mean**2, smoothed(other**2) - other_mean**2
    covariance = smoothed(image * other) - mean * other_mean
    c1, c2 = 0.01**2, 0.03**2
    light = (2 * mean * other_mean + c1) / (mean**2 + other_mean**2 + c1)
    return (light * (2 * covariance + c2) / (variance + other_variance + c2)).mean()


@pytest.mark.parametrize(('shape', 'window'), [((2, 28, 20, 1), 11), ((2, 16, 16, 3), 11), ((2, 7, 9, 1), 7)])
def test_ssim(shape, window):
    images, others = pair(shape)
    maps = (np.moveaxis(values.astype(float), 3, 1).reshape(-1, *shape[1:3]) for values in (images, others))
    by_map = [structural_similarity(*pair, window) for pair in zip(*maps, strict=True)]
    expected = np.reshape(by_map, (shape[0], shape[3])).mean(axis=1)
    assert np.allclose(value(ssim, images, others), expected, atol=1e-4)
