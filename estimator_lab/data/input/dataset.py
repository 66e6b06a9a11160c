"""A data set with random access: the examples of archives and folders by number, for any framework.

It pickles and forks: a worker process gets paths, reads the indexes again, and holds no
open file, no thread and no order. Nothing here imports TensorFlow, PyTorch or JAX.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, NamedTuple, overload

import numpy as np

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.json_input import shown
from estimator_lab.base.settings import are_paths, settings_from
from estimator_lab.base.suggestions import unknown
from estimator_lab.data.archives.mixture import Mixture, shares_of
from estimator_lab.data.archives.order import IndexedMembers
from estimator_lab.data.archives.places import EpochIndex, Places, pack
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import UNKNOWN_ID
from estimator_lab.data.examples.member import BadExampleError, Member
from estimator_lab.data.images.notebook import as_html
from estimator_lab.data.input.batch_order import BatchOrder, fingerprint_of
from estimator_lab.data.input.batches import BadExample, Batch
from estimator_lab.data.input.samples import IndexedSamples, SampleKind, SampleReader
from estimator_lab.data.input.stream_settings import DATA, ReadSettings, StreamSettings
from estimator_lab.data.sources.source import Source

_MADE_ANEW = '_reader', '_ids', '_report'  # in each process
_OF_AN_ORDER = 'batch_size', 'shuffle', 'epochs', 'rank', 'world_size', 'weights'


class Example(NamedTuple):
    """One example.

    Attributes:
      data: its encoded bytes; or its pixels, uint8 [height, width, channels]; or a dict of its fields.
      label: its label; '' without one.
      key: its unique name, 'ARCHIVE:MEMBER'.
      class_id: number of the label in `labels`; -1 if it is not one of them.
    """

    data: Any
    label: str
    key: str
    class_id: int

    def __repr__(self) -> str:
        data = f'{len(self.data):,} bytes' if isinstance(self.data, bytes) else type(self.data).__name__
        if isinstance(self.data, np.ndarray):
            data = f'{self.data.dtype} {list(self.data.shape)}'
        return f'<Example: {self.key!r}, label {self.label!r}, class_id {self.class_id}, data: {data}>'

    def _repr_html_(self) -> str:
        return as_html(repr(self), [self.data], [self.label])


@dataclass(frozen=True, kw_only=True)
class DatasetSettings(ReadSettings):
    """What a data set reads, and how; see `estimator_lab.api.dataset`."""

    fields: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()

    @classmethod
    def of(cls, *arguments: Any, fields: Any = (), masks: Any = (), **declared: Any) -> 'DatasetSettings':
        """Returns checked settings; see `ReadSettings.of`."""
        if wrong := next((name for name in declared if name in _OF_AN_ORDER), None):
            raise FlagError(f'{wrong} is a setting of the order: dataset(paths).order({wrong}=...).')
        names, of_masks = _suffixes(fields=fields), _suffixes(masks=masks)
        made = replace(super().of(*arguments, **declared), fields=names, masks=of_masks)
        if of_masks and not (made.image_shape and set(of_masks) <= set(names)):
            raise FlagError(
                f'masks={shown(masks)} must be some of fields={shown(fields)}, with an image_shape.'
            )
        return made

    def kind_of(self, source: Source) -> Kind:
        """See `ReadSettings.kind_of`."""
        return SampleKind(self.fields) if self.fields else super().kind_of(source)


class Dataset:
    """The examples of archives and folders, by number; made by `estimator_lab.api.dataset`.

    `len(data)` is their number, in stored order. `data[12]` and `data[-1]` are an `Example`; `data[3:7]` and
    `data[[3, 1, 2]]` lists of them, which are read together. A bad example is a `BadExample`, which says why.

    Args:
      settings: what it reads, and how.
      transform: called with each example where it is read; what it returns is the example. None for none.

    Attributes:
      settings: what it reads, and how.
      labels: the vocabulary; by default the labels in all parts of the data, sorted.
      bad: number of different bad examples that `collate` has left out in this process.
    """

    def __init__(self, settings: DatasetSettings, transform: Callable[[Example], Any] | None = None) -> None:
        if transform is not None and not callable(transform):
            raise FlagError(f'transform={shown(transform)} must be a function of an example.')
        self.settings, self._transform = settings, transform
        data = settings.open()
        if not data.has_random_access:
            raise DataError(
                f'{", ".join(data.paths)} can only be read from the beginning: read it by stream, or pack '
                'it by estimator_lab.data.pack.'
            )
        self.labels = settings.vocabulary_of(data)
        self._fingerprint = fingerprint_of(data)
        self._block_size = 0 if settings.fields else data.block_size
        self._examples: IndexedMembers | IndexedSamples = IndexedMembers(
            data.indexes, data.part, data.block_size
        )
        if settings.fields:
            self._examples = IndexedSamples(data.indexes, settings.fields, data.part)
        self._kind = data.kind
        self._prepare()

    def _prepare(self) -> None:
        settings = self.settings
        self._reader = settings.reader()
        if settings.fields:
            self._reader = SampleReader(settings, settings.fields, settings.masks)
        self._ids = {label: number for number, label in enumerate(self.labels)}
        self._report = settings.report_on(self._kind, len(self))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _MADE_ANEW}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def __len__(self) -> int:
        return len(self._examples)

    def __repr__(self) -> str:
        return f'<Dataset: {self.settings.shown_of(len(self), self.labels)}>'

    @property
    def bad(self) -> int:
        """See the class."""
        return self._report.distinct_bad

    @overload
    def __getitem__(self, place: int | EpochIndex) -> Any: ...
    @overload
    def __getitem__(self, place: slice | Sequence[int | EpochIndex] | np.ndarray) -> list[Any]: ...
    def __getitem__(self, place: Any) -> Any:
        """Returns an example, or some of them as a list: of a slice, of numbers, or of a mask of all.

        An order yields lists of `EpochIndex`, by which the pixels are those of an epoch; by a number alone,
        they are those of the first one.

        Raises:
          IndexError: there is no such example.
          DataError: an archive can't be read any more.
        """
        if isinstance(place, int | EpochIndex):
            member = self._examples.member(self._packed(place), isinstance(place, EpochIndex))
            return self._example(place, member, self._reader.read([member])[0])
        if isinstance(place, slice):
            return self.__getitems__(range(*place.indices(len(self))))
        if isinstance(place, Sequence | np.ndarray):
            if len(place) and isinstance(place[0], bool | np.bool_):
                if len(place) != len(self):
                    raise IndexError(f'a mask of {len(place):,} is not one of {len(self):,} examples')
                return self.__getitems__(np.flatnonzero(place).tolist())
            if isinstance(place, np.ndarray) and place.ndim == 2:  # made of what an order yields
                return self.__getitems__([EpochIndex(*pair) for pair in place.tolist()])
            return self.__getitems__(list(place))
        return self[operator.index(place)]

    def __getitems__(self, places: Sequence[int | EpochIndex]) -> list[Any]:
        """Returns some examples, which are read together; see `__getitem__`."""
        packed = np.array([self._packed(place) for place in places], np.int64)
        is_ordered = all(isinstance(place, EpochIndex) for place in places)  # others may be far apart
        examples = self._examples
        members = list(examples.ahead([packed]) if is_ordered else examples.members(packed))
        return [
            self._example(place, member, data)
            for place, member, data in zip(places, members, self._reader.read(members), strict=True)
        ]

    def order(
        self, batch_size: int = 32, *, shuffle: bool = True, epochs: int | None = 1, **given: Any
    ) -> BatchOrder:
        """Returns an order of the examples in batches: a sampler, which needs no workers.

        Args:
          batch_size: examples of this process in each batch.
          shuffle: whether each epoch has an order of its own; otherwise the stored one.
          epochs: passes over the data in one iteration; None for no end.
          **given: `seed`, of the order, by default the data set's; `rank` and `world_size`, the number
            of this process, from 0, and of the processes that share the data; `weights`, as of `stream`.

        Raises:
          FlagError: a setting is not allowed.
        """
        if batch_size is None:
            raise FlagError('batch_size=None must be a whole number.')
        if wrong := next((name for name in given if name not in {*_OF_AN_ORDER, 'seed'}), None):
            if wrong in vars(self.settings):
                raise FlagError(f'{wrong} is a setting of the data set: dataset(paths, {wrong}=...).')
            raise FlagError(unknown('Unknown setting of an order', wrong, [*_OF_AN_ORDER, 'seed']))
        read = {field.name: getattr(self.settings, field.name) for field in fields(ReadSettings)}
        shares = shares_of(given.pop('weights', None))
        chosen = {'batch_size': batch_size, 'shuffle': shuffle, 'epochs': epochs, **given}
        order = settings_from(StreamSettings, {'seed': read.pop('seed'), **chosen})
        order = replace(order, weights=shares, **read)
        mixture = Mixture.of(self._examples, shares) if shares else None
        counts = self._examples.block_counts
        places = partial(Places, self._examples, order.shuffle, order.seed, counts, mixture)
        return BatchOrder(order, places, len(self), self._fingerprint, self._block_size)

    def collate(self, examples: Sequence[Any]) -> Batch:
        """Returns examples as a batch, as a stream yields it, without the bad ones, which are counted.

        Raises:
          DataError: too many examples are bad.
          FlagError: they are not a list of examples as this data set has them, such as after a transform.
        """
        if isinstance(examples, Example | BadExample):
            raise FlagError('collate takes a list of examples, not a single one: put it into a list.')
        good, bad = [], []
        for place, example in enumerate(examples):
            self._report.count(1)
            if isinstance(example, BadExample):
                self._report.add_bad(example.member, BadExampleError(example.reason))
                bad.append(BadExample(place, example.key, example.reason))
            elif isinstance(example, Example):
                good.append(example)
            else:
                kind = type(example).__name__
                raise FlagError(f'transform returns a {kind}, not an Example: collate it by your own.')
        try:
            arrays = self._reader.collate([example.data for example in good])
        except (AttributeError, ValueError, TypeError) as error:
            made = 'encoded' if self.settings.image_shape is None else f'of shape {self.settings.image_shape}'
            raise FlagError(
                f'collate takes examples of this data set, {made}: collate others by your own.'
            ) from error
        ids = np.array([example.class_id for example in good], np.int64)
        batch = Batch(arrays, [one.label for one in good], [one.key for one in good], ids, bad)
        return batch if self.settings.fields else finished(batch)

    def _packed(self, place: Any) -> int:
        epoch, index = place if isinstance(place, EpochIndex) else (0, operator.index(place))
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f'{index} is not one of {size:,} examples')
        return pack(epoch, index % size, size)

    def _example(self, place: Any, member: Member, data: Any) -> Any:
        if isinstance(data, BadExampleError):
            number = place.number if isinstance(place, EpochIndex) else operator.index(place)
            return BadExample(number, member.key, str(data), member._replace(source=None, data=b''))
        example = Example(data, member.label, member.key, self._ids.get(member.label, UNKNOWN_ID))
        return self._transform(example) if self._transform else example


def _suffixes(**given: Any) -> tuple[str, ...]:
    """Returns the suffixes in a setting, given by its name, without dots; FlagError for other things."""
    ((name, suffixes),) = given.items()
    if not are_paths(suffixes) or not all(str(suffix).strip('.') for suffix in suffixes):
        raise FlagError(f"{name}={shown(suffixes)} must be suffixes, such as ('jpg', 'txt').")
    found = tuple(str(suffix).lower().strip('.') for suffix in suffixes)
    if len(set(found)) < len(found):
        raise FlagError(f'{name}={shown(suffixes)} must differ.')
    return found


def finished(batch: Batch) -> Batch:
    """Returns a batch with its only array as its data; encoded examples as a list."""
    (data,) = batch.data.values()
    return batch._replace(data=data.tolist() if DATA in batch.data else data)
