"""Small data sets and models of the tests of behaviours."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.tf1 import tf

tf2 = tf.compat.v2
TRAIN, EVAL, PREDICT = (getattr(tf.estimator.ModeKeys, name) for name in ('TRAIN', 'EVAL', 'PREDICT'))

# y = 2x. From w = 0, the gradient of the mean squared error is -2 * 2 * mean(x^2) = -30.
X = np.array([1, 2, 3, 4], np.float32)
Y = 2 * X


def batches(
    features: Any, labels: Any = None, batch_size: int = 4, epochs: int | None = 1
) -> Callable[[], Any]:
    """Returns an input_fn that gives a Dataset of `features`, or of pairs with `labels`, in order."""
    arrays = features if labels is None else (features, labels)
    return lambda: tf.data.Dataset.from_tensor_slices(arrays).repeat(epochs).batch(batch_size)


def line(epochs: int | None = None) -> Callable[[], Any]:
    """Returns an input_fn of the four points of y = 2x, all in each batch."""
    return batches({'x': X}, Y, epochs=epochs)


def run_config(model_dir: Path | str | None = None, **settings: Any) -> Any:
    """Returns a seeded RunConfig without the step counter, which warns when quick steps are read early."""
    defaults = {'tf_random_seed': 1, 'log_step_count_steps': None}
    return tf.estimator.RunConfig(None if model_dir is None else str(model_dir), **{**defaults, **settings})


def slope_model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> Any:
    """y = w * x from w = 0, by gradient descent with params['rate'], or by what params['optimizer'] makes."""
    slope = tf.identity(tf.get_variable('w', [], initializer=tf.zeros_initializer()), 'slope')
    outputs = slope * features['x']
    if mode == PREDICT:
        return tf.estimator.EstimatorSpec(mode, {'y': outputs})
    loss = tf.losses.mean_squared_error(labels, outputs)
    make = params.get('optimizer') or tf.train.GradientDescentOptimizer
    train_op = make(params.get('rate', 0.01)).minimize(loss, tf.train.get_global_step())
    metrics = {'mae': tf.metrics.mean_absolute_error(labels, outputs)}
    return tf.estimator.EstimatorSpec(mode, {'y': outputs}, loss, train_op, metrics)


def slope_estimator(model_dir: Path | str, params: dict[str, Any] | None = None, **settings: Any) -> Any:
    """Returns the Estimator of `slope_model_fn`."""
    return tf.estimator.Estimator(
        slope_model_fn, config=run_config(model_dir, **settings), params=params or {}
    )


def two_blobs(classes: int = 2) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns 40 points in the plane, {'x': float32 [40, 2]}, and int32 [40]: the corner of each."""
    rng = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.int32) % classes
    corners = np.array([[-1, -1], [1, 1], [-1, 1]], np.float32)
    return {'x': corners[labels] + 0.2 * rng.standard_normal((40, 2)).astype(np.float32)}, labels


def numeric_x(shape: int = 2) -> list[Any]:
    """Returns the feature columns of a dense feature 'x' of `shape` numbers."""
    return [tf.feature_column.numeric_column('x', shape)]


def run(fetches: Any, feed: dict[Any, Any] | None = None, before: Iterable[Any] = ()) -> Any:
    """Returns the values of tensors in a session with initialized variables and tables, after other steps."""
    with tf.Session() as session:
        session.run(
            [tf.global_variables_initializer(), tf.local_variables_initializer(), tf.tables_initializer()]
        )
        for step in before:
            session.run(step, feed)
        return session.run(fetches, feed)


def events(model_dir: Path | str) -> list[Any]:
    """Returns the events of all event files that lie directly in a folder."""
    paths = sorted(map(str, Path(model_dir).glob('events.out.tfevents.*')))
    return [event for path in paths for event in tf.train.summary_iterator(path)]


def scalars(model_dir: Path | str, tag: str) -> list[tuple[int, float]]:
    """Returns (step, value) of a scalar summary in a folder's event files."""
    return [
        (event.step, _number(value))
        for event in events(model_dir)
        for value in event.summary.value
        if value.tag == tag
    ]


def _number(value: Any) -> float:
    return float(tf.make_ndarray(value.tensor)) if value.HasField('tensor') else value.simple_value


def column(predictions: Iterable[dict[str, Any]], key: str) -> np.ndarray:
    """Returns one entry of all predictions as an array [examples, ...]."""
    return np.array([prediction[key] for prediction in predictions])
