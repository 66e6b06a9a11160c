"""The phases of a run: what each trains on, and from which global step to which."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_in_use, structural_settings
from estimator_lab.core.model import FINAL, Phase
from estimator_lab.runs.importing import is_imported
from estimator_lab.runs.model import step_of
from estimator_lab.runs.record import NO_HPARAMS, InputRecord, Record, check_same, read_record, versions
from estimator_lab.tf1 import tf
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.position import saved_position, without_legs
from estimator_lab.training.resumption import Resumption, follow, record_of, resume
from estimator_lab.training.run import Run
from estimator_lab.training.settings import MOST_STEPS, Settings

_DEFAULT_EPOCHS = 10
_MOST_EPOCHS = 1_000_000
_COMPARED = (
    'model',
    'image_size',
    'channels',
    'batch_size',
    'augment',
    'decode',
    'precision',
    'class_weights',
    'freeze',
    'seed',
)


@dataclass(frozen=True)
class Plan:
    """What a phase trains on, and from which global step to which.

    Attributes:
      inputs: what it trains and evaluates on.
      first_step: the global step at which it begins.
      last_step: the global step at which it ends.
      before: the previous phase; None for the first one.
      saved: global step of its newest checkpoint when the run was opened; None without one.
      previous: the record in its folder at that time; None for a new one.
      resumption: where its input goes on.
    """

    run: Run
    phase: Phase
    inputs: Inputs
    first_step: int
    last_step: int
    before: 'Plan | None'
    saved: int | None
    previous: Record | None
    resumption: Resumption

    def __str__(self) -> str:
        steps = f'step {self.first_step} to {self.last_step}'
        return f'{self.phase.name or "last"}: {steps} in {self.folder}'

    @property
    def is_finished(self) -> bool:
        """Whether it had taken its last step when the run was opened."""
        return self.saved is not None and self.saved >= self.last_step

    @property
    def is_final(self) -> bool:
        """Whether it is the last phase of the run."""
        return self.phase.name == FINAL

    @property
    def folder(self) -> Path:
        """Folder of its checkpoints and summaries: model_dir itself for the last phase."""
        return self.run.settings.model_dir / self.phase.name

    @property
    def params(self) -> Any:
        """The parameters of the model function in this phase."""
        return replace(
            self.run.params,
            phase=self.phase.name,
            first_step=self.first_step,
            train_steps=self.last_step - self.first_step,
            model_dir=str(self.folder),
        )

    @property
    def record(self) -> Record:
        """What its folder says about itself."""
        return Record(
            model=self.run.model.name,
            image_shape=self.run.params.image_shape,
            vocabulary=self.inputs.labels,
            hparams={k: v for k, v in asdict(self.params).items() if k not in NO_HPARAMS},
            versions=versions(tf.__version__),
            decode=self.run.settings.decode,
            input=self.resumption.input,
            kind=self.run.kind.name,
        )

    @property
    def choices(self) -> dict[str, Any]:
        """What the user chose for this run and has an effect, by name, for comparison with other runs."""
        chosen = {name: getattr(self.run.settings, name) for name in _COMPARED}
        return {**chosen, **settings_in_use(self.params), 'steps': self.last_step}

    def check_folder(self) -> None:
        """Checks that the phase can go on from what its folder holds.

        Raises:
          FlagError: it holds another model, or imported weights, or began at another step.
          DataError: it was trained on other labels.
        """
        previous, record, folder = self.previous, self.record, self.folder
        if previous is None:
            return
        if not self.run.task.labelled:  # its labels are only shown
            previous = replace(previous, vocabulary=record.vocabulary)
        check_same(folder, previous, record, structural_settings(self.run.model.params))
        was, now = previous.hparams.get('accumulate', 1), self.params.accumulate
        if was != now and self.saved is not None:
            raise FlagError(
                f'--model_dir={folder} was trained with --accumulate={was}, not {now}, and may hold a part '
                'of an update: give the same, or another folder and --warm_start.'
            )
        if self.params.loss_scaling and self.saved is not None and not previous.hparams.get('loss_scaling'):
            raise FlagError(
                f'--model_dir={folder} was not trained with --precision=float16, so its checkpoint holds no '
                'loss scale: give the former precision, or another folder and --warm_start.'
            )
        frozen = tuple(previous.hparams.get('frozen', ()))
        if frozen != self.params.frozen and self.saved is not None:
            before = f'with --freeze={frozen[-1]}' if frozen else 'without --freeze'
            raise FlagError(
                f'--model_dir={folder} was trained {before}, so that its optimizer has slots for '
                f'other layers: give the same, or another folder and --warm_start={folder}.'
            )
        if is_imported(folder):
            raise FlagError(
                f'--model_dir={folder} holds imported weights, and nothing of an optimizer to go on with: '
                f'give --warm_start={folder} and another --model_dir.'
            )
        recorded = previous.input
        was = recorded.legs[0].first_step if recorded.legs else recorded.first_step
        if was != self.first_step and (recorded.legs or recorded.archives):
            raise FlagError(
                f'--model_dir={folder} was pre-trained for {was} steps, not {self.first_step}: give the '
                'same --batch_size and data, or another folder.'
            )


def plan_phases(run: Run) -> list[Plan]:
    """Returns the plans of a run's phases, in order; the last one ends where the settings say.

    Raises:
      FlagError: the settings don't fit the phases.
      DataError: a phase's record or checkpoint is damaged.
    """
    plans: list[Plan] = []
    for phase in run.phases:
        plans.append(_plan(run, phase, plans[-1] if plans else None))
    return plans


def _plan(run: Run, phase: Phase, before: Plan | None) -> Plan:
    settings, first = run.settings, before.last_step if before else 0
    folder, is_final = settings.model_dir / phase.name, phase.name == FINAL
    previous, saved = run.previous if is_final else read_record(folder), saved_step(folder)
    recorded = previous.input if previous else InputRecord()
    recorded = without_legs(recorded, first if saved is None else saved)
    if recorded.archives and recorded.first_step != first:
        recorded = InputRecord()  # of a run with other phases, which `check_folder` rejects
    known = recorded.archives or (before.inputs.train.identities if before else ())
    inputs = (run.inputs if is_final else run.pretraining).arranged(known)
    now = record_of(settings, inputs, run.role, first)
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
    if not is_final and saved is not None:
        last = max(last, saved)
    return Plan(run, phase, inputs, first, last, before, saved, previous, resumption)


def _begin(now: InputRecord, inputs: Inputs, before: Plan | None) -> Resumption:
    """Returns how a phase without a checkpoint begins: after a finished phase, or with a new run."""
    if before is None or not before.is_finished or before.previous is None:
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
