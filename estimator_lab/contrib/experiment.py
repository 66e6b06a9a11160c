"""``Experiment`` and ``learn_runner`` of ``tf.contrib.learn``, on tf.estimator.train_and_evaluate."""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.contrib.learn_estimator import Fitting
from estimator_lab.tf1 import tf


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
        *,
        eval_delay_secs: int = 120,
        continuous_eval_throttle_secs: int = 60,
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

    def train(self) -> Any:
        """Trains up to `train_steps`; returns the Estimator."""
        spec = self._train
        return self.estimator.train(
            spec.input_fn, spec.hooks, max_steps=spec.max_steps, saving_listeners=spec.saving_listeners
        )

    def evaluate(self, name: str | None = None) -> Any:
        """Evaluates the latest checkpoint; returns its metrics."""
        spec = self._eval
        return self.estimator.evaluate(input_fn=spec.input_fn, steps=spec.steps, hooks=spec.hooks, name=name)

    def train_and_evaluate(self) -> Any:
        """Trains, evaluates each checkpoint, and exports.

        Returns:
          The metrics of the last evaluation, and the results of the exporters.
        """
        return tf.estimator.train_and_evaluate(self.estimator, self._train, self._eval)

    continuous_train_and_eval = local_run = train_and_evaluate


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
    """
    if (output_dir is None) == (run_config is None):
        raise ValueError('Must provide either `output_dir` or `run_config`, not both.')
    experiment = experiment_fn(output_dir) if run_config is None else experiment_fn(run_config, hparams)
    method = getattr(experiment, schedule or 'train_and_evaluate', None)
    if not callable(method):
        raise ValueError(f'Schedule references non-existent task {schedule}.')
    return method()
