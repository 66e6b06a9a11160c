"""How training goes on: where its input stands, what has changed since the last start, what that breaks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from estimator_lab.data.order.archives import Archives
from estimator_lab.data.order.resume_segments import Place, Segment, Source, segments_until
from estimator_lab.errors import FlagError
from estimator_lab.runs.record import InputRecord
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.settings import Settings

_SETTINGS = ('batch_size', 'seed', 'shuffle_buffer', 'split', 'augment', 'decode', 'precision')
_WORKERS, _SHUFFLE, _DETERMINISTIC = 'workers', 'shuffle_buffer', 'deterministic'
_OF_THE_ORDER = ('seed', _SHUFFLE, 'split', _WORKERS)
_NAMED = 3
_LONGEST = 200


@dataclass(frozen=True)
class Resumption:
    """How a phase of training takes up its input.

    Attributes:
      input: what the phase's folder is to say of it; the last leg is the one to go on with.
      changes: what is other than at the last start, each as a part of a sentence.
      broken: why it can't go on exactly where it stopped, as a part of a sentence; '' where it can.
    """

    input: InputRecord
    changes: tuple[str, ...] = ()
    broken: str = ''

    def check(self, settings: Settings) -> None:
        """Raises FlagError if it can't go on exactly where it stopped, and was not told to go on anyway."""
        if self.broken and not settings.resume_changed:
            raise FlagError(
                f'--model_dir={settings.model_dir} cannot go on exactly where it stopped ({self.broken}): '
                'give the flags and archives of the last start, name another folder, or go on all the same '
                'with --resume_changed.'
            )

    def __str__(self) -> str:
        return f'Since the last start: {"; ".join(self.changes)}.' if self.changes else ''


@dataclass(frozen=True)
class Start:
    """What a phase of training is started with.

    Attributes:
      settings: of the run.
      workers: processes that share the images.
      inputs: the archives, those that are known in their former order.
      evaluation: those to evaluate on; None for the same.
      data_flag: by which the user named the archives.
    """

    settings: Settings
    workers: int
    inputs: Inputs
    evaluation: Archives | None
    data_flag: str

    def input(self, legs: Sequence[Segment]) -> InputRecord:
        """Returns what a record says of it."""
        chosen = {name: _recorded(getattr(self.settings, name)) for name in (*_SETTINGS, _DETERMINISTIC)}
        evaluation = self.evaluation.sources if self.evaluation else ()
        return InputRecord(tuple(legs), evaluation, {**chosen, _WORKERS: self.workers})

    def first_leg(self, step: int, examples_a_step: int) -> Segment:
        """Returns the leg of a phase that begins."""
        return Segment(step, examples_a_step, 0, 0, self.inputs.sources)

    def resume(self, before: InputRecord, step: int, examples_a_step: int) -> Resumption:
        """Returns how to go on from a checkpoint.

        Args:
          before: what the record says, with a leg at least.
          step: global step of the checkpoint.
          examples_a_step: examples that all workers together take in a step.
        """
        legs = segments_until(before.legs, step)
        before = replace(before, legs=legs)
        place, now = legs[-1].place_at(step), self.inputs.sources
        is_other_data = _identities(legs[-1].newest_sources) != _identities(now)
        breaks = self._order_breaks(before, place) if place.offset else []
        leg = Segment(step, examples_a_step, place.epoch, place.offset, place.sources)
        if breaks:
            leg = replace(leg, epoch=place.epoch + 1, offset=0, sources=now)
        elif not place.offset:
            leg = replace(leg, sources=now)
        elif _identities(place.sources) != _identities(now):
            leg = replace(leg, later=now)
        if breaks or is_other_data or examples_a_step != legs[-1].examples_a_step:
            legs = (*(one for one in legs if one.first_step < step), leg)
        changes, epoch = self.changes(before), place.epoch + 1
        if breaks:
            broken = f'{"; ".join(breaks)}, in the middle of epoch {epoch}'
            return Resumption(self.input(legs), (*changes, f'the rest of epoch {epoch} is left out'), broken)
        if leg.later and is_other_data:
            changes = (*changes, f'epoch {epoch} ends with the archives it began with')
        return Resumption(self.input(legs), changes, self._broken_bits(before))

    def follow(self, before: InputRecord, leg: Segment) -> Resumption:
        """Returns how to go on with a phase behind one that is finished.

        Args:
          before: what the record of that one says.
          leg: the first of the new phase.
        """
        return Resumption(self.input([leg]), self.changes(before), self._broken_bits(before))

    def changes(self, before: InputRecord) -> tuple[str, ...]:
        """Returns what is other than at the last start, each as a part of a sentence."""
        found = [*self._setting_changes(before), *self._data_changes(before)]
        if before.legs:
            evaluation = self.evaluation.sources if self.evaluation else ()
            found += _differences('--eval_data', before.evaluation, evaluation)
        return tuple(found)

    def _order_breaks(self, before: InputRecord, place: Place) -> list[str]:
        """Returns which changes leave no way to end an epoch as it began."""
        breaks = self._setting_changes(before, _OF_THE_ORDER)
        lacks = Counter(_fingerprints(place.sources)) - Counter(_fingerprints(self.inputs.sources))
        # Each worker is in an epoch of its own, and other archives change everyone's share; images with
        # labels and images without are in epochs of their own, too.
        is_together = self.workers > 1 or self.inputs.unlabelled is not None
        return [*breaks, *self._data_changes(before)] if lacks or is_together else breaks

    def _broken_bits(self, before: InputRecord) -> str:
        """Returns which changes lead to other weights than those of a run that was never stopped."""
        if not (self.settings.deterministic and before.settings.get(_DETERMINISTIC)):
            return ''
        changes = self._setting_changes(before)
        if before.legs and Counter(_fingerprints(before.legs[-1].newest_sources)) != Counter(
            _fingerprints(self.inputs.sources)
        ):
            changes += self._data_changes(before)
        return f'{"; ".join(changes)}, with --deterministic' if changes else ''

    def _setting_changes(self, before: InputRecord, names: Sequence[str] = ()) -> list[str]:
        """Returns how the settings differ; `names` are those that matter, all by default."""
        found, now = [], self.input(()).settings
        for name in names or now:
            was = before.settings.get(name, now[name])
            if name == _SHUFFLE and self.inputs.train.has_random_access and isinstance(was, int):
                was = now[name] if (was > 1) == (now[name] > 1) else was  # its size plays no part
            if was != now[name]:
                found.append(_clause(name, was, now[name]))
        return found

    def _data_changes(self, before: InputRecord) -> list[str]:
        if not before.legs:
            return []
        return _differences(self.data_flag, before.legs[-1].newest_sources, self.inputs.sources)


def _recorded(value: Any) -> Any:
    """Returns a setting's value as a record has it: a text is short and on one line."""
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
    """Returns how the archives of a flag differ, as one part of a sentence or none."""
    names = {(source.fingerprint, source.name) for source in before}
    former = {source.fingerprint: source.name for source in before}
    renamed = [
        f'{source.name} was {former[source.fingerprint]}'
        for source in now
        if source.fingerprint in former and (source.fingerprint, source.name) not in names
    ]
    gone, new = _names_of(before, now), _names_of(now, before)
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


def _names_of(sources: Sequence[Source], others: Sequence[Source]) -> list[str]:
    """Returns the names of those that the others lack."""
    lacking = Counter(_fingerprints(sources)) - Counter(_fingerprints(others))
    return [source.name for source in sources if lacking[source.fingerprint]]
