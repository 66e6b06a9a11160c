"""``tf.contrib.learn.Estimator`` and ``SKCompat``: a tf.estimator.Estimator with 1.15's older interface."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from estimator_lab.contrib.learn import InputFnOps, ModeKeys, ModelFnOps, NotFittedError, RunConfig
from estimator_lab.contrib.learn_input import Feeder
from estimator_lab.contrib.metric_spec import MetricSpec
from estimator_lab.contrib.monitors import replace_monitors_with_hooks
from estimator_lab.tf1 import tf

_InputFn = Callable[[], Any]


class Estimator(tf.estimator.Estimator):
    """A model function with `fit`, `evaluate` and `predict`, for input functions and for arrays.

    It is a tf.estimator.Estimator, so tf.estimator.train_and_evaluate accepts it too.

    Args:
      model_fn: called as (features, labels), and with those of mode, params, config and model_dir that it
        names. Returns ModelFnOps, or (predictions, loss, train_op).
      model_dir: folder of the model; None for a temporary one.
      config: a RunConfig.
      params: hyper-parameters for model_fn.
      feature_engineering_fn: maps (features, labels) to those of model_fn.

    Raises:
      ValueError: if there are params and model_fn has none.
    """

    def __init__(
        self,
        model_fn: Callable[..., Any] | None = None,
        model_dir: str | None = None,
        config: Any = None,
        params: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
    ) -> None:
        if model_fn is None:
            raise ValueError('model_fn must be provided to Estimator.')
        self._arguments = frozenset(inspect.signature(model_fn).parameters)
        if params is not None and 'params' not in self._arguments:
            raise ValueError(
                f"Estimator's model_fn ({model_fn}) does not have a params argument, but params ({params}) "
                "were passed to the Estimator's constructor."
            )
        self._function = model_fn
        self._given_params = params
        self._engineer = feature_engineering_fn or (lambda features, labels: (features, labels))
        self._label_types: Any = None
        super().__init__(self._spec, model_dir, RunConfig() if config is None else config)

    @property
    def params(self) -> Any:
        """The hyper-parameters."""
        return self._given_params

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: _InputFn | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        monitors: Iterable[Any] | None = None,
        max_steps: int | None = None,
    ) -> 'Estimator':
        """Trains, and returns this Estimator.

        Args:
          x: features [examples, ...], which are shuffled and repeated.
          y: labels.
          input_fn: input function, instead of x and y.
          steps: steps to train for; None for the whole input.
          batch_size: examples of x in a batch; None for all.
          monitors: hooks, and monitors of tf.contrib.learn.monitors.
          max_steps: global step at which training ends.

        Raises:
          ValueError: if the arguments contradict each other.
        """
        hooks = replace_monitors_with_hooks(monitors, self)
        if _has_arrays(x, y, input_fn, batch_size):
            feeder = Feeder(x, y, batch_size, True, None)
            input_fn, hooks = feeder.input_fn, [feeder.hook(), *hooks]
        self.train(input_fn, hooks, steps, max_steps)
        return self

    def partial_fit(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: _InputFn | None = None,
        steps: int | None = 1,
        batch_size: int | None = None,
        monitors: Iterable[Any] | None = None,
    ) -> 'Estimator':
        """Trains for one step by default; the same as `fit`."""
        return self.fit(x, y, input_fn, steps, batch_size, monitors)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: _InputFn | None = None,
        feed_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        steps: int | None = None,
        metrics: Mapping[Any, Any] | None = None,
        name: str | None = None,
        checkpoint_path: str | None = None,
        hooks: Sequence[Any] | None = None,
        log_progress: bool = True,
    ) -> Any:
        """Returns the metrics of a checkpoint, with `loss` and `global_step`.

        Args:
          x: features [examples, ...].
          y: labels.
          input_fn: input function, instead of x and y.
          feed_fn: returns values for placeholders of input_fn; raises StopIteration at the end.
          batch_size: examples of x in a batch; None for all.
          steps: batches; None for the whole input.
          metrics: {name: MetricSpec}, {name: function of (predictions, labels)}, or {(name, prediction):
            function}.
          name: name of the evaluation, for several.
          checkpoint_path: the checkpoint; None for the latest.
          hooks: hooks for the evaluation.
          log_progress: unused.

        Raises:
          NotFittedError: if there is no checkpoint.
          ValueError: if the arguments contradict each other.
        """
        hooks = list(hooks or [])
        if _has_arrays(x, y, input_fn, batch_size, feed_fn):
            feeder = Feeder(x, y, batch_size, False, 1)
            input_fn, feed_fn = feeder.input_fn, feeder.feed
        if feed_fn is not None:
            hooks.append(tf.train.FeedFnHook(feed_fn))
        if metrics is not None and not isinstance(metrics, Mapping):
            raise ValueError(f'Metrics argument should be None or dict. Got {metrics}.')
        self._check_is_fitted(checkpoint_path)
        self._metrics = metrics
        try:
            return super().evaluate(input_fn, steps or None, hooks, checkpoint_path, name or None)
        finally:
            self._metrics = None

    def predict(
        self,
        x: Any = None,
        input_fn: _InputFn | None = None,
        batch_size: int | None = None,
        outputs: Sequence[str] | None = None,
        as_iterable: bool = True,
        iterate_batches: bool = False,
    ) -> Any:
        """Returns an iterator over the predictions of the examples, or of the batches.

        An input of constants is one batch, as in 1.15.

        Args:
          x: features [examples, ...].
          input_fn: input function, instead of x.
          batch_size: examples of x in a batch; None for all.
          outputs: names of the predictions; None for all.
          as_iterable: whether to return an iterator; otherwise, an array for all of x, or for one batch of
            input_fn.
          iterate_batches: whether the iterator returns batches.

        Raises:
          NotFittedError: if there is no checkpoint.
          ValueError: if the arguments contradict each other.
        """
        feeder = Feeder(x, None, batch_size, False, 1) if _has_arrays(x, None, input_fn, batch_size) else None
        if as_iterable:
            return self._predictions(input_fn, feeder, outputs, iterate_batches)
        batches = self._predictions(input_fn, feeder, outputs, True)
        return next(batches) if feeder is None else _joined(list(batches))

    def export_savedmodel(
        self,
        export_dir_base: str,
        serving_input_fn: Callable[[], Any],
        default_output_alternative_key: str | None = None,
        assets_extra: Any = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        graph_rewrite_specs: Any = None,
        strip_default_attrs: bool = False,
    ) -> Any:
        """Writes a SavedModel to a new folder below export_dir_base, and returns its path.

        Args:
          export_dir_base: the folder above.
          serving_input_fn: returns InputFnOps or tf.estimator.export.ServingInputReceiver.
          default_output_alternative_key: the head for requests that name none.
          assets_extra: {path in assets.extra: file}.
          as_text: whether to write text.
          checkpoint_path: the checkpoint; None for the latest.
          graph_rewrite_specs: unused, as TensorFlow 2 cannot rewrite graphs.
          strip_default_attrs: unused, as tf.estimator always strips them.
        """
        self._default_head = default_output_alternative_key
        return self.export_saved_model(
            export_dir_base, serving_input_fn, assets_extra, as_text, checkpoint_path
        )

    def export_saved_model(
        self, export_dir_base: str, serving_input_receiver_fn: Callable[[], Any], *rest: Any, **more: Any
    ) -> Any:
        """Exports as tf.estimator.Estimator does; the function for serving may return InputFnOps."""

        def receiver() -> Any:
            given = serving_input_receiver_fn()
            if not isinstance(given, InputFnOps):
                return given
            export, features = tf.estimator.export, given.features
            several = isinstance(features, Mapping)
            kind = export.ServingInputReceiver if several else export.TensorServingInputReceiver
            return kind(features, given.default_inputs)

        return super().export_saved_model(export_dir_base, receiver, *rest, **more)

    default_metrics: Mapping[Any, Any] | None = None
    """The metrics of `evaluate` that names none."""
    measured_prediction: str | None = None
    """The prediction of several that metrics measure which are functions."""
    _metrics: Mapping[Any, Any] | None = None
    _default_head: str | None = None

    def _assert_members_are_not_overridden(self) -> None:
        """Allows `evaluate` and `predict`, whose new arguments have names of their own."""

    def _check_is_fitted(self, checkpoint: str | None = None) -> None:
        if not (checkpoint or self.latest_checkpoint()):
            raise NotFittedError(f"Couldn't find trained model at {self.model_dir}.")

    def _predictions(
        self, input_fn: Any, feeder: Feeder | None, outputs: Sequence[str] | None, batches: bool
    ) -> Any:
        self._check_is_fitted()
        hooks = [_OneBatchOfConstants()] if feeder is None else [feeder.hook()]
        given = input_fn if feeder is None else feeder.input_fn
        return super().predict(given, outputs or None, hooks, yield_single_examples=not batches)

    def _spec(self, features: Any, labels: Any, mode: str, config: Any) -> Any:
        """Calls the model function; returns a tf.estimator.EstimatorSpec."""
        if labels is not None:
            self._label_types = tf.nest.map_structure(lambda each: (each.dtype, each.shape), labels)
        elif mode == ModeKeys.INFER and self._label_types is not None:
            # Model functions without a mode compute the loss in each.
            labels = _placeholders(self._label_types)
        features, labels = self._engineer(features, labels)
        settings = {'mode': mode, 'params': self.params, 'config': config, 'model_dir': self.model_dir}
        named = {name: value for name, value in settings.items() if name in self._arguments}
        ops = self._function(features, labels, **named)
        if not isinstance(ops, ModelFnOps):
            if len(ops) != 3:
                raise ValueError('Unrecognized value returned by model_fn, please return ModelFnOps.')
            ops = ModelFnOps(mode, *ops)
        metrics = self.default_metrics if self._metrics is None else self._metrics
        if metrics and mode == ModeKeys.EVAL:
            more = _metric_ops(
                _with_keys(metrics, self.measured_prediction), features, labels, ops.predictions
            )
            ops = ops._replace(eval_metric_ops={**(ops.eval_metric_ops or {}), **more})
        return ops.estimator_spec(self._default_head)


class SKCompat:
    """An Estimator with the interface of scikit-learn: arrays, and batches of 128.

    Args:
      estimator: an Estimator.
    """

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 128,
        steps: int | None = None,
        max_steps: int | None = None,
        monitors: Iterable[Any] | None = None,
    ) -> 'SKCompat':
        """Trains; see `Estimator.fit`."""
        self._estimator.fit(x, y, None, steps, batch_size, monitors, max_steps)
        return self

    def score(
        self,
        x: Any,
        y: Any,
        batch_size: int = 128,
        steps: int | None = None,
        metrics: Mapping[Any, Any] | None = None,
        name: str | None = None,
    ) -> Any:
        """Returns the metrics; see `Estimator.evaluate`."""
        return self._estimator.evaluate(x, y, batch_size=batch_size, steps=steps, metrics=metrics, name=name)

    def predict(self, x: Any, batch_size: int = 128, outputs: Sequence[str] | None = None) -> Any:
        """Returns all predictions of x: an array, or {name: array} if the model has several."""
        feeder = Feeder(x, None, batch_size, False, 1)
        return _joined(list(self._estimator._predictions(None, feeder, outputs, True)))


class _OneBatchOfConstants(tf.train.SessionRunHook):
    """Ends after the first batch if neither a queue nor a dataset can end the input."""

    def begin(self) -> None:
        """Looks for queues and datasets."""
        graph = tf.get_default_graph()
        self._ends = graph.get_collection(tf.GraphKeys.QUEUE_RUNNERS) or any(
            operation.type.startswith('IteratorGetNext') for operation in graph.get_operations()
        )

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Stops."""
        if not self._ends:
            run_context.request_stop()


def _has_arrays(x: Any, y: Any, input_fn: Any, batch_size: Any, feed_fn: Any = None) -> bool:
    """Returns whether the input is arrays rather than an input function."""
    if input_fn is not None:
        if x is not None or y is not None:
            raise ValueError('Can not provide both input_fn and x or y.')
        if batch_size is not None:
            raise ValueError('Can not provide both input_fn and batch_size.')
        return False
    if x is None:
        raise ValueError('Either x or input_fn must be provided.')
    if tf.is_tensor(x) or tf.is_tensor(y):
        raise ValueError('Inputs cannot be tensors. Please provide input_fn.')
    if feed_fn is not None:
        raise ValueError('Can not provide both feed_fn and x or y.')
    return True


def _placeholders(types: Any) -> Any:
    if isinstance(types, Mapping):
        return {key: _placeholders(each) for key, each in types.items()}
    return tf.placeholder(*types)


def _with_keys(metrics: Mapping[Any, Any], prediction: str | None) -> Mapping[Any, Any]:
    """Adds a prediction to the names of metrics that have none."""
    if prediction is None:
        return metrics
    return {
        name if isinstance(metric, MetricSpec) or isinstance(name, tuple) else (name, prediction): metric
        for name, metric in metrics.items()
    }


def _metric_ops(metrics: Mapping[Any, Any], features: Any, labels: Any, predictions: Any) -> dict[str, Any]:
    found = {}
    only_label = next(iter(labels.values())) if isinstance(labels, Mapping) and len(labels) == 1 else labels
    for name, metric in sorted(metrics.items(), key=lambda pair: str(pair[0])):
        if isinstance(metric, MetricSpec):
            found[name] = metric.create_metric_ops(features, labels, predictions)
        elif isinstance(name, tuple):
            short, key = name
            label = labels[key] if isinstance(labels, Mapping) and key in labels else only_label
            found[short] = metric(predictions[key], label)
        elif isinstance(predictions, Mapping):
            raise ValueError(f'The metric {name!r} needs a MetricSpec, as there are several predictions.')
        else:
            found[name] = metric(predictions, only_label)
    if 'loss' in found:
        raise ValueError("A metric cannot have the name 'loss', which is that of the model's loss.")
    return found


def _joined(batches: list[Any]) -> Any:
    """Returns batches as one array, or as one array for each key."""
    if not isinstance(batches[0], Mapping):
        return np.concatenate(batches)
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
