"""``tf.contrib.learn.Estimator`` and ``SKCompat``: a tf.estimator.Estimator with 1.15's older interface."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from estimator_lab.contrib.learn import MetricSpec, ModeKeys, ModelFnOps, NotFittedError, RunConfig
from estimator_lab.contrib.learn_input import InputFnOps, array_input_fn
from estimator_lab.tf1 import tf

_InputFn = Callable[[], Any]
_Metrics = Mapping[Any, Any]


class Fitting:
    """Mix-in that precedes an Estimator: `fit`, and `evaluate` and `predict` of arrays."""

    default_metrics: _Metrics | None = None
    """The metrics of an `evaluate` that names none."""
    measured_prediction: str | None = None
    """The prediction that metrics measure which are functions."""

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: _InputFn | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        monitors: Iterable[Any] | None = None,
        max_steps: int | None = None,
    ) -> Any:
        """Trains, and returns this Estimator.

        Raises:
          ValueError: if the arguments contradict each other.
        """
        given = self._input(x, y, input_fn, batch_size, shuffle=True)
        self.train(given, list(monitors or []), steps, max_steps)  # type: ignore[attr-defined]
        return self

    def partial_fit(self, *args: Any, **more: Any) -> Any:
        """Trains for one step by default; the arguments are those of `fit`."""
        return self.fit(*args, **{'steps': 1, **more})

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
        hooks: Sequence[Any] | None = None,
        log_progress: bool = True,
    ) -> Any:
        """Returns the metrics of a checkpoint, with `loss` and `global_step`.

        Raises:
          NotFittedError: if there is no checkpoint.
          ValueError: if the arguments contradict each other.
        """
        given = self._input(x, y, input_fn, batch_size)
        _check_is_fitted(self, checkpoint_path)
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
        iterate_batches: bool = False,
    ) -> Any:
        """Returns an iterator over the predictions of the examples, or of the batches.

        An input of constants is one batch, as in 1.15.

        Raises:
          NotFittedError: if there is no checkpoint.
          ValueError: if the arguments contradict each other.
        """
        given = self._input(x, None, input_fn, batch_size)
        _check_is_fitted(self)
        batches = iterate_batches or not as_iterable
        found = tf.estimator.Estimator.predict(
            self, given, None, [_OneBatchOfConstants()], yield_single_examples=not batches
        )
        chosen = (self._outputs(each, outputs) for each in found)
        if as_iterable:
            return chosen
        return next(chosen) if x is None else _joined(list(chosen))

    def export_savedmodel(
        self, export_dir_base: str, serving_input_fn: _InputFn, *unused: Any, **more: Any
    ) -> Any:
        """Writes a SavedModel to a new folder below export_dir_base, and returns its path."""
        kept = {name: more[name] for name in ('assets_extra', 'as_text', 'checkpoint_path') if name in more}
        return self.export_saved_model(export_dir_base, serving_input_fn, **kept)

    def export_saved_model(
        self, export_dir_base: str, serving_input_receiver_fn: _InputFn, *rest: Any, **more: Any
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

        exported = super().export_saved_model  # type: ignore[misc]
        return exported(export_dir_base, receiver, *rest, **more)

    def _assert_members_are_not_overridden(self) -> None:
        """Allows `evaluate` and `predict`, whose new arguments have names of their own."""

    def _input(self, x: Any, y: Any, input_fn: Any, batch_size: Any, shuffle: bool = False) -> _InputFn:
        return array_input_fn(x, y, input_fn, batch_size, shuffle)

    def _outputs(self, predictions: Any, names: Sequence[str] | None) -> Any:
        """Returns the predictions with these names, or all."""
        predictions = self._renamed(predictions)
        return {name: predictions[name] for name in names} if names else predictions

    def _renamed(self, predictions: Any) -> Any:
        """Returns the predictions under the names of 1.15."""
        return predictions

    def _metric_fn(self, metrics: _Metrics) -> Callable[..., Any]:
        def metric_fn(features: Any, labels: Any, predictions: Any) -> dict[str, Any]:
            predictions = self._renamed(predictions)
            return {
                name[0] if isinstance(name, tuple) else name: _spec_of(
                    name, metric, self.measured_prediction
                ).create_metric_ops(features, labels, predictions)
                for name, metric in metrics.items()
            }

        return metric_fn


def _spec_of(name: Any, metric: Any, prediction: str | None) -> MetricSpec:
    if isinstance(metric, MetricSpec):
        return metric
    return MetricSpec(metric, name[1] if isinstance(name, tuple) else prediction)


def _check_is_fitted(estimator: Any, checkpoint: str | None = None) -> None:
    if not (checkpoint or estimator.latest_checkpoint()):
        raise NotFittedError(f"Couldn't find trained model at {estimator.model_dir}.")


class Estimator(Fitting, tf.estimator.Estimator):
    """A model function with `fit`, `evaluate` and `predict`, for input functions and for arrays.

    It is a tf.estimator.Estimator, so tf.estimator.train_and_evaluate accepts it too.

    Raises:
      ValueError: if there are params and model_fn has none.
    """

    def __init__(
        self,
        model_fn: Callable[..., Any],
        model_dir: str | None = None,
        config: Any = None,
        params: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
    ) -> None:
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
        if isinstance(ops, tf.estimator.EstimatorSpec):
            return ops
        if not isinstance(ops, ModelFnOps):
            if len(ops) != 3:
                raise ValueError('Unrecognized value returned by model_fn, please return ModelFnOps.')
            ops = ModelFnOps(mode, *ops)
        return ops.estimator_spec()


def _placeholders(types: Any) -> Any:
    if isinstance(types, Mapping):
        return {key: _placeholders(each) for key, each in types.items()}
    return tf.placeholder(*types)


class SKCompat:
    """An Estimator with the interface of scikit-learn: arrays, and batches of 128."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def fit(self, x: Any, y: Any, batch_size: int = 128, **more: Any) -> 'SKCompat':
        """Trains; see `Estimator.fit`."""
        self._estimator.fit(x, y, batch_size=batch_size, **more)
        return self

    def score(self, x: Any, y: Any, batch_size: int = 128, **more: Any) -> Any:
        """Returns the metrics; see `Estimator.evaluate`."""
        return self._estimator.evaluate(x, y, batch_size=batch_size, **more)

    def predict(self, x: Any, batch_size: int = 128, outputs: Sequence[str] | None = None) -> Any:
        """Returns all predictions of x: an array, or {name: array} if the model has several."""
        batches = Fitting.predict(self._estimator, x, None, batch_size, outputs, iterate_batches=True)
        return _joined(list(batches))


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


def _joined(batches: list[Any]) -> Any:
    """Returns batches as one array, or as one array for each key."""
    if not isinstance(batches[0], Mapping):
        return np.concatenate(batches)
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
