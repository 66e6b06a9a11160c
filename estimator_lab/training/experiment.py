"""Data + model -> the phases of a training run, and the run itself. Reads no flags."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from estimator_lab.console.outputs import locked, made_folder
from estimator_lab.console.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.core.step.train_step import optimizer_vectors
from estimator_lab.errors import FlagError
from estimator_lab.runs.importing import is_imported
from estimator_lab.runs.memory import check_training, measure
from estimator_lab.runs.model import unlisted_checkpoint
from estimator_lab.runs.record import check_same
from estimator_lab.runs.weights.checkpoint import all_finite
from estimator_lab.settings import structural_settings
from estimator_lab.tf1 import tf
from estimator_lab.training.distribution import read_role
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.interrupt import Interrupted, StopSwitch
from estimator_lab.training.phase_trainer import PhaseTrainer
from estimator_lab.training.plans import Plan, plan_phases
from estimator_lab.training.rollback import rolled_back_on_failure
from estimator_lab.training.run import open_run
from estimator_lab.training.settings import Settings
from estimator_lab.training.warm_start import WarmStart, open_warm_start

Say = Callable[[str], None]
_SMALL_BATCH = 2**23  # numbers


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
      role: this process's part in the run.
      run: what the settings came to.
      trainers: of the phases of training in their order; most models have one.
      warm_start: where the first weights come from; None for nowhere, and for a run that goes on.

    Raises:
      FlagError: for a setting that can't work.
      DataError: for data that can't be read or trained on.
    """

    def __init__(self, settings: Settings, say: Say = print) -> None:
        self._say = say
        self.role = read_role(settings.distribution, os.environ.get('TF_CONFIG', ''))
        self.run = open_run(settings, self.role, say)
        strategy = self.role.strategy()
        plans = plan_phases(self.run, self.role.workers, self.role.batches_a_step(strategy))
        for plan in plans:
            _check_folder(plan)
        _check_memory(plans[-1])
        if self.role.trains:
            self._check_changes(plans)
        self.warm_start = _open_warm_start(plans)
        if self.role.is_chief:
            self._say_what_is_not_begun_from()
        beginning = self.warm_start.settings if self.warm_start else None
        self.trainers = [PhaseTrainer(plan, self.role, strategy, say, beginning) for plan in plans]

    @property
    def inputs(self) -> Inputs:
        """What the last phase trains and evaluates on."""
        return self.run.inputs

    @property
    def max_steps(self) -> int:
        """The global step at which training ends."""
        return self.trainers[-1].plan.last_step

    @property
    def trainer(self) -> PhaseTrainer:
        """Of the phase that training is in: the first unfinished one, or the last."""
        return next((one for one in self.trainers if not one.is_finished()), self.trainers[-1])

    def saved_step(self) -> int:
        """Returns the newest checkpoint's global step; 0 where there is none.

        Raises:
          DataError: if that checkpoint is damaged.
        """
        return max(trainer.saved_step() for trainer in self.trainers)

    def train(self) -> Result:
        """Trains up to the last step, evaluating at each checkpoint; goes on from what model_dir holds.

        In a cluster it plays this process's part of that, and returns when training has ended.

        Raises:
          FlagError: if another process trains in model_dir, or it can't be written.
          DataError: if the data breaks off on the way; what was learned by then has been saved.
          LabError: if TensorFlow can't go on, in one sentence of its own; if the rest of a cluster is gone.
        """
        if self.role.cluster:
            return self._train()
        folders = [trainer.plan.folder for trainer in self.trainers]
        with self._alone(), rolled_back_on_failure(folders, self.saved_step):
            return self._train()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps a second training out of model_dir; makes it, and removes it if training leaves it empty."""
        folder = self.run.settings.model_dir
        busy = f'--model_dir={folder} is being trained in by another process: wait for it, or name another.'
        with made_folder('model_dir', folder), locked(folder, busy):
            yield

    def _check_changes(self, plans: Sequence[Plan]) -> None:
        """Says what has changed since the last start; refuses what it can't go on with."""
        for plan in plans:
            plan.resumption.check(plan.run.settings)
            if self.role.is_chief and plan.resumption.changes:
                self._say(str(plan.resumption))

    def _say_what_is_not_begun_from(self) -> None:
        """Says which weights are there, or were named, and are not taken."""
        settings = self.run.settings
        if settings.warm_start and not self.warm_start:
            self._say(
                f'--warm_start={settings.warm_start} is for a run that begins: {settings.model_dir} goes on '
                'from its own checkpoint.'
            )
        if unlisted := unlisted_checkpoint(settings.model_dir):
            self._say(
                f"{settings.model_dir} holds {unlisted}, but no file 'checkpoint', by which it would be "
                'found: training begins anew.'
            )

    def _train(self) -> Result:
        switch = StopSwitch()
        metrics: Mapping[str, float] = {}
        try:
            # The other workers of a cluster may have stopped a moment before this one: hence the check.
            folder = self.run.settings.model_dir
            with switch.listening(), tensorflow_errors_as_sentences(switch.check, folder, self._begin_anew):
                for trainer in self.trainers[self.trainers.index(self.trainer) :]:
                    self._say_phase(trainer)
                    metrics = trainer.train(switch)
                    switch.check()
        except Interrupted:
            metrics = {}
        for trainer in self.trainers:
            trainer.raise_input_error()
        return Result(
            metrics=metrics,
            evaluated_on=self.inputs.evaluation.total or 0,
            on_unseen=self.inputs.unseen,
            checkpoint=self._newest_checkpoint(),
            step=self.saved_step(),
            max_steps=self.max_steps,
            interrupted=switch.on,
            bad_images=sum(trainer.bad_images for trainer in self.trainers),
        )

    def _begin_anew(self) -> str:
        """Returns what to do behind a loss that is no number: a checkpoint may hold such weights already."""
        rate = 'a smaller --hparams=learning_rate=...'
        if not self.saved_step():  # then nothing stays of this start
            return f'Give {rate}'
        checkpoint = self._newest_checkpoint()
        if all_finite(checkpoint):
            return f'{checkpoint} stands: go on from it with {rate}'
        return f'Begin anew with {rate}, and another --model_dir.'

    def _newest_checkpoint(self) -> str:
        """Returns the path of the last phase's that has one, '' where none has."""
        saved = [trainer.estimator.latest_checkpoint() for trainer in self.trainers]
        return next(filter(None, reversed(saved)), '')

    def _say_phase(self, trainer: PhaseTrainer) -> None:
        plan = trainer.plan
        if len(self.trainers) > 1 and not trainer.is_finished():
            steps = f'step {plan.first_step} to {plan.last_step}'
            self._say(f'Phase            {plan.phase.name or "last"}: {steps} in {plan.folder}')


def _open_warm_start(plans: Sequence[Plan]) -> WarmStart | None:
    settings = plans[-1].run.settings
    if settings.warm_start is None or tf.train.latest_checkpoint(str(settings.model_dir)):
        return None
    if len(plans) > 1:
        raise FlagError(
            '--warm_start takes the place of pre-training: give --hparams=pretrain_epochs=0 as well.'
        )
    return open_warm_start(settings.warm_start, plans[-1])


def _check_memory(plan: Plan) -> None:
    """Makes sure that a step fits into memory; networks and batches of usual sizes are not looked at."""
    run = plan.run
    floats = run.settings.batch_size * math.prod(run.params['image_shape'])
    if floats < _SMALL_BATCH and not run.settings.hparams:
        return
    network = measure(run.model, plan.params, run.reader)
    check_training(network, run.settings.batch_size, optimizer_vectors(plan.resolved))


def _check_folder(plan: Plan) -> None:
    """Makes sure that a phase may go on from what its folder holds."""
    previous, record, model, folder = plan.previous, plan.record, plan.run.model, plan.folder
    if previous is None:
        return
    if not plan.run.task.labelled:  # then labels are but names to show
        previous = replace(previous, vocabulary=record.vocabulary)
    check_same(folder, previous, record, structural_settings(model.params))
    if is_imported(folder):
        raise FlagError(
            f'--model_dir={folder} holds imported weights, and nothing of an optimizer to go on with: give '
            f'--warm_start={folder} and another --model_dir.'
        )
    was = previous.hparams.get('first_step', 0)
    if previous.input.legs:
        was = previous.input.legs[0].first_step
    if was != plan.first_step:
        raise FlagError(
            f'--model_dir={folder} was pre-trained for {was} steps, not {plan.first_step}: give the '
            'same --batch_size and data, or another folder.'
        )
