"""Trains one phase of a run with an Estimator."""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from estimator_lab.base.activity import doing
from estimator_lab.base.outputs import writing
from estimator_lab.core.model import EVALUATION
from estimator_lab.data.archives import Archives, distinct_examples
from estimator_lab.data.bad_examples import BadExamples, BadList, InputReport
from estimator_lab.data.input_fns import InputFn, archive_input_fn
from estimator_lab.data.order import ONLY_WORKER, Order, OwnPaceOrder
from estimator_lab.runs.metrics_text import numbers_in
from estimator_lab.runs.precision import session_config
from estimator_lab.runs.record import FILE, read_record, write_record
from estimator_lab.runs.reference_classifier import with_reference_classifier
from estimator_lab.runs.serving import serving_input_receiver_fn
from estimator_lab.tf1 import reused_evaluation_graph, tf
from estimator_lab.training.cluster import ClusterWatch, check_agreement
from estimator_lab.training.durability import SyncCheckpoints
from estimator_lab.training.evaluations import (
    BestEvaluation,
    EvaluationLog,
    export_at_the_end,
    make_exporters,
)
from estimator_lab.training.hooks import (
    EvaluationHook,
    HparamsHook,
    LossScaleHook,
    Pauses,
    ProfileHook,
    ProgressHook,
    StopTrainingHook,
    StopWorkerHook,
)
from estimator_lab.training.interrupt import StopSwitch
from estimator_lab.training.plans import Plan, saved_step
from estimator_lab.training.position import PositionHook
from estimator_lab.training.warm_start import warm_start_settings

_CHECKPOINTS_A_PHASE = 5
_MOST_STEPS_BETWEEN_CHECKPOINTS = 2000
_EVALUATOR_POLL_SECONDS = 1
_PROFILE = 'profile'  # folder of timelines within that of a phase


class PhaseTrainer:
    """Trains one phase, from its newest checkpoint on.

    Args:
      plan: what to train.
      warm_start: the WarmStartSettings of the first phase, None for none; later phases start from the phase
        before.

    Raises:
      FlagError: for a setting that can't work.
    """

    def __init__(self, plan: Plan, warm_start: Any = None) -> None:
        run, settings, role = plan.run, plan.run.settings, plan.run.role
        self.plan = plan
        self._settings, self._role, self._say = settings, role, run.say
        self._pauses = Pauses()
        together = role.batches_a_step * settings.batch_size
        self._position = PositionHook(
            plan.folder, plan.resumption.input, together, role.is_chief or role.follows_chief
        )
        with role.scope():  # an Estimator copies its configuration, and the strategy with it
            self.estimator = tf.estimator.Estimator(
                with_reference_classifier(run.model.model_fn, run.reference_classifier),
                params=dict(vars(plan.params)),
                config=self._config(),
                warm_start_from=_inherited(plan) or warm_start,
            )
        self._bad_examples = self._open_bad_examples()
        self._train_report = self._report(plan.inputs.train)
        self._evaluations = BestEvaluation(plan.folder, run.task, self._say)
        receiver = serving_input_receiver_fn(run.reader, run.model, plan.params)
        names = settings.export if plan.is_final else ()
        self._exporters = make_exporters(names, receiver, self._evaluations)

    @property
    def bad_images(self) -> int:
        """Different images of --data that this process could not decode, or that an earlier start listed."""
        return self._bad_examples[0].count

    def saved_step(self) -> int:
        """Returns the global step of the phase's newest checkpoint; 0 without one.

        Raises:
          DataError: the checkpoint is damaged.
        """
        return saved_step(self.plan.folder) or 0

    def is_finished(self) -> bool:
        """Returns whether the phase has taken its last step, or was stopped early."""
        return self.saved_step() >= self.plan.last_step or self._is_stopped_early()

    def _is_stopped_early(self) -> bool:
        patience = self._settings.early_stopping
        return patience is not None and self._evaluations.since_best() >= patience

    def train(self, switch: StopSwitch) -> Mapping[str, float]:
        """Trains to the last step, evaluating at each checkpoint.

        Returns:
          The last evaluation's metrics by name; empty if another process of the cluster evaluates.

        Raises:
          Interrupted: the switch was turned on; what was learned has been saved.
          DataError: the data can't be read to its end; what was learned before has been saved.
        """
        switch.may_leave = not self._role.cluster
        if self._role.is_chief:
            self.prepare_folder()
            # The other processes of a cluster compare their settings with it; a strategy takes no listeners.
            if self._role.cluster or self._role.strategy:
                self.write_record()
        metrics = self._train_and_evaluate(switch)
        self.raise_input_error()
        return metrics

    def raise_input_error(self) -> None:
        """Raises the DataError that ended the training data early, if one did."""
        self._train_report.raise_error()

    def prepare_folder(self) -> None:
        """Writes the files into the phase's folder that its steps read."""
        with writing('model_dir', self.plan.folder):
            self.plan.folder.mkdir(parents=True, exist_ok=True)
            self.plan.run.write_companions(self.plan.folder, is_new=self.plan.saved is None)

    def write_record(self) -> None:
        """Writes experiment.json into the phase's folder."""
        with writing('model_dir', self.plan.folder):
            write_record(self.plan.folder, self.plan.record)

    def forget_first_checkpoint(self) -> None:
        """Removes the checkpoint and the record of a new phase that has taken no step.

        It would bind the next start to settings with which this one has failed.
        """
        folder, first = self.plan.folder, self.plan.first_step
        if self.plan.saved is not None or self.plan.previous is not None or self.saved_step() > first:
            return
        names = ('checkpoint', FILE, 'graph.pbtxt', f'model.ckpt-{first}.*')
        for path in (path for name in names for path in folder.glob(name)):
            path.unlink(missing_ok=True)

    def train_input_fn(self) -> InputFn:
        """Returns the input function of training; it starts where the newest checkpoint ends."""
        settings, inputs, role = self._settings, self.plan.inputs, self._role
        order: Order = inputs.train.order(settings.shuffle_buffer, settings.seed)
        shard = role.shard(settings.batch_size * role.batches_a_step)
        if role.has_own_share and role.trains:
            order, shard = OwnPaceOrder(order, role.rank, role.workers, inputs.train.total or 0), ONLY_WORKER
        return archive_input_fn(
            order,
            self.plan.run.reader,
            settings.batch_size,
            self._train_report,
            inputs.vocabulary,
            self._position.position,
            shard=shard,
        )

    def eval_input_fn(self, report: InputReport) -> InputFn:
        """Returns the input function of evaluation: one epoch in the stored order, or a random sample."""
        inputs, settings = self.plan.inputs, self._settings
        buffer = settings.shuffle_buffer if inputs.is_sampled else 1
        order = inputs.evaluation.order(buffer)
        reader = self.plan.run.reader.plain()
        return archive_input_fn(order, reader, settings.batch_size, report, inputs.vocabulary)

    def _train_and_evaluate(self, switch: StopSwitch) -> Mapping[str, float]:
        settings, inputs = self._settings, self.plan.inputs
        report = self._report(inputs.evaluation)
        input_fn, noun = self.eval_input_fn(report), inputs.evaluation.kind.noun
        eval_hooks = [EvaluationHook(switch, self._pauses, settings.batch_size, inputs.evaluated, noun)]

        def eval_input_fn() -> Any:
            switch.check()
            switch.may_leave = not self._role.cluster  # evaluations follow a checkpoint
            doing('evaluating')
            self._pauses.begin()  # building the graph is part of the pause
            return input_fn()

        if self.is_finished():
            what = 'evaluating only' if self._role.evaluates else 'nothing is left to do'
            self._say(f'Already trained for {self.saved_step()} steps: {what}.')
            if not self._role.evaluates:
                return {}
            metrics = self.estimator.evaluate(eval_input_fn, inputs.eval_steps, eval_hooks)
            report.raise_error()
            return numbers_in(metrics)
        log = EvaluationLog(report, self._say, self._is_stopped_early)
        last_step = self.plan.last_step
        is_own_pace = self._role.has_own_share and self._role.trains and not self._role.is_chief
        if is_own_pace:
            stop: StopTrainingHook = StopWorkerHook(switch, last_step, self.is_finished)
        else:
            stop = StopTrainingHook(switch, lambda: log.is_enough, self._role.follows_chief)
        hooks = [stop, self._position, *self._chief_hooks()]
        train_spec = tf.estimator.TrainSpec(
            self.train_input_fn(), None if is_own_pace else last_step, hooks, self._listeners()
        )
        eval_spec = tf.estimator.EvalSpec(
            eval_input_fn,
            inputs.eval_steps,
            hooks=eval_hooks,
            exporters=[log, *self._exporters],
            start_delay_secs=0,
            # An evaluator in a process of its own looks for new checkpoints this often.
            throttle_secs=0 if self._role.trains else _EVALUATOR_POLL_SECONDS,
        )
        doing('building the graph' if self._role.is_chief else '', plain=self._role.is_chief)
        work = partial(self._run_task, train_spec, eval_spec)
        if self._role.cluster:
            self._work_in_cluster(work, switch, stop, log)
        else:
            work()
        if log.last and log.last['global_step'] < self.plan.last_step and self._is_stopped_early():
            self._say(f'No better for {settings.early_stopping} evaluations: stopped early.')
            export_at_the_end(self._exporters, self.estimator, log.last)
        return log.last

    def _work_in_cluster(
        self, work: Callable[[], None], switch: StopSwitch, stop: StopTrainingHook, log: EvaluationLog
    ) -> None:
        timeout = self._settings.cluster_timeout
        watch = ClusterWatch(
            *(self._role, self._say, switch, timeout, stop, self.is_finished, self._check_agreement)
        )

        def work_to_the_end() -> None:
            work()
            if self._role.evaluates:
                # The chief may save once more, as other workers have taken further steps meanwhile.
                watch.wait_until_the_chief_is_gone()
                if self.saved_step() > log.last.get('global_step', 0):
                    work()

        try:
            watch.run(work_to_the_end)
        finally:
            self._remove_copies()

    def _remove_copies(self) -> None:
        """Removes the checkpoints and summaries of a synchronous worker, which are the same as the chief's.

        TensorFlow makes each worker write them, as they may contain collective operations.
        """
        if self._role.follows_chief:
            name = f'tmp_{self._role.job}_{self._role.index}'
            shutil.rmtree(self.plan.folder / name, ignore_errors=True)

    def _check_agreement(self) -> None:
        chiefs = read_record(self.plan.folder)
        if chiefs and chiefs.input.archives:
            check_agreement(self._role.task, self.plan.record, chiefs)

    def _run_task(self, train_spec: Any, eval_spec: Any) -> None:
        rebuilds = self._settings.rebuild_evaluation_graph or self._role.cluster or self._role.strategy
        while True:
            before = self.estimator.latest_checkpoint()
            try:
                with contextlib.nullcontext() if rebuilds else reused_evaluation_graph(self.estimator):
                    return tf.estimator.train_and_evaluate(self.estimator, train_spec, eval_spec)
            except (tf.errors.NotFoundError, ValueError):
                # Training that is faster than an evaluator deletes checkpoints before they are read.
                if self._role.job != 'evaluator' or before == self.estimator.latest_checkpoint():
                    raise

    def _listeners(self) -> list[Any]:
        if self._role.strategy:  # for which Estimator has none
            return []
        syncs = SyncCheckpoints(str(self.plan.folder))
        return [syncs, _RecordListener(self.write_record)] if self._role.is_chief else [syncs]

    def _chief_hooks(self) -> list[Any]:
        if not self._role.is_chief:
            return []
        plan, settings, folder = self.plan, self._settings, str(self.plan.folder)
        examples = settings.batch_size * self._role.batches_a_step
        hooks: list[Any] = [
            ProgressHook(plan.last_step, examples, self._pauses, settings.save_summary_steps, folder)
        ]
        if plan.is_final:
            hooks.append(HparamsHook(plan.choices, folder, str(plan.folder / EVALUATION)))
        if plan.params.loss_scaling:
            hooks.append(LossScaleHook(self._say))
        if settings.profile:
            hooks.append(ProfileHook(plan.folder / _PROFILE, self._say))
        return hooks

    def _report(self, archives: Archives) -> InputReport:
        """Returns the report of the examples of a flag, or of a part of them; see `_open_bad_examples`."""
        is_other = archives is self.plan.inputs.evaluation
        return InputReport(archives.kind, self._say, archives.total or 0, self._bad_examples[is_other])

    def _open_bad_examples(self) -> tuple[BadExamples, BadExamples]:
        """Returns the bad examples of training and of evaluation: the same if both use parts of --data."""
        role, inputs = self._role, self.plan.inputs
        task = '' if role.is_chief else f'.{role.job}{role.index}'
        path = self.plan.folder / f'bad_members{task}.csv'
        listed = BadList(path, inputs.train.kind.noun, self._say)

        def of(several: Sequence[Archives]) -> BadExamples:
            return BadExamples(
                inputs.train.kind,
                self._settings.max_bad_fraction,
                distinct_examples(several),
                listed,
                [index.archive for archives in several for index in archives.indexes],
            )

        if self._settings.eval_data:
            return of([inputs.train]), of([inputs.evaluation])
        both = of([inputs.train, inputs.evaluation])
        return both, both

    def _config(self) -> Any:
        settings = self._settings
        steps = self.plan.last_step - self.plan.first_step
        every = settings.save_checkpoints_steps or min(
            -(-steps // _CHECKPOINTS_A_PHASE), _MOST_STEPS_BETWEEN_CHECKPOINTS
        )
        return tf.estimator.RunConfig(
            model_dir=str(self.plan.folder),
            tf_random_seed=settings.seed,
            session_config=self._role.session_config(session_config(settings.precision)),
            train_distribute=self._role.strategy,
            save_checkpoints_steps=None if settings.save_checkpoints_seconds else every,
            save_checkpoints_secs=settings.save_checkpoints_seconds,
            save_summary_steps=settings.save_summary_steps,
            log_step_count_steps=None,  # ProgressHook does it
            keep_checkpoint_max=settings.keep_checkpoints,
        )


class _RecordListener(tf.train.CheckpointSaverListener):
    """Writes experiment.json with the first checkpoint, so that a start that fails before changes nothing.

    Args:
      write: writes it.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write: Callable[[], None] | None = write

    def before_save(self, session: Any, global_step: int) -> None:
        """Writes it, once: a checkpoint is never without it."""
        if self._write:
            self._write()
            self._write = None


def _inherited(plan: Plan) -> Any:
    """Returns the WarmStartSettings that take over the phase before; None in the first phase."""
    if plan.before is None:
        return None
    # The global step goes on counting through all phases.
    names = (tf.GraphKeys.GLOBAL_STEP, *plan.phase.inherits)
    return warm_start_settings(str(plan.before.folder), names, dict(plan.phase.renames))
