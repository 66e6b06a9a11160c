"""The document's convolutional network, generalised over image size, channels and number of classes.

Two times convolution 5x5 (32 filters, 'same' padding, ReLU) and max-pooling 2x2; a dense layer of 1,024
ReLU units; dropout 0.4; logits. Variable names are `tf.layers`' own, so that a checkpoint written by the
document's code under TensorFlow 1.15 restores here.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from estimator_lab.core.display.summaries import (
    activation_map_summary,
    filter_summary,
    histogram_summary,
    weight_histograms,
)
from estimator_lab.core.features import images_of
from estimator_lab.core.heads.classification import ClassifierParams, eval_spec, predict_spec, train_spec
from estimator_lab.core.hparams import hparam, resolve
from estimator_lab.core.layers.dense import Dense
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import tf

_POOLINGS = 2
_SMALLEST = 2**_POOLINGS


@dataclasses.dataclass(frozen=True)
class Params(ClassifierParams):
    """Parameters of the network; the defaults are the document's."""

    filters: int = hparam(32, 'filters in each convolution, at least 1', lambda v: v >= 1, structural=True)
    kernel_size: int = hparam(5, 'side of a filter in pixels, at least 1', lambda v: v >= 1, structural=True)
    dense_units: int = hparam(1024, 'units of the dense layer, at least 1', lambda v: v >= 1, structural=True)
    dropout_rate: float = hparam(
        0.4, 'share of dense units dropped in training, in [0, 1)', lambda v: 0 <= v < 1
    )


class Layers(NamedTuple):
    """What the network computes for a batch.

    With the default parameters and images [batch, 128, 128, 1]: conv1 [batch, 128, 128, 32], conv2
    [batch, 64, 64, 32], dense [batch, 1024], logits [batch, num_classes].
    """

    conv1: Any
    conv2: Any
    dense: Any
    logits: Any


def check(params: Params) -> None:
    """Raises FlagError for images that two poolings would reduce to nothing."""
    height, width, _ = params.image_shape
    if min(height, width) < _SMALLEST:
        raise FlagError(
            f'--image_size={min(height, width)} is too small: {_POOLINGS} poolings by 2 need at least '
            f'{_SMALLEST} pixels.'
        )


def network(images: Any, params: Params, training: bool) -> Layers:
    """Builds the network.

    Args:
      images: float32 [batch, height, width, channels], any range; [0, 1] trains well.
      params: sizes of the layers.
      training: whether dense units are dropped.
    """
    conv1 = _convolution(images, params)
    pool1 = tf.layers.max_pooling2d(conv1, pool_size=2, strides=2)
    conv2 = _convolution(pool1, params)
    pool2 = tf.layers.max_pooling2d(conv2, pool_size=2, strides=2)
    layer = Dense if training else tf.layers.Dense  # the same but for gradients, of which exports have none
    dense = _dense(layer, params.dense_units, tf.nn.relu)(tf.layers.flatten(pool2))
    dropped = tf.layers.dropout(dense, params.dropout_rate, seed=_DROPOUT_SEED, training=training)
    return Layers(conv1, conv2, dense, _dense(tf.layers.Dense, params.num_classes)(dropped))


def model_fn(
    features: Any, labels: Any, mode: str, params: Mapping[str, Any] | None = None, config: Any = None
) -> Any:
    """The model function, for `tf.estimator.Estimator`.

    Args:
      features: {'image': float32 [batch, height, width, channels], 'key': string [batch]}, or one tensor
        [batch, height * width * channels], or the document's tuple of scalars; values in [0, 1].
      labels: class ids or label texts, [batch]; None in PREDICT.
      mode: a `tf.estimator.ModeKeys`.
      params: names and values of `Params`; those left out have their defaults.
      config: the RunConfig; without it, training writes no input grid.

    Returns:
      The EstimatorSpec of that mode.

    Raises:
      FlagError: for an unknown parameter, or a value that is not allowed.
    """
    settings = resolve(Params, params)
    check(settings)
    images = images_of(features, settings.image_shape)
    layers = network(images, settings, training=mode == tf.estimator.ModeKeys.TRAIN)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return predict_spec(layers.logits, features, settings)
    if mode == tf.estimator.ModeKeys.EVAL:
        return eval_spec(layers.logits, labels, settings, features, layers.dense, config)
    _summarise(layers)
    return train_spec(layers.logits, labels, settings, images, config)


# Left to itself, Keras 2 below tf.layers draws a fresh seed for each layer, whatever the graph's seed is. Its
# initial weights then differ in each run. These are TF1's own defaults, which heed the graph's seed.
_DROPOUT_SEED = 1


def _convolution(inputs: Any, params: Params) -> Any:
    return tf.layers.conv2d(
        inputs,
        params.filters,
        params.kernel_size,
        padding='same',
        activation=tf.nn.relu,
        kernel_initializer=tf.glorot_uniform_initializer(),
    )


def _dense(layer: Any, units: int, activation: Any = None) -> Any:
    return layer(units, activation, kernel_initializer=tf.glorot_uniform_initializer())


def _summarise(layers: Layers) -> None:
    weight_histograms()
    for name in ('conv1', 'conv2', 'dense'):
        histogram_summary(f'activations/{name}', getattr(layers, name))
    filter_summary('images/filters_conv1', tf.trainable_variables()[0])
    activation_map_summary('images/activation_map_conv1', layers.conv1)
    activation_map_summary('images/activation_map_conv2', layers.conv2)
