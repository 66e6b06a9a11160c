"""How a phase goes on after a restart: where in its data, what has changed since, and what that breaks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.settings import settings_that_are
from estimator_lab.base.sizes import shown_size
from estimator_lab.data.archives.mixture import shares_text
from estimator_lab.data.archives.opened import Archives, Identity
from estimator_lab.data.archives.places import pack, unpack
from estimator_lab.runs.record import InputRecord
from estimator_lab.training.cluster import Cluster
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.settings import TrainSettings

_RECORDED = settings_that_are(TrainSettings, 'recorded')
_OF_THE_ORDER = [*settings_that_are(TrainSettings, 'of_order'), 'shuffling', 'only']
_CLAUSES = {
    'workers': 'workers were {}, are {}',
    'batch_size': 'examples in a step were {}, are {}',
    'shuffling': 'examples were {}, are {}',
    'only': f'the images of {option.only} were {{}}, are {{}}',
    'labels': f'the table of {option.labels} was {{}}, is {{}}',
}
_NAMED = 3
_LONGEST = 200


@dataclass(frozen=True)
class Resumption:
    """How a phase goes on with its data.

    Attributes:
      input: what its folder will say of it, with the position at which it goes on.
      changes: what has changed since the last start, as clauses of a sentence.
      broken: why the phase can't go on exactly where it stopped, as a clause; '' if it can.
      position: at which it goes on.
    """

    input: InputRecord
    changes: tuple[str, ...] = ()
    broken: str = ''
    position: int = 0

    def check(self, model_dir: Path) -> None:
        """Raises FlagError if the phase can't go on exactly where it stopped."""
        if self.broken:
            raise FlagError(
                f'{option.model_dir}={model_dir} cannot go on exactly where it stopped ({self.broken}): '
                'give the flags and archives of the last start, name another folder, or go on all the same '
                f'with {option.resume_changed}.'
            )

    def __str__(self) -> str:
        return f'Since the last start: {"; ".join(self.changes)}.' if self.changes else ''


def record_of(settings: TrainSettings, inputs: Inputs, cluster: Cluster, step: int) -> InputRecord:
    """Returns what experiment.json says of the input of a phase that begins with these settings at a step."""
    only = inputs.train.part.only
    recorded: dict[str, Any] = {
        'batch_size': settings.batch_size * cluster.batches_a_step,  # of all workers, however many they are
        'workers': cluster.workers,
        'labels': inputs.train.table.fingerprint if inputs.train.table else '',
        'only': only.fingerprint(inputs.train.indexes) if only else '',
        'shuffling': _shuffling(settings.shuffle_buffer, inputs.train),
    }
    for name in _RECORDED:
        value = getattr(settings, name)
        recorded[name] = ' '.join(value.split())[:_LONGEST] if isinstance(value, str) else value
    recorded['weights'] = shares_text(inputs.weights)
    evaluation = inputs.evaluation.identities if settings.eval_data else ()
    return InputRecord(inputs.train.identities, evaluation, recorded, step, step, lanes=cluster.workers)


def follow(before: InputRecord, now: InputRecord, inputs: Inputs) -> Resumption:
    """Returns how a phase begins after one that has finished, whose record is `before`."""
    return Resumption(now, _changes(before, now, inputs), _other_weights(before, now, inputs))


def resume(before: InputRecord, now: InputRecord, inputs: Inputs, step: int, position: int) -> Resumption:
    """Returns how a phase goes on from a checkpoint.

    If its order is the same, it goes on at the same place. Another order begins with an epoch: at the end of
    the last one, or with the rest of it left out, which breaks the run.

    `step` is the global step of the checkpoint, `position` are the examples that were consumed. The known
    archives are in their former order.
    """
    epoch, offset = unpack(position, before.examples)
    # After one of these, an epoch can't end as it began.
    breaks = _setting_changes(before, now, _OF_THE_ORDER)
    breaks += _differences(inputs.flag, before.archives, now.archives)
    if step < before.step:  # the checkpoint is of a time before the last change
        breaks.append('the checkpoint is older than the last change of archives or settings')
    changes, broken = _changes(before, now, inputs), _other_weights(before, now, inputs)
    since, at, lanes = (before.step, before.position), position, before.lanes
    if breaks:
        at = pack(epoch + bool(offset), 0, now.examples)
        since, lanes = (step, at), now.lanes
    if breaks and offset:
        unsaid = [clause for clause in breaks if clause not in changes]
        changes = (*changes, *unsaid, f'the rest of epoch {epoch + 1} is left out')
        broken = f'{"; ".join(breaks)}, in the middle of epoch {epoch + 1}'
    record = replace(now, first_step=before.first_step, step=since[0], position=since[1], lanes=lanes)
    return Resumption(record, changes, broken, at)


def _other_weights(before: InputRecord, now: InputRecord, inputs: Inputs) -> str:
    """Returns the changes that lead to other weights than without the restart, with --deterministic."""
    if not (now.settings['deterministic'] and before.settings.get('deterministic')):
        return ''
    changes = _setting_changes(before, now, now.settings)
    changes += _differences(inputs.flag, before.archives, now.archives)
    return f'{"; ".join(changes)}, with {option.deterministic}' if changes else ''


def _changes(before: InputRecord, now: InputRecord, inputs: Inputs) -> tuple[str, ...]:
    changes = _setting_changes(before, now, now.settings)
    if before.archives:
        changes += _differences(inputs.flag, before.archives, now.archives)
        changes += _differences(option.eval_data, before.evaluation, now.evaluation)
    return tuple(changes)


def _setting_changes(before: InputRecord, now: InputRecord, names: Iterable[str]) -> list[str]:
    """Returns how settings differ from a record; one that it lacks does not."""
    clauses = []
    for name in names:
        new = now.settings[name]
        was = before.settings.get(name, new)
        if was != new:
            clause = _CLAUSES.get(name, f'{option(name)} was {{}}, is {{}}')
            clauses.append(clause.format(_shown(was), _shown(new)))
    return clauses


def _shown(value: Any) -> str:
    return 'none' if value == '' else str(value).lower() if isinstance(value, bool) else str(value)


def _shuffling(buffer: int, data: Archives) -> str:
    """Returns how examples are shuffled, to end a clause."""
    if buffer <= 1:
        return 'in stored order'
    if not data.has_random_access:
        return f'shuffled in a buffer of {buffer}'
    size = data.block_size
    return f'shuffled by blocks of {shown_size(size)}' if size else 'shuffled as a whole by a formula'


def _differences(flag: str, before: Sequence[Identity], now: Sequence[Identity]) -> list[str]:
    """Returns how the archives of a flag differ, other than in name and order: no clause, or one."""
    names = {archive.fingerprint: archive.name for archive in (*before, *now)}
    old, new = (Counter(archive.fingerprint for archive in archives) for archives in (before, now))
    gone = [names[fingerprint] for fingerprint in (old - new).elements()]
    added = [names[fingerprint] for fingerprint in (new - old).elements()]
    changes = [f'{name} {"has changed" if name in added else "is gone"}' for name in gone]
    changes += [f'{name} is new' for name in added if name not in gone]
    if not changes:
        return []
    more = f' and {len(changes) - _NAMED} more' if len(changes) > _NAMED else ''
    return [f'{flag}: {", ".join(changes[:_NAMED])}{more}']
