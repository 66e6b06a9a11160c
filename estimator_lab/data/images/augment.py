"""Augmentation: random changes to training images that keep the label (shift, mirror image, brightness)."""

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from estimator_lab.conventions import UINT8_MAX
from estimator_lab.errors import FlagError

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Augmentation:
    """Random changes to an image; the defaults change nothing.

    Attributes:
      shift: largest movement in pixels, left or right and up or down; edge pixels fill the gap.
      mirror: whether half of the images are mirrored left to right.
      brightness: largest change of brightness, as a share of the full range in [0, 1].
      seed: of the changes, together with the epoch and the example's key.
    """

    shift: int = 0
    mirror: bool = False
    brightness: float = 0.0
    seed: int = 0

    def __call__(self, image: Image, key: str, epoch: int) -> Image:
        """Returns the changed image of example `key` in `epoch`, the same at every call.

        Args:
          image: uint8 [height, width, channels].
          key: the example's key.
          epoch: number of the pass over the data, from 0.
        """
        rng = random.Random(f'seed {self.seed} epoch {epoch} key {key}')
        if self.shift:
            down, right = (rng.randint(-self.shift, self.shift) for _ in range(2))
            image = _shifted(image, down, right)
        if self.mirror and rng.random() < 0.5:
            image = image[:, ::-1]
        if self.brightness:
            amount = rng.uniform(-self.brightness, self.brightness) * UINT8_MAX
            image = np.clip(image.astype(np.int16) + round(amount), 0, UINT8_MAX).astype(np.uint8)
        return image


def parse_augmentation(text: str, seed: int) -> Augmentation | None:
    """Parses 'shift=2,mirror,brightness=0.1'.

    Args:
      text: as given to --augment; '' gives None.
      seed: of the random changes.

    Raises:
      FlagError: anything else; the message says what is allowed.
    """
    settings: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(','))):
        name, _, value = part.partition('=')
        settings[name] = value
    try:
        augmentation = Augmentation(
            shift=int(settings.pop('shift', 0)),
            mirror={'': True, None: False}[settings.pop('mirror', None)],
            brightness=float(settings.pop('brightness', 0)),
            seed=seed,
        )
    except (ValueError, KeyError):
        augmentation = None
    if settings or not augmentation or augmentation.shift < 0 or not 0 <= augmentation.brightness <= 1:
        raise FlagError(
            f'--augment={text} is not understood: it accepts shift=PIXELS, mirror and brightness=SHARE '
            '(0 to 1), separated by commas.'
        )
    return augmentation if text.strip() else None


def _shifted(image: Image, down: int, right: int) -> Image:
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows[:, np.newaxis], columns]
