"""What each phase of a training run trains, on what, and from which step to which."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.core.model.hparams import resolve, settings_of
from estimator_lab.core.model.params import FINAL, Phase
from estimator_lab.data.order.resume_segments import Segment, images_in, step_after
from estimator_lab.errors import FlagError
from estimator_lab.runs.model import step_of
from estimator_lab.runs.record import NO_HPARAMS, InputRecord, Record, read_record, versions
from estimator_lab.tf1 import tf
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.resumption import Resumption, Start
from estimator_lab.training.run import Run
from estimator_lab.training.settings import MOST_STEPS, Settings

_DEFAULT_EPOCHS = 10
_MOST_EPOCHS = 1_000_000
_COMPARED = ('model', 'image_size', 'channels', 'batch_size', 'augment', 'decode', 'precision', 'seed')


@dataclass(frozen=True)
class Plan:
    """What a phase trains, on what, and from which step to which.

    Attributes:
      run: what it has in common with the other phases.
      phase: its name, and what it inherits.
      inputs: what it trains and evaluates on.
      first_step: the global step at which it begins.
      last_step: the global step at which it ends.
      after: the phase before; None for the first one.
      saved: global step of its newest checkpoint when the run was opened; None without one.
      previous: what its folder said of itself then; None for a new one.
      resumption: where its input goes on.
    """

    run: Run
    phase: Phase
    inputs: Inputs
    first_step: int
    last_step: int
    after: 'Plan | None'
    saved: int | None
    previous: Record | None
    resumption: Resumption

    @property
    def data_flag(self) -> str:
        """The flag that names its archives."""
        return '--data' if self.is_final or not self.run.settings.pretrain_data else '--pretrain_data'

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
        """Where its checkpoints and summaries go: model_dir itself for the last phase."""
        return self.run.settings.model_dir / self.phase.name

    @property
    def params(self) -> dict[str, Any]:
        """Names and values for the model function in this phase."""
        return {
            **self.run.params,
            'phase': self.phase.name,
            'first_step': self.first_step,
            'train_steps': self.last_step - self.first_step,
            'model_dir': str(self.folder),
        }

    @property
    def resolved(self) -> Any:
        """The same as an object of the model's parameter class."""
        return resolve(self.run.model.params, self.params)

    @property
    def record(self) -> Record:
        """What the phase's folder says about itself."""
        return Record(
            model=self.run.model.name,
            image_shape=self.run.params['image_shape'],
            vocabulary=self.inputs.labels,
            hparams={k: v for k, v in asdict(self.resolved).items() if k not in NO_HPARAMS},
            versions=versions(tf.__version__),
            decode=self.run.settings.decode,
            input=self.resumption.input,
            kind=self.run.kind.name,
        )

    @property
    def choices(self) -> dict[str, Any]:
        """What the user chose for this run, by name, to compare it with others."""
        hparams = self.resolved
        chosen = {name: getattr(self.run.settings, name) for name in _COMPARED}
        chosen.update({name: getattr(hparams, name) for name in settings_of(type(hparams))})
        return {**chosen, 'steps': self.last_step}


def plan_phases(run: Run, workers: int, batches_a_step: int) -> list[Plan]:
    """Lays the phases of a run out one after the other.

    Args:
      run: whose last phase is FINAL; it ends where the settings say.
      workers: processes that share the images.
      batches_a_step: batches that a global step takes.

    Raises:
      FlagError: the settings don't go with the phases.
      DataError: what a phase has left behind is damaged.
    """
    plans: list[Plan] = []
    for phase in run.phases:
        plans.append(_plan(run, phase, plans[-1] if plans else None, workers, batches_a_step))
    return plans


def _plan(run: Run, phase: Phase, before: Plan | None, workers: int, batches_a_step: int) -> Plan:
    """Returns the plan of a phase, which goes on from what its folder holds."""
    settings, first = run.settings, before.last_step if before else 0
    folder, is_final = settings.model_dir / phase.name, phase.name == FINAL
    previous, saved = run.previous if is_final else read_record(folder), saved_step(folder)
    recorded = previous.input if previous else InputRecord()
    if recorded.legs and recorded.legs[0].first_step != first:
        recorded = InputRecord()  # of a run with other phases, which Experiment refuses
    inputs = run.inputs if is_final else run.pretraining or run.inputs
    known = before.inputs.sources if before else ()
    if recorded.legs:
        known = recorded.legs[-1].newest_sources
    inputs = inputs.arranged(known)
    flag = '--data' if is_final or not settings.pretrain_data else '--pretrain_data'
    start = Start(settings, workers, inputs, inputs.evaluation if settings.eval_data else None, flag)
    new = start.first_leg(first, settings.batch_size * batches_a_step)
    # An older record does not know its legs: its flags count as those of today.
    legs = recorded.legs or (new,)
    if saved is None:
        resumption = _begin(start, new, before)
    elif saved >= _last_step(settings, phase, legs):
        resumption = Resumption(recorded)  # nothing is trained, and nothing written down
    elif recorded.legs:
        resumption = start.resume(recorded, saved, new.examples_a_step)
    else:
        resumption = Resumption(start.input(legs))
    last = _last_step(settings, phase, resumption.input.legs or legs)
    if not is_final and saved is not None:
        last = max(last, saved)
    return Plan(run, phase, inputs, first, last, before, saved, previous, resumption)


def _begin(start: Start, leg: Segment, before: Plan | None) -> Resumption:
    """Returns how a phase begins that has no checkpoint: behind another one, or as the first of a run."""
    if before is None or not before.is_finished or before.previous is None:
        return Resumption(start.input([leg]))
    former = before.previous.input
    if start.data_flag != before.data_flag:
        former = replace(former, legs=())  # they tell of other archives
    return start.follow(former, leg)


def saved_step(folder: Path) -> int | None:
    """Returns the global step of a folder's newest checkpoint; None where there is none.

    Raises:
      DataError: that checkpoint is damaged.
    """
    checkpoint = tf.train.latest_checkpoint(str(folder))
    return step_of(checkpoint) if checkpoint else None


def _last_step(settings: Settings, phase: Phase, legs: Sequence[Segment]) -> int:
    """Returns the global step at which a phase ends."""
    first = legs[0].first_step
    if phase.name != FINAL:
        return max(step_after(legs, phase.epochs), first + 1)
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
    if not images_in(legs[-1].newest_sources):
        raise FlagError(
            f'--data={",".join(settings.data)} passes by only once, so that nobody knows how many examples '
            'make an epoch: give --max_steps.'
        )
    step = step_after(legs, epochs)
    if step > MOST_STEPS:
        raise FlagError(f'--epochs={epochs:g} takes {step:,} steps, more than the {MOST_STEPS:,} of a run.')
    return step
