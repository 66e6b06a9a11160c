"""``Experiment`` and ``learn_runner`` of ``tf.contrib.learn``, over an Estimator of tf.estimator."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from estimator_lab.contrib.learn_estimator import Fitting
from estimator_lab.tf1 import Estimator, RunConfig, Session, SessionRunHook, tf


def make_export_strategy(
    serving_input_fn: Callable[[], Any],
    default_output_alternative_key: str | None = None,
    assets_extra: Any = None,
    as_text: bool = False,
    exports_to_keep: int | None = 5,
    **unused: Any,
) -> Any:
    """Returns a tf.estimator.LatestExporter for `Experiment(export_strategies=...)`.

    `default_output_alternative_key` has no effect, as tf.estimator exports all outputs.
    """
    return tf.estimator.LatestExporter('Servo', serving_input_fn, assets_extra, as_text, exports_to_keep)


class Experiment:
    """An Estimator with its inputs, as in `tf.contrib.learn`.

    `min_eval_frequency` is the least number of steps from one evaluation in training to the next; 0 evaluates
    at the end only. Further settings of 1.15 have no effect.
    """

    def __init__(
        self,
        estimator: Estimator,
        train_input_fn: Callable[[], Any],
        eval_input_fn: Callable[[], Any],
        eval_metrics: Any = None,
        train_steps: int | None = None,
        eval_steps: int | None = 100,
        train_monitors: Sequence[SessionRunHook] | None = None,
        eval_hooks: Sequence[SessionRunHook] | None = None,
        local_eval_frequency: int | None = None,
        eval_delay_secs: int = 120,
        continuous_eval_throttle_secs: int = 60,
        min_eval_frequency: int | None = None,
        *,
        export_strategies: Any = None,
        saving_listeners: Sequence[Any] | None = None,
        **unused: Any,
    ) -> None:
        if isinstance(estimator, Fitting):
            estimator.default_metrics = eval_metrics
        elif eval_metrics is not None:
            raise ValueError('`eval_metrics` must be None with a tf.estimator.Estimator.')
        exporters = export_strategies if isinstance(export_strategies, list | tuple) else [export_strategies]
        self.estimator = estimator
        self._least_steps = 1 if min_eval_frequency is None else min_eval_frequency
        self._train = tf.estimator.TrainSpec(
            train_input_fn, train_steps, train_monitors, saving_listeners=saving_listeners
        )
        self._eval = tf.estimator.EvalSpec(
            eval_input_fn,
            eval_steps,
            hooks=eval_hooks,
            exporters=[each for each in exporters if each],
            start_delay_secs=eval_delay_secs,
            throttle_secs=continuous_eval_throttle_secs,
        )

    def train(self, delay_secs: int | None = None) -> Any:
        """Trains up to `train_steps`; returns the Estimator. It never waits."""
        return self._fit(max_steps=self._train.max_steps)

    def evaluate(self, delay_secs: int | None = None, name: str | None = None) -> Any:
        """Evaluates the latest checkpoint; returns its metrics. It never waits."""
        return self._measure(name or 'one_pass', self._eval.steps)

    def train_and_evaluate(self) -> Any:
        """Trains, evaluates each new checkpoint, exports the last one; returns its metrics and the exports.

        A process of a cluster has its part of tf.estimator.train_and_evaluate.
        """
        config = self.estimator.config
        if config.cluster_spec:
            return tf.estimator.train_and_evaluate(self.estimator, self._train, self._eval)
        measured: dict[str, Any] = {}

        def measure() -> Any:
            newest = self.estimator.latest_checkpoint()
            if newest not in measured:
                measured[newest] = self._measure(None, self._eval.steps)
            return measured[newest]

        evaluates = self._least_steps and (config.save_checkpoints_secs or config.save_checkpoints_steps)
        listeners = [_AfterSaving(measure, self._least_steps)] if evaluates else []
        self._fit(listeners, max_steps=self._train.max_steps)
        metrics = measure()
        return metrics, self._export(metrics)

    continuous_train_and_eval = local_run = train_and_evaluate

    def test(self) -> Any:
        """Takes one step of training and one of evaluation, and exports; returns the metrics."""
        self._fit(steps=1)
        metrics = self._measure('one_pass', 1)
        self._export(metrics)
        return metrics

    def _fit(self, listeners: Sequence[Any] = (), **length: Any) -> Any:
        spec = self._train
        listeners = [*(spec.saving_listeners or ()), *listeners]
        return self.estimator.train(spec.input_fn, spec.hooks, saving_listeners=listeners, **length)

    def _measure(self, name: str | None, steps: int | None) -> Any:
        spec = self._eval
        return self.estimator.evaluate(input_fn=spec.input_fn, steps=steps, hooks=spec.hooks, name=name)

    def _export(self, metrics: Any) -> list[Any]:
        checkpoint, folder = self.estimator.latest_checkpoint(), Path(self.estimator.model_dir, 'export')
        return [
            each.export(self.estimator, str(folder / each.name), checkpoint, metrics, True)
            for each in self._eval.exporters
        ]


class _AfterSaving(tf.train.CheckpointSaverListener):
    """Calls a function after a checkpoint was saved, `least_steps` or more after the call before."""

    def __init__(self, function: Callable[[], Any], least_steps: int) -> None:
        self._function = function
        self._timer = tf.train.SecondOrStepTimer(every_steps=least_steps)

    def after_save(self, session: Session, global_step_value: int) -> None:
        if self._timer.should_trigger_for_step(global_step_value):
            self._timer.update_last_triggered_step(global_step_value)
            self._function()


def run(
    experiment_fn: Callable[..., Experiment],
    output_dir: str | None = None,
    schedule: str | None = None,
    run_config: RunConfig = None,
    hparams: Any = None,
) -> Any:
    """Makes an experiment and runs a method of it, as `tf.contrib.learn.learn_runner.run`.

    `experiment_fn` is called with (output_dir), or with (run_config, hparams), by position as in 1.15.

    Raises:
      ValueError: if not exactly one of `output_dir` and `run_config` is given, or there is no such method.
    """
    if (output_dir is None) == (run_config is None):
        raise ValueError('Must provide either `output_dir` or `run_config`, not both.')
    experiment = experiment_fn(output_dir) if run_config is None else experiment_fn(run_config, hparams)
    method = getattr(experiment, schedule or 'train_and_evaluate', None)
    if not callable(method):
        raise ValueError(f'Schedule references non-existent task {schedule}.')
    return method()
