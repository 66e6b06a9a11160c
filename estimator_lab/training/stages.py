"""Where each phase of a run begins and ends: stages, one for each phase that the model declares."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError, hparam, option
from estimator_lab.base.settings import settings_in_use, settings_that_are
from estimator_lab.core.model import FINAL, AnyModel, Phase
from estimator_lab.optimizers.registry import warmup_length
from estimator_lab.runs.importing import is_imported
from estimator_lab.runs.opening import unlisted_checkpoint
from estimator_lab.runs.record import InputRecord, Record, check_same, make_record, read_record
from estimator_lab.runs.safe_paths import newest_checkpoint
from estimator_lab.runs.weights.checkpoint import step_of
from estimator_lab.training.cluster import Cluster
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.position import position_of
from estimator_lab.training.resumption import Resumption, follow, record_of, resume
from estimator_lab.training.settings import MOST_STEPS, TrainSettings

DEFAULT_EPOCHS = 10
"""Passes over the data, if neither they nor the steps are given and the data is not small."""


@dataclass(frozen=True)
class Stage:
    """A phase as this run trains it: on what, and from which global step to which.

    Attributes:
      phase: as the model declares it.
      folder: of its checkpoints and summaries: model_dir itself for the last phase.
      inputs: what it trains and evaluates on.
      params: of the model in this phase.
      first_step: the global step at which it begins.
      last_step: the global step at which it ends.
      before: the previous stage; None for the first one.
      saved: global step of its newest checkpoint when it was planned; None without one.
      previous: the record in its folder at that time; None for a new one.
      record: what its folder will say about itself.
      resumption: where its input goes on.
    """

    phase: Phase
    folder: Path
    inputs: Inputs
    params: Any
    first_step: int
    last_step: int
    before: 'Stage | None'
    saved: int | None
    previous: Record | None
    record: Record
    resumption: Resumption

    def __str__(self) -> str:
        steps = f'step {self.first_step} to {self.last_step}'
        return f'{self.phase.name or "last"}: {steps} in {self.folder}'

    @property
    def is_final(self) -> bool:
        """Whether it is the last stage of the run."""
        return self.phase.name == FINAL

    @property
    def unused(self) -> tuple[str, ...]:
        """The hyper-parameters, 'name=value', that it was trained with and whose other values are given."""
        trained = self.previous.hparams if self.previous else {}
        now = {name: self.record.hparams.get(name) for name in self.params.given}
        return tuple(f'{name}={trained[name]}' for name in now if trained.get(name, now[name]) != now[name])

    @property
    def start(self) -> int:
        """The global step at which it goes on."""
        return self.first_step if self.saved is None else self.saved

    @property
    def epochs(self) -> float:
        """Passes over its data; 0 if unknown."""
        examples, step = self.record.input.examples, self.record.input.settings.get('batch_size', 0)
        return (self.last_step - self.first_step) * step / examples if examples else 0.0

    @property
    def was_finished(self) -> bool:
        """Whether it had taken its last step when it was planned."""
        return self.saved is not None and self.saved >= self.last_step


def plan_stages(
    settings: TrainSettings,
    cluster: Cluster,
    model: AnyModel,
    params: Any,
    inputs: Inputs,
    pretraining: Inputs,
) -> tuple[Stage, ...]:
    """Returns the stages of a run, in order; the last one ends where the settings say.

    It trains and evaluates on `inputs`, the earlier ones on `pretraining`.

    Raises:
      FlagError: the settings don't fit the phases, or a phase can't go on from what its folder holds.
      DataError: a phase's record or checkpoint is damaged, or it was trained on other labels.
    """
    stages: list[Stage] = []
    for phase in model.phases(params):
        before = stages[-1] if stages else None
        read = inputs if phase.name == FINAL else pretraining
        stages.append(_stage(settings, cluster, params, read, phase, before))
    for stage in stages:
        _check_folder(stage, model)
    return tuple(stages)


def _stage(
    settings: TrainSettings,
    cluster: Cluster,
    params: Any,
    inputs: Inputs,
    phase: Phase,
    before: Stage | None,
) -> Stage:
    """Returns the stage of a phase: one that begins, goes on from a checkpoint, or was finished."""
    folder, first = settings.model_dir / phase.name, before.last_step if before else 0
    previous, saved = read_record(folder), saved_step(folder)
    if is_imported(folder):
        raise FlagError(
            f'{option.model_dir}={folder} holds imported weights, and nothing of an optimizer to go on '
            f'with: give {option.warm_start}={folder} and another {option.model_dir}.'
        )
    recorded = previous.input if previous else InputRecord()
    known = recorded.archives or (before.inputs.train.identities if before else ())
    inputs = replace(inputs, train=inputs.train.arranged(known))  # in their former order
    now = record_of(settings, inputs, cluster, first)
    if saved is None:
        resumption = _new(now, inputs, before)
        last = _last_step(settings, phase, resumption, first)
    else:
        resumption = resume(recorded, now, inputs, saved, position_of(folder, recorded))
        last = _last_step(settings, phase, resumption, saved)
        if saved >= last:  # it has no step to take, so its record stays
            resumption, last = Resumption(recorded), last if phase.name == FINAL else saved
    own = replace(params, phase=phase.name, first_step=first, train_steps=last - first, model_dir=str(folder))
    if saved is not None:
        changes = (*resumption.changes, *_rate_changes(previous, own, saved))
        resumption = replace(resumption, changes=changes)
    record = make_record(
        settings.model,
        own,
        settings.images,
        input=resumption.input,
        kind=inputs.train.kind.name,
    )
    return Stage(phase, folder, inputs, own, first, last, before, saved, previous, record, resumption)


def _new(now: InputRecord, inputs: Inputs, before: Stage | None) -> Resumption:
    """Returns how a phase without a checkpoint begins.

    After a phase that an earlier start finished, it tells what has changed since.
    """
    if not (before and before.was_finished and before.previous):
        return Resumption(now)
    former = before.previous.input
    if inputs.flag != before.inputs.flag:
        former = replace(former, archives=())  # of other archives
    return follow(former, now, inputs)


def _last_step(settings: TrainSettings, phase: Phase, resumption: Resumption, start: int) -> int:
    """Returns the global step at which a phase ends that goes on at step `start`."""
    record = resumption.input
    first, epochs = record.first_step, phase.epochs
    if phase.name == FINAL:
        epochs = DEFAULT_EPOCHS if settings.epochs is None else settings.epochs
    left = max(epochs * record.examples - resumption.position, 0)
    step = start + math.ceil(left / record.settings['batch_size'])
    if phase.name != FINAL:
        least = phase.least_steps if settings.max_steps is None else 0
        return max(step, first + max(least, 1))
    if settings.max_steps is not None:
        if settings.max_steps <= first:
            raise FlagError(
                f'{option.max_steps}={settings.max_steps} ends within pre-training, which takes {first} '
                f'steps: give more, or fewer {hparam.pretrain_epochs}.'
            )
        return settings.max_steps
    if settings.epochs is None:
        step = max(step, first + phase.least_steps)
    if step > MOST_STEPS:
        raise FlagError(
            f'{option.epochs}={epochs:g} takes {step:,} steps, more than the {MOST_STEPS:,} of a run.'
        )
    return step


def saved_step(folder: Path) -> int | None:
    """Returns the global step of a folder's newest checkpoint; None without one.

    Raises:
      DataError: the checkpoint, or the list of checkpoints, is damaged.
    """
    checkpoint = newest_checkpoint(folder)
    return step_of(checkpoint) if checkpoint else None


def _rate_changes(previous: Record | None, params: Any, step: int) -> tuple[str, ...]:
    """Returns how the learning rate has changed at a step, as clauses: both its parts depend on all steps."""
    trained = previous.hparams if previous else {}
    was, now, first = trained.get('train_steps'), params.train_steps, params.first_step
    if was in (None, now):
        return ()
    used, changes = settings_in_use(params), []
    schedule = used.get('learning_rate_schedule', 'constant')
    if schedule != 'constant':
        changes.append(
            f'the {schedule} schedule of the learning rate ended at step {first + was}, ends at step '
            f'{first + now}'
        )
    chosen = used.get('warmup_steps', 0)
    lengths = [math.ceil(warmup_length(chosen, steps)) for steps in (was, now)]
    if lengths[0] != lengths[1] and step - first < max(lengths):
        changes.append('the warm-up of the learning rate took {} steps, takes {}'.format(*lengths))
    return tuple(changes)


def _check_folder(stage: Stage, model: AnyModel) -> None:
    """Checks that a phase can go on from what its folder holds; see `plan_stages` for the errors."""
    previous, record, folder = stage.previous, stage.record, stage.folder
    _check_listed(stage)
    if previous is None:
        return
    if not model.task(stage.params).labelled:  # its labels are only shown
        previous = replace(previous, vocabulary=record.vocabulary)
    check_same(folder, previous, record, settings_that_are(model.params, 'structural'))
    if stage.saved is not None:
        _check_slots(stage, previous.hparams)
    was = previous.input.first_step
    if previous.input.archives and was != stage.first_step:
        raise FlagError(
            f'{option.model_dir}={folder} was pre-trained for {was} steps, not {stage.first_step}: give the '
            f'same {option.batch_size} and data, or another folder.'
        )


def _check_listed(stage: Stage) -> None:
    """Raises FlagError if training would overwrite checkpoints that no list names.

    A start that is killed before its first list leaves a checkpoint of the first step, which may go.
    """
    unlisted = unlisted_checkpoint(stage.folder)
    if unlisted and int(unlisted.rpartition('-')[2]) > stage.first_step:
        raise FlagError(
            f"{option.model_dir}={stage.folder} holds {unlisted}, but no file 'checkpoint' that lists it: "
            'training would start from the beginning and overwrite it. Write the line '
            f'model_checkpoint_path: "{unlisted}" into such a file, or give another folder.'
        )


def _check_slots(stage: Stage, hparams: Mapping[str, Any]) -> None:
    """Raises FlagError if a checkpoint holds other variables of the optimizer than it would need."""
    frozen = tuple(hparams.get('frozen', ()))
    if frozen != stage.params.frozen:
        before = f'with {option.freeze}={frozen[-1]}' if frozen else f'without {option.freeze}'
        raise FlagError(
            f'{option.model_dir}={stage.folder} was trained {before}, so that its optimizer has slots for '
            f'other layers: give the same, or another folder and {option.warm_start}={stage.folder}.'
        )
