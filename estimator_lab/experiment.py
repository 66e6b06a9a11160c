"""Data + model -> Estimator, TrainSpec, EvalSpec, and the training run itself. Reads no flags."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from estimator_lab.core import metric_keys as keys
from estimator_lab.core.hooks import (
    Interrupted,
    ProgressHook,
    SpeedHook,
    StopEvaluationHook,
    StopSwitch,
    StopTrainingHook,
)
from estimator_lab.core.hparams import parse_hparams, resolve, shape_fields
from estimator_lab.core.precision import check_precision, session_config
from estimator_lab.data.archives import Archives
from estimator_lab.data.augment import parse_augmentation
from estimator_lab.data.batches import ImageShape, Pixels
from estimator_lab.data.decode import DECODERS
from estimator_lab.data.input_fns import InputFn, archive_input_fn
from estimator_lab.data.parts import ONLY_WORKER, Shard
from estimator_lab.data.report import InputReport
from estimator_lab.errors import DataError, FlagError, LabError
from estimator_lab.inputs import open_inputs
from estimator_lab.model_dir import Record, check_same, read_record, versions, write_record
from estimator_lab.models.registry import find_model
from estimator_lab.settings import Settings
from estimator_lab.tf1 import tf

Say = Callable[[str], None]

_DEFAULT_EPOCHS = 10
_CHECKPOINTS_A_RUN = 5
_MOST_STEPS_BETWEEN_CHECKPOINTS = 2000
_CHECKPOINTS_KEPT = 3
_BAD_LIST = 'bad_members.csv'


@dataclass(frozen=True)
class Result:
    """What a training run came to.

    Attributes:
      metrics: the last evaluation's, by name, with 'global_step'; empty if the run was interrupted.
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

    Raises:
      FlagError: for a setting that can't work.
      DataError: for data that can't be read or trained on.
    """

    def __init__(self, settings: Settings, say: Say = print) -> None:
        self.settings = settings
        self._say = say
        check_precision(settings.precision)
        model = find_model(settings.model)
        module = model.load()
        hparams = parse_hparams(module.Params, settings.hparams)
        augmentation = parse_augmentation(settings.augment, settings.seed)
        previous = read_record(settings.model_dir)
        self.inputs = open_inputs(settings, previous.vocabulary if previous else None, say)
        self.vocabulary = self.inputs.vocabulary
        self.max_steps = _max_steps(settings, self.inputs.train.total)
        self.shape = ImageShape(settings.image_size, settings.image_size, settings.channels)
        self._pixels = Pixels(self.shape, DECODERS[settings.decode], augmentation)
        self.params = {
            **hparams,
            'image_shape': tuple(self.shape),
            'vocabulary': self.vocabulary.labels,
            'train_steps': self.max_steps,
        }
        resolved = resolve(module.Params, self.params)
        module.check(resolved)
        self._record = Record(
            model=settings.model,
            image_shape=(self.shape.height, self.shape.width, self.shape.channels),
            vocabulary=self.vocabulary.labels,
            hparams={k: v for k, v in asdict(resolved).items() if k not in ('image_shape', 'vocabulary')},
            versions=versions(tf.__version__),
        )
        if previous:
            check_same(settings.model_dir, previous, self._record, shape_fields(module.Params))
        self.estimator = tf.estimator.Estimator(module.model_fn, params=self.params, config=self._config())

    def train(self) -> Result:
        """Trains up to the last step, evaluating at each checkpoint; goes on from what model_dir holds.

        Raises:
          DataError: if the data breaks off on the way; what was learned by then has been saved.
          LabError: if TensorFlow can't go on, in one sentence of its own.
        """
        switch = StopSwitch()
        train_report = self._report(self.inputs.train)
        metrics: Mapping[str, float] = {}
        self._write_record()
        try:
            with switch.listening(), _tensorflow_errors_as_sentences():
                metrics = self._train_and_evaluate(switch, train_report)
        except Interrupted:
            pass
        train_report.raise_error()
        return Result(
            metrics=metrics,
            evaluated_on=self.inputs.evaluation.total or 0,
            on_unseen=self.inputs.unseen,
            checkpoint=self.estimator.latest_checkpoint() or '',
            step=self.saved_step(),
            max_steps=self.max_steps,
            interrupted=switch.on,
            bad_images=train_report.bad,
        )

    def saved_step(self) -> int:
        """Returns the global step of the newest checkpoint in model_dir; 0 where there is none.

        Raises:
          DataError: if that checkpoint is damaged.
        """
        checkpoint = tf.train.latest_checkpoint(str(self.settings.model_dir))
        if not checkpoint:
            return 0
        try:
            return int(tf.train.load_variable(checkpoint, 'global_step'))
        except (tf.errors.OpError, LookupError, RuntimeError, ValueError) as error:
            raise DataError(
                f'The checkpoint {checkpoint} in --model_dir cannot be read ({error}): name another folder, '
                "or an older checkpoint in the folder's file 'checkpoint'."
            ) from error

    def train_input_fn(self, report: InputReport) -> InputFn:
        """Returns the input function of training; it starts where the newest checkpoint ends."""
        settings, shard = self.settings, _shard_of(self.estimator.config)
        order = self.inputs.train.order(
            settings.shuffle_buffer, settings.seed, shard, labels=self.vocabulary.labels
        )
        return archive_input_fn(
            order,
            self._pixels,
            settings.batch_size,
            report,
            self.vocabulary,
            resume=lambda: self.saved_step() // shard.count,  # each worker counts up the same global step
        )

    def eval_input_fn(self, report: InputReport) -> InputFn:
        """Returns the input function of evaluation: one epoch in the stored order."""
        pixels = self._pixels._replace(augmentation=None)
        order = self.inputs.evaluation.order()
        return archive_input_fn(order, pixels, self.settings.batch_size, report, self.vocabulary)

    def _train_and_evaluate(self, switch: StopSwitch, train_report: InputReport) -> Mapping[str, float]:
        settings, eval_report = self.settings, self._report(self.inputs.evaluation)
        eval_input_fn = self.eval_input_fn(eval_report)

        def eval_unless_stopped() -> Any:
            switch.check()
            return eval_input_fn()

        eval_hooks = [StopEvaluationHook(switch)]
        if self.saved_step() >= self.max_steps:
            self._say(f'Already trained for {self.max_steps} steps: evaluating only.')
            metrics = self.estimator.evaluate(eval_unless_stopped, settings.eval_steps, eval_hooks)
            eval_report.raise_error()
            return metrics
        log = _EvaluationLog(eval_report, self._say)
        train_hooks = [
            StopTrainingHook(switch),
            ProgressHook(self.max_steps, settings.batch_size),
            SpeedHook(settings.batch_size, settings.save_summary_steps, str(settings.model_dir)),
        ]
        tf.estimator.train_and_evaluate(
            self.estimator,
            tf.estimator.TrainSpec(self.train_input_fn(train_report), self.max_steps, train_hooks),
            tf.estimator.EvalSpec(
                eval_unless_stopped,
                settings.eval_steps,
                hooks=eval_hooks,
                exporters=log,
                start_delay_secs=0,
                throttle_secs=0,
            ),
        )
        return log.last

    def _write_record(self) -> None:
        folder = self.settings.model_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_record(folder, self._record)
        except OSError as error:
            raise FlagError(f'--model_dir={folder} cannot be written: {error.strerror}.') from error

    def _report(self, archives: Archives) -> InputReport:
        settings = self.settings
        bad_list = settings.model_dir / _BAD_LIST
        return InputReport(self._say, archives.total or 0, settings.max_bad_fraction, bad_list)

    def _config(self) -> Any:
        settings = self.settings
        every = settings.save_checkpoints_steps or min(
            -(-self.max_steps // _CHECKPOINTS_A_RUN), _MOST_STEPS_BETWEEN_CHECKPOINTS
        )
        return tf.estimator.RunConfig(
            model_dir=str(settings.model_dir),
            tf_random_seed=settings.seed,
            session_config=session_config(settings.precision),
            save_checkpoints_steps=every,
            save_summary_steps=settings.save_summary_steps,
            log_step_count_steps=None,  # SpeedHook does it
            keep_checkpoint_max=_CHECKPOINTS_KEPT,
        )


class _EvaluationLog(tf.estimator.Exporter):
    """Says and keeps what each evaluation found; train_and_evaluate hands its results to exporters only."""

    name = 'evaluation_log'

    def __init__(self, report: InputReport, say: Say) -> None:
        self._report = report
        self._say = say
        self.last: Mapping[str, float] = {}

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> None:
        self._report.raise_error()
        self.last = eval_result
        shown = ', '.join(f'{name} {value:.4f}' for name, value in worth_showing(eval_result))
        self._say(f'evaluated at step {eval_result["global_step"]}: {shown}')


def worth_showing(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Returns metrics by name for a person to read: without the step, and without unknown labels if none."""
    return sorted(
        (name, value)
        for name, value in metrics.items()
        if name != 'global_step' and not (name == keys.UNKNOWN_LABELS and value == 0)
    )


def _shard_of(config: Any) -> Shard:
    """Returns which worker this process is; TF_CONFIG says so, and a run without it has one."""
    if config.num_worker_replicas <= 1:
        return ONLY_WORKER
    is_chief_job = config.task_type in ('chief', 'master')
    others_first = int(any(job in config.cluster_spec.jobs for job in ('chief', 'master')))
    return Shard(0 if is_chief_job else config.task_id + others_first, config.num_worker_replicas)


def _max_steps(settings: Settings, images: int | None) -> int:
    if settings.max_steps is not None and settings.epochs is not None:
        raise FlagError('--max_steps and --epochs exclude each other: give one of them.')
    if settings.max_steps is not None:
        return settings.max_steps
    epochs = _DEFAULT_EPOCHS if settings.epochs is None else settings.epochs
    if epochs <= 0:
        raise FlagError(f'--epochs={epochs:g} must be more than 0.')
    if images is None:
        raise FlagError(
            f'--data={",".join(settings.data)} passes by only once, so that nobody knows how many images '
            'make an epoch: give --max_steps.'
        )
    return math.ceil(epochs * images / settings.batch_size)


@contextmanager
def _tensorflow_errors_as_sentences() -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        first_line = str(error.message).strip().partition('\n')[0]
        raise LabError(f'TensorFlow stopped ({type(error).__name__}): {first_line}') from error
