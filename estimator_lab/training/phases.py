"""The phases of a run: what each trains on, from which global step to which, and how it goes on."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_in_use, structural_settings
from estimator_lab.core.model import FINAL, AnyModel, Phase
from estimator_lab.runs.importing import is_imported
from estimator_lab.runs.model import step_of
from estimator_lab.runs.record import NO_HPARAMS, InputRecord, Record, check_same, read_record, versions
from estimator_lab.tf1 import tf
from estimator_lab.training.cluster import Cluster
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.position import saved_position, without_legs
from estimator_lab.training.resumption import Resumption, follow, record_of, resume
from estimator_lab.training.settings import MOST_STEPS, Settings

_DEFAULT_EPOCHS = 10
_MOST_EPOCHS = 1_000_000


@dataclass(frozen=True)
class PhasePlan:
    """What a phase trains on, and from which global step to which.

    Attributes:
      phase: as the model declares it.
      folder: of its checkpoints and summaries: model_dir itself for the last phase.
      inputs: what it trains and evaluates on.
      params: of the model function in this phase.
      first_step: the global step at which it begins.
      last_step: the global step at which it ends.
      before: the previous phase; None for the first one.
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
    before: 'PhasePlan | None'
    saved: int | None
    previous: Record | None
    record: Record
    resumption: Resumption

    def __str__(self) -> str:
        steps = f'step {self.first_step} to {self.last_step}'
        return f'{self.phase.name or "last"}: {steps} in {self.folder}'

    @property
    def is_final(self) -> bool:
        """Whether it is the last phase of the run."""
        return self.phase.name == FINAL

    @property
    def was_finished(self) -> bool:
        """Whether it had taken its last step when it was planned."""
        return self.saved is not None and self.saved >= self.last_step


def plan_phases(
    settings: Settings,
    cluster: Cluster,
    model: AnyModel,
    params: Any,
    inputs: Inputs,
    pretraining: Inputs,
    kind: str,
) -> tuple[PhasePlan, ...]:
    """Returns the phases of a run, in order; the last one ends where the settings say.

    Args:
      settings: of the run.
      cluster: the part of this process.
      model: what is trained.
      params: the parameters that all phases share.
      inputs: what the last phase trains and evaluates on.
      pretraining: the same for the phases before.
      kind: name of the kind of examples.

    Raises:
      FlagError: the settings don't fit the phases, or a phase can't go on from what its folder holds.
      DataError: a phase's record or checkpoint is damaged, or it was trained on other labels.
    """
    plans: list[PhasePlan] = []
    for phase in model.phases(params):
        given = inputs if phase.name == FINAL else pretraining
        plans.append(
            _plan(settings, cluster, model, params, phase, given, kind, plans[-1] if plans else None)
        )
    for plan in plans:
        _check_folder(plan, model, params)
    return tuple(plans)


def _plan(
    settings: Settings,
    cluster: Cluster,
    model: AnyModel,
    params: Any,
    phase: Phase,
    inputs: Inputs,
    kind: str,
    before: PhasePlan | None,
) -> PhasePlan:
    folder, first = settings.model_dir / phase.name, before.last_step if before else 0
    previous, saved = read_record(folder), saved_step(folder)
    recorded = without_legs(previous.input if previous else InputRecord(), first if saved is None else saved)
    if recorded.archives and recorded.first_step != first:
        recorded = InputRecord()  # of a run with other phases, which `_check_folder` rejects
    inputs = inputs.arranged(recorded.archives or (before.inputs.train.identities if before else ()))
    now = record_of(settings, inputs, cluster, first)
    if saved is None:
        resumption, last = _begin(now, inputs, before), _last_step(settings, phase, now, first, 0)
    else:
        position = saved_position(folder, recorded)
        former = replace(recorded if recorded.archives else now, settings=now.settings)
        last = _last_step(settings, phase, former, saved, position or 0)
        if saved >= last:
            resumption = Resumption(recorded)  # no training is left, and nothing is recorded
        else:
            resumption = _resume(recorded, now, inputs, saved, position)
            last = _last_step(settings, phase, resumption.input, saved, resumption.position)
    if phase.name != FINAL and saved is not None:
        last = max(last, saved)
    params = replace(
        params, phase=phase.name, first_step=first, train_steps=last - first, model_dir=str(folder)
    )
    if saved is not None and previous:
        resumption = replace(resumption, changes=(*resumption.changes, *_schedule_change(previous, params)))
    record = Record(
        model=model.name,
        image_shape=params.image_shape,
        vocabulary=inputs.labels,
        hparams={k: v for k, v in asdict(params).items() if k not in NO_HPARAMS},
        versions=versions(tf.__version__),
        decode=settings.decode,
        input=resumption.input,
        kind=kind,
    )
    return PhasePlan(phase, folder, inputs, params, first, last, before, saved, previous, record, resumption)


def _schedule_change(previous: Record, params: Any) -> tuple[str, ...]:
    """Returns how the schedule of the learning rate has changed, as a clause: it spans the steps of a run."""
    was = previous.hparams.get('train_steps')
    schedule = settings_in_use(params).get('learning_rate_schedule', 'constant')
    if was in (None, params.train_steps) or schedule == 'constant':
        return ()
    first = params.first_step
    return (
        f'the {schedule} schedule of the learning rate ended at step {first + was}, ends at step '
        f'{first + params.train_steps}',
    )


def _begin(now: InputRecord, inputs: Inputs, before: PhasePlan | None) -> Resumption:
    """Returns how a phase without a checkpoint begins: after a finished phase, or with a new run."""
    if before is None or not before.was_finished or before.previous is None:
        return Resumption(now)
    former = without_legs(before.previous.input, before.last_step)
    if inputs.flag != before.inputs.flag:
        former = replace(former, archives=())  # of other archives
    return follow(former, now, inputs)


def _resume(
    recorded: InputRecord, now: InputRecord, inputs: Inputs, saved: int, position: int | None
) -> Resumption:
    """Returns how a phase goes on from its checkpoint."""
    if position is None or not recorded.archives:
        begun = replace(now, step=saved)
        return Resumption(begun, ('the place in the data is not known: a new pass over it begins',))
    return resume(recorded, now, inputs, saved, position)


def saved_step(folder: Path) -> int | None:
    """Returns the global step of a folder's newest checkpoint; None without one.

    Raises:
      DataError: the checkpoint is damaged.
    """
    checkpoint = tf.train.latest_checkpoint(str(folder))
    return step_of(checkpoint) if checkpoint else None


def _last_step(settings: Settings, phase: Phase, record: InputRecord, saved: int, position: int) -> int:
    """Returns the global step at which a phase ends.

    Args:
      settings: of the run.
      phase: the phase.
      record: of its input.
      saved: global step of its newest checkpoint, or at which it begins.
      position: examples that were consumed by then.
    """
    first = record.first_step

    def step_after(epochs: float) -> int:
        left = max(epochs * record.examples - position, 0)
        return saved + math.ceil(left / record.settings['batch_size'])

    if phase.name != FINAL:
        return max(step_after(phase.epochs), first + 1)
    if settings.max_steps is not None and settings.epochs is not None:
        raise FlagError('--max_steps and --epochs exclude each other: give one of them.')
    if settings.max_steps is not None:
        if settings.max_steps <= first:
            raise FlagError(
                f'--max_steps={settings.max_steps} ends within pre-training, which takes {first} steps: '
                'give more, or fewer --hparams=pretrain_epochs.'
            )
        return settings.max_steps
    epochs = _DEFAULT_EPOCHS if settings.epochs is None else settings.epochs
    if not 0 < epochs <= _MOST_EPOCHS:
        raise FlagError(f'--epochs={epochs:g} must be more than 0, and at most {_MOST_EPOCHS:,}.')
    if not record.examples:
        raise FlagError(
            f'--data={",".join(settings.data)} can be read only once, so the number of examples in an epoch '
            'is unknown: give --max_steps.'
        )
    step = step_after(epochs)
    if settings.epochs is None:
        step = max(step, first + phase.least_steps)
    if step > MOST_STEPS:
        raise FlagError(f'--epochs={epochs:g} takes {step:,} steps, more than the {MOST_STEPS:,} of a run.')
    return step


def _check_folder(plan: PhasePlan, model: AnyModel, params: Any) -> None:
    """Checks that a phase can go on from what its folder holds; see `plan_phases` for the errors."""
    previous, record, folder = plan.previous, plan.record, plan.folder
    if previous is None:
        return
    if not model.task(params).labelled:  # its labels are only shown
        previous = replace(previous, vocabulary=record.vocabulary)
    check_same(folder, previous, record, structural_settings(model.params))
    if is_imported(folder):
        raise FlagError(
            f'--model_dir={folder} holds imported weights, and nothing of an optimizer to go on with: '
            f'give --warm_start={folder} and another --model_dir.'
        )
    if plan.saved is not None:
        _check_slots(plan, previous.hparams)
    recorded = previous.input
    was = recorded.legs[0].first_step if recorded.legs else recorded.first_step
    if was != plan.first_step and (recorded.legs or recorded.archives):
        raise FlagError(
            f'--model_dir={folder} was pre-trained for {was} steps, not {plan.first_step}: give the '
            'same --batch_size and data, or another folder.'
        )


def _check_slots(plan: PhasePlan, hparams: dict[str, Any]) -> None:
    """Raises FlagError if a checkpoint holds other variables of the optimizer than it would need."""
    was, now = hparams.get('accumulate', 1), plan.params.accumulate
    frozen = tuple(hparams.get('frozen', ()))
    why = ''
    if was != now:
        why = f'with accumulate={was}, not {now}, and may hold a part of an update'
    elif plan.params.loss_scaling and not hparams.get('loss_scaling'):
        why = 'without --precision=float16, so its checkpoint holds no loss scale'
    elif frozen != plan.params.frozen:
        before = f'with --freeze={frozen[-1]}' if frozen else 'without --freeze'
        why = f'{before}, so that its optimizer has slots for other layers'
    if why:
        raise FlagError(
            f'--model_dir={plan.folder} was trained {why}: give the same, or another folder and '
            f'--warm_start={plan.folder}.'
        )
