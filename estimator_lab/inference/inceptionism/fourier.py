"""Images as waves of decorrelated colours: parameters by which gradient ascent favours no frequency.

Olah, Mordvintsev and Schubert 2017, 'Feature visualization', section 'Preconditioning and parameterization'.
The gradient of a network by the pixels is mostly of high frequencies; natural images are mostly low ones.
"""

import numpy as np

COLOUR_COVARIANCE = np.array(
    [[0.0744, 0.0570, 0.0458], [0.0570, 0.0670, 0.0566], [0.0458, 0.0566, 0.0883]], np.float32
)
"""Covariance of red, green and blue in [0, 1], of the pixels of 594 crops of 44 photos."""

_CONTRAST = 0.1  # standard deviation of the parameters at the start: fainter noise moves few channels
_SCALE = 0.25  # amplitude of a wave of one pixel for a parameter of 1
_RATE, _MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.05, 0.9, 0.999, 1e-8  # Adam, Kingma and Ba 2015


def colour_axes(channels: int) -> np.ndarray:
    """Returns axes of colours whose coordinates are uncorrelated in photos, float32 [channels, channels].

    Column k is axis k, scaled such that the longest one, of brightness, has length 1. For 3 channels, axes @
    axes.T is proportional to `COLOUR_COVARIANCE`.

    Args:
      channels: 1 or 3.
    """
    if channels == 1:
        return np.ones((1, 1), np.float32)
    variances, directions = np.linalg.eigh(COLOUR_COVARIANCE)
    return (directions * np.sqrt(variances / variances.max())).astype(np.float32)


class Waves:
    """Images, a sigmoid of sums of waves, that start as faint noise around grey.

    The amplitude of a wave is its parameter divided by its frequency, as in natural images.

    Args:
      shape: (n, height, width, channels).
      rng: draws the parameters.

    Attributes:
      amplitudes: the parameters, float32 [2, n, height, width // 2 + 1, channels]: real and imaginary parts.
    """

    def __init__(self, shape: tuple[int, int, int, int], rng: np.random.Generator) -> None:
        count, height, width, channels = shape
        self._size = height, width
        self._axes = colour_axes(channels)
        rows, columns = np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width)
        lowest = 1 / max(height, width)
        scale = _SCALE / np.maximum(np.hypot(rows, columns), lowest)
        self._scale = scale.astype(np.float32)[..., np.newaxis]
        self._twice = np.full(len(columns), 2, np.float32)  # waves of which only one of a pair is stored
        self._twice[[0, -1] if width % 2 == 0 else [0]] = 1
        parameters = rng.standard_normal((2, count, height, len(columns), channels), np.float32)
        self.amplitudes = _CONTRAST * parameters

    def images(self) -> np.ndarray:
        """Returns the images, float32 [n, height, width, channels] in (0, 1)."""
        real, imaginary = self.amplitudes * self._scale
        waves = np.fft.irfft2(real + 1j * imaginary, self._size, axes=(1, 2), norm='ortho')
        return (1 / (1 + np.exp(-(waves @ self._axes.T)))).astype(np.float32)

    def gradient(self, images: np.ndarray, uphill: np.ndarray) -> np.ndarray:
        """Returns the gradient of an objective by the amplitudes, of their shape.

        Args:
          images: those of `images`.
          uphill: the gradient by the images, float32 of their shape.
        """
        colours = (uphill * images * (1 - images)) @ self._axes
        spectrum = np.fft.rfft2(colours, axes=(1, 2), norm='ortho')
        spectrum *= self._twice[:, np.newaxis] * self._scale
        return np.stack([spectrum.real, spectrum.imag]).astype(np.float32)


class Adam:
    """Gradient ascent by Adam (Kingma and Ba 2015), of parameters in place."""

    def __init__(self, parameters: np.ndarray, rate: float = _RATE) -> None:
        self._parameters = parameters
        self._rate = rate
        self._mean, self._square = np.zeros_like(parameters), np.zeros_like(parameters)
        self._steps = 0

    def climb(self, gradient: np.ndarray) -> None:
        """Takes a step; `gradient` has the shape of the parameters."""
        self._steps += 1
        self._mean += (1 - _MEAN_DECAY) * (gradient - self._mean)
        self._square += (1 - _SQUARE_DECAY) * (gradient**2 - self._square)
        mean = self._mean / (1 - _MEAN_DECAY**self._steps)
        square = self._square / (1 - _SQUARE_DECAY**self._steps)
        self._parameters += self._rate * mean / (np.sqrt(square) + _EPSILON)
