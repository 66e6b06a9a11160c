"""An order that is a sampler: the places of each batch, for any number of processes, exactly resumed.

The state is one integer, the number of examples that all processes together have consumed of the global
order (`data.archives.order`).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral
from typing import Any, TypeGuard

import numpy as np

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.json_input import shown
from estimator_lab.base.sizes import shown_size
from estimator_lab.data.archives.mixture import shares_text
from estimator_lab.data.archives.opened import Archives
from estimator_lab.data.archives.places import ENDLESS, EpochIndex, Places, unpack
from estimator_lab.data.input.stream_settings import StreamSettings

FORMAT = 'estimator_lab stream 2'
_FORMER = 'estimator_lab stream 1'  # whose epochs were shuffled in another way


class Resumable:
    """What can go on from a state: the place in an order of examples that several processes share.

    Args:
      settings: of the order.
      size: examples in an epoch; None if unknown.
      fingerprint: of the data.
      block_size: bytes of the blocks in which they are shuffled; 0 for none.
      is_stream: whether they are shuffled in a buffer.
    """

    def __init__(
        self,
        settings: StreamSettings,
        size: int | None,
        fingerprint: str,
        block_size: int,
        is_stream: bool = False,
    ) -> None:
        self.settings = settings
        self.size = size
        self._fingerprint, self._block_size, self._is_stream = fingerprint, block_size, is_stream
        self._begin(0, settings.world_size)

    def _begin(self, consumed: int, lanes: int) -> None:
        """Goes on after `consumed` examples of all processes; of a state at the end, the passes are over."""
        self._consumed, self._lanes = consumed, lanes
        self._is_finished = consumed > 0 and self._end_after(consumed - 1) == consumed

    @property
    def _group(self) -> int:
        """Examples in the passes of an iteration; 0 if unknown or without end."""
        return (self.size or 0) * (self.settings.epochs or 0)

    def _end_after(self, start: int) -> int:
        """Returns where the passes end to which a place belongs."""
        return (start // self._group + 1) * self._group if self._group else ENDLESS

    def state_dict(self) -> dict[str, Any]:
        """Returns the state after what was yielded so far: at most a kilobyte, for JSON.

        Another number of processes can go on from it, if all of them have yielded equally many examples or
        batches. A loader with workers reads ahead: `state_at` counts what was used.
        """
        return self.state_at(self._consumed)

    def state_at(self, consumed: int) -> dict[str, Any]:
        """Returns the state after a number of examples of the global order.

        After n steps, that is n * batch_size * world_size; of several passes, after n steps of the last one,
        the examples in an epoch more for each one before.

        Raises:
          FlagError: `consumed` is not a whole number of 0 or more.
        """
        if not _is_count(consumed):
            raise FlagError(f'consumed={shown(consumed)} must be a whole number, 0 or more.')
        settings = self.settings
        order = {'seed': settings.seed, 'shuffle': settings.shuffle, 'split': list(settings.split)}
        if settings.shuffle and self._is_stream:
            order['shuffle_buffer'] = settings.shuffle_buffer
        if settings.weights:
            order['weights'] = shares_text(settings.weights)
        if settings.shuffle and self._block_size:
            order['shuffle_blocks'] = shown_size(self._block_size)
        if self._lanes > 1 and ('weights' in order or 'shuffle_blocks' in order):
            order['lanes'] = self._lanes
        return {'format': FORMAT, 'consumed': int(consumed), 'data': self._fingerprint, **order}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state, with any batch size and number of processes.

        Raises:
          DataError: it is not a state, or one of other data or of another order.
        """
        if isinstance(state, Mapping) and np.array_equal(state.get('format'), _FORMER):
            raise DataError(
                'The state is of an earlier version, which shuffled in another way: start without it.'
            )
        if not isinstance(state, Mapping) or not np.array_equal(state.get('format'), FORMAT):
            raise DataError(f'{shown(state)} is not the state of a stream, as state_dict() returns it.')
        own = self.state_at(0)
        if not np.array_equal(state.get('data'), own['data']):
            raise DataError(
                f'The state is of other data than {", ".join(self.settings.paths)}: give the archives that '
                'it was saved for, in the same order, and the same `only`.'
            )
        for name in ('seed', 'shuffle', 'split', 'shuffle_buffer', 'shuffle_blocks', 'weights'):
            if not np.array_equal(was := state.get(name), now := own.get(name)):
                raise DataError(f'The state is of another order: its {name} is {shown(was)}, not {now}.')
        consumed, lanes = state.get('consumed'), state.get('lanes', 1)
        for name, value in (('consumed', consumed), ('lanes', lanes)):
            if not _is_count(value):
                raise DataError(f'The state is damaged: its {name} is {shown(value)}, not a number.')
        self._begin(int(state['consumed']), max(int(lanes), 1))


class BatchOrder(Resumable):
    """The places of the examples of each batch of a process; made by `Dataset.order`.

    It is a `batch_sampler` of PyTorch's DataLoader: an iteration yields a list for each batch, of `epochs`
    passes over the data, and the next iteration goes on with the next passes; of a state that was saved after
    their last batch, the first iteration yields nothing. All ranks get the same number of batches. The last
    one of the passes may be shorter than the others, or empty for a rank without a part of it.

    Args:
      settings: what is read, and in which order.
      places: returns the places of an order that began with a number of processes.
      size: number of examples in an epoch, of all processes together.
      fingerprint: of the data.
      block_size: bytes of the blocks in which they are shuffled; 0 for none.

    Attributes:
      settings: what is read, and in which order.
      size: number of examples in an epoch, of all processes together.
    """

    def __init__(
        self,
        settings: StreamSettings,
        places: Callable[[int], Places],
        size: int,
        fingerprint: str,
        block_size: int,
    ) -> None:
        self._places_of = places
        super().__init__(settings, size, fingerprint, block_size)

    def _begin(self, consumed: int, lanes: int) -> None:
        super()._begin(consumed, lanes)
        self._places, self._has_begun = self._places_of(lanes), False

    def __repr__(self) -> str:
        of = f'{self.size:,} examples, batch_size={self.settings.batch_size}'
        return f'<BatchOrder: {of}; {self._consumed:,} consumed>'

    def __len__(self) -> int:
        """Returns how many batches the next iteration yields.

        Raises:
          FlagError: it has no end.
        """
        start, end = self._span
        if not self._group:
            raise FlagError('An order with epochs=None has no length.')
        return -(-(end - start) // self.settings.shard.group)

    def __iter__(self) -> Iterator[list[EpochIndex]]:
        """Yields the places of each batch of the next passes, or of the rest of loaded ones."""
        (start, end), own, size = self._span, self.settings.shard, self.size or 1
        self._is_finished = False
        for batches in self._places.batches(start, end, own):
            epochs, numbers = (array.tolist() for array in unpack(batches, size))
            for batch in zip(epochs, numbers, strict=True):
                start = min(start + own.group, end)
                self._consumed, self._has_begun = start, True
                yield list(map(EpochIndex, *batch))

    @property
    def _span(self) -> tuple[int, int]:
        """Where the next iteration begins and ends: after a loop that was left early, the next passes."""
        is_within = self._has_begun and self._group and self._consumed % self._group
        start = self._end_after(self._consumed) if is_within else self._consumed
        return start, start if self._is_finished else self._end_after(start)


def fingerprint_of(data: Archives) -> str:
    """Returns what identifies the data in a state."""
    texts = [index.fingerprint for index in data.indexes] or ['pipe']
    texts += [data.part.only.fingerprint(data.indexes)] if data.part.only else []
    return hashlib.sha256('\n'.join(texts).encode()).hexdigest()[:32]


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) <= ENDLESS
