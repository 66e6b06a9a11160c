"""One phase of a training run: an Estimator, the data it sees, and the steps from its first to its last."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from estimator_lab.console.outputs import writing
from estimator_lab.console.progress import Progress, StatusLine
from estimator_lab.conventions import IMAGE
from estimator_lab.core.display.drawing import EVALUATION
from estimator_lab.core.display.phase_summaries import GraphHook, summaries_in_run
from estimator_lab.data.kind import Reader
from estimator_lab.data.order.archives import Archives
from estimator_lab.data.order.resume_segments import Segment
from estimator_lab.data.pipeline.bad_list import BadList
from estimator_lab.data.pipeline.batches import read_batches
from estimator_lab.data.pipeline.input_fns import InputFn, archive_input_fn
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.runs.precision import session_config
from estimator_lab.runs.record import write_record
from estimator_lab.runs.reference_classifier import with_reference_classifier
from estimator_lab.runs.serving import serving_input_receiver_fn
from estimator_lab.tf1 import reused_evaluation_graph, tf
from estimator_lab.training.distribution import Role, run_until_finished
from estimator_lab.training.evaluations import (
    BestEvaluation,
    EvaluationLog,
    StopEarlyHook,
    export_at_the_end,
    make_exporters,
)
from estimator_lab.training.hooks import (
    EvaluationHook,
    HparamsHook,
    Pauses,
    ProfileHook,
    ProgressHook,
    SpeedHook,
    StopTrainingHook,
)
from estimator_lab.training.interrupt import StopSwitch
from estimator_lab.training.plans import Plan, saved_step
from estimator_lab.training.rollback import PROFILE
from estimator_lab.training.warm_start import warm_start_settings

Say = Callable[[str], None]

_CHECKPOINTS_A_PHASE = 5
_MOST_STEPS_BETWEEN_CHECKPOINTS = 2000
_EVALUATOR_POLL_SECONDS = 1


class PhaseTrainer:
    """Trains one phase, and goes on with it where it stopped.

    Args:
      plan: what to train.
      role: this process's part in a distributed run.
      strategy: the role's tf.distribute.Strategy, or None.
      say: shows one line to the user.
      warm_start: the WarmStartSettings of the first phase, None for none; a later one goes on from the
        phase before.

    Attributes:
      plan: as given.
      estimator: the phase's Estimator.

    Raises:
      FlagError: for a setting that can't work.
    """

    def __init__(self, plan: Plan, role: Role, strategy: Any, say: Say, warm_start: Any = None) -> None:
        self.plan = plan
        self._role = role
        self._strategy = strategy
        self._say = say
        self._pauses = Pauses()
        with role.scope():  # an Estimator copies its configuration, and the strategy with it
            self.estimator = tf.estimator.Estimator(
                with_reference_classifier(plan.run.model.model_fn, plan.run.reference_classifier),
                params=plan.params,
                config=self._config(),
                warm_start_from=self._inherited() or warm_start,
            )
        mine = '' if role.is_chief else f'.{role.job}{role.index}'
        self._bad_list = BadList(plan.folder / f'bad_members{mine}.csv', say)
        self._train_report = self._report(plan.inputs.train)
        self._evaluations = BestEvaluation(plan.run.settings.model_dir, plan.run.task, say, plan.phase.name)
        names = plan.run.settings.export if plan.is_final else ()
        receiver = serving_input_receiver_fn(plan.run.reader, plan.run.model, plan.resolved)
        self._exporters = make_exporters(names, receiver, self._evaluations)

    @property
    def bad_images(self) -> int:
        """Training images that could not be decoded, counted anew in each epoch."""
        return self._train_report.bad

    def saved_step(self) -> int:
        """Returns the global step of the phase's newest checkpoint; 0 where there is none.

        Raises:
          DataError: if that checkpoint is damaged.
        """
        return saved_step(self.plan.folder) or 0

    def is_finished(self) -> bool:
        """Returns whether the phase has taken its last step, or was stopped early."""
        return self.saved_step() >= self.plan.last_step or self._is_stopped_early()

    def _is_stopped_early(self) -> bool:
        patience = self.plan.run.settings.early_stopping
        return patience is not None and self._evaluations.since_best() >= patience

    def train(self, switch: StopSwitch) -> Mapping[str, float]:
        """Trains to the last step, evaluating at each checkpoint.

        Args:
          switch: ends training early, with what was learned saved.

        Returns:
          The last evaluation's metrics by name; empty if another process of the cluster evaluates.

        Raises:
          Interrupted: the switch was turned on.
          DataError: the data broke off on the way; what was learned by then has been saved.
        """
        if self._role.is_chief:
            self._write_record()
            self._prepare(switch)
        with self._writers():
            metrics = self._train_and_evaluate(switch)
        self.raise_input_error()
        return metrics

    def raise_input_error(self) -> None:
        """Raises the DataError that ended the training data early, if one did."""
        self._train_report.raise_error()

    def train_input_fn(self) -> InputFn:
        """Returns the input function of training; it starts where the newest checkpoint ends."""
        settings, inputs = self.plan.run.settings, self.plan.inputs
        order = inputs.training_order(self._leg, settings, self._role.shard)
        return archive_input_fn(
            order,
            self.plan.run.reader,
            settings.batch_size,
            self._train_report,
            inputs.vocabulary,
            resume=lambda: self._role.share_of(self._leg.examples_at(self.saved_step())),
        )

    def eval_input_fn(self, report: InputReport) -> InputFn:
        """Returns the input function of evaluation: one epoch in the stored order."""
        inputs, settings = self.plan.inputs, self.plan.run.settings
        order = inputs.evaluation.order()
        if inputs.evaluated_share(settings) < 1:  # a sample of all, and the same in each evaluation
            order = inputs.evaluation.order(settings.shuffle_buffer, labels=inputs.labels)
        return archive_input_fn(order, self._plain_reader(), settings.batch_size, report, inputs.vocabulary)

    @property
    def _leg(self) -> Segment:
        return self.plan.resumption.input.legs[-1]

    def _train_and_evaluate(self, switch: StopSwitch) -> Mapping[str, float]:
        settings, eval_report = self.plan.run.settings, self._report(self.plan.inputs.evaluation)
        eval_input_fn = self.eval_input_fn(eval_report)

        def eval_unless_stopped() -> Any:
            switch.check()
            self._pauses.begin()  # building the graph is a part of the pause
            return eval_input_fn()

        inputs = self.plan.inputs
        eval_steps, shown = inputs.eval_steps(settings), inputs.evaluated(settings)
        noun = inputs.evaluation.kind.noun
        eval_hooks = [EvaluationHook(switch, self._pauses, settings.batch_size, shown, noun)]
        if self.is_finished():
            doing = 'evaluating only' if self._role.evaluates else 'nothing is left to do'
            self._say(f'Already trained for {self.saved_step()} steps: {doing}.')
            if not self._role.evaluates:
                return {}
            metrics = self.estimator.evaluate(eval_unless_stopped, eval_steps, eval_hooks)
            eval_report.raise_error()
            return metrics
        stop, log = StopTrainingHook(switch), EvaluationLog(eval_report, self._say, self._pauses)
        hooks = [stop, StopEarlyHook(log, self._is_stopped_early), *self._chief_hooks()]
        train_spec = tf.estimator.TrainSpec(self.train_input_fn(), self.plan.last_step, hooks)
        eval_spec = tf.estimator.EvalSpec(
            eval_unless_stopped,
            eval_steps,
            hooks=eval_hooks,
            exporters=[log, *self._exporters],
            start_delay_secs=0,
            # An evaluator of its own looks for new checkpoints that often.
            throttle_secs=0 if self._role.trains else _EVALUATOR_POLL_SECONDS,
        )
        if self._role.is_chief:
            StatusLine(first_seconds=0).show('building the graph')
        if self._role.has_no_end_of_its_own:
            run_until_finished(
                lambda: self._run_task(train_spec, eval_spec),
                self._role,
                switch,
                self.is_finished,
                lambda: stop.over,
            )
        else:
            self._run_task(train_spec, eval_spec)
        if log.last and log.last['global_step'] < self.plan.last_step and self._is_stopped_early():
            self._say(f'No better for {settings.early_stopping} evaluations: stopped early.')
            export_at_the_end(self._exporters, self.estimator, log.last)
        return log.last

    def _run_task(self, train_spec: Any, eval_spec: Any) -> None:
        while True:
            before = self.estimator.latest_checkpoint()
            try:
                with self._evaluation_graphs():
                    return tf.estimator.train_and_evaluate(self.estimator, train_spec, eval_spec)
            except (tf.errors.NotFoundError, ValueError):
                # Training that is faster than an evaluator deletes checkpoints before they are read.
                if self._role.job != 'evaluator' or before == self.estimator.latest_checkpoint():
                    raise

    def _writers(self) -> contextlib.AbstractContextManager[None]:
        if self.plan.is_final:
            return contextlib.nullcontext()
        return summaries_in_run(self.plan.folder, self.plan.run.settings.model_dir)

    def _evaluation_graphs(self) -> contextlib.AbstractContextManager[None]:
        if self.plan.run.settings.rebuild_evaluation_graph or self._role.cluster or self._strategy:
            return contextlib.nullcontext()
        return reused_evaluation_graph(self.estimator)

    def _chief_hooks(self) -> list[Any]:
        if not self._role.is_chief:
            return []
        settings, folder = self.plan.run.settings, str(self.plan.folder)
        examples = settings.batch_size * self._role.batches_a_step(self._strategy)
        hooks: list[Any] = [
            ProgressHook(self.plan.last_step, examples, self._pauses),
            SpeedHook(examples, settings.save_summary_steps, folder, self._pauses),
        ]
        if self.plan.is_final:
            evaluations = str(self.plan.folder / EVALUATION)
            hooks.append(HparamsHook(self.plan.choices, folder, evaluations))
        if len(self.plan.run.phases) > 1:
            hooks.append(GraphHook(self.plan.folder, self.plan.first_step))
        if settings.profile:
            hooks.append(ProfileHook(self.plan.folder / PROFILE, self._say))
        return hooks

    def _write_record(self) -> None:
        folder = self.plan.folder
        with writing('model_dir', folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.plan.run.write_companions(folder, is_new=self.plan.saved is None)
            write_record(folder, self.plan.record)

    def _prepare(self, switch: StopSwitch) -> None:
        """Shows the training images to a model that wants to see them once, without learning from them."""
        plan, prepare = self.plan, self.plan.run.model.prepare
        if prepare is None or not plan.is_final:
            return
        if plan.inputs.train.total is None:
            self._say('The training images pass by only once: nothing is computed from them beforehand.')
            return
        prepare(plan.resolved, lambda: self._training_images(switch), plan.folder)

    def _training_images(self, switch: StopSwitch) -> Iterator[np.ndarray]:
        """Yields all training images in a random order, without augmentation, as uint8 batches."""
        settings, train = self.plan.run.settings, self.plan.inputs.train
        schedule = train.order(settings.shuffle_buffer, settings.seed, labels=self.plan.inputs.labels).epoch(
            0
        )
        # What is wrong with the data is said and listed when training comes to it.
        report = InputReport(lambda line: None)
        progress = Progress('Looking at the training images')
        try:
            for batch in report.until_error(
                read_batches(schedule, settings.batch_size, self._plain_reader(), report)
            ):
                switch.check()
                progress(f'{report.seen:,} images', report.seen / (train.total or report.seen))
                if batch.keys:
                    yield batch.arrays[IMAGE]
        finally:
            progress.close()

    def _plain_reader(self) -> Reader:
        """Returns how examples become arrays where nothing is learned: without random changes."""
        return self.plan.run.reader.plain()

    def _report(self, archives: Archives) -> InputReport:
        allowed = self.plan.run.settings.max_bad_fraction
        return InputReport(self._say, archives.total or 0, allowed, self._bad_list, kind=archives.kind)

    def _inherited(self) -> Any:
        """Returns the WarmStartSettings that take over the phase before; None in the first phase."""
        plan = self.plan
        if plan.after is None:
            return None
        # The global step as well: it counts on through all phases.
        names = (tf.GraphKeys.GLOBAL_STEP, *plan.phase.inherits)
        return warm_start_settings(str(plan.after.folder), names, dict(plan.phase.renames))

    def _config(self) -> Any:
        settings = self.plan.run.settings
        steps = self.plan.last_step - self.plan.first_step
        every = settings.save_checkpoints_steps or min(
            -(-steps // _CHECKPOINTS_A_PHASE), _MOST_STEPS_BETWEEN_CHECKPOINTS
        )
        return tf.estimator.RunConfig(
            model_dir=str(self.plan.folder),
            tf_random_seed=settings.seed,
            session_config=self._role.session_config(session_config(settings.precision)),
            train_distribute=self._strategy,
            save_checkpoints_steps=every,
            save_summary_steps=settings.save_summary_steps,
            log_step_count_steps=None,  # SpeedHook does it
            keep_checkpoint_max=settings.keep_checkpoints,
        )
