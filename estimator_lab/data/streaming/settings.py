"""What a stream of examples reads, and how."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.images.scaled_decode import decode_image_scaled
from estimator_lab.data.kind import BatchReader
from estimator_lab.data.kinds import kind_of
from estimator_lab.data.label_table import read_label_table
from estimator_lab.data.order.archives import Archives, open_archives
from estimator_lab.data.order.split_and_shard import WorkerShard
from estimator_lab.data.streaming.encoded import EncodedReader
from estimator_lab.data.tar.sources import expand_archives
from estimator_lab.errors import FlagError

_LOG = logging.getLogger('estimator_lab')
_LARGEST_SIDE = 8000
_MANY = 2**31 - 1
_NUMBERS = (
    ('batch_size', 1, 10_000_000),
    ('epochs', 1, _MANY),
    ('seed', -_MANY, _MANY),
    ('rank', -_MANY, _MANY),  # which WorkerShard compares with world_size
    ('world_size', -_MANY, _MANY),
    ('shuffle_buffer', 1, _MANY),
)
_DECODERS = {'exact': decode_image, 'fast': decode_image_scaled}
_OPTIONAL = ('batch_size', 'epochs')


@dataclass(frozen=True)
class StreamSettings:
    """What a stream reads, and how; see `estimator_lab.api.stream`."""

    paths: tuple[str, ...]
    image_shape: tuple[int, int, int] | None
    decode: str
    batch_size: int | None
    shuffle: bool
    seed: int
    epochs: int | None
    split: tuple[float, float]
    rank: int
    world_size: int
    shuffle_buffer: int
    augment: str
    labels: Path | None
    vocabulary: tuple[str, ...] | None
    max_bad_fraction: float
    use_damaged: bool

    def check(self) -> None:
        """Raises FlagError for settings that are not allowed."""
        for name, least, most in _NUMBERS:
            value = getattr(self, name)
            if not (value is None and name in _OPTIONAL) and not (
                _is_whole(value) and least <= value <= most
            ):
                none = ', or None' if name in _OPTIONAL else ''
                raise FlagError(f'{name}={value!r} must be a whole number from {least:,} to {most:,}{none}.')
        if self.decode not in _DECODERS:
            raise FlagError(f'decode={self.decode!r} must be one of {", ".join(map(repr, _DECODERS))}.')
        if self.image_shape is None and self.augment:
            raise FlagError(f'augment={self.augment!r} needs image_shape: encoded images are not changed.')
        if self.image_shape is not None and not _is_shape(self.image_shape):
            raise FlagError(
                f'image_shape={self.image_shape!r} must be (height, width, channels), with sides from 1 to '
                f'{_LARGEST_SIDE:,} pixels and 1 or 3 channels.'
            )
        if not _is_range(self.split):
            raise FlagError(
                f'split={self.split!r} must be a range within 0 and 1, such as (0, 0.9) for training and '
                '(0.9, 1) for evaluation.'
            )
        if not (isinstance(self.max_bad_fraction, int | float) and 0 <= self.max_bad_fraction <= 1):
            raise FlagError(f'max_bad_fraction={self.max_bad_fraction!r} must be a number from 0 to 1.')
        WorkerShard(self.rank, self.world_size)
        parse_augmentation(self.augment, self.seed)

    def open(self) -> Archives:
        """Opens the archives, and reads or builds their indexes."""
        paths = expand_archives(self.paths, _LOG.warning)
        kind = kind_of(paths[0])
        if self.image_shape and not kind.has_pixels:
            raise FlagError(
                f'image_shape={self.image_shape} is for images, but {paths[0]!r} has {kind.noun}.'
            )
        if self.labels:
            kind = kind.with_labels(read_label_table(self.labels, 'labels'))
        return open_archives(self.paths, self.use_damaged, _LOG.warning, kind)

    def reader(self) -> BatchReader:
        """Returns how members become bytes or pixels."""
        if self.image_shape is None:
            return EncodedReader()
        augmentation = parse_augmentation(self.augment, self.seed)
        return ImageReader(ImageShape(*self.image_shape), _DECODERS[self.decode], augmentation)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_shape(shape: Any) -> bool:
    if not isinstance(shape, tuple | list) or len(shape) != 3 or not all(map(_is_whole, shape)):
        return False
    return shape[2] in (1, 3) and all(1 <= side <= _LARGEST_SIDE for side in shape[:2])


def _is_range(split: Any) -> bool:
    if not isinstance(split, tuple | list) or len(split) != 2:
        return False
    return all(isinstance(end, int | float) for end in split) and 0 <= split[0] < split[1] <= 1


def paths_of(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Returns one path or several as a tuple of texts.

    Examples:
        >>> paths_of('a.tar'), paths_of([Path('a.tar'), 'b.tar'])
        (('a.tar',), ('a.tar', 'b.tar'))
    """
    if isinstance(paths, str | os.PathLike):
        return (os.fspath(paths),)
    return tuple(os.fspath(path) for path in paths)
