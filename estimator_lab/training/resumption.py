"""How a phase goes on after a restart: where in its data, what has changed since, and what that breaks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.data.order.resume_segments import Place, Segment, Source, segments_until
from estimator_lab.errors import FlagError
from estimator_lab.runs.record import InputRecord
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.settings import Settings

_WORKERS, _SHUFFLE, _DETERMINISTIC = 'workers', 'shuffle_buffer', 'deterministic'
_RECORDED = ('batch_size', 'seed', _SHUFFLE, 'split', 'augment', 'decode', 'precision', _DETERMINISTIC)
_OF_THE_ORDER = ('seed', _SHUFFLE, 'split', _WORKERS)
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


@dataclass(frozen=True)
class Start:
    """What a phase is started with.

    Attributes:
      settings: of the run.
      inputs: its archives, those of the last start in the same order as then.
      workers: processes that share the examples.
      batches_a_step: batches that all of them together consume in a global step.
    """

    settings: Settings
    inputs: Inputs
    workers: int = 1
    batches_a_step: int = 1

    def record(self, *segments: Segment) -> InputRecord:
        """Returns what experiment.json says of the input."""
        recorded = {name: _recorded(getattr(self.settings, name)) for name in _RECORDED}
        return InputRecord(segments, self._evaluation, {**recorded, _WORKERS: self.workers})

    def first_segment(self, step: int) -> Segment:
        """Returns the segment of a phase that begins at a global step."""
        return Segment(step, self._examples_a_step, 0, 0, self.inputs.sources)

    def follow(self, before: InputRecord, step: int) -> Resumption:
        """Returns how a phase begins after one that has finished.

        Args:
          before: the record of that one.
          step: global step at which the new phase begins.
        """
        record = self.record(self.first_segment(step))
        return Resumption(record, self._changes(before), self._other_weights(before))

    def resume(self, before: InputRecord, step: int) -> Resumption:
        """Returns how a phase goes on from a checkpoint.

        Args:
          before: its record, with at least one segment.
          step: global step of the checkpoint.
        """
        segments = segments_until(before.segments, step)
        before, last = replace(before, segments=segments), segments[-1]
        place, now = last.place_at(step), self.inputs.sources
        changes, epoch = self._changes(before), place.epoch + 1
        has_new_data = _identities(last.newest_sources) != _identities(now)
        breaks = self._order_breaks(before, place) if place.offset else []
        following = Segment(step, self._examples_a_step, place.epoch, place.offset, place.sources)
        if breaks:
            following = replace(following, epoch=place.epoch + 1, offset=0, sources=now)
        elif not place.offset:
            following = replace(following, sources=now)
        elif _identities(place.sources) != _identities(now):
            following = replace(following, later=now)
        if breaks or has_new_data or self._examples_a_step != last.examples_a_step:
            segments = (*(one for one in segments if one.first_step < step), following)
        record = self.record(*segments)
        if breaks:
            changes = (*changes, f'the rest of epoch {epoch} is left out')
            return Resumption(record, changes, f'{"; ".join(breaks)}, in the middle of epoch {epoch}')
        if following.later and has_new_data:
            changes = (*changes, f'epoch {epoch} ends with the archives it began with')
        return Resumption(record, changes, self._other_weights(before))

    @property
    def _examples_a_step(self) -> int:
        return self.settings.batch_size * self.batches_a_step

    @property
    def _evaluation(self) -> tuple[Source, ...]:
        return self.inputs.evaluation.sources if self.settings.eval_data else ()

    def _order_breaks(self, before: InputRecord, place: Place) -> list[str]:
        """Returns the changes after which an epoch can't end as it began."""
        breaks = self._setting_changes(before, _OF_THE_ORDER)
        lost = Counter(_fingerprints(place.sources)) - Counter(_fingerprints(self.inputs.sources))
        # Each worker is in an epoch of its own, so new archives change every worker's share. The same is true
        # of images with and without labels.
        has_several_epochs = self.workers > 1 or self.inputs.unlabelled is not None
        return [*breaks, *self._data_changes(before)] if lost or has_several_epochs else breaks

    def _other_weights(self, before: InputRecord) -> str:
        """Returns the changes that lead to other weights than without the restart, with --deterministic."""
        if not (self.settings.deterministic and before.settings.get(_DETERMINISTIC)):
            return ''
        changes = self._setting_changes(before)
        if before.segments and Counter(_fingerprints(before.segments[-1].newest_sources)) != Counter(
            _fingerprints(self.inputs.sources)
        ):
            changes += self._data_changes(before)
        return f'{"; ".join(changes)}, with --deterministic' if changes else ''

    def _changes(self, before: InputRecord) -> tuple[str, ...]:
        found = [*self._setting_changes(before), *self._data_changes(before)]
        if before.segments:
            found += _differences('--eval_data', before.evaluation, self._evaluation)
        return tuple(found)

    def _setting_changes(self, before: InputRecord, names: Sequence[str] = ()) -> list[str]:
        """Returns how settings differ, all of them unless `names` are given."""
        found, now = [], self.record().settings
        for name in names or now:
            was = before.settings.get(name, now[name])
            if name == _SHUFFLE and self.inputs.train.has_random_access and isinstance(was, int):
                was = now[name] if (was > 1) == (now[name] > 1) else was  # the buffer's size has no effect
            if was != now[name]:
                found.append(_clause(name, was, now[name]))
        return found

    def _data_changes(self, before: InputRecord) -> list[str]:
        if not before.segments:
            return []
        return _differences(self.inputs.flag, before.segments[-1].newest_sources, self.inputs.sources)


def _recorded(value: Any) -> Any:
    """Returns a setting's value as a record holds it: text is short and on one line."""
    return ' '.join(value.split())[:_LONGEST] if isinstance(value, str) else value


def _clause(name: str, was: Any, now: Any) -> str:
    if name == _WORKERS:
        return f'workers were {was}, are {now}'
    return f'--{name} was {_shown(was)}, is {_shown(now)}'


def _shown(value: Any) -> str:
    return 'none' if value == '' else str(value).lower() if isinstance(value, bool) else str(value)


def _identities(sources: Sequence[Source]) -> list[tuple[str, int]]:
    return [(source.fingerprint, source.images) for source in sources]


def _fingerprints(sources: Sequence[Source]) -> list[str]:
    return [source.fingerprint for source in sources]


def _differences(flag: str, before: Sequence[Source], now: Sequence[Source]) -> list[str]:
    """Returns how the archives of a flag differ: no clause, or one."""
    names = {(source.fingerprint, source.name) for source in before}
    former = {source.fingerprint: source.name for source in before}
    renamed = [
        f'{source.name} was {former[source.fingerprint]}'
        for source in now
        if source.fingerprint in former and (source.fingerprint, source.name) not in names
    ]
    gone, new = _missing(before, now), _missing(now, before)
    found = [
        *renamed,
        *(f'{name} has changed' for name in new if name in gone),
        *(f'{name} is gone' for name in gone if name not in new),
        *(f'{name} is new' for name in new if name not in gone),
    ]
    if not found:
        return []
    more = f' and {len(found) - _NAMED} more' if len(found) > _NAMED else ''
    return [f'{flag}: {", ".join(found[:_NAMED])}{more}']


def _missing(sources: Sequence[Source], others: Sequence[Source]) -> list[str]:
    """Returns the names of those sources that are missing from the others."""
    missing = Counter(_fingerprints(sources)) - Counter(_fingerprints(others))
    return [source.name for source in dict.fromkeys(sources) if missing[source.fingerprint]]
