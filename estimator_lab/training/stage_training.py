"""Trains one stage of a plan: an Estimator, a TrainSpec and an EvalSpec, with hooks."""

import functools
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from estimator_lab.base.errors import FlagError, first_line, option
from estimator_lab.base.interrupts import StopSwitch
from estimator_lab.base.outputs import writing
from estimator_lab.base.progress import doing
from estimator_lab.core.metrics_text import numbers_in
from estimator_lab.core.model import EVALUATION
from estimator_lab.data.archives.opened import Archives, distinct_examples
from estimator_lab.data.input.bad_examples import BadLimit, BadList, InputReport
from estimator_lab.data.input.input_fns import Epochs, InputFn, Onwards, archive_input_fn
from estimator_lab.runs.record import read_record, write_record
from estimator_lab.runs.serving import serving_input_receiver_fn
from estimator_lab.tf1 import Estimator, EstimatorSpec, Features, Tensor, reused_evaluation_graph, tf
from estimator_lab.training.cluster import check_agreement
from estimator_lab.training.evaluations import Evaluations, export_at_the_end, make_exporters
from estimator_lab.training.hooks import (
    CheckpointListener,
    EvaluationHook,
    HparamsHook,
    LayersHook,
    ProgressHook,
    StopTrainingHook,
)
from estimator_lab.training.memory import check_fits
from estimator_lab.training.plan import Plan
from estimator_lab.training.position import PositionHook, position_of
from estimator_lab.training.precision import session_config
from estimator_lab.training.stages import Stage, saved_step
from estimator_lab.training.warm_start import warm_start_settings
from estimator_lab.training.watch import Watch

_ModelFn = Callable[..., EstimatorSpec]

_CHECKPOINTS_A_STAGE = 5
_MOST_STEPS_BETWEEN_CHECKPOINTS = 2000
_EVALUATOR_POLL_SECONDS = 1
_SAMPLED_FROM = 10_000  # examples of a stream in stored order among which those of a sample are drawn


class StageTraining:
    """Trains one stage of a plan.

    `said` are the bad examples that the run has printed: see `BadList`.

    Attributes:
      train_report: of the input of training; keeps the error that ended it.
      eval_report: the same of evaluation.
      evaluations: so far, including earlier starts.
      progress: shows it; None in a process that does not.
    """

    def __init__(self, plan: Plan, stage: Stage, switch: StopSwitch, said: set[tuple[str, str, str]]) -> None:
        self.plan, self.stage, self._switch = plan, stage, switch
        inputs, settings = stage.inputs, plan.settings
        task = '' if plan.cluster.is_chief else f'.{plan.cluster.name.replace(" ", "")}'
        listed = BadList(plan.kind, plan.say, stage.folder / f'bad_members{task}.csv', said)
        self.train_report = self._report(inputs.train, listed)
        self.eval_report = self._report(inputs.evaluation, listed)
        self.evaluations = Evaluations(
            stage.folder, plan.task, self.eval_report, settings.early_stopping, plan.say
        )
        self.progress: ProgressHook | None = None
        if plan.cluster.is_chief:
            every = settings.save_summary_steps
            self.progress = ProgressHook(
                stage.last_step, self._step_examples, every, str(stage.folder), plan.say
            )
        self._watch = Watch(plan.cluster, switch, lambda: self.is_finished, self._check_agreement, plan.say)

    @property
    def is_finished(self) -> bool:
        """Whether the stage has taken its last step by now, or was stopped early."""
        return (saved_step(self.stage.folder) or 0) >= self.stage.last_step or self.evaluations.are_enough

    def run(self) -> Mapping[str, float]:
        """Trains to the last step, evaluating each checkpoint.

        Returns:
          The last evaluation's metrics by name; empty if another process of the cluster evaluates.

        Raises:
          Interrupted: the switch was turned on; what was learned has been saved.
          FlagError: the hyper-parameters make no network.
          DataError: the data can't be read to its end; what was learned before has been saved.
        """
        plan, stage = self.plan, self.stage
        with plan.cluster.scope():  # an Estimator copies its configuration, and the strategy with it
            model_fn, params = (
                _checked(plan.architecture.model_fn, plan.settings.batch_size),
                dict(vars(stage.params)),
            )
            estimator = tf.estimator.Estimator(
                model_fn, None, self._run_config(), params, self._first_weights()
            )
        if self.is_finished:
            return self._evaluate_only(estimator)
        if plan.cluster.is_chief:
            self._prepare_folder()
        receiver = serving_input_receiver_fn(plan.reader, plan.architecture, stage.params)
        exporters = make_exporters(plan.settings.export if stage.is_final else (), receiver, self.evaluations)
        listeners = []
        if not plan.cluster.strategy:  # for which Estimator has none
            record = stage.record if plan.cluster.is_chief else None
            listeners.append(CheckpointListener(stage.folder, record))
        train_spec = tf.estimator.TrainSpec(
            self._train_input_fn(), stage.last_step, self._train_hooks(), listeners
        )
        eval_spec = tf.estimator.EvalSpec(
            self._eval_input_fn,
            stage.inputs.eval_steps,
            hooks=[self._evaluation_hook()],
            exporters=[self.evaluations, *exporters],
            start_delay_secs=0,
            # An evaluator in a process of its own looks for new checkpoints this often.
            throttle_secs=0 if plan.cluster.trains else _EVALUATOR_POLL_SECONDS,
        )
        if plan.cluster.is_chief:
            doing('building the graph')
        self._train_and_evaluate(estimator, train_spec, eval_spec)
        metrics = self.evaluations.last
        if metrics.get('global_step', stage.last_step) < stage.last_step and self.evaluations.are_enough:
            plan.say(f'No better for {plan.settings.early_stopping} evaluations: stopped early.')
            export_at_the_end(exporters, estimator, metrics)
        self.train_report.raise_error()
        return metrics

    def _train_and_evaluate(self, estimator: Estimator, train_spec: Any, eval_spec: Any) -> None:
        cluster = self.plan.cluster
        work = functools.partial(tf.estimator.train_and_evaluate, estimator, train_spec, eval_spec)
        if not cluster.tasks:
            with nullcontext() if cluster.strategy else reused_evaluation_graph(estimator):
                work()
            return
        try:
            self._watch.run(work if cluster.trains else functools.partial(_evaluate_each, estimator, work))
        finally:
            if cluster.is_synchronous_worker:
                # TensorFlow makes each worker write what the chief writes, as it may need collective
                # operations.
                folder = self.stage.folder / f'tmp_{cluster.task_type}_{cluster.task_id}'
                shutil.rmtree(folder, ignore_errors=True)

    def _evaluate_only(self, estimator: Estimator) -> Mapping[str, float]:
        evaluates = self.plan.cluster.evaluates
        what = 'evaluating only' if evaluates else 'nothing is left to do'
        self.plan.say(f'Already trained for {saved_step(self.stage.folder)} steps: {what}.')
        if unused := self.stage.unused:
            self.plan.say(
                f'It was trained with {", ".join(unused)}: for other values, name another '
                f'{option.model_dir}, or give more {option.max_steps}.'
            )
        if not evaluates:
            return {}
        steps = self.stage.inputs.eval_steps
        metrics = estimator.evaluate(self._eval_input_fn, steps, [self._evaluation_hook()])
        self.eval_report.raise_error()
        return numbers_in(metrics)

    def _prepare_folder(self) -> None:
        """Writes the files that the steps, or the other processes of a cluster, read."""
        plan, stage = self.plan, self.stage
        with writing('model_dir', stage.folder):
            stage.folder.mkdir(parents=True, exist_ok=True)
            plan.kind.record(stage.folder, vars(plan.params))
            if stage.saved is None:
                for name, save in plan.companions.items():
                    save(stage.folder / name)
            if plan.cluster.tasks or plan.cluster.strategy:  # which takes no listeners
                write_record(stage.folder, stage.record)

    def _first_weights(self) -> Any:
        """Returns the WarmStartSettings: weights of the stage before, or of --warm_start."""
        before, phase = self.stage.before, self.stage.phase
        if before is None:
            return self.plan.warm_start.settings if self.plan.warm_start else None
        # The global step goes on counting through all stages.
        names = (tf.GraphKeys.GLOBAL_STEP, *phase.inherits)
        return warm_start_settings(str(before.folder), names, dict(phase.renames))

    def _run_config(self) -> Any:
        settings, stage = self.plan.settings, self.stage
        steps = stage.last_step - stage.first_step
        every = min(-(-steps // _CHECKPOINTS_A_STAGE), _MOST_STEPS_BETWEEN_CHECKPOINTS)
        return tf.estimator.RunConfig(
            model_dir=str(stage.folder),
            tf_random_seed=settings.seed,
            session_config=session_config(settings.precision),
            train_distribute=self.plan.cluster.strategy,
            save_checkpoints_steps=settings.save_checkpoints_steps or every,
            save_summary_steps=settings.save_summary_steps,
            log_step_count_steps=None,  # ProgressHook does it
            keep_checkpoint_max=settings.keep_checkpoints,
        )

    @property
    def _step_examples(self) -> int:
        """Examples in a step of all processes that take it together."""
        return self.plan.settings.batch_size * self.plan.cluster.batches_a_step

    def _train_hooks(self) -> list[Any]:
        plan, stage = self.plan, self.stage
        follows = plan.cluster.is_synchronous_worker
        sets_position = plan.cluster.is_chief or follows
        hooks: list[Any] = [
            StopTrainingHook(self._switch, self._watch, lambda: self.evaluations.are_enough, follows),
            PositionHook(
                stage.folder, stage.resumption.input, self._step_examples, sets_position, stage.start
            ),
        ]
        if self.progress:
            hooks.append(self.progress)
            if stage.is_final:
                evaluations = str(stage.folder / EVALUATION)
                hooks += [LayersHook(plan.say), HparamsHook(plan.choices, str(stage.folder), evaluations)]
        return hooks

    def _evaluation_hook(self) -> EvaluationHook:
        inputs, settings = self.stage.inputs, self.plan.settings
        return EvaluationHook(
            self._switch,
            self.progress,
            settings.batch_size,
            inputs.evaluated,
            inputs.evaluation.kind.noun,
            self.plan.say,
        )

    def _train_input_fn(self) -> InputFn:
        """Returns the input function of training; it starts where the newest checkpoint ends."""
        settings, inputs, cluster = self.plan.settings, self.stage.inputs, self.plan.cluster
        record, weights = self.stage.resumption.input, inputs.weights
        order = inputs.train.order(
            settings.shuffle_buffer, settings.seed, weights=weights, lanes=record.lanes
        )
        resume = functools.partial(position_of, self.stage.folder, record)
        span = Onwards(order, settings.batch_size, resume, cluster.shard(self._step_examples))
        return archive_input_fn(span, self.plan.reader, self.train_report, inputs.vocabulary)

    def _eval_input_fn(self) -> Any:
        """The input function of evaluation."""
        self._switch.check()
        self._switch.may_leave = not self.plan.cluster.tasks  # evaluations follow a checkpoint
        doing('evaluating')
        return self._evaluation_input()

    @functools.cached_property
    def _evaluation_input(self) -> InputFn:
        """One epoch in the stored order, or a random sample, the same each time."""
        inputs, settings = self.stage.inputs, self.plan.settings
        shuffled = settings.shuffle_buffer if settings.shuffle_buffer > 1 else _SAMPLED_FROM
        order = inputs.evaluation.order(shuffled if inputs.is_sampled else 1)
        span, reader = Epochs(order, settings.batch_size), self.plan.reader.plain()
        return archive_input_fn(span, reader, self.eval_report, inputs.vocabulary)

    def _check_agreement(self) -> None:
        chiefs = read_record(self.stage.folder)
        if chiefs and chiefs.input.archives:
            check_agreement(self.plan.cluster, self.stage.record, chiefs)

    def _report(self, archives: Archives, listed: BadList) -> InputReport:
        plan = self.plan
        counted = [archives] if plan.settings.eval_data else self.stage.inputs.archives  # parts of --data
        names = tuple(index.source.name for one in counted for index in one.indexes)
        limit = BadLimit(plan.settings.max_bad_fraction, distinct_examples(counted), names)
        return InputReport(archives.kind, plan.say, archives.total or 0, limit, listed)


def _checked(model_fn: _ModelFn, batch_size: int) -> _ModelFn:
    """Returns a model function whose errors of shape become sentences. Estimators would copy a method."""

    def checked(features: Features, labels: Tensor, mode: Any, params: Any, config: Any) -> Any:
        try:
            spec = model_fn(features, labels, mode, params, config)
        except (ValueError, OverflowError, MemoryError, tf.errors.OpError) as error:
            reason = first_line(error).partition(" for '{{")[0]
            raise FlagError(
                f'{option.image_size}, {option.channels} and {option.hparams} make no network: '
                f'{reason.rstrip(".")}.'
            ) from error
        check_fits(tf.get_default_graph(), batch_size)
        return spec

    return checked


def _evaluate_each(estimator: Estimator, work: Callable[[], object]) -> None:
    """Does the work of an evaluator; training that is faster deletes checkpoints before they are read."""
    while True:
        before = estimator.latest_checkpoint()
        try:
            work()
            return
        except (tf.errors.NotFoundError, ValueError):
            if before == estimator.latest_checkpoint():
                raise
