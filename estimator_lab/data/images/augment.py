"""Augmentation: random changes to training images that keep the label."""

import math
import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.json_input import shortened
from estimator_lab.base.keys import UINT8_MAX
from estimator_lab.base.settings import setting, settings_from, settings_of
from estimator_lab.data.images.decode import GREY

Image = npt.NDArray[np.uint8]

_ALLOWED = (
    'shift=PIXELS, mirror, brightness=SHARE, contrast=SHARE, saturation=SHARE (0 to 1), rotation=DEGREES '
    '(0 to 180), crop=SHARE (smallest share of the area, above 0 and at most 1) and cutout=PIXELS'
)
_SWITCH = {'': True, 'true': True, 'false': False}
_SMOOTH = Pillow.Resampling.BILINEAR
_LONGEST_SIDES = 4 / 3  # ratio of the sides of a crop, at most, as in the paper


@dataclass(frozen=True)
class Augmentation:
    """Random changes to an image; the defaults change nothing.

    The order is: crop, rotation, shift, mirror, brightness, contrast, saturation, cutout.

    `shift`, `mirror` and `brightness` share one stream of random numbers; each other change has its own, so
    that it stays the same whatever else is chosen.

    Attributes:
      seed: of the changes, together with the epoch and the example's key.
      nearest: whether crops and rotations take the nearest pixels, as of class ids.
    """

    shift: int = setting(0, 'most pixels left or right, and up or down; edge pixels fill the gap', lower=0)
    mirror: bool = setting(False, 'whether half of the images are mirrored left to right')
    brightness: float = setting(0.0, 'most change, as a share of the full range', lower=0, upper=1)
    seed: int = 0
    nearest: bool = False
    crop: float = setting(
        0.0,
        'least share of the area of a random resized crop (Szegedy et al. 2015): a part with between that '
        "share and all of the area, and sides in a ratio of 3:4 to 4:3 relative to the image's, is scaled to "
        'the whole size; 0 for none',
        above=0,
        upper=1,
    )
    rotation: float = setting(
        0.0, 'most degrees, about the centre; edge pixels fill the corners', lower=0, upper=180
    )
    contrast: float = setting(
        0.0, "most relative change of the distance of all values to the image's mean grey", lower=0, upper=1
    )
    saturation: float = setting(
        0.0, "the same for the distance of a pixel's colours to its grey; nothing if grey", lower=0, upper=1
    )
    cutout: int = setting(
        0,
        "side in pixels of a square that gets the image's mean colour (DeVries and Taylor 2017); its centre "
        'is anywhere in the image, so that it may be partly outside; 0 for none',
        lower=0,
    )

    def of_masks(self) -> 'Augmentation':
        """Returns the changes to the class ids of an image's pixels: they are moved as its pixels are."""
        return replace(self, nearest=True, brightness=0.0, contrast=0.0, saturation=0.0, cutout=0)

    def __call__(self, image: Image, key: str, epoch: int) -> Image:
        """Returns the changed image of example `key` in `epoch`, the same at every call.

        Args:
          image: uint8 [height, width, channels]; 1 or 3 channels for crops, rotations and colours.
          key: the example's key.
          epoch: number of the pass over the data, from 0.
        """
        source = f'seed {self.seed} epoch {epoch} key {key}'

        def own(name: str) -> random.Random:
            return random.Random(f'{source} {name}')

        resampling = Pillow.Resampling.NEAREST if self.nearest else _SMOOTH
        if self.crop:
            image = _cropped(image, self.crop, own('crop'), resampling)
        if self.rotation:
            image = _rotated(image, own('rotation').uniform(-self.rotation, self.rotation), resampling)
        image = self._moved(image, random.Random(source))
        if self.contrast:
            factor = 1 + own('contrast').uniform(-self.contrast, self.contrast)
            image = _spread_about(image, _grey(image).mean(), factor)
        if self.saturation and image.shape[2] > 1:
            factor = 1 + own('saturation').uniform(-self.saturation, self.saturation)
            image = _spread_about(image, _grey(image)[..., np.newaxis], factor)
        return _cut_out(image, self.cutout, own('cutout')) if self.cutout else image

    def _moved(self, image: Image, rng: random.Random) -> Image:
        """Returns a shifted, mirrored and brighter or darker image."""
        if self.shift:
            down, right = (rng.randint(-self.shift, self.shift) for _ in range(2))
            image = _shifted(image, down, right)
        if self.mirror and rng.random() < 0.5:
            image = image[:, ::-1]
        if self.brightness:
            amount = rng.uniform(-self.brightness, self.brightness) * UINT8_MAX
            image = np.clip(image.astype(np.int16) + round(amount), 0, UINT8_MAX).astype(np.uint8)
        return image


def parse_augmentation(text: str, seed: int, side: int) -> Augmentation | None:
    """Parses 'shift=2,mirror,brightness=0.1', for images whose longer side has `side` pixels.

    Examples:
        >>> changes = parse_augmentation('shift=2,mirror', seed=1, side=128)
        >>> changes.shift, changes.mirror, changes.rotation
        (2, True, 0.0)
        >>> parse_augmentation('spin', seed=1, side=128)
        Traceback (most recent call last):
        estimator_lab.base.errors.FlagError: ...

    '' gives None.

    Raises:
      FlagError: anything else; the message says what is allowed.
    """
    kinds = {name: declared.type for name, declared in settings_of(Augmentation).items()}
    values: dict[str, Any] = {}
    try:
        for part in filter(None, map(str.strip, text.split(','))):
            name, _, value = map(str.strip, part.partition('='))
            if name in values:
                raise FlagError(f'{name} is given twice.')
            values[name] = _SWITCH.get(value.lower(), value) if kinds[name] is bool else kinds[name](value)
            if kinds[name] is int and values[name] > side:
                raise FlagError(f'{name}={value} is more than the {side} pixels of an image.')
        changes = settings_from(Augmentation, values)
    except FlagError as error:
        raise FlagError(f'{option.augment}={shortened(text)}: {error}') from error
    except (ValueError, KeyError) as error:
        raise FlagError(
            f'{option.augment}={shortened(text)} is not understood: it accepts {_ALLOWED}, separated by '
            'commas.'
        ) from error
    return replace(changes, seed=seed) if values else None


def _shifted(image: Image, down: int, right: int) -> Image:
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows[:, np.newaxis], columns]


def _cropped(
    image: Image, smallest: float, rng: random.Random, resampling: Pillow.Resampling = _SMOOTH
) -> Image:
    """Scales a random part of an image, with at least a share `smallest` of its area, to the whole size."""
    height, width = image.shape[:2]
    side = math.sqrt(rng.uniform(smallest, 1))
    ratio = math.sqrt(_LONGEST_SIDES) ** rng.uniform(-1, 1)
    tall, wide = min(side / ratio, 1) * height, min(side * ratio, 1) * width
    top, left = rng.uniform(0, height - tall), rng.uniform(0, width - wide)
    box = (left, top, min(left + wide, width), min(top + tall, height))
    return _array(_pillow(image).resize((width, height), resampling, box), image)


def _rotated(image: Image, degrees: float, resampling: Pillow.Resampling = _SMOOTH) -> Image:
    """Rotates an image about its centre, anticlockwise; edge pixels fill the corners."""
    height, width = image.shape[:2]
    margin = math.ceil((math.hypot(height, width) - min(height, width)) / 2) + 1
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode='edge')
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = width / 2, height / 2
    # Where in the padded image a pixel of the result is: (a x + b y + c, d x + e y + f).
    c = margin + x - cosine * x + sine * y
    f = margin + y - sine * x - cosine * y
    found = _pillow(padded).transform(
        (width, height),
        Pillow.Transform.AFFINE,
        (cosine, -sine, c, sine, cosine, f),
        resampling,
    )
    return _array(found, image)


def _spread_about(image: Image, middle: Any, factor: float) -> Image:
    """Multiplies the distance of each value to `middle`."""
    return np.clip(np.rint(middle + factor * (image - np.float32(middle))), 0, UINT8_MAX).astype(np.uint8)


def _cut_out(image: Image, side: int, rng: random.Random) -> Image:
    height, width = image.shape[:2]
    top, left = (rng.randrange(length) - side // 2 for length in (height, width))
    changed = image.copy()
    hole = changed[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    hole[:] = np.rint(image.mean(axis=(0, 1)))
    return changed


def _grey(image: Image) -> npt.NDArray[np.float32]:
    """Returns the luminance, float32 [height, width] in [0, 255]."""
    return image[..., 0].astype(np.float32) if image.shape[2] == 1 else image @ GREY


def _pillow(image: Image) -> Pillow.Image:
    return Pillow.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def _array(image: Pillow.Image, like: Image) -> Image:
    return np.asarray(image).reshape(like.shape)
