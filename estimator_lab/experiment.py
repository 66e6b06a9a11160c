"""Data + model -> Estimator, TrainSpec, EvalSpec, and the training run itself. Reads no flags."""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

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
from estimator_lab.data.report import InputReport
from estimator_lab.distribution import attend, read_role
from estimator_lab.errors import DataError, FlagError, LabError
from estimator_lab.evaluation_log import EvaluationLog
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
_EVALUATOR_POLL_SECONDS = 1


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

    Raises:
      FlagError: for a setting that can't work.
      DataError: for data that can't be read or trained on.
    """

    def __init__(self, settings: Settings, say: Say = print) -> None:
        self.settings = settings
        self._say = say
        self.role = read_role(settings.distribution, os.environ.get('TF_CONFIG', ''))
        check_precision(settings.precision)
        model = find_model(settings.model)
        module = model.load()
        hparams = parse_hparams(module.Params, settings.hparams)
        augmentation = parse_augmentation(settings.augment, settings.seed)
        previous = read_record(settings.model_dir)
        self.inputs = open_inputs(settings, previous.vocabulary if previous else None, say)
        self.vocabulary = self.inputs.vocabulary
        self._strategy = self.role.strategy()
        self.batches_a_step = self.role.batches_a_step(self._strategy)
        self.max_steps = _max_steps(settings, self.inputs.train.total, self.batches_a_step)
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
            decode=settings.decode,
        )
        if previous:
            check_same(settings.model_dir, previous, self._record, shape_fields(module.Params))
        with self.role.scope():  # an Estimator copies its configuration, and the strategy with it
            self.estimator = tf.estimator.Estimator(
                module.model_fn, params=self.params, config=self._config()
            )

    def train(self) -> Result:
        """Trains up to the last step, evaluating at each checkpoint; goes on from what model_dir holds.

        In a cluster it plays this process's part of that, and returns when training has ended.

        Raises:
          DataError: if the data breaks off on the way; what was learned by then has been saved.
          LabError: if TensorFlow can't go on, in one sentence of its own; if the rest of a cluster is gone.
        """
        switch = StopSwitch()
        train_report = self._report(self.inputs.train)
        metrics: Mapping[str, float] = {}
        if self.role.is_chief:
            self._write_record()
        try:
            with switch.listening(), _tensorflow_errors_as_sentences(switch):
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
        settings = self.settings
        order = self.inputs.train.order(
            settings.shuffle_buffer, settings.seed, self.role.shard, labels=self.vocabulary.labels
        )
        return archive_input_fn(
            order,
            self._pixels,
            settings.batch_size,
            report,
            self.vocabulary,
            resume=lambda: self.role.batches_seen(self.saved_step(), self._strategy),
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
        if self._is_finished():
            doing = 'evaluating only' if self.role.evaluates else 'nothing is left to do'
            self._say(f'Already trained for {self.max_steps} steps: {doing}.')
            if not self.role.evaluates:
                return {}
            metrics = self.estimator.evaluate(eval_unless_stopped, settings.eval_steps, eval_hooks)
            eval_report.raise_error()
            return metrics
        stop, log = StopTrainingHook(switch), EvaluationLog(eval_report, self._say)
        train_spec = tf.estimator.TrainSpec(
            self.train_input_fn(train_report), self.max_steps, [stop, *self._chief_hooks()]
        )
        eval_spec = tf.estimator.EvalSpec(
            eval_unless_stopped,
            settings.eval_steps,
            hooks=eval_hooks,
            exporters=log,
            start_delay_secs=0,
            # An evaluator of its own looks for new checkpoints that often.
            throttle_secs=0 if self.role.trains else _EVALUATOR_POLL_SECONDS,
        )
        if self.role.needs_attendance:
            attend(
                lambda: self._run_task(train_spec, eval_spec),
                self.role,
                switch,
                self._is_finished,
                lambda: stop.over,
            )
        else:
            self._run_task(train_spec, eval_spec)
        return log.last

    def _run_task(self, train_spec: Any, eval_spec: Any) -> None:
        while True:
            before = self.estimator.latest_checkpoint()
            try:
                return tf.estimator.train_and_evaluate(self.estimator, train_spec, eval_spec)
            except (tf.errors.NotFoundError, ValueError):
                # Training that is faster than an evaluator deletes checkpoints before they are read.
                if self.role.job != 'evaluator' or before == self.estimator.latest_checkpoint():
                    raise

    def _is_finished(self) -> bool:
        return self.saved_step() >= self.max_steps

    def _chief_hooks(self) -> list[Any]:
        if not self.role.is_chief:
            return []
        settings, examples = self.settings, self.settings.batch_size * self.batches_a_step
        return [
            ProgressHook(self.max_steps, examples),
            SpeedHook(examples, settings.save_summary_steps, str(settings.model_dir)),
        ]

    def _write_record(self) -> None:
        folder = self.settings.model_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_record(folder, self._record)
        except OSError as error:
            raise FlagError(f'--model_dir={folder} cannot be written: {error.strerror}.') from error

    def _report(self, archives: Archives) -> InputReport:
        settings, role = self.settings, self.role
        bad_list = settings.model_dir / (
            'bad_members.csv' if role.is_chief else f'bad_members.{role.job}{role.index}.csv'
        )
        return InputReport(self._say, archives.total or 0, settings.max_bad_fraction, bad_list)

    def _config(self) -> Any:
        settings = self.settings
        every = settings.save_checkpoints_steps or min(
            -(-self.max_steps // _CHECKPOINTS_A_RUN), _MOST_STEPS_BETWEEN_CHECKPOINTS
        )
        return tf.estimator.RunConfig(
            model_dir=str(settings.model_dir),
            tf_random_seed=settings.seed,
            session_config=self.role.session_config(session_config(settings.precision)),
            train_distribute=self._strategy,
            save_checkpoints_steps=every,
            save_summary_steps=settings.save_summary_steps,
            log_step_count_steps=None,  # SpeedHook does it
            keep_checkpoint_max=_CHECKPOINTS_KEPT,
        )


def _max_steps(settings: Settings, images: int | None, batches_a_step: int) -> int:
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
    return math.ceil(epochs * images / (settings.batch_size * batches_a_step))


@contextmanager
def _tensorflow_errors_as_sentences(switch: StopSwitch) -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        switch.check()  # the other workers of a cluster may have stopped a moment before this one
        first_line = str(error.message).strip().partition('\n')[0]
        raise LabError(f'TensorFlow stopped ({type(error).__name__}): {first_line}') from error
