"""``Experiment`` and ``learn_runner`` of ``tf.contrib.learn``, on tf.estimator.train_and_evaluate."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.contrib import learn_input
from estimator_lab.contrib.learn_estimator import Fitting
from estimator_lab.tf1 import tf


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

    Its other settings of 1.15, such as `min_eval_frequency`, have no meaning for train_and_evaluate.
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
        several = isinstance(export_strategies, list | tuple)
        self.estimator, self.train_steps, self.eval_steps = estimator, train_steps, eval_steps
        self._inputs = train_input_fn, eval_input_fn
        self._hooks, self._eval_hooks = list(train_monitors or []), list(eval_hooks or [])
        self._seconds = {'start_delay_secs': eval_delay_secs, 'throttle_secs': continuous_eval_throttle_secs}
        self._exporters = export_strategies if several else [export_strategies] if export_strategies else []
        self._listeners = saving_listeners

    def extend_train_hooks(self, additional_hooks: Sequence[Any]) -> None:
        """Adds hooks for training."""
        self._hooks += additional_hooks

    def train(self, delay_secs: float | None = None) -> Any:
        """Trains up to `train_steps`; returns the Estimator."""
        return self.estimator.train(
            self._inputs[0],
            hooks=self._hooks,
            max_steps=self.train_steps,
            saving_listeners=self._listeners,
        )

    def evaluate(self, delay_secs: float | None = None, name: str | None = None) -> Any:
        """Evaluates the latest checkpoint; returns its metrics."""
        return self.estimator.evaluate(
            input_fn=self._inputs[1], steps=self.eval_steps, hooks=self._eval_hooks, name=name
        )

    def train_and_evaluate(self) -> Any:
        """Trains, evaluates each checkpoint, and exports.

        Returns:
          The metrics of the last evaluation, and the results of the exporters.
        """
        train_input_fn, eval_input_fn = self._inputs
        train = tf.estimator.TrainSpec(
            train_input_fn, self.train_steps, self._hooks, saving_listeners=self._listeners
        )
        evaluate = tf.estimator.EvalSpec(
            eval_input_fn,
            self.eval_steps,
            hooks=self._eval_hooks,
            exporters=self._exporters or None,
            **self._seconds,
        )
        return tf.estimator.train_and_evaluate(self.estimator, train, evaluate)

    continuous_train_and_eval = local_run = train_and_evaluate

    def test(self) -> Any:
        """Trains and evaluates for one step each."""
        self.estimator.train(self._inputs[0], hooks=self._hooks, steps=1)
        return self.estimator.evaluate(input_fn=self._inputs[1], steps=1, hooks=self._eval_hooks), []


def run(
    experiment_fn: Callable[..., Experiment],
    output_dir: str | None = None,
    schedule: str | None = None,
    run_config: Any = None,
    hparams: Any = None,
) -> Any:
    """Makes an experiment and runs a method of it, as `tf.contrib.learn.learn_runner.run`.

    `experiment_fn` is called with (output_dir), or with (run_config, hparams), by position as in 1.15.

    Raises:
      ValueError: if not exactly one of `output_dir` and `run_config` is given, or there is no such method.
      TypeError: if experiment_fn returns something else.
    """
    if (output_dir is None) == (run_config is None):
        raise ValueError('Must provide either `output_dir` or `run_config`, not both.')
    if run_config is None:
        experiment = experiment_fn(output_dir)
    elif run_config.model_dir is None:
        raise ValueError('Must specify a model directory `model_dir` in `run_config`.')
    else:
        experiment = experiment_fn(run_config, hparams)
    if not isinstance(experiment, Experiment):
        raise TypeError(f'Experiment builder did not return an Experiment instance, got {type(experiment)}.')
    method = getattr(experiment, schedule or 'train_and_evaluate', None)
    if not callable(method):
        raise ValueError(f'Schedule references non-existent task {schedule}.')
    return method()


input_fn_utils = learn_input
saved_model_export_utils = sys.modules[__name__]  # 1.15 has modules of these names
