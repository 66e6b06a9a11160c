"""Encoded image bytes -> uint8 pixels. Thread-safe.

Images are untrusted. Only formats that Pillow decodes in C are accepted, of at most 64 million pixels; one
large image is decoded at a time, so that threads together take bounded memory.
"""

import contextlib
import ctypes
import functools
import io
import logging
import math
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Concatenate, NamedTuple, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from estimator_lab.base.errors import DataError
from estimator_lab.base.keys import LUMINANCE, UINT8_MAX
from estimator_lab.base.printable import printable
from estimator_lab.data.examples.member import BadExampleError, or_why
from estimator_lab.data.images.metadata import check_metadata
from estimator_lab.data.sources.files import FORMATS

if TYPE_CHECKING:  # which imports this module
    from estimator_lab.data.images.options import ImageOptions

P = ParamSpec('P')
T = TypeVar('T')
Decoded = np.ndarray | BadExampleError

BACKGROUNDS = ('black', 'white')
"""Values of --background."""

UINT16_MAX = 65_535
MAX_PIXELS = 64_000_000
"""Images with more pixels are rejected before decoding: a few bytes can claim gigabytes."""
MAX_SIDE = 65_535
"""Images with a longer side are rejected: the memory of the resize filter depends on it."""
MODES = {1: 'L', 3: 'RGB'}
"""Pillow's modes by the number of channels."""

GREY = np.array(LUMINANCE, np.float32)
"""Weights of red, green and blue in grey."""

LARGE_PIXELS = 4_000_000
"""Images of more pixels are decoded one at a time."""

_MAYBE_ALPHA = ('P', 'PA', 'LA', 'RGBA', 'RGBa')  # a palette may hold transparent colours
# Pillow stores large images in blocks. The C library does not return blocks of the usual 16 MB to the system
# but keeps them for the thread that used them.
_BLOCK_BYTES = 64 * 2**20
_MOST_SCANNED = 40 * MAX_PIXELS  # pixels times scans of a JPEG: a few seconds
_LEAST_SCANNED = 10_000  # a scan of fewer pixels takes as long
_MOST_READS = 300_000  # a second or less; a PNG of 256 MB in chunks of 8 kB takes a third of them
_ORIENTATION = 274
_TABLES = (34_665, 34_853, 40_965)  # tags of a TIFF that lead to tables of EXIF, of GPS and of Interop

_QUALITY = 90  # of JPEGs

# A signal handler may read data, too: a thread does not wait for itself.
_large, _alone = threading.RLock(), threading.RLock()


def _after_fork() -> None:
    """Gives a forked process locks that no thread of its parent holds."""
    global _large, _alone
    _large, _alone = threading.RLock(), threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


class ImageShape(NamedTuple):
    """Size in pixels to which images are scaled; channels is 1 (grey) or 3 (RGB)."""

    height: int
    width: int
    channels: int = 1


def _one_error(decode: Callable[Concatenate[bytes, P], T]) -> Callable[Concatenate[bytes, P], T]:
    """Converts every error that the bytes cause to a BadExampleError with the reason.

    It is raised after the original error is released: an error references the frames that it passed, and they
    reference the decoded image. Without enough memory, an image is tried once more, while no other is that
    failed, before a DataError says so.
    """

    @functools.wraps(decode)
    def decode_or_explain(data: bytes, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            try:
                return decode(data, *args, **kwargs)
            except MemoryError:
                with _alone:
                    return decode(data, *args, **kwargs)
        except UnidentifiedImageError:  # its own message holds a memory address
            reason = 'not an image in a known format'
        except RecursionError:  # of the caller's stack
            raise
        except MemoryError:
            reason = 'MemoryError'
            _check_memory(data)
        except Exception as error:  # noqa: BLE001 - damaged bytes make Pillow raise many types
            reason = printable(f'{error}') or type(error).__name__
        del data, args, kwargs  # which this frame references
        raise BadExampleError(reason)

    return decode_or_explain


def _check_memory(data: bytes) -> None:
    """Raises DataError without enough memory for what an image claims to be.

    With enough, its bytes are damaged: for some, Pillow raises MemoryError, too.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=prepared_formats())
    except Exception:  # noqa: BLE001 - as above
        return
    needed = 2 * 4 * _copies(image) * image.width * image.height
    try:
        bytearray(needed)
    except MemoryError:
        raise DataError(
            f'There is not enough memory to decode an image of {image.width}x{image.height} pixels, which '
            f'takes up to {math.ceil(needed / 2**20):,} MB: end other programs, or start fewer processes.'
        ) from None


@_one_error
def decode_image(
    data: bytes,
    height: int,
    width: int,
    channels: int = 1,
    background: str = BACKGROUNDS[0],
    floats: bool = False,
) -> np.ndarray:
    """Decodes an image and resizes it to `height` x `width`, ignoring its aspect ratio.

    As in the notes: Lanczos resize first, then conversion to grey (ITU-R 601). If that order is impossible,
    the image is first converted to grey or RGB: palettes are looked up, images with transparency are composed
    on a background, 16-bit values are scaled to 8 bits. Of an animation, the first frame is used. An
    orientation is ignored in every format, whether from EXIF, a TIFF or an AVIF.

    Args:
      data: the encoded image, in one of `files.FORMATS`.
      height: rows of the result, at least 1.
      width: columns of the result, at least 1.
      channels: 1 for grey, 3 for RGB.
      background: on which transparent images are placed, one of `BACKGROUNDS`.
      floats: whether 16-bit images become floats, with all of their levels.

    Returns:
      uint8 `[height, width, channels]`, values in [0, 255]; float32 in [0, 1] of floats.

    Raises:
      BadExampleError: the bytes can't be decoded, or the image is too large.
    """
    shape = ImageShape(height, width, channels)
    with _opened(data) as image:
        return _scaled(image, shape, background, floats)


@_one_error
def open_image(data: bytes) -> Image.Image:
    """Decodes an image in its own size, to mode L or RGB as `decode_image` does.

    Raises:
      BadExampleError: the bytes can't be decoded, or the image is too large.
    """
    with _opened(data) as image:
        return _converted(image)


def decode_images(several: Sequence[bytes], options: 'ImageOptions') -> list[Decoded]:
    """Decodes images as `decode_image` does; returns the pixels of each, or why it has none."""
    how = *options.shape, options.background, options.floats
    return [or_why(lambda data: decode_image(data, *how), data) for data in several]


@_one_error
def decode_mask(data: bytes, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Decodes an image of class ids: grey values, or numbers of a palette, as they are stored.

    Returns:
      uint8 [height, width], scaled by taking the nearest pixels.

    Raises:
      BadExampleError: the bytes can't be decoded, or hold colours or more than 8 bits.
    """
    with _opened(data) as image:
        if image.mode not in ('1', 'L', 'P'):
            raise BadExampleError(
                f'a mask has class ids, in a grey image or one with a palette, not {image.mode}'
            )
        return np.array(image.resize((width, height), Image.Resampling.NEAREST), np.uint8)


@_one_error
def size_of(data: bytes) -> tuple[int, int]:
    """Returns the width and height of an image in pixels, without decoding it; raises BadExampleError."""
    with _opened(data) as image:
        return image.size


@_one_error
def shrink_image(data: bytes, side: int) -> bytes:
    """Scales an image down so that its shorter side becomes `side` pixels, and encodes it as JPEG.

    Pixels are converted to grey or RGB as in `decode_image`; grey stays grey. Metadata is dropped.

    Returns:
      The JPEG; `data` itself if the shorter side is at most `side`.

    Raises:
      BadExampleError: the bytes can't be decoded, or the image is too large.
    """
    with _opened(data) as opened:
        image = _converted(opened)
        shorter = min(image.size)
        if shorter <= side:
            return data
        width, height = (max(side, round(length * side / shorter)) for length in image.size)
        small = image.resize((width, height), Image.Resampling.LANCZOS)
    small.info.clear()
    encoded = io.BytesIO()
    small.save(encoded, 'JPEG', quality=_QUALITY)
    return encoded.getvalue()


def resize_pixels(pixels: np.ndarray, shape: ImageShape) -> np.ndarray:
    """Resizes an image in memory as `decode_image` does.

    Args:
      pixels: [height, width, 1 or 3], uint8, or floats in [0, 1].
      shape: of the result.

    Returns:
      [*shape], uint8, or float32 in [0, 1]; an array that already is that is not copied.
    """
    is_float = pixels.dtype != np.uint8
    if pixels.shape == shape:
        return pixels.astype(np.float32, copy=False) if is_float else pixels
    if not is_float:
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        return _scaled(image, shape)
    scaled = np.clip(resize_floats(pixels, shape.height, shape.width), 0, 1)
    if pixels.shape[2] == 3 and shape.channels == 1:
        return scaled @ GREY[:, np.newaxis]
    return np.broadcast_to(scaled, shape)


def resize_floats(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes floats, [height, width, channels], with a Lanczos filter, which overshoots at edges."""
    channels = [Image.fromarray(channel) for channel in np.moveaxis(pixels.astype(np.float32), 2, 0)]
    scaled = [np.asarray(one.resize((width, height), Image.Resampling.LANCZOS)) for one in channels]
    return np.stack(scaled, axis=-1)


def check_size(width: int, height: int, copies: int = 1) -> None:
    """Raises BadExampleError if an image is too large; decoding takes several `copies` of it."""
    if width * height * copies > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadExampleError(
            f'{width} x {height} pixels are more than the {MAX_PIXELS // copies} in all '
            f'or {MAX_SIDE} a side that are allowed'
        )


def check_scans(data: bytes, width: int, height: int) -> None:
    """Raises BadExampleError if a JPEG may have so many scans that decoding takes longer than a few seconds.

    A scan without data takes ten bytes of a file, and 0.6 nanoseconds for each pixel. Usual files have ten.
    """
    if data.count(b'\xff\xda') * max(width * height, _LEAST_SCANNED) > _MOST_SCANNED:
        raise BadExampleError(
            f'it has too many scans of {width} x {height} pixels, which take too long to decode'
        )


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[ImageFile.ImageFile]:
    """Yields an image whose pixels are not loaded yet; no other thread has another large one meanwhile."""
    formats = prepared_formats()
    if not data:
        raise BadExampleError('no data (0 bytes)')
    check_metadata(data)
    # A JPEG is read once from front to back: fewer bytes can't be too many pieces.
    is_short = data.startswith(b'\xff\xd8') and len(data) <= _MOST_READS
    image = Image.open(io.BytesIO(data) if is_short else _CountedFile(data), formats=formats)
    tags = getattr(image, 'tag_v2', {})  # of a TIFF, which Pillow would turn, and whose tables it would read
    if tags.get(_ORIENTATION, 1) != 1 or any(table in tags for table in _TABLES):
        raise BadExampleError('it is a TIFF with an orientation or EXIF: save it without, or as PNG')
    check_size(*image.size, _copies(image))
    if image.mode == 'F':
        raise BadExampleError('floating-point pixels have no known value range')
    codecs = {tile[0] for tile in image.tile}
    if 'jpeg' in codecs:
        check_scans(data, *image.size)
    if not codecs.isdisjoint(Image.DECODERS):  # written in Python: at most a million pixels a second
        raise BadExampleError(f'this kind of {image.format} is not supported: convert it to PNG')
    with _large if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext():
        yield image


def _copies(image: Image.Image) -> int:
    """Returns how many copies of its own size are made of an image, by its decoder and up to L or RGB."""
    if image.format in ('WEBP', 'AVIF'):
        return 4
    return 1 if image.mode in ('1', 'L', 'RGB') and 'transparency' not in image.info else 2


def _scaled(
    image: Image.Image, shape: ImageShape, background: str = BACKGROUNDS[0], floats: bool = False
) -> np.ndarray:
    """Returns the pixels of an opened image, scaled to a shape; see `decode_image`."""
    small = _converted(image, background, floats).resize(
        (shape.width, shape.height), Image.Resampling.LANCZOS
    )
    if small.mode == 'F':
        return np.repeat(np.clip(np.asarray(small), 0, 1)[..., np.newaxis], shape.channels, axis=2)
    return np.array(small.convert(MODES[shape.channels])).reshape(shape)


def _converted(image: Image.Image, background: str = BACKGROUNDS[0], floats: bool = False) -> Image.Image:
    """Decodes an opened image to mode L or RGB, or F in [0, 1], which Pillow can resize with Lanczos."""
    image.load()
    if image.mode == 'I' or image.mode.startswith('I;16'):
        pixels = _from_16_bit(image, background)
        return Image.fromarray(pixels / np.float32(UINT16_MAX) if floats else _as_8_bit(pixels))
    if image.mode in _MAYBE_ALPHA or 'transparency' in image.info:
        with_alpha = image if image.mode == 'RGBA' else image.convert('RGBA')
        canvas = Image.new('RGB', image.size, background)
        canvas.paste(with_alpha, mask=with_alpha)
        return canvas
    if image.mode in ('L', 'RGB'):
        return image
    return image.convert('L' if image.mode == '1' else 'RGB')


def _from_16_bit(image: Image.Image, background: str) -> np.ndarray:
    """Returns the pixels, int32 in [0, UINT16_MAX]."""
    pixels = np.array(image, dtype=np.int32)
    if np.min(pixels) < 0 or np.max(pixels) > UINT16_MAX:  # mode I: 32 bits; usually 16 are used
        raise BadExampleError(f'pixel values outside [0, {UINT16_MAX}]')
    if isinstance(transparent := image.info.get('transparency'), int):
        pixels[pixels == transparent] = UINT16_MAX * BACKGROUNDS.index(background)
    return pixels


def _as_8_bit(pixels: np.ndarray) -> npt.NDArray[np.uint8]:
    step = UINT16_MAX // UINT8_MAX
    pixels += step // 2
    pixels //= step
    return pixels.astype(np.uint8)


class _CountedFile(io.BytesIO):
    """The bytes of an image, which end in a BadExampleError if they are read in too many pieces."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _MOST_READS:
            raise BadExampleError(f'it has more than {_MOST_READS:,} pieces, which take too long to decode')
        return super().read(size)


@functools.cache
def prepared_formats() -> tuple[str, ...]:
    """Returns the formats in FORMATS that this Pillow supports; silences it at the first call.

    Its warnings about odd metadata, and libtiff's messages, would be printed over a progress bar. They are
    silenced once: neither `warnings.catch_warnings` nor redirecting standard error for each image is safe in
    threads. An import of this package changes nothing.
    """
    Image.core.set_block_size(_BLOCK_BYTES)
    warnings.filterwarnings('ignore', module=r'PIL\.')
    logging.getLogger('PIL').setLevel(logging.CRITICAL)
    # Pillow's extension module leads to the libtiff that it is linked with; where that one is hidden, as on
    # Windows, the messages remain.
    with contextlib.suppress(OSError, AttributeError):
        set_error_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
        set_error_handler.argtypes = [ctypes.c_void_p]
        set_error_handler.restype = ctypes.c_void_p
        set_error_handler(None)
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)
