"""Data + model -> the phases of a training run, and the run itself. Reads no flags."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from estimator_lab.console.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.core.hparams import parse_hparams, resolve, structural_fields
from estimator_lab.core.phases import Phase
from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.data.images.decode import DECODERS
from estimator_lab.data.pipeline.batches import ImageShape, Pixels
from estimator_lab.data.pipeline.decoded_cache import DecodedCache, cache_for
from estimator_lab.errors import FlagError
from estimator_lab.inference.record import Record, check_same, read_record
from estimator_lab.models.registry import find_model
from estimator_lab.tf1 import tf
from estimator_lab.training.distribution import read_role
from estimator_lab.training.inputs import open_inputs
from estimator_lab.training.interrupt import Interrupted, StopSwitch
from estimator_lab.training.phase_trainer import PhaseTrainer
from estimator_lab.training.plans import Plan, plan_phases
from estimator_lab.training.precision import check_precision, refuse_nondeterminism
from estimator_lab.training.settings import Settings
from estimator_lab.training.warm_start import WarmStart, open_warm_start

Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What a training run came to.

    Attributes:
      metrics: the last evaluation's, by name, with 'global_step'; empty if the run was interrupted, or if
        another process of the cluster evaluates.
      evaluated_on: images in the evaluation data; 0 where nobody knows.
      on_unseen: whether they are other images than those of training.
      checkpoint: path of the newest checkpoint.
      step: its global step.
      max_steps: where training was to end.
      interrupted: whether the user stopped it.
      bad_images: training images that could not be decoded, counted anew in each epoch.
    """

    metrics: Mapping[str, float]
    evaluated_on: int
    on_unseen: bool
    checkpoint: str
    step: int
    max_steps: int
    interrupted: bool
    bad_images: int


class Experiment:
    """One model, its data and its model_dir, checked and ready to train.

    Nothing is written before `train` is called, so that a mistake in the settings costs nothing.

    Args:
      settings: what to train, on what, and where.
      say: shows one line to the user.

    Attributes:
      stages: the phases of training in their order; most models have one.
      inputs: what the last of them trains and evaluates on.
      warm_start: where the first weights come from; None for nowhere, and for a run that goes on.

    Raises:
      FlagError: for a setting that can't work.
      DataError: for data that can't be read or trained on.
    """

    def __init__(self, settings: Settings, say: Say = print) -> None:
        self.settings = settings
        self._say = say
        self.role = read_role(settings.distribution, os.environ.get('TF_CONFIG', ''))
        check_precision(settings.precision)
        if settings.early_stopping and self.role.cluster:
            raise FlagError('--early_stopping takes one process, but TF_CONFIG names a cluster.')
        if settings.deterministic:
            refuse_nondeterminism()
        self.model = find_model(settings.model)
        module = self.model.load()
        hparams = parse_hparams(module.Params, settings.hparams)
        augmentation = parse_augmentation(settings.augment, settings.seed)
        previous = read_record(settings.model_dir)
        known_labels = previous.vocabulary if previous else None
        self.inputs = open_inputs(settings, self.model.labelled, known_labels, say)
        shape = ImageShape(settings.image_size, settings.image_size, settings.channels)
        pixels = Pixels(shape, DECODERS[settings.decode], augmentation)
        params = {**hparams, 'image_shape': tuple(shape), 'vocabulary': self.inputs.labels}
        resolved = resolve(module.Params, params)
        module.check(resolved)
        phases = module.phases(resolved) if hasattr(module, 'phases') else [Phase()]
        if len(phases) > 1 and self.role.cluster:
            raise FlagError(
                'Pre-training takes one process, but TF_CONFIG names a cluster: unset it, or give '
                '--hparams=pretrain_epochs=0.'
            )
        strategy = self.role.strategy()
        run = Plan(settings, self.inputs, pixels, module, params)
        plans = plan_phases(run, phases, self.role.batches_a_step(strategy), say)
        self._check_folder(previous, plans[-1].record)
        cache = _cache(settings, plans, shape)
        self.warm_start = self._open_warm_start(plans)
        beginning = self.warm_start.settings if self.warm_start else None
        self.stages = [
            PhaseTrainer(plan.with_cache(cache), self.role, strategy, say, beginning) for plan in plans
        ]

    @property
    def max_steps(self) -> int:
        """The global step at which training ends."""
        return self.stages[-1].plan.last_step

    @property
    def stage(self) -> PhaseTrainer:
        """The phase that training is in: the first unfinished one, or the last."""
        return next((stage for stage in self.stages if not stage.is_finished()), self.stages[-1])

    def saved_step(self) -> int:
        """Returns the newest checkpoint's global step; 0 where there is none.

        Raises:
          DataError: if that checkpoint is damaged.
        """
        return max(stage.saved_step() for stage in self.stages)

    def train(self) -> Result:
        """Trains up to the last step, evaluating at each checkpoint; goes on from what model_dir holds.

        In a cluster it plays this process's part of that, and returns when training has ended.

        Raises:
          DataError: if the data breaks off on the way; what was learned by then has been saved.
          LabError: if TensorFlow can't go on, in one sentence of its own; if the rest of a cluster is gone.
        """
        switch = StopSwitch()
        metrics: Mapping[str, float] = {}
        at = self.stages.index(self.stage)
        try:
            # The other workers of a cluster may have stopped a moment before this one: hence the check.
            with switch.listening(), tensorflow_errors_as_sentences(switch.check):
                for stage in self.stages[at:]:
                    self._say_phase(stage)
                    metrics = stage.train(switch)
                    switch.check()
        except Interrupted:
            metrics = {}
        stage.raise_input_error()
        return Result(
            metrics=metrics,
            evaluated_on=self.inputs.evaluation.total or 0,
            on_unseen=self.inputs.unseen,
            checkpoint=stage.estimator.latest_checkpoint() or '',
            step=self.saved_step(),
            max_steps=self.max_steps,
            interrupted=switch.on,
            bad_images=sum(stage.bad_images for stage in self.stages),
        )

    def _open_warm_start(self, plans: Sequence[Plan]) -> WarmStart | None:
        folder = self.settings.warm_start
        if folder is None or tf.train.latest_checkpoint(str(self.settings.model_dir)):
            return None
        if len(plans) > 1:
            raise FlagError(
                '--warm_start takes the place of pre-training: give --hparams=pretrain_epochs=0 as well.'
            )
        return open_warm_start(folder, plans[-1])

    def _say_phase(self, stage: PhaseTrainer) -> None:
        plan = stage.plan
        if len(self.stages) > 1 and not stage.is_finished():
            steps = f'step {plan.first_step} to {plan.last_step}'
            self._say(f'Phase            {plan.phase.name or "last"}: {steps} in {plan.settings.model_dir}')

    def _check_folder(self, previous: Record | None, record: Record) -> None:
        """Makes sure that the run may go on from what model_dir holds."""
        if previous is None:
            return
        if not self.model.labelled:  # then labels are but names to show
            previous = replace(previous, vocabulary=record.vocabulary)
        bound = structural_fields(self.model.load().Params)
        check_same(self.settings.model_dir, previous, record, bound)
        was, now = (r.hparams.get('first_step', 0) for r in (previous, record))
        if was != now:
            raise FlagError(
                f'--model_dir={self.settings.model_dir} was pre-trained for {was} steps, not {now}: give the '
                'same --batch_size and data, or another folder.'
            )


def _cache(settings: Settings, plans: list[Plan], shape: ImageShape) -> DecodedCache | None:
    """Returns one cache for the images of all phases, if they fit into it."""
    archives = {id(a): a for plan in plans for a in (plan.inputs.train, plan.inputs.evaluation)}
    totals = [a.total for a in archives.values()]
    images = None if None in totals else sum(total or 0 for total in totals)
    return cache_for(images, math.prod(shape), settings.decoded_cache)
