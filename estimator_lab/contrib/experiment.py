"""``Experiment`` and ``learn_runner`` of ``tf.contrib.learn``, on tf.estimator.train_and_evaluate."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from estimator_lab.contrib import learn_input
from estimator_lab.contrib.learn_estimator import Fitting
from estimator_lab.tf1 import tf


class ExportStrategy(NamedTuple):
    """A name and a function (estimator, folder) that exports; `make_export_strategy` returns one."""

    name: str
    export_fn: Callable[..., Any]


def make_export_strategy(
    serving_input_fn: Callable[[], Any],
    default_output_alternative_key: str | None = None,
    assets_extra: Any = None,
    as_text: bool = False,
    exports_to_keep: int | None = 5,
    strip_default_attrs: bool | None = None,
) -> Any:
    """Returns a tf.estimator.LatestExporter for `Experiment(export_strategies=...)`.

    `default_output_alternative_key` and `strip_default_attrs` have no effect: tf.estimator exports all
    outputs, and always strips default attributes.
    """
    return tf.estimator.LatestExporter('Servo', serving_input_fn, assets_extra, as_text, exports_to_keep)


class Experiment:
    """An Estimator with its inputs, as in `tf.contrib.learn`.

    Args:
      estimator: a tf.estimator.Estimator or tf.contrib.learn.Estimator.
      train_input_fn: input function for training.
      eval_input_fn: input function for evaluation.
      eval_metrics: metrics for a tf.contrib.learn.Estimator, as for its `evaluate`.
      train_steps: global step at which training ends; None for the end of the input.
      eval_steps: batches of an evaluation; None for the whole input.
      train_monitors: hooks for training.
      eval_hooks: hooks for evaluation.
      eval_delay_secs: seconds before the first continuous evaluation.
      continuous_eval_throttle_secs: least seconds between evaluations.
      local_eval_frequency: unused, as are min_eval_frequency and delay_workers_by_global_step.
      export_strategies: exporters, one or a list.
      saving_listeners: listeners for checkpoints.
      **unused: other settings of 1.15, which have no meaning for tf.estimator.train_and_evaluate.
    """

    def __init__(
        self,
        estimator: Any,
        train_input_fn: Callable[[], Any],
        eval_input_fn: Callable[[], Any],
        eval_metrics: Any = None,
        train_steps: int | None = None,
        eval_steps: int | None = 100,
        train_monitors: Sequence[Any] | None = None,
        eval_hooks: Sequence[Any] | None = None,
        local_eval_frequency: int | None = None,
        eval_delay_secs: int = 120,
        continuous_eval_throttle_secs: int = 60,
        min_eval_frequency: int | None = None,
        delay_workers_by_global_step: bool = False,
        export_strategies: Any = None,
        saving_listeners: Sequence[Any] | None = None,
        **unused: Any,
    ) -> None:
        if isinstance(estimator, Fitting):
            estimator.default_metrics = eval_metrics
        elif eval_metrics is not None:
            raise ValueError('`eval_metrics` must be None with a tf.estimator.Estimator.')
        if export_strategies is not None and not isinstance(export_strategies, list | tuple):
            export_strategies = [export_strategies]
        self._estimator = estimator
        self._train_input_fn = train_input_fn
        self._eval_input_fn = eval_input_fn
        self._train_steps = train_steps
        self._eval_steps = eval_steps
        self._train_monitors = list(train_monitors or [])
        self._eval_hooks = list(eval_hooks or [])
        self._delay = eval_delay_secs
        self._throttle = continuous_eval_throttle_secs
        self._exporters = list(export_strategies or [])
        self._listeners = list(saving_listeners or [])

    @property
    def estimator(self) -> Any:
        """The Estimator."""
        return self._estimator

    @property
    def train_steps(self) -> int | None:
        """The global step at which training ends."""
        return self._train_steps

    @property
    def eval_steps(self) -> int | None:
        """The batches of an evaluation."""
        return self._eval_steps

    def extend_train_hooks(self, additional_hooks: Sequence[Any]) -> None:
        """Adds hooks for training."""
        self._train_monitors += additional_hooks

    def reset_export_strategies(self, new_export_strategies: Any = None) -> list[Any]:
        """Replaces the exporters; returns the old ones."""
        before, self._exporters = self._exporters, list(new_export_strategies or [])
        return before

    def train(self, delay_secs: float | None = None) -> Any:
        """Trains up to `train_steps`; returns the Estimator."""
        return self._estimator.train(
            self._train_input_fn,
            hooks=self._train_monitors,
            max_steps=self._train_steps,
            saving_listeners=self._listeners or None,
        )

    def evaluate(self, delay_secs: float | None = None, name: str | None = None) -> dict[str, Any]:
        """Evaluates the latest checkpoint; returns its metrics."""
        found: dict[str, Any] = self._estimator.evaluate(
            input_fn=self._eval_input_fn, steps=self._eval_steps, hooks=self._eval_hooks, name=name
        )
        return found

    def train_and_evaluate(self) -> Any:
        """Trains, evaluates each checkpoint, and exports.

        Returns:
          The metrics of the last evaluation, and the results of the exporters.
        """
        train = tf.estimator.TrainSpec(
            self._train_input_fn,
            self._train_steps,
            self._train_monitors,
            saving_listeners=self._listeners or None,
        )
        evaluate = tf.estimator.EvalSpec(
            self._eval_input_fn,
            self._eval_steps,
            hooks=self._eval_hooks,
            exporters=self._exporters or None,
            start_delay_secs=self._delay,
            throttle_secs=self._throttle,
        )
        return tf.estimator.train_and_evaluate(self._estimator, train, evaluate)

    continuous_train_and_eval = train_and_evaluate
    local_run = train_and_evaluate

    def test(self) -> Any:
        """Trains and evaluates for one step each."""
        self._estimator.train(self._train_input_fn, hooks=self._train_monitors, steps=1)
        return self._estimator.evaluate(input_fn=self._eval_input_fn, steps=1, hooks=self._eval_hooks), []


def run(
    experiment_fn: Callable[..., Experiment],
    output_dir: str | None = None,
    schedule: str | None = None,
    run_config: Any = None,
    hparams: Any = None,
) -> Any:
    """Makes an experiment and runs a method of it, as `tf.contrib.learn.learn_runner.run`.

    Args:
      experiment_fn: called with (output_dir), or with (run_config, hparams), by position as in 1.15.
      output_dir: folder of the model.
      schedule: name of a method of Experiment, 'train_and_evaluate' by default.
      run_config: a RunConfig with a `model_dir`, instead of `output_dir`.
      hparams: hyper-parameters for experiment_fn.

    Raises:
      ValueError: if not exactly one of `output_dir` and `run_config` is given, or there is no such method.
      TypeError: if experiment_fn returns something else.
    """
    if (output_dir is None) == (run_config is None):
        raise ValueError('Must provide either `output_dir` or `run_config`, not both.')
    if run_config is None:
        experiment = experiment_fn(output_dir)
    else:
        if run_config.model_dir is None:
            raise ValueError('Must specify a model directory `model_dir` in `run_config`.')
        experiment = experiment_fn(run_config, hparams)
    if not isinstance(experiment, Experiment):
        raise TypeError(f'Experiment builder did not return an Experiment instance, got {type(experiment)}.')
    method = getattr(experiment, schedule or 'train_and_evaluate', None)
    if not callable(method):
        raise ValueError(f'Schedule references non-existent task {schedule}.')
    return method()


input_fn_utils = learn_input
saved_model_export_utils = sys.modules[__name__]  # 1.15 has modules of these names
