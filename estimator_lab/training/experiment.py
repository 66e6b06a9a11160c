"""One training run: settings -> phases -> training, evaluation and a result. Reads no flags."""

import atexit
import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from estimator_lab.base.activity import doing
from estimator_lab.base.errors import FlagError, LabError
from estimator_lab.base.outputs import locked, made_folder
from estimator_lab.data.archives import Say
from estimator_lab.runs.model import unlisted_checkpoint
from estimator_lab.runs.summary import LayerSize, network_layers
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.weights.checkpoint import all_finite
from estimator_lab.tf1 import deterministic_operations, prepare_process, tf
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.interrupt import Interrupted, StopSwitch
from estimator_lab.training.phase_trainer import PhaseTrainer
from estimator_lab.training.plans import Plan, plan_phases
from estimator_lab.training.run import open_run
from estimator_lab.training.settings import Settings
from estimator_lab.training.warm_start import WarmStart, open_warm_start


@dataclass(frozen=True)
class Result:
    """The result of a training run.

    Attributes:
      metrics: the last evaluation's, by name, with 'global_step'; empty if the run was interrupted, or if
        another process of the cluster evaluates.
      evaluated_on: examples in the evaluation data; 0 if unknown.
      on_unseen: whether they differ from those of training.
      checkpoint: path of the newest checkpoint.
      step: its global step.
      max_steps: the global step at which training ends.
      interrupted: whether the user stopped it.
      stopped_early: whether --early_stopping ended it before `max_steps`.
      bad_images: different images of --data that could not be decoded.
    """

    metrics: Mapping[str, float]
    evaluated_on: int
    on_unseen: bool
    checkpoint: str
    step: int
    max_steps: int
    interrupted: bool
    stopped_early: bool
    bad_images: int


class Experiment:
    """One model, its data and its model_dir, checked and ready to train.

    Nothing is written before `train` is called.

    Args:
      settings: what to train, on what, and where.
      say: shows one line to the user.

    Attributes:
      run: the settings, checked, with the data opened.
      trainers: of the phases of training, in order; most models have one.
      warm_start: where the first weights come from; None for random weights, and for a resumed run.

    Raises:
      FlagError: for a setting that can't work.
      DataError: for data that can't be read or trained on.
    """

    def __init__(self, settings: Settings, say: Say = print) -> None:
        prepare_process()
        _close_event_files_at_exit()
        doing('opening the data')
        self.run = open_run(settings, say)
        plans = plan_phases(self.run)
        for plan in plans:
            plan.check_folder()
        self._final = plans[-1]
        if self.run.role.trains:
            self._check_changes(plans)
        self.warm_start = _open_warm_start(plans[-1])
        if self.run.role.is_chief:
            self._say_unused_weights()
        beginning = self.warm_start.settings if self.warm_start else None
        self.trainers = [PhaseTrainer(plan, beginning) for plan in plans]

    @property
    def inputs(self) -> Inputs:
        """What the last phase trains and evaluates on."""
        return self.run.inputs

    @functools.cached_property
    def layers(self) -> list[LayerSize]:
        """The layers of the network; its graph is built for that."""
        doing('building the network')
        return network_layers(self.run.model, self._final.params, self.run.reader)

    @property
    def max_steps(self) -> int:
        """The global step at which training ends."""
        return self.trainers[-1].plan.last_step

    @property
    def trainer(self) -> PhaseTrainer:
        """The trainer of the first unfinished phase, or of the last."""
        return next((one for one in self.trainers if not one.is_finished()), self.trainers[-1])

    def saved_step(self) -> int:
        """Returns the newest checkpoint's global step; 0 without one.

        Raises:
          DataError: the checkpoint is damaged.
        """
        return max(trainer.saved_step() for trainer in self.trainers)

    def train(self) -> Result:
        """Trains from the newest checkpoint to the last step, evaluating at each checkpoint.

        In a cluster, does the part of this process, and returns when training has ended.

        Raises:
          FlagError: another process trains in model_dir, or it can't be written.
          DataError: the data can't be read to its end; what was learned before has been saved.
          LabError: TensorFlow fails, in one sentence; or the rest of a cluster is gone.
        """
        if self.run.role.cluster:
            return self._train()
        deterministic = self.run.settings.deterministic
        with self._alone(), deterministic_operations() if deterministic else contextlib.nullcontext():
            try:
                return self._train()
            except (LabError, MemoryError, OSError):
                for trainer in self.trainers:
                    trainer.forget_first_checkpoint()
                raise

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Locks model_dir against other runs; makes it, and removes it if training leaves it empty."""
        folder = self.run.settings.model_dir
        busy = f'--model_dir={folder} is being trained in by another process: wait for it, or name another.'
        with made_folder('model_dir', folder), locked(folder, busy):
            yield

    def _check_changes(self, plans: Sequence[Plan]) -> None:
        """Reports what has changed since the last start; raises FlagError for what breaks the run."""
        settings = self.run.settings
        for plan in plans:
            if not settings.resume_changed:
                plan.resumption.check(settings.model_dir)
            if self.run.role.is_chief and plan.resumption.changes:
                self.run.say(str(plan.resumption))

    def _say_unused_weights(self) -> None:
        """Reports weights that were named, or exist, but are not used."""
        settings = self.run.settings
        if settings.warm_start and not self.warm_start:
            self.run.say(
                f'--warm_start={settings.warm_start} is only for new runs: {settings.model_dir} goes on from '
                'its own checkpoint.'
            )
        if unlisted := unlisted_checkpoint(settings.model_dir):
            self.run.say(
                f"{settings.model_dir} holds {unlisted}, but no file 'checkpoint' that lists it: training "
                'starts from the beginning.'
            )

    def _train(self) -> Result:
        switch = StopSwitch()
        metrics: Mapping[str, float] = {}
        try:
            # Errors after another worker of the cluster was stopped count as a stop: hence the check.
            folder = self.run.settings.model_dir
            with switch.listening(), tensorflow_errors_as_sentences(switch.check, folder, self._begin_anew):
                for trainer in self.trainers[self.trainers.index(self.trainer) :]:
                    if len(self.trainers) > 1 and not trainer.is_finished():
                        self.run.say(f'Phase            {trainer.plan}')
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
            stopped_early=self.saved_step() < self.max_steps and self.trainer.is_finished(),
            bad_images=sum(trainer.bad_images for trainer in self.trainers),
        )

    def _begin_anew(self) -> str:
        """Returns what to do after a loss of NaN, which the weights of a checkpoint may have caused."""
        rate = 'a smaller --hparams=learning_rate=...'
        if not self.saved_step():  # nothing of this start is kept
            return f'Give {rate}'
        checkpoint = self._newest_checkpoint()
        if all_finite(checkpoint):
            return f'{checkpoint} is intact: go on from it with {rate}'
        return f'Start again with {rate}, and another --model_dir.'

    def _newest_checkpoint(self) -> str:
        """Returns the newest checkpoint of the last phase that has one, '' without any."""
        saved = [trainer.estimator.latest_checkpoint() for trainer in self.trainers]
        return next(filter(None, reversed(saved)), '')


@functools.cache
def _close_event_files_at_exit() -> None:
    """Makes the end of the process, also by `interrupts.leave`, write what event files still buffer."""

    def close() -> None:
        with contextlib.suppress(OSError, tf.errors.OpError):  # a full disk, which has been reported
            tf.summary.FileWriterCache.clear()

    atexit.register(close)


def _open_warm_start(plan: Plan) -> WarmStart | None:
    """Returns where the first weights come from; None for random weights, and for a resumed run."""
    settings = plan.run.settings
    resumes = tf.train.latest_checkpoint(str(settings.model_dir)) is not None
    if settings.freeze and settings.warm_start is None and not resumes:
        raise FlagError(
            f'--freeze={settings.freeze} would keep random weights: give --warm_start, a folder or file of '
            'trained ones.'
        )
    if resumes or settings.warm_start is None:
        return None
    if plan.before:
        raise FlagError(
            '--warm_start takes the place of pre-training: give --hparams=pretrain_epochs=0 as well.'
        )
    return open_warm_start(settings.warm_start, plan)
