"""The settings of `api.stream` and `api.dataset`, checked."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from estimator_lab.base.errors import DataError, FlagError, option, without_dashes
from estimator_lab.base.json_input import shown
from estimator_lab.base.settings import are_paths, check_given, setting, settings_from
from estimator_lab.base.shares import Slice
from estimator_lab.base.sizes import parse_size
from estimator_lab.base.suggestions import unknown
from estimator_lab.data.archives.kinds import kind_of
from estimator_lab.data.archives.mixture import Shares, shares_of
from estimator_lab.data.archives.opened import Archives, open_archives
from estimator_lab.data.archives.order import Order
from estimator_lab.data.archives.part import Only, Part
from estimator_lab.data.examples.kind import Arrays, ExampleDecoder, Kind
from estimator_lab.data.examples.labels import read_label_table
from estimator_lab.data.examples.member import Member, read_members
from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.data.images.decode import BACKGROUNDS, ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import DECODERS, ImageReader
from estimator_lab.data.input.bad_examples import BadLimit, InputReport
from estimator_lab.data.sources import remote
from estimator_lab.data.sources.source import Source, expand

_MANY = 2**31 - 1
_LARGEST_SIDE = 8000
DATA = 'data'
S = TypeVar('S', bound='ReadSettings')
LOG = logging.getLogger('estimator_lab')


def _warn(line: str) -> None:
    LOG.warning(without_dashes(line))


@dataclass(frozen=True, kw_only=True)
class ReadSettings:
    """What is read, and how; see `estimator_lab.api.dataset`."""

    paths: tuple[str, ...] = ()
    image_shape: tuple[int, int, int] | None = None
    split: tuple[float, float] = (0.0, 1.0)
    vocabulary: tuple[str, ...] | None = None
    only: Only | None = None
    decode: str = setting('exact', 'exact or fast', choices=tuple(DECODERS))
    background: str = setting(BACKGROUNDS[0], 'black or white', choices=BACKGROUNDS)
    seed: int = setting(1, 'of the order', lower=-_MANY - 1, upper=_MANY)
    augment: str = setting('', 'random changes')
    labels: Path | None = setting(None, 'table of labels')
    max_bad_fraction: float = setting(0.01, 'share of bad examples', lower=0, upper=1)
    use_damaged: bool = setting(False, 'use damaged archives')
    shuffle_blocks: str = setting('', 'size of blocks', is_size=True)
    cache: str = setting('', 'room for remote data', is_size=True)

    @classmethod
    def of(
        cls: type[S],
        paths: 'str | os.PathLike[str] | Sequence[str | os.PathLike[str]]',
        image_shape: Any = None,
        split: Any = (0.0, 1.0),
        vocabulary: Any = None,
        **declared: Any,
    ) -> S:
        """Returns checked settings.

        Raises:
          FlagError: a setting is not allowed.
        """
        only = declared.pop('only', None)
        known = [field.name for field in fields(cls) if field.name != 'paths']
        if wrong := next((name for name in declared if name not in known), None):
            raise FlagError(unknown('Unknown setting', wrong, known))
        if declared.get('augment') == '':
            del declared['augment']  # the default
        if image_shape is None and declared.get('augment'):
            raise FlagError(
                f'augment={declared["augment"]!r} needs image_shape: encoded images are not changed.'
            )
        if image_shape is not None and not _is_shape(image_shape):
            raise FlagError(
                f'image_shape={shown(image_shape)} must be (height, width, channels), with sides from 1 to '
                f'{_LARGEST_SIDE:,} pixels and 1 or 3 channels.'
            )
        if not _is_range(split):
            raise FlagError(
                f'split={shown(split)} must be a range within 0 and 1, such as (0, 0.9) for training and '
                '(0.9, 1) for evaluation.'
            )
        check_given(vocabulary=vocabulary)
        if vocabulary is not None and (not are_paths(vocabulary) or len(set(vocabulary)) < len(vocabulary)):
            raise FlagError(f'vocabulary={shown(vocabulary)} must be a list of different labels.')
        check_given(paths=paths)
        several = [paths] if isinstance(paths, str | os.PathLike) else paths
        if not are_paths(several):
            raise FlagError(f'paths={shown(paths)} must be paths of archives and folders.')
        made = replace(
            settings_from(cls, declared),
            only=Only.of(only),
            paths=tuple(os.fspath(path) for path in several),
            image_shape=image_shape and tuple(image_shape),
            split=tuple(split),
            vocabulary=None if vocabulary is None else tuple(vocabulary),
        )
        made.reader()  # which checks what depends on several settings
        return made

    def shown_of(self, size: int | None, labels: Sequence[str]) -> str:
        """Returns what is read in words, such as '1,600 examples, 10 labels, 16x16x3'."""
        shape = 'x'.join(map(str, self.image_shape)) if self.image_shape else 'encoded'
        count = 'examples' if size is None else f'{size:,} example{"s" * (size != 1)}'
        return f'{count}, {len(labels):,} label{"s" * (len(labels) != 1)}, {shape}'

    def open(self) -> Archives:
        """Opens the archives, reads or builds their indexes, and returns what belongs to `split`.

        Raises:
          FlagError: they have no images, but `image_shape` is given.
          DataError: they can't be read; `labels` names none of them, or `split` leaves nothing of them.
        """
        if self.cache:
            remote.keep(parse_size(option.cache, self.cache))
        sources = expand(self.paths, _warn, table=read_label_table(self.labels))
        kind = self.kind_of(sources[0])
        if self.image_shape and not (kind.has_pixels or kind.fields):
            raise FlagError(
                f'image_shape={self.image_shape} is for images, but {sources[0].name!r} has {kind.noun}.'
            )
        whole = open_archives(sources, kind, self.use_damaged, _warn)
        names = ', '.join(whole.paths)
        if self.labels and whole.total and not whole.labels:
            raise DataError(f'labels={self.labels} names none of the {whole.total:,} {kind.noun} of {names}.')
        data = replace(whole, part=Part(*self.split, self.only)).in_blocks(self.shuffle_blocks)
        data.part.check(data.indexes)
        if data.total == 0:
            what = f'split={self.split}' if replace(whole, part=Part(only=self.only)).total else 'only'
            raise DataError(f'{what} leaves no {kind.name} of {names}.')
        return data

    def kind_of(self, source: Source) -> Kind:
        """Returns the kind of the examples, which the first source decides."""
        return kind_of(source)

    def vocabulary_of(self, data: Archives) -> tuple[str, ...]:
        """Returns the labels by their class ids: of all parts of the data, unless others are given."""
        if self.vocabulary is not None:
            return self.vocabulary
        return tuple(sorted({label for index in data.indexes for label in index.labels} - {''}))

    def report_on(self, kind: Kind, total: int | None) -> InputReport:
        """Returns a new report on that many examples."""
        return InputReport(kind, _warn, total or 0, BadLimit(self.max_bad_fraction, total))

    def reader(self) -> ExampleDecoder:
        """Returns how members become bytes or pixels."""
        if self.image_shape is None:
            return _EncodedReader()
        shape = ImageShape(*self.image_shape)
        augmentation = parse_augmentation(self.augment, self.seed, max(shape[:2]))
        return ImageReader(ImageOptions(shape, self.decode, self.background, augmentation))


@dataclass(frozen=True, kw_only=True)
class StreamSettings(ReadSettings):
    """What a stream reads, how and in which order; see `estimator_lab.api.stream`."""

    batch_size: int | None = setting(None, 'examples in a batch', lower=1, upper=10_000_000)
    shuffle: bool = setting(True, 'whether each epoch is shuffled')
    epochs: int | None = setting(None, 'passes over the data', lower=1, upper=_MANY)
    rank: int = setting(0, 'number of this process')
    world_size: int = setting(1, 'number of processes')
    weights: Shares = ()
    shuffle_buffer: int = setting(10_000, 'examples held to shuffle a stream', lower=1, upper=_MANY)

    def __post_init__(self) -> None:
        _ = self.shard  # which checks its settings

    @classmethod
    def of(
        cls, *arguments: Any, epochs: int | None = 1, weights: Any = None, **declared: Any
    ) -> 'StreamSettings':
        """Returns checked settings; see `ReadSettings.of`."""
        made = super().of(*arguments, epochs=epochs, **declared)
        return replace(made, weights=shares_of(weights))

    def open(self) -> Archives:
        """See `ReadSettings.open`; raises FlagError for `weights` of other data, too."""
        data = super().open()
        data.check_weights(self.weights)
        return data

    @property
    def shard(self) -> Slice:
        """This process's part of each global batch."""
        return Slice(self.rank, self.world_size, (self.batch_size or 1) * self.world_size)

    def order_of(self, data: Archives, lanes: int = 1) -> Order:
        """Returns the order in which the examples are read, which began with `lanes` processes."""
        buffer = self.shuffle_buffer if self.shuffle else 1
        return data.order(buffer, self.seed, weights=self.weights, lanes=lanes)


class _EncodedReader:
    """How members become their encoded bytes."""

    def read(self, members: Sequence[Member]) -> list[Any]:
        return read_members(members)

    def collate(self, examples: Sequence[bytes]) -> Arrays:
        array = np.empty(len(examples), object)
        array[:] = examples
        return {DATA: array}


def _is_shape(shape: Any) -> bool:
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        return False
    if not all(isinstance(side, int) and not isinstance(side, bool) for side in shape):
        return False
    return shape[2] in (1, 3) and all(1 <= side <= _LARGEST_SIDE for side in shape[:2])


def _is_range(split: Any) -> bool:
    if not isinstance(split, tuple | list) or len(split) != 2:
        return False
    return all(isinstance(end, int | float) for end in split) and 0 <= split[0] < split[1] <= 1
