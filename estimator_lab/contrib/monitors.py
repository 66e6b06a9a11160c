"""``tf.contrib.learn.monitors``: ``ValidationMonitor``, and the hooks of tf.train that replaced others."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from estimator_lab.tf1 import tf


class ValidationMonitor(tf.train.SessionRunHook):
    """Evaluates new checkpoints while an Estimator trains, and can stop it early.

    Args:
      x: features, as for `evaluate` of tf.contrib.learn.Estimator.
      y: labels.
      input_fn: input function, instead of x and y.
      batch_size: examples in a batch of x.
      eval_steps: batches of an evaluation; None for the whole input.
      every_n_steps: steps between two looks for a new checkpoint.
      metrics: more metrics, as for `evaluate`.
      hooks: hooks for the evaluation.
      early_stopping_rounds: steps without a better value after which training stops; None for no limit.
      early_stopping_metric: the metric that has to become better.
      early_stopping_metric_minimize: whether smaller is better.
      name: name of the evaluation.
      check_interval_secs: least seconds between two looks; None for no limit.

    Raises:
      ValueError: if neither x nor input_fn is given.
    """

    def __init__(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: Any = None,
        batch_size: int | None = None,
        eval_steps: int | None = None,
        every_n_steps: int = 100,
        metrics: Mapping[Any, Any] | None = None,
        hooks: Sequence[Any] | None = None,
        early_stopping_rounds: int | None = None,
        early_stopping_metric: str = 'loss',
        early_stopping_metric_minimize: bool = True,
        name: str | None = None,
        check_interval_secs: float | None = 5,
    ) -> None:
        if x is None and input_fn is None:
            raise ValueError('Either x or input_fn should be provided.')
        arguments = {
            **{'x': x, 'y': y, 'input_fn': input_fn, 'batch_size': batch_size, 'steps': eval_steps},
            **{'metrics': metrics, 'hooks': hooks, 'name': name},
        }
        # A tf.estimator.Estimator has no x, y, batch_size and metrics.
        self._arguments = {key: value for key, value in arguments.items() if value is not None}
        self._every_n_steps = every_n_steps
        self._rounds = early_stopping_rounds
        self._metric = early_stopping_metric
        self._minimize = early_stopping_metric_minimize
        self._interval = check_interval_secs
        self._estimator: Any = None
        self._step_tensor: Any = None
        self._active_step = 0
        self._looked_at = -float('inf')
        self._checkpoint: str | None = None
        self._stopped = False
        self._best_step: int | None = None
        self._best_metrics: Mapping[str, Any] | None = None

    @property
    def early_stopped(self) -> bool:
        """Whether it has stopped training."""
        return self._stopped

    @property
    def best_step(self) -> int | None:
        """The step of the best value."""
        return self._best_step

    @property
    def best_value(self) -> Any:
        """The best value of `early_stopping_metric`."""
        return self._best_metrics[self._metric] if self._best_metrics else None

    @property
    def best_metrics(self) -> Mapping[str, Any] | None:
        """All metrics of the evaluation with the best value."""
        return self._best_metrics

    def set_estimator(self, estimator: Any) -> None:
        """Names the Estimator to evaluate; `fit` calls it."""
        self._estimator = estimator

    def begin(self) -> None:
        """Finds the step counter."""
        if self._estimator is None:
            raise ValueError('Missing call to set_estimator.')
        self._step_tensor = tf.train.get_global_step()

    def before_run(self, run_context: Any) -> Any:
        """Requests the step."""
        return tf.train.SessionRunArgs(self._step_tensor)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Evaluates, if the steps have passed."""
        due = self._active_step + self._every_n_steps
        # The requested value is that before or after the update of this step.
        if run_values.results + 1 < due:
            return
        step = int(run_context.session.run(self._step_tensor))
        if step < due:
            return
        self._active_step = step
        if self._has_new_checkpoint() and self._stops_at(step, self._evaluate()):
            self._stopped = True
            run_context.request_stop()

    def _has_new_checkpoint(self) -> bool:
        now = time.monotonic()
        if self._interval is not None and now - self._looked_at <= self._interval:
            return False
        self._looked_at = now
        before, self._checkpoint = self._checkpoint, tf.train.latest_checkpoint(self._estimator.model_dir)
        return self._checkpoint not in (None, before)

    def _evaluate(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._estimator.evaluate(**self._arguments)
        shown = ', '.join(f'{name} = {value}' for name, value in found.items())
        tf.logging.info('Validation (step %d): %s', self._active_step, shown)
        return found

    def _stops_at(self, step: int, found: Mapping[str, Any]) -> bool:
        if self._rounds is None:
            return False
        if self._metric not in found:
            raise ValueError(f'Metric {self._metric} missing from outputs {set(found)}.')
        best, value = self.best_value, found[self._metric]
        if best is None or (value < best if self._minimize else value > best):
            self._best_step, self._best_metrics = step, found
        if step - (self._best_step or 0) < self._rounds:
            return False
        tf.logging.info(
            'Stopping. Best step: %s with %s = %s.', self._best_step, self._metric, self.best_value
        )
        return True


class _ChiefMonitor(NamedTuple):
    """A monitor that runs on the chief only, as a hook for an Estimator."""

    hook_for: Callable[[Any], Any]


def NanLoss(loss_tensor: Any, every_n_steps: int = 100, fail_on_nan_loss: bool = True) -> Any:  # noqa: N802
    """Returns a tf.train.NanTensorHook, which checks the loss in each step."""
    return tf.train.NanTensorHook(loss_tensor, fail_on_nan_loss)


def PrintTensor(tensor_names: Any, every_n: int = 100, first_n: int = 1) -> Any:  # noqa: N802
    """Returns a monitor that logs tensors by a tf.train.LoggingTensorHook.

    Args:
      tensor_names: {label: name of a tensor}, or names.
      every_n: steps between two lines.
      first_n: at most 1, as the first step is logged.

    Raises:
      ValueError: if first_n is larger.
    """
    if first_n > 1:
        raise ValueError(f'first_n={first_n} must be at most 1, as tf.train.LoggingTensorHook logs no more.')
    hook = tf.train.LoggingTensorHook(tensor_names, every_n)
    return _ChiefMonitor(lambda estimator: hook)


def StepCounter(  # noqa: N802
    every_n_steps: int = 100, output_dir: str | None = None, summary_writer: Any = None
) -> Any:
    """Returns a monitor that writes steps per second by a tf.train.StepCounterHook."""
    return _ChiefMonitor(
        lambda estimator: tf.train.StepCounterHook(
            every_n_steps, output_dir=output_dir or estimator.model_dir, summary_writer=summary_writer
        )
    )


def StopAtStep(num_steps: int | None = None, last_step: int | None = None) -> Any:  # noqa: N802
    """Returns a tf.train.StopAtStepHook."""
    return tf.train.StopAtStepHook(num_steps, last_step)


def replace_monitors_with_hooks(monitors_or_hooks: Iterable[Any] | None, estimator: Any) -> list[Any]:
    """Returns hooks for an Estimator; monitors that write, print or evaluate run on the chief only."""
    chosen = []
    for hook in monitors_or_hooks or ():
        if isinstance(hook, ValidationMonitor | _ChiefMonitor) and not estimator.config.is_chief:
            continue
        if isinstance(hook, ValidationMonitor):
            hook.set_estimator(estimator)
        chosen.append(hook.hook_for(estimator) if isinstance(hook, _ChiefMonitor) else hook)
    return chosen
