"""From predictions to the EstimatorSpec of PREDICT, the same for every model."""

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
      predictions: tensors by name, each with one row for each example.
      features: the model function's features; where they have keys, these become the prediction `key`,
        which an export lacks: its callers know which images they asked about.
      only_exported: tensors that an export gives besides.
    """
    exported = {**predictions, **(only_exported or {})}
    example_keys = keys_of(features)
    predicted = dict(predictions) if example_keys is None else {**predictions, keys.KEY: example_keys}
    return tf.estimator.EstimatorSpec(
        tf.estimator.ModeKeys.PREDICT,
        predictions=predicted,
        export_outputs={'serving_default': tf.estimator.export.PredictOutput(exported)},
    )
