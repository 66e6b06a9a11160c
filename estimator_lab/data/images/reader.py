"""Members -> pixels, or rows of pixels in memory: how images are decoded, kept and augmented."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from estimator_lab.conventions import IMAGE, PLACE, UINT8_MAX
from estimator_lab.data.images.augment import Augmentation, parse_augmentation
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.fast_decode import (
    Decode,
    Decoded,
    decode_image_fast,
    decode_images_fast,
    pixels_or_why,
)
from estimator_lab.data.images.table import PixelTable, aligned
from estimator_lab.data.kind import Arrays, ReaderOptions, Signature
from estimator_lab.data.member import BadExampleError, Member, read_members

if TYPE_CHECKING:
    from estimator_lab.tf1 import Tensor

DECODERS: dict[str, Decode] = {'exact': decode_image, 'fast': decode_image_fast}
"""By value of --decode."""

ROW = 'row'
_TABLE = 'table'
_MEGABYTE = 2**20


@dataclass(frozen=True)
class ImageReader:
    """How encoded images become pixels: a `data.kind.Reader`.

    Attributes:
      shape: to which all images are scaled.
      decode: one of `DECODERS`.
      augmentation: random changes to the images; None for none.
      places: whether the places of images in their batch are a feature, too.
      cache: pixels before augmentation, so that a small data set is decoded once; None decodes in each epoch.
    """

    shape: ImageShape
    decode: Decode = decode_image
    augmentation: Augmentation | None = None
    cache: PixelTable | None = None
    places: bool = False

    @property
    def signature(self) -> Mapping[str, Signature]:
        """'image', uint8 [n, height, width, channels]; and 'place', int32 [n], if that is a feature."""
        place = {PLACE: Signature('int32', ())} if self.places else {}
        return {IMAGE: Signature('uint8', self.shape), **place}

    def begin(self, count: int) -> np.ndarray:
        """Returns room for the pixels of `count` images."""
        return aligned(count, self.shape)

    def read_into(
        self, batch: np.ndarray, first: int, several: Sequence[Member]
    ) -> list[BadExampleError | None]:
        """Writes the pixels of members into their places; returns why each has none."""
        found = self.pixels_of(several)
        for place, (member, pixels) in enumerate(zip(several, found, strict=True), first):
            if isinstance(pixels, BadExampleError):
                continue
            if self.augmentation:
                pixels = self.augmentation(pixels, member.name, member.epoch)
            batch[place] = pixels
        return [pixels if isinstance(pixels, BadExampleError) else None for pixels in found]

    def finish(self, batch: np.ndarray, good: Sequence[bool]) -> Arrays:
        """Returns the pixels of the good ones, and their places."""
        place = {PLACE: np.flatnonzero(good).astype(np.int32)} if self.places else {}
        return {IMAGE: batch if all(good) else batch[np.array(good)], **place}

    def blank(self) -> Arrays:
        """Returns one black image."""
        place = {PLACE: np.zeros(1, np.int32)} if self.places else {}
        return {IMAGE: np.zeros((1, *self.shape), np.uint8), **place}

    def plain(self) -> 'ImageReader':
        """Returns the same reader without augmentation and places."""
        return replace(self, augmentation=None, places=False)

    def by_row(self) -> 'RowReader | None':
        """Returns a reader of rows of `cache`; None without one, or if images are changed at random."""
        if self.cache is None or self.augmentation:
            return None
        return RowReader(self, self.cache)

    def features(self, arrays: 'Mapping[str, Tensor]') -> 'Mapping[str, Tensor]':
        """Returns 'image' as float32 in [0, 1]: the division of `conventions.to_unit_range`, in a graph."""
        from estimator_lab.tf1 import tf

        return {**arrays, IMAGE: tf.cast(arrays[IMAGE], tf.float32) / float(UINT8_MAX)}

    def serving_receiver(
        self, keeps_size: bool, more: 'Callable[[], Mapping[str, Mapping[str, Tensor]]]'
    ) -> Callable[[], Any]:
        """Returns a builder of the receiver of an export; see `graph_decode.image_receiver`."""
        from estimator_lab.data.images.graph_decode import image_receiver

        return image_receiver(self.shape, keeps_size, more)

    def pixels_of(self, several: Sequence[Member]) -> list[Decoded]:
        """Returns the pixels of each member before augmentation, or why it has none.

        Raises:
          DataError: an archive can't be read any more.
        """
        if self.cache is None:
            return self._decoded(several)
        kept = [self.cache.find(member) for member in several]
        missing = [member for member, pixels in zip(several, kept, strict=True) if pixels is None]
        decoded = self._decoded(missing)
        for member, pixels in zip(missing, decoded, strict=True):
            self.cache.add(member, pixels)
        new = iter(decoded)
        return [next(new) if pixels is None else pixels for pixels in kept]

    def _decoded(self, several: Sequence[Member]) -> list[Decoded]:
        members = read_members(several)
        decoded = iter(self._decode([member.data for member in members if not member.problem]))
        return [BadExampleError(member.problem) if member.problem else next(decoded) for member in members]

    def _decode(self, encoded: Sequence[bytes]) -> list[Decoded]:
        if self.decode is decode_image_fast:
            return decode_images_fast(encoded, *self.shape)
        return [pixels_or_why(self.decode, data, self.shape) for data in encoded]


@dataclass(frozen=True)
class RowReader:
    """How encoded images become numbers of rows, from which the graph takes pixels: a `data.kind.RowReader`.

    Attributes:
      images: decodes them, without augmentation, and makes features of pixels.
      table: which `images` fills.
    """

    images: ImageReader
    table: PixelTable

    @property
    def shared(self) -> Arrays:
        """The pixels of all images."""
        return {_TABLE: self.table.pixels}

    @property
    def signature(self) -> Mapping[str, Signature]:
        """'row', int32 [n]; and 'place', int32 [n], if that is a feature."""
        return {name: Signature('int32', ()) for name in (ROW, *([PLACE] if self.images.places else []))}

    def row_of(self, member: Member) -> int | BadExampleError | None:
        """See `PixelTable.row_of`."""
        return self.table.row_of(member)

    def arrays_of(self, rows: np.ndarray, places: np.ndarray) -> Arrays:
        """Returns the arrays of a batch, given the rows of its images and their places in it."""
        return {ROW: rows, **({PLACE: places} if self.images.places else {})}

    def begin(self, count: int) -> np.ndarray:
        """Returns room for the rows of `count` images."""
        return np.zeros(count, np.int32)

    def read_into(
        self, batch: np.ndarray, first: int, several: Sequence[Member]
    ) -> list[BadExampleError | None]:
        """Writes the rows of members into their places; returns why each has none."""
        self.images.pixels_of(several)
        rows = [self.table.row_of(member) for member in several]
        reasons = [row if isinstance(row, BadExampleError) else None for row in rows]
        batch[first : first + len(rows)] = [row if isinstance(row, int) else 0 for row in rows]
        return reasons

    def finish(self, batch: np.ndarray, good: Sequence[bool]) -> Arrays:
        """Returns the rows of the good ones, and their places."""
        places = np.flatnonzero(good).astype(np.int32)
        return self.arrays_of(batch[places], places)

    def blank(self) -> Arrays:
        """Returns the row of a black image."""
        return self.arrays_of(np.zeros(1, np.int32), np.zeros(1, np.int32))

    def features(self, arrays: 'Mapping[str, Tensor]') -> 'Mapping[str, Tensor]':
        """Returns the features of the pixels in those rows."""
        from estimator_lab.tf1 import tf

        others = {name: array for name, array in arrays.items() if name not in (_TABLE, ROW)}
        return self.images.features({IMAGE: tf.gather(arrays[_TABLE], arrays[ROW]), **others})


def image_reader(options: ReaderOptions) -> ImageReader:
    """Returns a reader; it keeps decoded images if all fit into memory, as keeping half would gain little.

    Raises:
      FlagError: --augment is not understood.
    """
    shape = ImageShape(*options.image_shape)
    fits = options.examples is not None and (
        options.examples * math.prod(shape) <= options.cache_megabytes * _MEGABYTE
    )
    return ImageReader(
        shape,
        DECODERS[options.decode],
        parse_augmentation(options.augment, options.seed),
        PixelTable.for_images(options.examples or 0, shape) if fits else None,
        options.places,
    )
