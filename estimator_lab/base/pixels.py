"""What training images show of their pixels: the data finds it, and a model decides how it scales them."""

from typing import NamedTuple


class SeenPixels(NamedTuple):
    """What some training images show: their lowest and highest pixel in [0, 1], and the mean after scaling.

    `deviation` is the standard deviation of the scaled pixels less the mean image if the images hardly
    differ, otherwise 0.
    """

    low: float
    high: float
    mean: float
    deviation: float
