"""What each phase of a training run trains, on what, and from which step to which."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from estimator_lab.core.hparams import hparam_fields, resolve
from estimator_lab.core.phases import FINAL, Phase
from estimator_lab.errors import FlagError
from estimator_lab.inference.record import NO_HPARAMS, Record, versions
from estimator_lab.tf1 import tf
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.run import Run
from estimator_lab.training.settings import Settings

_DEFAULT_EPOCHS = 10
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
    """

    run: Run
    phase: Phase
    inputs: Inputs
    first_step: int
    last_step: int
    after: 'Plan | None'

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
        return resolve(self.run.model.load().Params, self.params)

    @property
    def record(self) -> Record:
        """What the phase's folder says about itself."""
        shape = self.run.reader.shape
        return Record(
            model=self.run.model.name,
            image_shape=(shape.height, shape.width, shape.channels),
            vocabulary=self.inputs.labels,
            hparams={k: v for k, v in asdict(self.resolved).items() if k not in NO_HPARAMS},
            versions=versions(tf.__version__),
            decode=self.run.settings.decode,
        )

    @property
    def choices(self) -> dict[str, Any]:
        """What the user chose for this run, by name, to compare it with others."""
        hparams = self.resolved
        chosen = {name: getattr(self.run.settings, name) for name in _COMPARED}
        chosen.update({name: getattr(hparams, name) for name in hparam_fields(type(hparams))})
        return {**chosen, 'steps': self.last_step}


def plan_phases(run: Run, batches_a_step: int) -> list[Plan]:
    """Lays the phases of a run out one after the other.

    Args:
      run: whose last phase is FINAL; it ends where the settings say.
      batches_a_step: batches that a global step takes.

    Raises:
      FlagError: the settings don't go with the phases.
    """
    examples_a_step = run.settings.batch_size * batches_a_step
    plans: list[Plan] = []
    for phase in run.phases:
        before = plans[-1] if plans else None
        first = before.last_step if before else 0
        if phase.name == FINAL:
            inputs = run.inputs
            last = _last_step(run.settings, first, inputs.train.total, examples_a_step)
        else:
            inputs = run.pretraining or run.inputs
            examples = phase.epochs * (inputs.train.total or 0)
            last = first + max(math.ceil(examples / examples_a_step), 1)
        plans.append(Plan(run, phase, inputs, first, last, before))
    return plans


def _last_step(settings: Settings, before: int, examples: int | None, examples_a_step: int) -> int:
    """Returns the global step at which training ends, `before` of them being for pre-training."""
    if settings.max_steps is not None and settings.epochs is not None:
        raise FlagError('--max_steps and --epochs exclude each other: give one of them.')
    if settings.max_steps is not None:
        if settings.max_steps <= before:
            raise FlagError(
                f'--max_steps={settings.max_steps} ends within pre-training, which takes {before} steps: '
                'give more, or fewer --hparams=pretrain_epochs.'
            )
        return settings.max_steps
    epochs = _DEFAULT_EPOCHS if settings.epochs is None else settings.epochs
    if epochs <= 0:
        raise FlagError(f'--epochs={epochs:g} must be more than 0.')
    if examples is None:
        raise FlagError(
            f'--data={",".join(settings.data)} passes by only once, so that nobody knows how many images '
            'make an epoch: give --max_steps.'
        )
    return before + math.ceil(epochs * examples / examples_a_step)
