"""``tf.contrib.learn.MetricSpec``: a metric, and the predictions, labels and weights that it compares."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

_LABELS = ('labels', 'label', 'targets', 'target')
_PREDICTIONS = ('predictions', 'prediction', 'logits', 'logit')
_WEIGHTS = ('weights', 'weight')


class MetricSpec:
    """A metric of a model's predictions, for `evaluate(metrics={name: MetricSpec(...)})`.

    Args:
      metric_fn: a function of predictions, and of labels and weights if it has such parameters. It returns a
        scalar, or its value and an operation that updates it.
      prediction_key: which predictions, if the model has several.
      label_key: which labels, if there are several.
      weight_key: the feature that is the weights; None for none.

    Raises:
      ValueError: if metric_fn has two parameters for the same thing, or lacks one for labels or weights whose
        key is given.
    """

    def __init__(
        self,
        metric_fn: Callable[..., Any],
        prediction_key: str | None = None,
        label_key: str | None = None,
        weight_key: str | None = None,
    ) -> None:
        names = _parameters(metric_fn)
        self._function = metric_fn
        self._first = names[0] if names else None
        self._labels = _only(names, _LABELS, metric_fn, label_key is not None)
        self._predictions = _only(names, _PREDICTIONS, metric_fn, False)
        self._weights = _only(names, _WEIGHTS, metric_fn, weight_key is not None)
        self._prediction_key = prediction_key
        self._label_key = label_key
        self._weight_key = weight_key

    @property
    def prediction_key(self) -> str | None:
        """Which predictions it measures."""
        return self._prediction_key

    @property
    def label_key(self) -> str | None:
        """Which labels it compares them with."""
        return self._label_key

    @property
    def weight_key(self) -> str | None:
        """The feature that is the weights."""
        return self._weight_key

    def __str__(self) -> str:
        return (
            f'MetricSpec(metric_fn={_name(self._function)}, prediction_key={self._prediction_key}, '
            f'label_key={self._label_key}, weight_key={self._weight_key})'
        )

    def metric_fn(self, labels: Any = None, predictions: Any = None, weights: Any = None) -> Any:
        """Calls the metric with those of its parameters that it has."""
        named = {} if weights is None else {self._weights or 'weights': weights}
        if self._predictions:
            named[self._predictions] = predictions
            if self._labels:
                named[self._labels] = labels
            return self._function(**named)
        if not self._labels:
            return self._function(predictions, **named)
        if self._labels == self._first:
            return self._function(labels, predictions, **named)
        return self._function(predictions, **{self._labels: labels}, **named)

    def create_metric_ops(self, inputs: Any, labels: Any, predictions: Any) -> Any:
        """Returns the metric of these features, labels and predictions, each a tensor or a mapping of them.

        Raises:
          ValueError: if there are several without a key, or one with a key.
          KeyError: if there is none with that key.
        """
        return self.metric_fn(
            predictions=_chosen('prediction', predictions, self._prediction_key),
            labels=_chosen('label', labels, self._label_key),
            weights=inputs[self._weight_key] if self._weight_key else None,
        )


def _parameters(function: Any) -> list[str]:
    if isinstance(function, functools.partial):
        return [name for name in _parameters(function.func) if name not in function.keywords]
    return list(inspect.signature(function).parameters)


def _only(names: list[str], wanted: tuple[str, ...], function: Any, required: bool) -> str | None:
    found = [name for name in names if name in wanted]
    if len(found) > 1:
        raise ValueError(
            f'{_name(function)} has the parameters {found}, and must have one of {list(wanted)}.'
        )
    if required and not found:
        raise ValueError(f'{_name(function)} has none of the parameters {list(wanted)}.')
    return found[0] if found else None


def _name(function: Any) -> str:
    return getattr(function, '__name__', None) or (
        _name(function.func) if isinstance(function, functools.partial) else str(function)
    )


def _chosen(kind: str, values: Any, key: str | None) -> Any:
    if key is None:
        if not isinstance(values, Mapping):
            return values
        if len(values) != 1:
            raise ValueError(f'MetricSpec needs a {kind}_key, as there are several: {sorted(values)}.')
        return next(iter(values.values()))
    if not isinstance(values, Mapping):
        raise ValueError(f'MetricSpec has {kind}_key={key!r}, and the {kind}s are a single tensor: {values}.')
    if key not in values:
        raise KeyError(f'{kind}_key={key!r} is not among {sorted(values)}.')
    return values[key]
