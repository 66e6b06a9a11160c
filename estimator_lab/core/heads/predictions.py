"""The EstimatorSpec of PREDICT, the same for every model."""

from collections.abc import Mapping
from typing import Any

from estimator_lab.core.model import keys
from estimator_lab.core.model.features import keys_of
from estimator_lab.tf1 import EstimatorSpec, Features, tf


def prediction_spec(
    predictions: Mapping[str, Any], features: Features, only_exported: Mapping[str, Any] | None = None
) -> EstimatorSpec:
    """Returns the EstimatorSpec for PREDICT.

    Args:
      predictions: tensors by name, with one row per example.
      features: the model function's features; keys in them become the prediction `key`, which an export
        leaves out: its callers know which images they sent.
      only_exported: further tensors of an export.
    """
    exported = {**predictions, **(only_exported or {})}
    example_keys = keys_of(features)
    predicted = dict(predictions) if example_keys is None else {**predictions, keys.KEY: example_keys}
    return tf.estimator.EstimatorSpec(
        tf.estimator.ModeKeys.PREDICT,
        predictions=predicted,
        export_outputs={'serving_default': tf.estimator.export.PredictOutput(exported)},
    )
