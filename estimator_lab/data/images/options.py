"""How images become pixels: flags and keywords become these options once, which are then handed on whole."""

from dataclasses import dataclass, replace

from estimator_lab.data.images.augment import Augmentation
from estimator_lab.data.images.decode import BACKGROUNDS, ImageShape


@dataclass(frozen=True)
class ImageOptions:
    """How encoded images become pixels.

    Attributes:
      shape: to which all images are scaled.
      decode: a value of --decode, one of `reader.DECODERS`.
      background: on which transparent images are placed, one of `BACKGROUNDS`.
      augmentation: random changes to the images; None for none.
      floats: whether batches are float32 in [0, 1], in which 16-bit images and images in memory keep their
        precision; else uint8.
    """

    shape: ImageShape
    decode: str = 'exact'
    background: str = BACKGROUNDS[0]
    augmentation: Augmentation | None = None
    floats: bool = False

    def with_floats(self, floats: bool = True) -> 'ImageOptions':
        """Returns the same for batches of floats, or not: augmentation changes 8-bit pixels."""
        return replace(self, floats=floats and not self.augmentation)
