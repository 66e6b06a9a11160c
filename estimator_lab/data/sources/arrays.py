"""Images in memory as a source: they are indexed, ordered and split like the members of an archive."""

import os
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.json_input import shown
from estimator_lab.base.printable import escaped
from estimator_lab.base.settings import are_paths
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.member import BadExampleError, Data, Member
from estimator_lab.data.sources.reading import Format, Scan, UnindexedBytes
from estimator_lab.data.sources.source import Source, Stamp


class ArraySource(Source):
    """An array of images, with labels or without.

    Attributes:
      images: [n, height, width, 1 or 3], uint8, or floats in [0, 1].
      labels: n texts; '' for an image without a label.
    """

    images: np.ndarray
    labels: Sequence[str]

    def __new__(cls, images: np.ndarray, labels: Sequence[str], named: bool = True) -> 'ArraySource':
        """Names the source by its contents, so that a resumed run recognises it; or by nothing."""
        name = ''
        if named:
            total = zlib.crc32('\0'.join(labels).encode(), zlib.crc32(np.ascontiguousarray(images)))
            name = f'array-{total:08x}'
        made = super().__new__(cls, name, name)
        made.images, made.labels = images, labels
        return made

    def stamp(self, again: bool = False) -> Stamp:
        """See `Source.stamp`."""
        return Stamp(self.images.nbytes, self.name)


def is_array(data: object, name: str = 'data') -> bool:
    """Returns whether `data` is an array of images, or a pair (images, labels), rather than paths.

    Raises:
      FlagError: it is neither; `name` is the setting's.
    """
    images = data[0] if isinstance(data, tuple) and len(data) == 2 else data
    if isinstance(images, np.ndarray) and images.dtype.kind not in 'USO':
        return True
    if isinstance(data, str | os.PathLike) or (are_paths(data) and data != []):
        return False
    wanted = 'paths, an array of images [n, height, width, 1 or 3], or a tuple (images, labels)'
    kind = type(images).__name__
    if isinstance(images, np.ndarray):
        hint = f'it is an array of texts, whose list is {name}.tolist()'
    elif hasattr(images, 'to_numpy') or hasattr(images, 'numpy'):
        way = 'to_numpy' if hasattr(images, 'to_numpy') else 'numpy'
        hint = f'it is a {kind}, which .{way}() makes an array'
    elif isinstance(data, list) and len(data) == 2 and getattr(data[0], 'ndim', 0) == 4:
        hint = 'it is a list of two, not a tuple'
    elif isinstance(data, list) and data:
        hint = 'np.stack makes an array of a list of images'
    else:
        hint = f'it is {shown(data)}'
    raise FlagError(f'{option(name)} must be {wanted}: {hint}.')


def array_source(data: Any, named: bool = True) -> ArraySource:
    """Returns images in memory as a source of examples.

    Args:
      data: images, [n, height, width, 1 or 3], uint8, or floats in [0, 1]; or (images, labels) with n class
        ids or texts.
      named: whether keys of the images begin with a name of the array; otherwise they are their numbers.

    Raises:
      FlagError: the images have another shape or type, or there are not n labels.
    """
    images, labels = data if isinstance(data, tuple) else (data, None)
    check_images(images)
    texts = [''] * len(images) if labels is None else _texts_of(labels, len(images))
    return ArraySource(images, texts, named)


def _texts_of(labels: Any, count: int) -> list[str]:
    """Returns labels as texts, or raises FlagError unless there are as many as images."""
    try:
        given = np.asarray(labels)
        wrong = '' if given.shape == (count,) else f'an array {list(given.shape)}'
    except ValueError:  # lists of different lengths
        wrong = shown(labels)
    if wrong:
        raise FlagError(f'{count} images need as many labels, [n], not {wrong}.')
    return [escaped(_text_of(label)) for label in given]


def _text_of(label: Any) -> str:
    """Returns a label as a text: bytes are decoded, as NumPy and TensorFlow hold texts."""
    label = label.item() if isinstance(label, np.generic) else label
    if isinstance(label, bytes):
        return label.decode('utf-8', 'surrogateescape')
    if isinstance(label, str | int):
        return str(label)
    raise FlagError(f'A label is a text or a class id, a whole number, not {shown(label)}.')


def check_images(images: np.ndarray) -> None:
    """Raises FlagError unless an array is [n, height, width, 1 or 3], uint8 or floats in [0, 1]."""
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise FlagError(
            f'An array of images has the shape [n, height, width, 1 or 3], not {list(images.shape)}.'
        )
    check_values(images)


def check_values(images: np.ndarray) -> None:
    """Raises FlagError if an array is neither uint8 nor floats in [0, 1]."""
    if images.dtype != np.uint8 and images.dtype.kind != 'f':
        raise FlagError(f'An array of images is uint8 or floats in [0, 1], not {images.dtype}.')
    if images.dtype.kind == 'f' and images.size and not (np.min(images) >= 0 and np.max(images) <= 1):
        what = 'NaN' if np.isnan(images).any() else f'{np.min(images):g} to {np.max(images):g}'
        raise FlagError(f'An array of floats has pixels in [0, 1], not {what}: divide by 255, or give uint8.')


def _scan(source: Source, kind: Kind, scan: Scan) -> Iterator[Member]:
    """Yields the images."""
    assert isinstance(source, ArraySource)
    reader = UnindexedBytes(source, _read)
    for row, (image, label) in enumerate(zip(source.images, source.labels, strict=True)):
        checksum = zlib.crc32(np.ascontiguousarray(image))
        size = image.nbytes
        yield Member(
            source.name, f'{row}', row, label=label, size=size, row=row, source=reader, checksum=checksum
        )


def _read(source: ArraySource, members: Sequence[Member]) -> list[Data | BadExampleError]:
    """Returns the pixels of images, which are not copied; see `Format.read`."""
    return [source.images[member.offset] for member in members]


ARRAY = Format(_scan, _read, is_cached=False)
"""Arrays of images."""
