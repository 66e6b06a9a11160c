"""Images as a kind of example: which files are images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estimator_lab.data.file_types import is_image_head, is_image_name
from estimator_lab.data.kind import Kind, ReaderOptions

if TYPE_CHECKING:
    from estimator_lab.data.images.reader import ImageReader


@dataclass(frozen=True)
class ImageKind(Kind):
    """Encoded images."""

    name = 'image'
    noun = 'images'
    settings = frozenset({'image_size', 'channels', 'decode', 'decoded_cache', 'augment'})
    has_pixels = True
    label_help = 'Labels are the folders of images, .cls files next to them, or a table (--labels).'
    dimensions = ('width', 'height', 'channels')

    def accepts(self, name: str) -> bool:
        """Whether a file of that name has the suffix of an image, and is not hidden."""
        return is_image_name(name)

    def recognises(self, head: bytes) -> bool:
        """Whether a file with these first bytes is an image of a known format."""
        return is_image_head(head)

    def examine(self, data: bytes) -> tuple[int, ...]:
        """Decodes an image in its own size; returns its width and height in pixels, and its channels."""
        from estimator_lab.data.images.decode import open_image

        image = open_image(data)
        return *image.size, len(image.getbands())

    def reader(self, options: ReaderOptions) -> 'ImageReader':
        """Returns how encoded images become pixels; see `reader.image_reader`."""
        from estimator_lab.data.images.reader import image_reader

        return image_reader(options)

    def serving_inputs(self, shape: Sequence[int]) -> dict[str, str]:
        """Describes the inputs of an export: encoded images, or pixels of `shape`."""
        height, width, channels = shape
        return {
            '': 'image_bytes, string [n]: JPEG or PNG files',
            'pixels': f'image, float32 [n, {height}, {width}, {channels}] in [0, 1]',
        }


IMAGES = ImageKind()
"""The kind of example that most models are trained on."""
