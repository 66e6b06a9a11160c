"""The notes' convolutional network, generalised over image size, channels and number of classes.

Twice convolution 5x5 (32 filters, 'same' padding, ReLU) and max-pooling 2x2; a dense layer of 1,024
ReLU units; dropout 0.4; logits. Variable names are `tf.layers`' own, so that a checkpoint written by the
notes' code under TensorFlow 1.15 restores here.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from estimator_lab.base.errors import FlagError, option
from estimator_lab.core import classifier
from estimator_lab.core.abilities import HasNetwork
from estimator_lab.core.endpoints import LOGITS, Layers, publish_all
from estimator_lab.core.layers import ActivationParams, FastDense, class_logits, dense, network_pixels
from estimator_lab.core.model import Model, arguments
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.core.params import (
    AnyOptimizer,
    ClassifierParams,
    centred_pixels,
    other_default,
    share,
    structural,
)
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

_SMALLEST = 4  # pixels of a side: two poolings by 2


@dataclasses.dataclass(frozen=True)
class Params(ActivationParams, AnyOptimizer, ClassifierParams):
    """Parameters of the network; the layers and the dropout are by default as in the notes."""

    pixels_from = staticmethod(centred_pixels)

    filters: int = structural(32, 'filters in each convolution', lower=1)
    kernel_size: int = structural(5, 'side of a filter in pixels', lower=1)
    dense_units: int = structural(1024, 'units of the dense layer', lower=1)
    dropout_rate: float = share(0.4, 'share of dense units dropped in training')
    # Adam's first steps are as long as later ones: without a warm-up most maps of the second convolution are
    # dead after twenty steps.
    warmup_steps: int = other_default(ClassifierParams, 'warmup_steps', 50)
    # For images of 128 pixels, a dense unit has 32,768 inputs: after the same warm-up two thirds of the units
    # are dead, most of them within ten steps.
    warmup_inputs: int = other_default(ClassifierParams, 'warmup_inputs', 1024)

    def check(self) -> None:
        """Raises FlagError for images that are too small for two poolings."""
        side = min(self.image_shape[:2])
        if side < _SMALLEST:
            raise FlagError(
                f'{option.image_size}={side} is too small: two poolings by 2 need at least {_SMALLEST} '
                'pixels.'
            )


def network(images: Tensor, params: Params, noise: Noise | None = None) -> Layers:
    """Yields the layers by name, then the logits: see `HasNetwork`. Up to pool2, any size will do."""
    # TF1's default initializer, by name: the one of Keras 2 below tf.layers ignores the graph's seed.
    layer = {
        'activation': params.activation_function,
        'kernel_initializer': tf.glorot_uniform_initializer(),
        'reuse': tf.AUTO_REUSE,
    }
    x = network_pixels(images, params)
    x = tf.layers.conv2d(x, params.filters, params.kernel_size, padding='same', name='conv2d', **layer)
    yield 'conv1', x  # [batch, 128, 128, 32], for 128 x 128 pixels
    x = tf.layers.max_pooling2d(x, 2, 2)
    yield 'pool1', x  # [batch, 64, 64, 32]
    x = tf.layers.conv2d(x, params.filters, params.kernel_size, padding='same', name='conv2d_1', **layer)
    yield 'conv2', x
    x = tf.layers.max_pooling2d(x, 2, 2)
    yield 'pool2', x  # [batch, 32, 32, 32]
    # In training its gradient is faster; an export, whose users may compute gradients, needs TensorFlow's.
    kind = tf.layers.Dense if noise is None else FastDense
    x = dense(tf.layers.flatten(x), params.dense_units, 'dense', layer['activation'], layer=kind)
    yield 'dense', x  # [batch, 1024]
    x = dropout(x, params.dropout_rate, noise)
    yield LOGITS, class_logits(x, params, 'dense_1')


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Classifies images: see `core.classifier`.

    The features may also be one tensor [batch, height * width * channels], or the notes' tuple of scalars.
    """
    args = arguments(Params, features, labels, mode, params, config)
    layers = publish_all(network(args.images, args.params, args.noise))
    if mode == tf.estimator.ModeKeys.PREDICT:
        return classifier.predict_spec(args, layers)
    loss = classifier.loss(args, layers)
    if mode == tf.estimator.ModeKeys.EVAL:
        return classifier.eval_spec(args, layers, loss)
    return classifier.train_spec(args, layers, loss)


class Cnn(Model[Params], HasNetwork):
    """The notes' convolutional network."""

    name = 'cnn'
    params = Params
    model_fn = staticmethod(model_fn)
    network = staticmethod(network)


MODEL = Cnn()
