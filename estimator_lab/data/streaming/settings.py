"""What a stream of examples reads, and how."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.data.images.decode import ImageShape, check_shape
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.kind import BatchReader
from estimator_lab.data.kinds import kind_of
from estimator_lab.data.label_table import read_label_table
from estimator_lab.data.order.archives import Archives, open_archives
from estimator_lab.data.order.split_and_shard import WorkerShard
from estimator_lab.data.streaming.encoded import EncodedReader
from estimator_lab.data.tar.sources import expand_archives
from estimator_lab.errors import FlagError

_LOG = logging.getLogger('estimator_lab')


@dataclass(frozen=True)
class StreamSettings:
    """What a stream reads, and how; see `estimator_lab.api.stream`."""

    paths: tuple[str, ...]
    image_shape: tuple[int, int, int] | None
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
        if self.image_shape is not None:
            try:
                check_shape(*self.image_shape)
            except (TypeError, ValueError) as error:
                raise FlagError(
                    f'image_shape={self.image_shape} must be (height, width, channels) in pixels, with 1 '
                    'or 3 channels.'
                ) from error
        elif self.augment:
            raise FlagError(f'augment={self.augment!r} needs image_shape: encoded images are not changed.')
        for name in ('batch_size', 'epochs'):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise FlagError(f'{name}={value} must be at least 1, or None.')
        low, high = self.split
        if not 0 <= low < high <= 1:
            raise FlagError(
                f'split={self.split} must be a range within 0 and 1, such as (0, 0.9) for training and '
                '(0.9, 1) for evaluation.'
            )
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
        return ImageReader(ImageShape(*self.image_shape), augmentation=augmentation)


def paths_of(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Returns one path or several as a tuple of texts."""
    if isinstance(paths, str | os.PathLike):
        return (os.fspath(paths),)
    return tuple(os.fspath(path) for path in paths)
