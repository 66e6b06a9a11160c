"""Images as a kind of example: which files are images, and how they become pixels."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from estimator_lab.base.errors import option
from estimator_lab.base.keys import IMAGE, UINT8_MAX, in_unit_range, to_bytes
from estimator_lab.base.pixels import SeenPixels
from estimator_lab.data.examples.kind import CONTRAST, Arrays, Kind, Look, ReaderOptions, Signature
from estimator_lab.data.examples.member import BadExampleError, Member, read_members
from estimator_lab.data.images.decode import (
    BACKGROUNDS,
    GREY,
    MODES,
    UINT16_MAX,
    Decoded,
    ImageShape,
    decode_images,
    open_image,
    prepared_formats,
    resize_pixels,
)
from estimator_lab.data.images.fast_decode import decode_images_fast
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.sources.files import FORMATS, is_hidden

if TYPE_CHECKING:
    from estimator_lab.tf1 import Tensor

DECODERS: dict[str, Callable[[Sequence[bytes], ImageOptions], list[Decoded]]] = {
    'exact': decode_images,
    'fast': decode_images_fast,
}
"""By value of --decode."""

_MEGABYTE = 2**20
# Images. The mean of n differs from all images' by 1 / sqrt(n) of a pixel's deviation, 0.14 for 48: little
# where the images have much in common, and the same for all of them. More would take longer to decode.
_SAMPLED = 48
_MOST_SAMPLED, _LEAST_SAMPLED = 2**24, 4  # pixels of a channel in all, and images if they are larger
_OUTLIERS = 0.1  # percent of the pixels on each side
_USUAL = 0.1  # from 0 and from 1, within which a range is taken for [0, 1]
_TINT = 0.1
_MUCH_SMALLER = 4  # times, each way: an object of a tenth of an image has three pixels of 128
_LEAST_LEVELS = 2  # of 16 bits; 1 is a rounding error
_LEAST_RANGE = 0.03  # all images are nearly one grey: no contrast is there to be stretched
_LEAST_DEVIATION = 0.05  # of pixels that fill [0, 1]: images that hardly differ are not magnified more
# Share of the pixels' variance, at most, in which images differ that are alike. In benchmarks/small_sets.py,
# framed digits have 0.002, faint letters 0.03, and all other sets at least 0.2.
_ALIKE = 0.1
_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
# TensorFlow uses an array in place if it begins at such an address; else it copies, holding Python's lock.
_ALIGNED = 64


@dataclass(frozen=True)
class ImageReader:
    """How encoded images become pixels: a `data.examples.kind.Reader`.

    Attributes:
      options: of all images.
      kept: pixels before augmentation, or why there are none, by archive and offset, so that a small data set
        is decoded once; None for none.
    """

    options: ImageOptions
    kept: dict[tuple[str, int], Decoded] | None = None

    def __post_init__(self) -> None:
        # Pillow imports its plugins: a fork while threads import them would never end.
        prepared_formats()

    @property
    def signature(self) -> Mapping[str, Signature]:
        """'image', uint8 or float32 [n, height, width, channels]."""
        return {IMAGE: Signature('float32' if self.options.floats else 'uint8', self.options.shape)}

    def read(self, members: Sequence[Member]) -> list[Decoded]:
        """Returns the pixels of each member, or why it has none; see `ExampleDecoder.read`."""
        decoded = self._decoded(members) if self.kept is None else self._kept(members, self.kept)
        changed = self.options.augmentation
        if not changed:
            return decoded
        return [
            pixels if isinstance(pixels, BadExampleError) else changed(pixels, member.name, member.epoch)
            for member, pixels in zip(members, decoded, strict=True)
        ]

    def collate(self, examples: Sequence[np.ndarray]) -> Arrays:
        """Returns the pixels of images as one array.

        Raises:
          ValueError: they are no pixels of this reader's.
        """
        shape = self.options.shape
        batch = _aligned(len(examples), shape, np.dtype(self.signature[IMAGE].type))
        for place, pixels in enumerate(examples):
            scaled = in_unit_range(pixels) if self.options.floats else pixels
            if (scaled.shape, scaled.dtype) != (shape, batch.dtype):
                raise ValueError(f'{scaled.dtype} {[*scaled.shape]} instead of {batch.dtype} {[*shape]}')
            batch[place] = scaled
        return {IMAGE: batch}

    @property
    def keeps_all(self) -> bool:
        """See `Reader.keeps_all`; augmented images are others in each epoch."""
        return self.kept is not None and self.options.augmentation is None

    def in_memory(self, members: Sequence[Member]) -> list[Any] | None:
        """See `Reader.in_memory`."""
        found = [(self.kept or {}).get((member.archive, member.offset)) for member in members]
        return found if all(isinstance(pixels, np.ndarray) for pixels in found) else None

    def blank(self) -> Arrays:
        """Returns one black image."""
        return {IMAGE: np.zeros((1, *self.options.shape), self.signature[IMAGE].type)}

    def plain(self) -> 'ImageReader':
        """Returns the same reader without augmentation."""
        return replace(self, options=replace(self.options, augmentation=None))

    def features(self, arrays: 'Mapping[str, Tensor]') -> 'Mapping[str, Tensor]':
        """Returns 'image' as float32 in [0, 1]: the division of `keys.to_unit_range`, in a graph."""
        if self.options.floats:
            return arrays
        from estimator_lab.tf1 import tf

        return {**arrays, IMAGE: tf.cast(arrays[IMAGE], tf.float32) / float(UINT8_MAX)}

    def serving_receiver(
        self, keeps_size: bool, more: 'Callable[[], Mapping[str, Mapping[str, Tensor]]]'
    ) -> Callable[[], Any]:
        """Returns a builder of the receiver of an export; see `export.image_receiver`."""
        from estimator_lab.data.images.export import image_receiver

        return image_receiver(self.options, keeps_size, more)

    def _kept(self, members: Sequence[Member], kept: dict[tuple[str, int], Decoded]) -> list[Decoded]:
        """Returns pixels that are kept, after adding what is missing."""
        places = [(member.archive, member.offset) for member in members]
        missing = {place: one for place, one in zip(places, members, strict=True) if place not in kept}
        kept.update(zip(missing, self._decoded([*missing.values()]), strict=True))
        return [kept[place] for place in places]

    def _decoded(self, members: Sequence[Member]) -> list[Decoded]:
        found = read_members(members)
        encoded = [data for data in found if isinstance(data, bytes)]
        pixels = iter(DECODERS[self.options.decode](encoded, self.options))
        return [next(pixels) if isinstance(data, bytes) else self._in_memory(data) for data in found]

    def _in_memory(self, data: np.ndarray | BadExampleError) -> Decoded:
        """Returns the pixels of an image in memory."""
        if isinstance(data, BadExampleError):
            return data
        keeps_floats = self.options.floats or data.dtype == np.uint8
        return resize_pixels(data if keeps_floats else to_bytes(data), self.options.shape)


class ImageKind(Kind):
    """Encoded images."""

    name = 'image'
    noun = 'images'
    settings = frozenset({'image_size', 'channels', 'decode', 'background', 'augment'})
    has_pixels = True
    label_help = f'Labels are the folders of images, .cls files next to them, or a table ({option.labels}).'
    dimensions = ('width', 'height', 'channels', CONTRAST)

    def accepts(self, name: str) -> bool:
        """Whether a file of that name has the suffix of an image, and is not hidden."""
        return name[name.rfind('.') :].lower() in _SUFFIXES and not is_hidden(name)

    def recognises(self, head: bytes) -> bool:
        """Whether a file with these first bytes is a JPEG or a PNG."""
        return head.startswith((b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'))

    def examine(self, data: bytes) -> tuple[int, ...]:
        """Decodes an image in its own size; returns its width and height in pixels, channels and contrast."""
        image = open_image(data)
        extrema = np.reshape(image.getextrema(), (-1, 2))  # of each channel
        return *image.size, len(extrema), int(np.ptp(extrema, axis=1).max())

    def reader(self, options: ReaderOptions) -> ImageReader:
        """Returns a reader; it keeps decoded images if all fit into memory: keeping half gains little."""
        images, count = options.images, options.examples
        image_bytes = math.prod(images.shape) * (4 if images.floats else 1)
        fits = count is not None and count * image_bytes <= options.cache_megabytes * _MEGABYTE
        return ImageReader(images, {} if fits else None)

    def look(self, settings: Any, examples: Iterable[Member]) -> Look:
        """Returns the range of the pixels of some training images, and their mean image; see `Kind.look`."""
        height, width, _ = settings.images.shape
        count = min(_SAMPLED, max(_MOST_SAMPLED // (height * width), _LEAST_SAMPLED))
        return _look_at(settings.images, list(itertools.islice(examples, count)))


def _look_at(options: ImageOptions, members: Sequence[Member]) -> Look:
    channels = options.shape.channels
    in_colour = options.shape._replace(channels=max(MODES))  # whether they have any is looked at, too
    plain = replace(options, shape=in_colour, augmentation=None, floats=True)

    def pixels_on(background: str) -> list[np.ndarray]:
        reader = ImageReader(replace(plain, background=background))
        return [image for image in reader.read(members) if not isinstance(image, BadExampleError)]

    found = pixels_on(options.background)
    if not found:
        return Look()
    floats = any(image.dtype != np.uint8 for image in found)
    colours = np.stack([in_unit_range(image) for image in found])
    pixels = colours if channels > 1 else colours @ GREY[:, np.newaxis]
    low, high = _range_of(pixels, _LEAST_LEVELS / UINT16_MAX if floats else _LEAST_RANGE)
    mean = pixels.mean(axis=0, dtype=np.float64)
    seen = SeenPixels(
        low,
        high,
        mean=float((mean.mean() - low) / (high - low)),
        deviation=_deviation_if_alike(pixels, mean) / (high - low),
    )
    look = Look(seen, ((mean - low) / (high - low)).astype(np.float32), floats=floats)
    if np.ptp(colours) == 0:
        other = next(each for each in BACKGROUNDS if each != options.background)
        value = {0.0: 'black', 1.0: 'white'}.get(float(colours.flat[0]), 'of one value')
        cause = f'all pixels of the first {len(found)} images are {value}'
        if any(np.ptp(image) for image in pixels_on(other)):
            placed = f'transparent images are placed on {options.background}'
            cause = f'{cause}; {placed}: {option.background}={other}'
        return replace(look, caution=f'Warning: {cause}.')
    if channels == 1 and _are_coloured(colours):
        caution = f'Images are in colour, and are read as grey: {option.channels}=3 keeps their colours.'
        return replace(look, caution=caution)
    return look


def _are_coloured(pixels: np.ndarray) -> bool:
    """Whether most images, [n, height, width, 3], have coloured parts, not only the tint of a scan."""
    spreads = np.ptp(pixels, axis=3).reshape(len(pixels), -1)
    return bool(np.median(np.percentile(spreads, 99, axis=1)) > _TINT)


def _deviation_if_alike(pixels: np.ndarray, mean: np.ndarray) -> float:
    """Returns the standard deviation of images, [n, height, width, channels], less their mean image.

    It is 0 unless the images are alike but for their brightness.
    """
    rest = pixels - mean.astype(np.float32)
    different = rest - rest.mean(axis=(1, 2, 3), keepdims=True)
    return 0.0 if different.var() > _ALIKE * pixels.var() else max(float(rest.std()), _LEAST_DEVIATION)


def _range_of(pixels: np.ndarray, least: float) -> tuple[float, float]:
    """Returns the lowest and highest of all pixels in [0, 1], but for a few outliers; or 0 and 1."""
    low, high = np.percentile(pixels, [_OUTLIERS, 100 - _OUTLIERS]).tolist()
    is_usual = low <= _USUAL and high >= 1 - _USUAL
    return (0.0, 1.0) if is_usual or high - low < least else (low, high)


def _aligned(count: int, shape: ImageShape, dtype: np.dtype) -> np.ndarray:
    """Returns an uninitialised array, [count, *shape], that TensorFlow uses without a copy."""
    size = count * math.prod(shape) * dtype.itemsize
    room = np.empty(size + _ALIGNED, np.uint8)
    first = -room.ctypes.data % _ALIGNED
    return room[first : first + size].view(dtype).reshape(count, *shape)


IMAGES = ImageKind()
"""The kind of example that most models are trained on."""
