"""``tf.contrib.learn.Estimator``: a tf.estimator.Estimator with 1.15's older interface."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from estimator_lab.contrib.learn import MetricSpec, ModelFnOps
from estimator_lab.contrib.learn_input import InputFnOps, array_input_fn
from estimator_lab.tf1 import (
    EstimatorSpec,
    Features,
    Nested,
    RunConfig,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
    Tensor,
    tf,
)

_InputFn = Callable[[], Any]
_Metrics = Mapping[Any, Any]  # {name, or (name, key of the prediction): metric}


class Fitting(tf.estimator.Estimator):
    """An Estimator with `fit`, and with `evaluate` and `predict` that have 1.15's arguments.

    Each accepts either `input_fn`, or arrays: `x`, `y` and `batch_size`, which is all rows by default.
    """

    default_metrics: _Metrics | None = None
    """The metrics of an `evaluate` that names none."""
    measured_prediction: str | None = None
    """The prediction that metrics measure which are functions."""
    _serves_examples = True

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: _InputFn | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        monitors: Iterable[SessionRunHook] | None = None,
        max_steps: int | None = None,
    ) -> Any:
        """Trains, and returns this Estimator."""
        given = self._input(input_fn, x, y, batch_size, is_training=True)
        self.train(given, list(monitors or []), steps, max_steps)
        return self

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: _InputFn | None = None,
        feed_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        steps: int | None = None,
        metrics: _Metrics | None = None,
        name: str | None = None,
        checkpoint_path: str | None = None,
        hooks: Sequence[SessionRunHook] | None = None,
        log_progress: bool = True,
    ) -> Any:
        """Returns the metrics of a checkpoint, with `loss` and `global_step`."""
        given = self._input(input_fn, x, y, batch_size)
        hooks = [*(hooks or []), *([tf.train.FeedFnHook(feed_fn)] if feed_fn else [])]
        model: Any = self
        if metrics := metrics or self.default_metrics:
            model = tf.estimator.add_metrics(self, self._metric_fn(metrics))
        return tf.estimator.Estimator.evaluate(
            model, given, steps or None, hooks, checkpoint_path, name or None
        )

    def predict(
        self,
        x: Any = None,
        input_fn: _InputFn | None = None,
        batch_size: int | None = None,
        outputs: Sequence[str] | None = None,
        as_iterable: bool = True,
    ) -> Any:
        """Returns an iterator over the predictions of the examples; only the outputs in `outputs`, if given.

        An input of constants is one batch, as in 1.15.

        Raises:
          ValueError: if `as_iterable` is false.
        """
        if not as_iterable:
            raise ValueError('as_iterable=False is not supported: make a list of the predictions.')
        given = self._input(input_fn, x, None, batch_size)
        found = tf.estimator.Estimator.predict(self, given, None, [_OneBatchOfConstants()])
        return (self._outputs(each, outputs) for each in found)

    def export_savedmodel(
        self, export_dir_base: str, serving_input_fn: _InputFn, *unused: Any, **more: Any
    ) -> Any:
        """Writes a SavedModel to a new folder below export_dir_base, and returns its path."""
        kept = {name: more[name] for name in ('assets_extra', 'as_text', 'checkpoint_path') if name in more}
        return self.export_saved_model(export_dir_base, serving_input_fn, **kept)

    def export_saved_model(
        self, export_dir_base: str, serving_input_receiver_fn: _InputFn, *rest: Any, **more: Any
    ) -> Any:
        """Exports as tf.estimator.Estimator does; the function for serving may return InputFnOps.

        As in 1.15, the default signature of a model for anything but serialized examples is its predictions.
        """

        def receiver() -> Any:
            given = serving_input_receiver_fn()
            if not isinstance(given, InputFnOps):
                return given
            inputs = tf.nest.flatten(given.default_inputs)
            self._serves_examples = len(inputs) == 1 and inputs[0].dtype == tf.string
            export, features = tf.estimator.export, given.features
            several = isinstance(features, Mapping)
            kind = export.ServingInputReceiver if several else export.TensorServingInputReceiver
            return kind(features, given.default_inputs)

        return super().export_saved_model(export_dir_base, receiver, *rest, **more)

    def _call_model_fn(self, features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
        spec = super()._call_model_fn(features, labels, mode, config)
        outputs = spec.export_outputs or {}
        if mode != tf.estimator.ModeKeys.PREDICT or self._serves_examples or 'predict' not in outputs:
            return spec
        key = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        return spec._replace(export_outputs={**outputs, key: outputs['predict']})

    def _assert_members_are_not_overridden(self) -> None:
        """Allows `evaluate` and `predict`, whose new arguments have names of their own."""

    def _input(
        self, input_fn: Any, x: Any, y: Any, batch_size: int | None, is_training: bool = False
    ) -> _InputFn:
        return input_fn or array_input_fn(x, y, batch_size, is_training)

    def _outputs(self, predictions: Nested, names: Sequence[str] | None) -> Nested:
        """Returns the predictions with these names, or all."""
        predictions = self._renamed(predictions)
        return {name: predictions[name] for name in names} if names else predictions

    def _renamed(self, predictions: Nested) -> Nested:
        """Returns the predictions under the names of 1.15."""
        return predictions

    def _metric_fn(self, metrics: _Metrics) -> Callable[..., Any]:
        def metric_fn(features: Features, labels: Tensor, predictions: Nested) -> dict[str, Any]:
            predictions = self._renamed(predictions)
            found = {}
            for key, metric in metrics.items():
                name, measured = key if isinstance(key, tuple) else (key, self.measured_prediction)
                spec = metric if isinstance(metric, MetricSpec) else MetricSpec(metric, measured)
                found[name] = spec.create_metric_ops(features, labels, predictions)
            return found

        return metric_fn


class Estimator(Fitting):
    """A model function with `fit`, `evaluate` and `predict`.

    It is a tf.estimator.Estimator, so tf.estimator.train_and_evaluate accepts it too.
    """

    def __init__(
        self,
        model_fn: Callable[..., Any],
        model_dir: str | None = None,
        config: RunConfig = None,
        params: Any = None,
    ) -> None:
        self._function = model_fn
        super().__init__(self._spec, model_dir, config, params)

    def _spec(
        self, features: Features, labels: Tensor, mode: str, params: Any, config: RunConfig
    ) -> EstimatorSpec:
        """Calls the model function; returns a tf.estimator.EstimatorSpec."""
        settings = {'mode': mode, 'params': params, 'config': config, 'model_dir': self.model_dir}
        accepted = inspect.signature(self._function).parameters
        named = {name: value for name, value in settings.items() if name in accepted}
        ops = self._function(features, labels, **named)
        if isinstance(ops, tf.estimator.EstimatorSpec):
            return ops
        if not isinstance(ops, ModelFnOps):
            ops = ModelFnOps(mode, *ops)  # predictions, loss and training operation
        return ops.estimator_spec()


class _OneBatchOfConstants(tf.train.SessionRunHook):
    """Ends after the first batch if neither a queue nor a dataset can end the input."""

    def begin(self) -> None:
        graph = tf.get_default_graph()
        self._ends = graph.get_collection(tf.GraphKeys.QUEUE_RUNNERS) or any(
            operation.type.startswith('IteratorGetNext') for operation in graph.get_operations()
        )

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if not self._ends:
            run_context.request_stop()
