"""Encoded image bytes -> uint8 pixels. Thread-safe."""

import contextlib
import ctypes
import functools
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from estimator_lab.base.printable import printable
from estimator_lab.conventions import UINT8_MAX
from estimator_lab.data.budget import DECODED, Share
from estimator_lab.data.file_types import HEAD_BYTES, file_type, is_image_head
from estimator_lab.data.images.jpeg import bytes_to_decode, decode_frame, frame_of
from estimator_lab.data.images.work import CountedFile, check_scans, check_tags, check_work
from estimator_lab.data.member import BadExampleError

P = ParamSpec('P')
T = TypeVar('T')

UINT16_MAX = 65_535

MAX_PIXELS = 64_000_000
"""Images with more pixels are rejected before decoding: a few bytes can claim gigabytes."""

MAX_SIDE = 65_535
"""Images with a longer side are rejected: the memory of the resize filter depends on it."""

MAX_BYTES = 640_000_000
"""Images that take more memory to decode are rejected: of 64 million pixels, WebP and some rare formats."""

MODES = {1: 'L', 3: 'RGB'}
"""Pillow's modes by the number of channels."""
_MAYBE_ALPHA = ('P', 'PA', 'LA', 'RGBA', 'RGBa')  # a palette may hold transparent colours
_STRIP_PIXELS = 2**20  # converted at once, as the whole image in both modes would take too much memory
# Bytes of a pixel in Pillow, in its own mode and in the one it is converted to; 8 for other modes.
_BYTES_A_PIXEL = {'1': 2, 'L': 1, 'P': 5, 'RGB': 4, 'I;16': 3, 'I;16B': 3, 'I;16L': 3, 'I': 5}
# Further bytes of a pixel in decoders: two canvases and the pixels copied from them; a strip, which may be
# the whole image; the coefficients of a JPEG in several scans.
_BYTES_OF_DECODER = {'WEBP': 12, 'TIFF': 4, 'AVIF': 12, 'JPEG2000': 16, 'PSD': 4}
_OF_COEFFICIENT = 2
# An explicit list, as Pillow goes by content alone and would run Ghostscript for a PostScript 'x.jpg'. Icons
# are left out: they may hold an image of another size than they claim.
_FORMATS = (
    *('JPEG', 'PNG', 'BMP', 'DIB', 'GIF', 'WEBP', 'TIFF', 'PPM', 'AVIF', 'JPEG2000', 'QOI', 'DDS', 'PSD'),
    *('SGI', 'SUN', 'XBM', 'XPM', 'PCX', 'TGA'),  # the last two have no distinctive first bytes
)

# Pillow stores large images in blocks. The C library does not return blocks of the usual 16 MB to the system
# but keeps them for the thread that used them: one more image for each thread, which no budget counts.
_BLOCK_BYTES = 64 * 2**20


class ImageShape(NamedTuple):
    """Size in pixels to which images are scaled; channels is 1 (grey) or 3 (RGB)."""

    height: int
    width: int
    channels: int = 1


class _WrongArgumentsError(ValueError):
    """An error of the caller, not of the image."""


def _one_error(decode: Callable[P, T]) -> Callable[P, T]:
    """Converts every error of `decode` to a BadExampleError with the reason.

    It is raised after the original error is released: an error references the frames that it passed, and they
    reference the decoded image. Kept until its batch is complete, it would keep a quarter of a gigabyte.
    """

    @functools.wraps(decode)
    def decode_or_tell(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return decode(*args, **kwargs)
        except _WrongArgumentsError:
            raise
        except Exception as error:  # noqa: BLE001 - damaged bytes make Pillow raise many types, even MemoryError
            reason = _reason(error)
        del args, kwargs  # the data, which this frame references
        raise BadExampleError(reason)

    return decode_or_tell


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its own message holds a memory address
        return 'not an image in a known format'
    return printable(f'{error}') or type(error).__name__


@_one_error
def decode_image(data: bytes, height: int, width: int, channels: int = 1) -> npt.NDArray[np.uint8]:
    """Decodes an image and resizes it to `height` x `width`, ignoring its aspect ratio.

    As in the notes: Lanczos resize first, then conversion to grey (ITU-R 601). If that order is impossible,
    the image is first converted to grey or RGB: palettes are looked up, images with an alpha channel are
    composed on black, 16-bit values are scaled to 8 bits. Of an animation, the first frame is used. An EXIF
    orientation is ignored.

    Args:
      data: the encoded image, in a format of `file_types`.
      height: rows of the result, at least 1.
      width: columns of the result, at least 1.
      channels: 1 for grey, 3 for RGB.

    Returns:
      uint8 `[height, width, channels]`, values in [0, 255].

    Raises:
      BadExampleError: the bytes can't be decoded, or the image is too large.
      ValueError: `height`, `width` or `channels` is out of range.
    """
    check_shape(height, width, channels)
    with DECODED.share() as share:
        image = _opened(data, share).resize((width, height), Image.Resampling.LANCZOS)
        return np.array(image.convert(MODES[channels])).reshape(height, width, channels)


@_one_error
def open_image(data: bytes) -> Image.Image:
    """Decodes an image in its own size, to mode L or RGB as `decode_image` does.

    Raises:
      BadExampleError: the bytes can't be decoded, or the image is too large.
    """
    with DECODED.share() as share:
        return _opened(data, share)


@_one_error
def shrink_image(data: bytes, side: int, quality: int) -> bytes:
    """Scales an image down so that its shorter side becomes `side` pixels, and encodes it as JPEG.

    Pixels are converted to grey or RGB as in `decode_image`; grey stays grey. Metadata is dropped.

    Args:
      data: the encoded image.
      side: in pixels, at least 1.
      quality: of the JPEG, 1 to 100.

    Returns:
      The JPEG; `data` itself if the shorter side is at most `side`.

    Raises:
      BadExampleError: the bytes can't be decoded, or the image is too large.
    """
    with DECODED.share() as share:
        image = _opened(data, share)
        shorter = min(image.size)
        if shorter <= side:
            return data
        width, height = (max(side, round(length * side / shorter)) for length in image.size)
        small = image.resize((width, height), Image.Resampling.LANCZOS)
        del image
    small.info.clear()
    encoded = io.BytesIO()
    small.save(encoded, 'JPEG', quality=quality)
    return encoded.getvalue()


def check_shape(height: int, width: int, channels: int) -> None:
    """Checks the shape of the result.

    Raises:
      ValueError: it is out of range.
    """
    if channels not in MODES or height < 1 or width < 1:
        raise _WrongArgumentsError(
            'height and width must be at least 1 and channels must be 1 or 3, '
            f'not {height}, {width} and {channels}'
        )


def _opened(data: bytes, share: Share) -> Image.Image:
    """Decodes an image in its own size, to mode L or RGB as `decode_image` does.

    Args:
      data: the encoded image.
      share: acquires the bytes that this takes.
    """
    _prepare_pillow()
    if not data:
        raise BadExampleError('no data (0 bytes)')
    return _open_jpeg(data, share) or _open(data, share)


def _open_jpeg(data: bytes, share: Share) -> Image.Image | None:
    """Decodes an ordinary, undamaged JPEG; returns None for others, which `_open` decodes."""
    frame = frame_of(data)
    if frame is None:
        return None
    _check_size(frame.width, frame.height)
    if not frame.in_one_pass:
        check_scans(data, frame.width, frame.height)
    share.hold(bytes_to_decode(frame))
    try:
        return decode_frame(data, frame)
    except ValueError:
        return None


@functools.cache
def _prepare_pillow() -> None:
    """Prepares Pillow in this process at the first image that is decoded; an import changes nothing.

    An image is decoded or is a BadExampleError. Pillow's warnings about odd metadata, and libtiff's messages
    about damaged files, would only be printed over a progress bar. They are silenced once: neither
    `warnings.catch_warnings` nor redirecting standard error for each image is safe in threads.
    """
    Image.core.set_block_size(_BLOCK_BYTES)
    warnings.filterwarnings('ignore', module=r'PIL\.')
    logging.getLogger('PIL').setLevel(logging.CRITICAL)
    # Pillow itself removes libtiff's handler of warnings only. Its extension module leads to the libtiff that
    # it is linked with; where that one is hidden, as on Windows, the messages remain.
    with contextlib.suppress(OSError, AttributeError):
        set_error_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
        set_error_handler.argtypes = [ctypes.c_void_p]
        set_error_handler.restype = ctypes.c_void_p
        set_error_handler(None)


@functools.cache
def _readable() -> tuple[str, ...]:
    """Returns the formats in _FORMATS that this Pillow supports."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _open(data: bytes, share: Share) -> Image.Image:
    """Decodes an image to mode L or RGB, which Pillow can resize with Lanczos."""
    check_tags(data)
    try:
        image = Image.open(CountedFile(data), formats=_readable())
    except UnidentifiedImageError:
        head = data[:HEAD_BYTES]
        if is_image_head(head) or not (known := file_type(head, or_text='')):
            raise
        raise BadExampleError(f'not an image in a known format, but {known}') from None
    _check_size(*image.size)
    if image.mode == 'F':
        raise BadExampleError('floating-point pixels have no known value range')
    check_work(data, image)
    share.hold(_bytes_to_decode(image))
    image.load()
    if image.mode in ('L', 'RGB'):
        image.info.clear()  # a transparent colour would be converted too, with warnings
        return image
    if image.mode in _MAYBE_ALPHA:
        return _on_black(image)
    if image.mode == '1':
        return image.convert('L')
    if image.mode == 'I' or image.mode.startswith('I;16'):
        return _from_16_bit(image)
    return image.convert('RGB')


def _bytes_to_decode(image: Image.Image) -> int:
    """Returns the bytes of memory that it takes to decode an image and convert it to L or RGB.

    Raises:
      BadExampleError: it takes more than `MAX_BYTES`.
    """
    width, height = image.size
    for_each = _BYTES_A_PIXEL.get(image.mode, 8) + _BYTES_OF_DECODER.get(image.format or '', 0)
    if image.format == 'JPEG':
        for_each += _OF_COEFFICIENT * len(image.getbands())
    if width * height * for_each > MAX_BYTES:
        raise BadExampleError(
            f'{width} x {height} pixels in {image.format} take more than {MAX_BYTES:,} bytes to decode'
        )
    return width * height * for_each


def is_too_large(width: int, height: int) -> bool:
    """Whether an image of that size is rejected."""
    return width * height > MAX_PIXELS or max(width, height) > MAX_SIDE


def _check_size(width: int, height: int) -> None:
    if is_too_large(width, height):
        raise BadExampleError(
            f'{width} x {height} pixels are more than the {MAX_PIXELS} in all '
            f'or {MAX_SIDE} a side that are allowed'
        )


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yields an image in horizontal strips from top to bottom: the number of the first row, and the strip."""
    width, height = image.size
    rows = max(_STRIP_PIXELS // width, 1)
    if rows >= height:
        yield 0, image
        return
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(top + rows, height)))


def _on_black(image: Image.Image) -> Image.Image:
    canvas = Image.new('RGB', image.size)
    for top, strip in _strips(image):
        with_alpha = strip.convert('RGBA')
        canvas.paste(with_alpha, (0, top), with_alpha)
    return canvas


def _from_16_bit(image: Image.Image) -> Image.Image:
    scaled = np.empty((image.height, image.width), np.uint8)
    step = UINT16_MAX // UINT8_MAX
    for top, strip in _strips(image):
        pixels = np.array(strip, dtype=np.int32)
        if np.min(pixels) < 0 or np.max(pixels) > UINT16_MAX:  # mode I: 32 bits, of which 16 are usually used
            raise BadExampleError(f'pixel values outside [0, {UINT16_MAX}]')
        scaled[top : top + len(pixels)] = (pixels + step // 2) // step
    return Image.fromarray(scaled)
