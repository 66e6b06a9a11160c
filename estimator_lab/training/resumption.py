"""How a phase goes on after a restart: where in its data, what has changed since, and what that breaks."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.data.order.resume_segments import RANDOM, Place, Segment, Source, segments_until
from estimator_lab.errors import FlagError
from estimator_lab.runs.record import InputRecord
from estimator_lab.training.distribution import Role
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.settings import Settings

_WORKERS, _SHARES, _SHUFFLE, _DETERMINISTIC = 'workers', 'shares', 'shuffle_buffer', 'deterministic'
_BATCH, _GLOBAL_BATCH = 'batch_size', 'global_batch_size'
_RECORDED = (
    _BATCH,
    'seed',
    _SHUFFLE,
    'split',
    'augment',
    'decode',
    'precision',
    'class_weights',
    _DETERMINISTIC,
)
_OF_THE_ORDER = ('seed', 'split')
_NAMED = 3
_LONGEST = 200


@dataclass(frozen=True)
class Resumption:
    """How a phase goes on with its data.

    Attributes:
      input: what its folder will say of it; the last segment is the one to go on with.
      changes: what has changed since the last start, as clauses of a sentence.
      broken: why the phase can't go on exactly where it stopped, as a clause; '' if it can.
    """

    input: InputRecord
    changes: tuple[str, ...] = ()
    broken: str = ''

    def check(self, model_dir: Path) -> None:
        """Raises FlagError if the phase can't go on exactly where it stopped."""
        if self.broken:
            raise FlagError(
                f'--model_dir={model_dir} cannot go on exactly where it stopped ({self.broken}): '
                'give the flags and archives of the last start, name another folder, or go on all the same '
                'with --resume_changed.'
            )

    def __str__(self) -> str:
        return f'Since the last start: {"; ".join(self.changes)}.' if self.changes else ''


def record_of(settings: Settings, inputs: Inputs, role: Role, step: int) -> InputRecord:
    """Returns what experiment.json says of the input of a phase that begins with these settings at a step."""
    recorded = {name: _recorded(getattr(settings, name)) for name in _RECORDED}
    recorded[_WORKERS] = role.workers
    examples = settings.batch_size * role.batches_a_step
    if settings.global_batch_size:  # from which that of a worker follows
        recorded[_GLOBAL_BATCH] = settings.global_batch_size
        del recorded[_BATCH]
    order = {name: recorded[name] for name in (*_OF_THE_ORDER, _SHUFFLE)}
    order[_SHARES] = role.workers if role.has_own_share else 1
    segment = Segment(step, examples, 0, 0, inputs.sources, settings=order)
    evaluation = inputs.evaluation.sources if settings.eval_data else ()
    return InputRecord((segment,), evaluation, recorded)


@dataclass(frozen=True)
class Restart:
    """Compares what a phase is started with to the record of the last start.

    Attributes:
      before: that record; without segments if an older version wrote it.
      now: that of a phase that would begin with today's settings and archives; see `record_of`.
      inputs: those archives, the known ones in their former order.
    """

    before: InputRecord
    now: InputRecord
    inputs: Inputs

    def follow(self) -> Resumption:
        """Returns how a phase begins after one that has finished, whose record is `before`."""
        return Resumption(self.now, self._changes(), self._other_weights())

    def resume(self, step: int) -> Resumption:
        """Returns how a phase goes on from its checkpoint of a global step; `before` has a segment."""
        segments = segments_until(self.before.segments, step)
        return replace(self, before=replace(self.before, segments=segments))._resume(step)

    def _resume(self, step: int) -> Resumption:
        *_, last = segments = self.before.segments
        (first,), place = self.now.segments, last.place_at(step)
        changes, epoch, now = self._changes(), place.epoch + 1, first.sources
        has_new_data = _identities(last.newest_sources) != _identities(now)
        breaks = self._order_breaks(last, place) if place.offset else []
        following = replace(first, first_step=step, epoch=place.epoch, offset=place.offset)
        if breaks:
            following = replace(following, epoch=place.epoch + 1, offset=0)
        elif place.offset and _identities(place.sources) != _identities(now):
            following = replace(following, sources=place.sources, later=now)
        if breaks or _way_of_reading(first, now) != _way_of_reading(last, last.newest_sources):
            segments = (*(one for one in segments if one.first_step < step), following)
        record = replace(self.now, segments=segments)
        if breaks:
            others = (words for words in breaks if words not in changes)
            changes = (*changes, *others, f'the rest of epoch {epoch} is left out')
            return Resumption(record, changes, f'{"; ".join(breaks)}, in the middle of epoch {epoch}')
        if following.later and has_new_data:
            changes = (*changes, f'epoch {epoch} ends with the archives it began with')
        return Resumption(record, changes, self._other_weights())

    def _order_breaks(self, segment: Segment, place: Place) -> list[str]:
        """Returns the changes after which an epoch of a segment can't end as it began."""
        settings = segment.settings or self.before.settings
        breaks = self._setting_changes(settings, _OF_THE_ORDER)
        breaks += self._share_changes(settings)
        breaks += self._shuffling_changes(settings, place.sources)
        was, now = Counter(_fingerprints(place.sources)), Counter(_fingerprints(self.inputs.sources))
        # Each worker with a share of its own is in an epoch of its own, so new archives change every worker's
        # share. The same is true of images with and without labels.
        has_several_epochs = self._shares > 1 or self.inputs.unlabelled is not None
        is_other = was != now if has_several_epochs else bool(was - now)
        return [*breaks, *self._data_changes()] if is_other else breaks

    @property
    def _shares(self) -> int:
        """How many workers have a share of their own now; 1 if all read the global order together."""
        shares: int = self.now.segments[0].settings[_SHARES]
        return shares

    def _share_changes(self, settings: Mapping[str, Any]) -> list[str]:
        """Returns how the shares of workers differ from those with other settings: no clause, or one."""
        was = settings.get(_SHARES, settings.get(_WORKERS, self._shares))
        if _SHARES not in settings and was != 1 and _WORKERS in settings:
            return [f'{was} workers shared the images as in version 0.1 of estimator_lab']
        return [f'workers with a share of their own were {was}, are {self._shares}'] * (was != self._shares)

    def _shuffling_changes(self, settings: Mapping[str, Any], before: Sequence[Source]) -> list[str]:
        """Returns how the shuffling of archives differs from that with other settings: no clause, or one."""
        free: defaultdict[str, deque[str]] = defaultdict(deque)
        for source in self.inputs.sources:
            free[source.fingerprint].append(source.access)
        if Counter(_fingerprints(before)) - Counter(_fingerprints(self.inputs.sources)):
            return []  # what is gone breaks the epoch in any case
        today = [free[source.fingerprint].popleft() for source in before]
        size = self.now.settings[_SHUFFLE]
        old_size = settings.get(_SHUFFLE, size)
        was, now = '', _shuffling(size, today)
        if isinstance(old_size, int):  # else the record is damaged
            was = _shuffling(
                old_size, [one.access or other for one, other in zip(before, today, strict=True)]
            )
        if was == now:
            return []
        if size != old_size:
            return [_clause(_SHUFFLE, old_size, size)]
        return [f'{self.inputs.flag} was {was}, is {now}']

    def _other_weights(self) -> str:
        """Returns the changes that lead to other weights than without the restart, with --deterministic."""
        if not (self.now.settings[_DETERMINISTIC] and self.before.settings.get(_DETERMINISTIC)):
            return ''
        changes = self._setting_changes(self.before.settings, self.now.settings)
        newest = self.before.segments[-1].newest_sources if self.before.segments else self.inputs.sources
        if sorted(_fingerprints(newest)) != sorted(_fingerprints(self.inputs.sources)):
            changes += self._data_changes()
        return f'{"; ".join(changes)}, with --deterministic' if changes else ''

    def _changes(self) -> tuple[str, ...]:
        found = [*self._setting_changes(self.before.settings, self.now.settings), *self._data_changes()]
        if self.before.segments:
            found += _differences('--eval_data', self.before.evaluation, self.now.evaluation)
        return tuple(found)

    def _setting_changes(self, before: Mapping[str, Any], names: Iterable[str]) -> list[str]:
        """Returns how settings differ from others."""
        found, settings = [], self.now.settings
        if {_BATCH, _GLOBAL_BATCH} <= {*names, *before} and self.before.segments:  # each in one of the two
            found += self._step_changes()
        for name in names:
            now = settings[name]
            was = before.get(name, now)
            if name == _SHUFFLE and self.inputs.train.has_random_access and isinstance(was, int):
                was = now if (was > 1) == (now > 1) else was  # the buffer's size has no effect
            if was != now:
                found.append(_clause(name, was, now))
        return found

    def _step_changes(self) -> list[str]:
        """Returns how the examples of a step differ, given as --batch_size or --global_batch_size."""
        was, now = (one.segments[-1].examples_a_step for one in (self.before, self.now))
        return [f'examples in a step were {was}, are {now}'] * (was != now)

    def _data_changes(self) -> list[str]:
        if not self.before.segments:
            return []
        return _differences(self.inputs.flag, self.before.segments[-1].newest_sources, self.inputs.sources)


def _recorded(value: Any) -> Any:
    """Returns a setting's value as a record holds it: text is short and on one line."""
    return ' '.join(value.split())[:_LONGEST] if isinstance(value, str) else value


def _clause(name: str, was: Any, now: Any) -> str:
    if name == _WORKERS:
        return f'workers were {was}, are {now}'
    return f'--{name} was {_shown(was)}, is {_shown(now)}'


def _shown(value: Any) -> str:
    return 'none' if value == '' else str(value).lower() if isinstance(value, bool) else str(value)


def _way_of_reading(segment: Segment, sources: Sequence[Source]) -> tuple[Any, ...]:
    return segment.examples_a_step, segment.settings, tuple(sources)


def _shuffling(buffer: int, accesses: Sequence[str]) -> str:
    """Returns how archives are shuffled, to end a clause."""
    if buffer <= 1:
        return 'in stored order'
    is_whole = all(access == RANDOM for access in accesses)
    return 'shuffled as a whole' if is_whole else f'shuffled in a buffer of {buffer}'


def _identities(sources: Sequence[Source]) -> list[tuple[str, int]]:
    return [(source.fingerprint, source.images) for source in sources]


def _fingerprints(sources: Sequence[Source]) -> list[str]:
    return [source.fingerprint for source in sources]


def _differences(flag: str, before: Sequence[Source], now: Sequence[Source]) -> list[str]:
    """Returns how the archives of a flag differ: no clause, or one."""
    old = Counter((source.fingerprint, source.name) for source in before)
    new = Counter((source.fingerprint, source.name) for source in now)
    former: defaultdict[str, deque[str]] = defaultdict(deque)
    for fingerprint, name in (old - new).elements():
        former[fingerprint].append(name)
    renamed, added = [], []
    for fingerprint, name in (new - old).elements():
        if former[fingerprint]:
            renamed.append(f'{name} was {former[fingerprint].popleft()}')
        else:
            added.append(name)
    gone = [name for fingerprint, name in (old - new).elements() if name in former[fingerprint]]
    found = [
        *renamed,
        *(f'{name} has changed' for name in added if name in gone),
        *(f'{name} is gone' for name in gone if name not in added),
        *(f'{name} is new' for name in added if name not in gone),
    ]
    if not found:
        return []
    more = f' and {len(found) - _NAMED} more' if len(found) > _NAMED else ''
    return [f'{flag}: {", ".join(found[:_NAMED])}{more}']
