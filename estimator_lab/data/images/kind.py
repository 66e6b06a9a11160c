"""Images as a kind of example: which files are images, and the shape to which they are scaled."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from estimator_lab.data.kind import Kind, ReaderOptions, is_hidden

if TYPE_CHECKING:
    from estimator_lab.data.images.reader import ImageReader

IMAGE_SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo'),
    *('.png', '.apng', '.bmp', '.dib', '.gif', '.webp', '.tif', '.tiff'),
    *('.ppm', '.pgm', '.pbm', '.pnm'),
    *('.jp2', '.j2k', '.jpc', '.jpf', '.jpx', '.j2c'),
    *('.tga', '.pcx', '.psd', '.qoi', '.dds', '.sgi', '.rgb', '.ras', '.xbm', '.xpm'),
)
"""Of formats that every Pillow reads; '.avif' is one more if this Pillow reads AVIF."""

_AVIF = '.avif'
_IMAGE_MAGIC = re.compile(
    rb'\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|P[1-6]\s|'
    rb'BM....\0\0\0\0....[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51|qoif|8BPS',
    re.DOTALL,
)
_AVIF_MAGIC = re.compile(rb'....ftypavi[fs]', re.DOTALL)


class ImageShape(NamedTuple):
    """Size in pixels to which images are scaled; channels is 1 (grey) or 3 (RGB)."""

    height: int
    width: int
    channels: int = 1


@dataclass(frozen=True)
class ImageKind(Kind):
    """Encoded images."""

    name = 'image'
    noun = 'images'
    settings = frozenset({'image_size', 'channels', 'decode', 'decoded_cache', 'augment'})
    has_pixels = True
    label_help = 'Labels are the folders of images, .cls files next to them, or a table (--labels).'

    def accepts(self, name: str) -> bool:
        """Whether a file of that name has the suffix of an image, and is not hidden."""
        lower = name.lower()
        if lower.endswith(IMAGE_SUFFIXES) or (lower.endswith(_AVIF) and reads_avif()):
            return not is_hidden(name)
        return False

    def recognises(self, head: bytes) -> bool:
        """Whether a file with these first bytes is an image of a known format."""
        return bool(_IMAGE_MAGIC.match(head)) or (bool(_AVIF_MAGIC.match(head)) and reads_avif())

    def reader(self, options: ReaderOptions) -> 'ImageReader':
        """Returns how encoded images become pixels.

        Raises:
          FlagError: --augment is not understood.
        """
        from estimator_lab.data.images.reader import image_reader

        return image_reader(options)

    def serving_inputs(self, shape: Sequence[int]) -> dict[str, str]:
        """Describes the inputs of an export: encoded images, or pixels of `shape`."""
        height, width, channels = shape
        return {
            '': 'image_bytes, string [n]: JPEG or PNG files',
            'pixels': f'image, float32 [n, {height}, {width}, {channels}] in [0, 1]',
        }


@functools.cache
def reads_avif() -> bool:
    """Whether this Pillow reads AVIF, which it does from 11.3 on if it was built with it."""
    from PIL import features

    return 'avif' in features.modules and bool(features.check('avif'))


IMAGES = ImageKind()
"""The kind of example that most models are trained on."""
