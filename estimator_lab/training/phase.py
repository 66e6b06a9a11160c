"""Trains one phase: an Estimator, a TrainSpec and an EvalSpec, with hooks."""

import functools
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.base.interrupts import StopSwitch
from estimator_lab.base.outputs import writing
from estimator_lab.base.progress import doing
from estimator_lab.core.model import EVALUATION, ModelFn
from estimator_lab.data.archives import Archives, distinct_examples
from estimator_lab.data.bad_examples import BadExamples, BadList, InputReport
from estimator_lab.data.input_fns import InputFn, archive_input_fn
from estimator_lab.data.order import ONLY_WORKER, Order, OwnPaceOrder
from estimator_lab.runs.metrics_text import numbers_in
from estimator_lab.runs.precision import session_config
from estimator_lab.runs.record import read_record, write_record
from estimator_lab.runs.serving import serving_input_receiver_fn
from estimator_lab.tf1 import reused_evaluation_graph, tf
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
from estimator_lab.training.phases import PhasePlan, Plan, saved_step
from estimator_lab.training.position import PositionHook, position_of
from estimator_lab.training.warm_start import warm_start_settings
from estimator_lab.training.watch import Watch

_CHECKPOINTS_A_PHASE = 5
_MOST_STEPS_BETWEEN_CHECKPOINTS = 2000
_EVALUATOR_POLL_SECONDS = 1


@dataclass(frozen=True)
class Reports:
    """What a phase reports while it trains.

    Attributes:
      train: of the input of training; keeps the error that ended it.
      evaluation: the same of evaluation.
      bad: the bad examples of training.
      evaluations: so far, those of earlier starts included.
    """

    train: InputReport
    evaluation: InputReport
    bad: BadExamples
    evaluations: Evaluations


def open_reports(plan: Plan, phase: PhasePlan) -> Reports:
    """Returns the reports of a phase; training and evaluation share one if both use parts of --data."""
    inputs, settings = phase.inputs, plan.settings
    task = '' if plan.cluster.is_chief else f'.{plan.cluster.name.replace(" ", "")}'
    listed = BadList(phase.folder / f'bad_members{task}.csv', inputs.train.kind.noun, plan.say)

    def bad_of(several: Sequence[Archives]) -> BadExamples:
        names = [index.archive for archives in several for index in archives.indexes]
        total = distinct_examples(several)
        return BadExamples(inputs.train.kind, settings.max_bad_fraction, total, listed, names)

    def report(archives: Archives, bad: BadExamples) -> InputReport:
        return InputReport(archives.kind, plan.say, archives.total or 0, bad)

    if settings.eval_data:
        bad, bad_in_evaluation = bad_of([inputs.train]), bad_of([inputs.evaluation])
    else:
        bad = bad_in_evaluation = bad_of(inputs.archives)
    evaluation = report(inputs.evaluation, bad_in_evaluation)
    evaluations = Evaluations(phase.folder, plan.task, evaluation, settings.early_stopping, plan.say)
    return Reports(report(inputs.train, bad), evaluation, bad, evaluations)


def is_finished(phase: PhasePlan, reports: Reports) -> bool:
    """Returns whether a phase has taken its last step by now, or was stopped early."""
    return (saved_step(phase.folder) or 0) >= phase.last_step or reports.evaluations.are_enough


def train_phase(plan: Plan, phase: PhasePlan, reports: Reports, switch: StopSwitch) -> Mapping[str, float]:
    """Trains a phase to its last step, evaluating each checkpoint.

    Returns:
      The last evaluation's metrics by name; empty if another process of the cluster evaluates.

    Raises:
      Interrupted: the switch was turned on; what was learned has been saved.
      FlagError: the hyper-parameters make no network.
      DataError: the data can't be read to its end; what was learned before has been saved.
    """
    cluster, evaluations = plan.cluster, reports.evaluations
    with cluster.scope():  # an Estimator copies its configuration, and the strategy with it
        config, start = _run_config(plan, phase), _start(plan, phase)
        estimator = tf.estimator.Estimator(_model_fn(plan), None, config, dict(vars(phase.params)), start)
    if is_finished(phase, reports):
        return _evaluate_only(plan, phase, reports, estimator, switch)
    if cluster.is_chief:
        _prepare_folder(plan, phase)
    watch, progress = _watch(plan, phase, reports, switch), _progress(plan, phase)
    train_spec = tf.estimator.TrainSpec(
        _train_input_fn(plan, phase, reports.train),
        phase.last_step,
        _train_hooks(plan, phase, reports, watch, progress),
        _listeners(plan, phase),
    )
    receiver = serving_input_receiver_fn(plan.reader, plan.model, phase.params)
    exporters = make_exporters(plan.settings.export if phase.is_final else (), receiver, evaluations)
    eval_spec = tf.estimator.EvalSpec(
        _eval_input_fn(plan, phase, reports.evaluation, switch),
        phase.inputs.eval_steps,
        hooks=[_evaluation_hook(plan, phase, switch, progress)],
        exporters=[evaluations, *exporters],
        start_delay_secs=0,
        # An evaluator in a process of its own looks for new checkpoints this often.
        throttle_secs=0 if cluster.trains else _EVALUATOR_POLL_SECONDS,
    )
    if cluster.is_chief:
        doing('building the graph')
    _train_and_evaluate(watch, phase, estimator, train_spec, eval_spec)
    if evaluations.last.get('global_step', phase.last_step) < phase.last_step and evaluations.are_enough:
        plan.say(f'No better for {plan.settings.early_stopping} evaluations: stopped early.')
        export_at_the_end(exporters, estimator, evaluations.last)
    reports.train.raise_error()
    return evaluations.last


def _evaluate_only(
    plan: Plan, phase: PhasePlan, reports: Reports, estimator: Any, switch: StopSwitch
) -> Mapping[str, float]:
    what = 'evaluating only' if plan.cluster.evaluates else 'nothing is left to do'
    plan.say(f'Already trained for {saved_step(phase.folder)} steps: {what}.')
    if not plan.cluster.evaluates:
        return {}
    input_fn = _eval_input_fn(plan, phase, reports.evaluation, switch)
    hooks = [_evaluation_hook(plan, phase, switch, None)]
    metrics = estimator.evaluate(input_fn, phase.inputs.eval_steps, hooks)
    reports.evaluation.raise_error()
    return numbers_in(metrics)


def _watch(plan: Plan, phase: PhasePlan, reports: Reports, switch: StopSwitch) -> Watch:
    def check() -> None:
        chiefs = read_record(phase.folder)
        if chiefs and chiefs.input.archives:
            check_agreement(plan.cluster, phase.record, chiefs)

    return Watch(plan.cluster, switch, lambda: is_finished(phase, reports), check, plan.say)


def _train_and_evaluate(
    watch: Watch, phase: PhasePlan, estimator: Any, train_spec: Any, eval_spec: Any
) -> None:
    cluster = watch.cluster
    work = functools.partial(tf.estimator.train_and_evaluate, estimator, train_spec, eval_spec)
    if not cluster.tasks:
        with nullcontext() if cluster.strategy else reused_evaluation_graph(estimator):
            work()
        return

    def evaluate_each() -> None:
        """Training that is faster than an evaluator deletes checkpoints before they are read."""
        while True:
            before = estimator.latest_checkpoint()
            try:
                return work()
            except (tf.errors.NotFoundError, ValueError):
                if before == estimator.latest_checkpoint():
                    raise

    try:
        watch.run(work if cluster.trains else evaluate_each)
    finally:
        if cluster.is_synchronous_worker:
            # TensorFlow makes each worker write what the chief writes, as it may need collective operations.
            folder = phase.folder / f'tmp_{cluster.task_type}_{cluster.task_id}'
            shutil.rmtree(folder, ignore_errors=True)


def _prepare_folder(plan: Plan, phase: PhasePlan) -> None:
    """Writes the files into a phase's folder that its steps, or the other processes of a cluster, read."""
    with writing('model_dir', phase.folder):
        phase.folder.mkdir(parents=True, exist_ok=True)
        plan.kind.record(phase.folder, vars(plan.params))
        if phase.saved is None:
            plan.companions.write(phase.folder)
        if plan.cluster.tasks or plan.cluster.strategy:  # which takes no listeners
            write_record(phase.folder, phase.record)


def _model_fn(plan: Plan) -> ModelFn:
    """Returns the model function, whose errors of shape become sentences."""
    model_fn = plan.model.model_fn

    def checked(features: Any, labels: Any, mode: Any, params: Any, config: Any) -> Any:
        try:
            return model_fn(features, labels, mode, params, config)
        except (ValueError, OverflowError, MemoryError, tf.errors.OpError) as error:
            reason = str(error).strip().partition('\n')[0].partition(" for '{{")[0] or type(error).__name__
            raise FlagError(
                f'--image_size, --channels and --hparams make no network: {reason.rstrip(".")}.'
            ) from error

    return checked


def _start(plan: Plan, phase: PhasePlan) -> Any:
    """Returns the WarmStartSettings of a phase: the weights of the phase before, or those of --warm_start."""
    if phase.before is None:
        return plan.warm_start.settings if plan.warm_start else None
    # The global step goes on counting through all phases.
    names = (tf.GraphKeys.GLOBAL_STEP, *phase.phase.inherits)
    return warm_start_settings(str(phase.before.folder), names, dict(phase.phase.renames))


def _run_config(plan: Plan, phase: PhasePlan) -> Any:
    settings = plan.settings
    steps = phase.last_step - phase.first_step
    every = min(-(-steps // _CHECKPOINTS_A_PHASE), _MOST_STEPS_BETWEEN_CHECKPOINTS)
    return tf.estimator.RunConfig(
        model_dir=str(phase.folder),
        tf_random_seed=settings.seed,
        session_config=session_config(settings.precision),
        train_distribute=plan.cluster.strategy,
        save_checkpoints_steps=settings.save_checkpoints_steps or every,
        save_summary_steps=settings.save_summary_steps,
        log_step_count_steps=None,  # ProgressHook does it
        keep_checkpoint_max=settings.keep_checkpoints,
    )


def _progress(plan: Plan, phase: PhasePlan) -> ProgressHook | None:
    """Returns the hook that shows the progress of training; None in a process that does not show it."""
    if not plan.cluster.is_chief:
        return None
    settings, folder = plan.settings, str(phase.folder)
    together = settings.batch_size * plan.cluster.batches_a_step
    return ProgressHook(phase.last_step, together, settings.save_summary_steps, folder, plan.say)


def _train_hooks(
    plan: Plan, phase: PhasePlan, reports: Reports, watch: Watch, progress: ProgressHook | None
) -> list[Any]:
    cluster, folder = plan.cluster, phase.folder
    follows = cluster.is_synchronous_worker
    together = plan.settings.batch_size * cluster.batches_a_step
    hooks: list[Any] = [
        StopTrainingHook(watch.switch, watch, lambda: reports.evaluations.are_enough, follows),
        PositionHook(folder, phase.resumption.input, together, cluster.is_chief or follows, phase.start),
    ]
    if progress:
        hooks.append(progress)
        if phase.is_final:
            row = HparamsHook(plan.choices, str(folder), str(folder / EVALUATION))
            hooks += [LayersHook(plan.say), row]
    return hooks


def _listeners(plan: Plan, phase: PhasePlan) -> list[Any]:
    if plan.cluster.strategy:  # for which Estimator has none
        return []
    record = phase.record if plan.cluster.is_chief else None
    return [CheckpointListener(phase.folder, record)]


def _evaluation_hook(
    plan: Plan, phase: PhasePlan, switch: StopSwitch, progress: ProgressHook | None
) -> EvaluationHook:
    inputs = phase.inputs
    noun = inputs.evaluation.kind.noun
    return EvaluationHook(switch, progress, plan.settings.batch_size, inputs.evaluated, noun, plan.say)


def _train_input_fn(plan: Plan, phase: PhasePlan, report: InputReport) -> InputFn:
    """Returns the input function of training; it starts where the newest checkpoint ends."""
    settings, inputs, cluster = plan.settings, phase.inputs, plan.cluster
    order: Order = inputs.train.order(settings.shuffle_buffer, settings.seed)
    shard = cluster.shard(settings.batch_size * cluster.batches_a_step)
    if cluster.has_own_pace:
        size = inputs.train.total or 0
        order, shard = OwnPaceOrder(order, cluster.rank, cluster.workers, size), ONLY_WORKER
    resume = functools.partial(position_of, phase.folder, phase.resumption.input)
    return archive_input_fn(
        order, plan.reader, settings.batch_size, report, inputs.vocabulary, resume, shard=shard
    )


def _eval_input_fn(plan: Plan, phase: PhasePlan, report: InputReport, switch: StopSwitch) -> InputFn:
    """Returns the input function of evaluation: one epoch in the stored order, or a random sample."""
    inputs, settings = phase.inputs, plan.settings
    order = inputs.evaluation.order(settings.shuffle_buffer if inputs.is_sampled else 1)
    input_fn = archive_input_fn(order, plan.reader.plain(), settings.batch_size, report, inputs.vocabulary)

    def begin() -> Any:
        switch.check()
        switch.may_leave = not plan.cluster.tasks  # evaluations follow a checkpoint
        doing('evaluating')
        return input_fn()

    return begin
