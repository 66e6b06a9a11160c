"""A photo at its own size and in its own colours, and the version of it that a network sees."""

from dataclasses import dataclass

import numpy as np

from estimator_lab.base.errors import DataError
from estimator_lab.base.keys import to_unit_range
from estimator_lab.data.examples import read_example
from estimator_lab.data.images.decode import open_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.member import BadExampleError
from estimator_lab.inference.inceptionism.ascent import resized

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # the luminance of ITU-R BT.601, as Pillow's


@dataclass(frozen=True)
class Photo:
    """A photo, and what a network sees of it.

    Attributes:
      pixels: float32 [1, height, width, 1 or 3] in [0, 1].
      channels: of the network, 1 or 3.
    """

    pixels: np.ndarray
    channels: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        _, height, width, _ = self.pixels.shape
        return height, width

    @property
    def loses_colour(self) -> bool:
        """Whether the network sees a colour photo in grey."""
        return self.channels < self.pixels.shape[3]

    @property
    def seen(self) -> np.ndarray:
        """What the network sees, float32 [1, height, width, channels] in [0, 1]."""
        if self.loses_colour:
            return (self.pixels @ _GREY)[..., np.newaxis]
        if self.channels == self.pixels.shape[3]:
            return self.pixels
        return np.repeat(self.pixels, self.channels, axis=3)

    def with_change(self, seen: np.ndarray) -> np.ndarray:
        """Returns the photo with the change of what the network sees: [height, width, 1 or 3] in [0, 1].

        A network that sees grey changes the brightness of the photo, and keeps its colours.

        Args:
          seen: float32 [1, height, width, channels], of may have another size than the photo.
        """
        if not self.loses_colour:
            return seen[0]
        photo = Photo(resized(self.pixels, seen.shape[1:3]), self.channels)
        return np.clip(photo.pixels + (seen - photo.seen), 0, 1)[0]


def open_photo(flag: str, place: str, channels: int) -> Photo:
    """Opens a photo.

    Args:
      flag: the flag that names it, for errors.
      place: path of the file, or ARCHIVE:MEMBER.
      channels: of the network, 1 or 3.

    Raises:
      DataError: it does not exist, or is not an image.
    """
    member = read_example(place, IMAGES)
    try:
        image = open_image(member.data)
    except BadExampleError as reason:
        raise DataError(f'--{flag}={place} cannot be decoded: {reason}.') from reason
    pixels = to_unit_range(np.asarray(image))
    return Photo(pixels.reshape(1, image.height, image.width, -1), channels)
