"""What each phase of a training run trains, on what, and from which step to which."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from estimator_lab.core.hparams import hparam_fields, resolve
from estimator_lab.core.phases import Phase
from estimator_lab.data.pipeline.batches import Pixels
from estimator_lab.data.pipeline.decoded_cache import DecodedCache
from estimator_lab.errors import FlagError
from estimator_lab.inference.record import Record, versions
from estimator_lab.tf1 import tf
from estimator_lab.training.inputs import Inputs, open_pretraining
from estimator_lab.training.settings import Settings

_DEFAULT_EPOCHS = 10
_NO_HPARAMS = ('image_shape', 'vocabulary', 'model_dir')
_COMPARED = ('model', 'image_size', 'channels', 'batch_size', 'augment', 'decode', 'precision', 'seed')


@dataclass(frozen=True)
class Plan:
    """What a phase trains, on what, and from which step to which.

    Attributes:
      settings: those of the run, but that `model_dir` is the phase's own folder.
      inputs: what it trains and evaluates on.
      pixels: how its images are decoded.
      module: the model's module.
      params: the run's parameters for the model function.
      phase: its name, and what it inherits.
      first_step: the global step at which it begins.
      last_step: the global step at which it ends.
      after: the phase before; None for the first one.
    """

    settings: Settings
    inputs: Inputs
    pixels: Pixels
    module: Any
    params: dict[str, Any]
    phase: Phase = field(default_factory=Phase)
    first_step: int = 0
    last_step: int = 0
    after: 'Plan | None' = None

    def with_cache(self, cache: DecodedCache | None) -> 'Plan':
        """Returns the same plan with a cache of decoded images."""
        return replace(self, pixels=self.pixels._replace(cache=cache))

    @property
    def model_params(self) -> dict[str, Any]:
        """What the model function is given in this phase."""
        return {
            **self.params,
            'phase': self.phase.name,
            'first_step': self.first_step,
            'train_steps': self.last_step - self.first_step,
            'model_dir': str(self.settings.model_dir),
        }

    @property
    def record(self) -> Record:
        """What the phase's folder says about itself."""
        shape = self.pixels.shape
        resolved = asdict(resolve(self.module.Params, self.model_params))
        return Record(
            model=self.settings.model,
            image_shape=(shape.height, shape.width, shape.channels),
            vocabulary=self.inputs.labels,
            hparams={k: v for k, v in resolved.items() if k not in _NO_HPARAMS},
            versions=versions(tf.__version__),
            decode=self.settings.decode,
        )

    @property
    def choices(self) -> dict[str, Any]:
        """What the user chose for this run, by name, to compare it with others."""
        settings = self.settings
        chosen = {name: getattr(settings, name) for name in _COMPARED}
        hparams = resolve(self.module.Params, self.model_params)
        names = hparam_fields(self.module.Params)
        return {**chosen, 'steps': self.last_step, **{name: getattr(hparams, name) for name in names}}


def plan_phases(
    run: Plan, phases: Sequence[Phase], batches_a_step: int, say: Callable[[str], None]
) -> list[Plan]:
    """Lays the phases out one after the other.

    Args:
      run: what all phases have in common.
      phases: the last one is FINAL; it ends where the settings say.
      batches_a_step: batches that a global step takes.
      say: shows one line to the user.

    Raises:
      FlagError: the settings don't go with the phases.
      DataError: the data for pre-training can't be read.
    """
    *early, final = phases
    settings = run.settings
    examples = settings.batch_size * batches_a_step
    plans: list[Plan] = []
    if early:
        pretraining = open_pretraining(settings, run.inputs, say)
    elif settings.pretrain_data:
        raise FlagError('--pretrain_data has no use here: this run has no pre-training.')
    for phase in early:
        steps = max(math.ceil(phase.epochs * (pretraining.train.total or 0) / examples), 1)
        plan = replace(run, inputs=pretraining, settings=_in_folder(settings, phase.name))
        plans.append(_appended(plan, phase, plans, steps))
    before = plans[-1].last_step if plans else 0
    steps = _last_step(settings, before, run.inputs.train.total, examples) - before
    return [*plans, _appended(run, final, plans, steps)]


def _appended(plan: Plan, phase: Phase, plans: Sequence[Plan], steps: int) -> Plan:
    after = plans[-1] if plans else None
    first = after.last_step if after else 0
    return replace(plan, phase=phase, first_step=first, last_step=first + steps, after=after)


def _in_folder(settings: Settings, name: str) -> Settings:
    return replace(settings, model_dir=settings.model_dir / name)


def _last_step(settings: Settings, before: int, images: int | None, examples_a_step: int) -> int:
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
    if images is None:
        raise FlagError(
            f'--data={",".join(settings.data)} passes by only once, so that nobody knows how many images '
            'make an epoch: give --max_steps.'
        )
    return before + math.ceil(epochs * images / examples_a_step)
