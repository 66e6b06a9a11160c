"""What training will do: the plan of a run, and of its phases, from which global step to which."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_in_use, structural_settings
from estimator_lab.core.model import FINAL, AnyModel, Phase, Task
from estimator_lab.data.archives import Say
from estimator_lab.data.kind import Kind, Reader
from estimator_lab.runs.companions import Companions
from estimator_lab.runs.importing import is_imported
from estimator_lab.runs.model import step_of
from estimator_lab.runs.record import NO_HPARAMS, InputRecord, Record, check_same, read_record, versions
from estimator_lab.runs.safe_paths import newest_checkpoint
from estimator_lab.tf1 import tf
from estimator_lab.training.cluster import Cluster
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.position import saved_position
from estimator_lab.training.resumption import Resumption, follow, record_of, resume
from estimator_lab.training.settings import MOST_STEPS, Settings
from estimator_lab.training.warm_start import WarmStart

_DEFAULT_EPOCHS = 10
_MOST_EPOCHS = 1_000_000
_COMPARED = (
    *('model', 'image_size', 'channels', 'batch_size', 'augment', 'decode', 'precision', 'freeze', 'seed'),
)


@dataclass(frozen=True)
class Plan:
    """What training will do: one model, its data and its model_dir.

    Attributes:
      cluster: the part of this process.
      params: its parameters, those that the data decides included.
      inputs: what the last phase trains and evaluates on.
      companions: what the model takes from other trained models.
      phases: of training, in order; most models have one.
      warm_start: where the first weights come from; None for random weights, and for a resumed run.
    """

    settings: Settings
    say: Say
    cluster: Cluster
    model: AnyModel
    task: Task
    params: Any
    kind: Kind
    reader: Reader
    inputs: Inputs
    companions: Companions
    phases: 'tuple[PhasePlan, ...]' = ()
    warm_start: WarmStart | None = None

    @property
    def max_steps(self) -> int:
        """The global step at which training ends."""
        return self.phases[-1].last_step

    @property
    def choices(self) -> dict[str, Any]:
        """What the user chose and has an effect, by name, for comparison with other runs."""
        chosen = {name: getattr(self.settings, name) for name in _COMPARED}
        return {**chosen, **settings_in_use(self.params), 'steps': self.max_steps}


@dataclass(frozen=True)
class PhasePlan:
    """What a phase trains on, and from which global step to which.

    Attributes:
      phase: as the model declares it.
      folder: of its checkpoints and summaries: model_dir itself for the last phase.
      inputs: what it trains and evaluates on.
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
    def start(self) -> int:
        """The global step at which it goes on."""
        return self.first_step if self.saved is None else self.saved

    @property
    def was_finished(self) -> bool:
        """Whether it had taken its last step when it was planned."""
        return self.saved is not None and self.saved >= self.last_step


def plan_phases(plan: Plan, pretraining: Inputs) -> tuple[PhasePlan, ...]:
    """Returns the phases of a run, in order; the last one ends where the settings say.

    `pretraining` is what the phases before the last one train and evaluate on.

    Raises:
      FlagError: the settings don't fit the phases, or a phase can't go on from what its folder holds.
      DataError: a phase's record or checkpoint is damaged, or it was trained on other labels.
    """
    phases: list[PhasePlan] = []
    for phase in plan.model.phases(plan.params):
        inputs = plan.inputs if phase.name == FINAL else pretraining
        phases.append(_plan(plan, phase, inputs, phases[-1] if phases else None))
    for planned in phases:
        _check_folder(planned, plan)
    return tuple(phases)


def _plan(plan: Plan, phase: Phase, inputs: Inputs, before: PhasePlan | None) -> PhasePlan:
    settings = plan.settings
    folder, first = settings.model_dir / phase.name, before.last_step if before else 0
    previous, saved = read_record(folder), saved_step(folder)
    recorded = previous.input if previous else InputRecord()
    if recorded.archives and recorded.first_step != first:
        recorded = InputRecord()  # of a run with other phases, which `_check_folder` rejects
    inputs = inputs.arranged(recorded.archives or (before.inputs.train.identities if before else ()))
    now = record_of(settings, inputs, plan.cluster, first)
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
        plan.params, phase=phase.name, first_step=first, train_steps=last - first, model_dir=str(folder)
    )
    if saved is not None and previous:
        resumption = replace(resumption, changes=(*resumption.changes, *_schedule_change(previous, params)))
    record = Record(
        model=plan.model.name,
        image_shape=params.image_shape,
        vocabulary=inputs.labels,
        hparams={k: v for k, v in asdict(params).items() if k not in NO_HPARAMS},
        versions=versions(tf.__version__),
        decode=settings.decode,
        input=resumption.input,
        kind=plan.kind.name,
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
    former = before.previous.input
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
      DataError: the checkpoint, or the list of checkpoints, is damaged.
    """
    checkpoint = newest_checkpoint(folder)
    return step_of(checkpoint) if checkpoint else None


def _last_step(settings: Settings, phase: Phase, record: InputRecord, saved: int, position: int) -> int:
    """Returns the global step at which a phase ends.

    `saved` is the global step of its newest checkpoint, or at which it begins; `position` are the examples
    that were consumed by then.
    """
    first = record.first_step

    def step_after(epochs: float) -> int:
        left = max(epochs * record.examples - position, 0)
        return saved + math.ceil(left / record.settings['batch_size'])

    if phase.name != FINAL:
        least = phase.least_steps if settings.max_steps is None else 0
        return max(step_after(phase.epochs), first + max(least, 1))
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


def _check_folder(phase: PhasePlan, plan: Plan) -> None:
    """Checks that a phase can go on from what its folder holds; see `plan_phases` for the errors."""
    previous, record, folder = phase.previous, phase.record, phase.folder
    if previous is None:
        return
    if not plan.task.labelled:  # its labels are only shown
        previous = replace(previous, vocabulary=record.vocabulary)
    check_same(folder, previous, record, structural_settings(plan.model.params))
    if is_imported(folder):
        raise FlagError(
            f'--model_dir={folder} holds imported weights, and nothing of an optimizer to go on with: '
            f'give --warm_start={folder} and another --model_dir.'
        )
    if phase.saved is not None:
        _check_slots(phase, previous.hparams)
    was = previous.input.first_step
    if previous.input.archives and was != phase.first_step:
        raise FlagError(
            f'--model_dir={folder} was pre-trained for {was} steps, not {phase.first_step}: give the '
            'same --batch_size and data, or another folder.'
        )


def _check_slots(phase: PhasePlan, hparams: dict[str, Any]) -> None:
    """Raises FlagError if a checkpoint holds other variables of the optimizer than it would need."""
    was, now = hparams.get('accumulate', 1), phase.params.accumulate
    frozen = tuple(hparams.get('frozen', ()))
    why = ''
    if was != now:
        why = f'with accumulate={was}, not {now}, and may hold a part of an update'
    elif phase.params.loss_scaling and not hparams.get('loss_scaling'):
        why = 'without --precision=float16, so its checkpoint holds no loss scale'
    elif frozen != phase.params.frozen:
        before = f'with --freeze={frozen[-1]}' if frozen else 'without --freeze'
        why = f'{before}, so that its optimizer has slots for other layers'
    if why:
        raise FlagError(
            f'--model_dir={phase.folder} was trained {why}: give the same, or another folder and '
            f'--warm_start={phase.folder}.'
        )
