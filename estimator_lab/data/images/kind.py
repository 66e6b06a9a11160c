"""Images as a kind of example: encoded bytes -> pixels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from estimator_lab.conventions import IMAGE, UINT8_MAX
from estimator_lab.data.bad_example import BadExampleError
from estimator_lab.data.decoded_cache import DecodedCache
from estimator_lab.data.images.augment import Augmentation
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.decoders import decode_several
from estimator_lab.data.images.fast_decode import Decode, Decoded
from estimator_lab.data.images.shape import ImageShape
from estimator_lab.data.kind import Arrays, Kind, Signature
from estimator_lab.data.order.order import ScheduledMember, read_several
from estimator_lab.data.tar import member as members

if TYPE_CHECKING:  # loading TensorFlow takes seconds, and most of what reads archives does without it
    from estimator_lab.tf1 import Tensor


IMAGES = Kind(members.IMAGES, frozenset({'image_size', 'channels', 'decode', 'decoded_cache', 'augment'}))
"""The kind of example that most models take."""

# TensorFlow takes an array that begins at such an address as it is; any other it copies, with Python's lock.
_ALIGNED = 64


@dataclass(frozen=True)
class ImageReader:
    """How encoded images become pixels: a `data.kind.Reader`.

    Attributes:
      shape: to which all images are scaled.
      decode: one of `decode.DECODERS`.
      augmentation: random changes to the images; None for none.
      cache: keeps them, as they are before augmentation; None decodes them anew in each epoch.
    """

    shape: ImageShape
    decode: Decode = decode_image
    augmentation: Augmentation | None = None
    cache: DecodedCache | None = None

    @property
    def signature(self) -> Mapping[str, Signature]:
        """One feature, 'image': uint8 [n, height, width, channels]."""
        return {IMAGE: Signature('uint8', self.shape)}

    def begin(self, count: int) -> np.ndarray:
        """Returns room for the pixels of `count` images."""
        size = count * math.prod(self.shape)
        room = np.empty(size + _ALIGNED, np.uint8)
        first = -room.ctypes.data % _ALIGNED
        return room[first : first + size].reshape(count, *self.shape)

    def read_into(
        self, batch: np.ndarray, first: int, several: Sequence[ScheduledMember]
    ) -> list[BadExampleError | None]:
        """Writes the pixels of members into their places; returns why each has none.

        Raises:
          DataError: the archive can't be read any more.
        """
        found = self._pixels(several)
        for place, (scheduled, pixels) in enumerate(zip(several, found, strict=True), first):
            if isinstance(pixels, BadExampleError):
                continue
            if self.augmentation:
                pixels = self.augmentation(pixels, scheduled.member.name, scheduled.epoch)
            batch[place] = pixels
        return [pixels if isinstance(pixels, BadExampleError) else None for pixels in found]

    def finish(self, batch: np.ndarray, good: Sequence[bool]) -> Arrays:
        """Returns the pixels of the good ones."""
        return {IMAGE: batch if all(good) else batch[np.array(good)]}

    def blank(self) -> Arrays:
        """Returns one black image."""
        return {IMAGE: np.zeros((1, *self.shape), np.uint8)}

    def plain(self) -> 'ImageReader':
        """Returns the same without augmentation."""
        return replace(self, augmentation=None)

    def features(self, arrays: 'Mapping[str, Tensor]') -> 'Mapping[str, Tensor]':
        """Returns 'image' as float32 in [0, 1]: the division of `pixels.to_unit_range`, in a graph."""
        from estimator_lab.tf1 import tf

        return {IMAGE: tf.cast(arrays[IMAGE], tf.float32) / float(UINT8_MAX)}

    def _pixels(self, several: Sequence[ScheduledMember]) -> list[Decoded]:
        """Returns the pixels of each member, or why it has none."""
        if self.cache is None:
            return self._decoded(several)
        kept = [self.cache.get(scheduled.member) for scheduled in several]
        missing = [scheduled for scheduled, pixels in zip(several, kept, strict=True) if pixels is None]
        decoded = self._decoded(missing)
        for scheduled, pixels in zip(missing, decoded, strict=True):
            if not isinstance(pixels, BadExampleError):
                self.cache.keep(scheduled.member, pixels)
        new = iter(decoded)
        return [next(new) if pixels is None else pixels for pixels in kept]

    def _decoded(self, several: Sequence[ScheduledMember]) -> list[Decoded]:
        members = read_several(several)
        decoded = iter(
            decode_several(self.decode, [member.data for member in members if not member.problem], self.shape)
        )
        return [BadExampleError(member.problem) if member.problem else next(decoded) for member in members]
