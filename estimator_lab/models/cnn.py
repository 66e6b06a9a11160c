"""The notes' convolutional network, generalised over image size, channels and number of classes.

Twice convolution 5x5 (32 filters, 'same' padding, ReLU) and max-pooling 2x2; a dense layer of 1,024
ReLU units; dropout 0.4; logits. Variable names are `tf.layers`' own, so that a checkpoint written by the
notes' code under TensorFlow 1.15 restores here.
"""

import dataclasses

from estimator_lab.base.settings import setting
from estimator_lab.core.heads.classification import classification_spec
from estimator_lab.core.heads.model import Model
from estimator_lab.core.heads.model_function import Args, model_function
from estimator_lab.core.layers.dense import Dense
from estimator_lab.core.layers.elementwise import ActivationParams, dropout
from estimator_lab.core.model.endpoints import LOGITS, Endpoint, Layered, Layers
from estimator_lab.core.model.hparams import at_least_1, is_share, structural
from estimator_lab.core.model.params import ClassifierParams, warmup_hparam, warmup_inputs_hparam
from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf

_POOLINGS = 2
_SMALLEST = 2**_POOLINGS
_DENSE = 'dense'


@dataclasses.dataclass(frozen=True)
class Params(ActivationParams, ClassifierParams):
    """Parameters of the network; the defaults are those of the notes."""

    filters: int = structural(32, 'filters in each convolution, at least 1', at_least_1)
    kernel_size: int = structural(5, 'side of a filter in pixels, at least 1', at_least_1)
    dense_units: int = structural(1024, 'units of the dense layer, at least 1', at_least_1)
    dropout_rate: float = setting(0.4, 'share of dense units dropped in training, in [0, 1)', is_share)
    # Adam's first steps are as long as later ones: without a warm-up most maps of the second convolution are
    # dead after twenty steps.
    warmup_steps: int = warmup_hparam(50)
    # For images of 128 pixels, a dense unit has 32,768 inputs: after the same warm-up two thirds of the units
    # are dead, most of them within ten steps.
    warmup_inputs: int = warmup_inputs_hparam(1024)


def check(params: Params) -> None:
    """Raises FlagError for images that are too small for two poolings."""
    height, width, _ = params.image_shape
    if min(height, width) < _SMALLEST:
        raise FlagError(
            f'--image_size={min(height, width)} is too small: {_POOLINGS} poolings by 2 need at least '
            f'{_SMALLEST} pixels.'
        )


class Network:
    """The network; its layers are created once and can be called several times.

    With `training`, the dense layer has a faster gradient; an export, whose users may compute gradients,
    needs TensorFlow's own.
    """

    def __init__(self, params: Params, training: bool = False) -> None:
        # TF1's default, by name: otherwise Keras 2 below tf.layers draws a new seed for each layer, ignoring
        # the graph's seed, and initial weights differ between runs.
        initial = tf.glorot_uniform_initializer()
        self._dropout_rate = params.dropout_rate
        self._conv1, self._conv2 = (
            tf.layers.Conv2D(
                params.filters,
                params.kernel_size,
                padding='same',
                activation=params.activation_function(),
                kernel_initializer=initial,
            )
            for _ in range(2)
        )
        dense = Dense if training else tf.layers.Dense
        self._dense = dense(params.dense_units, params.activation_function(), kernel_initializer=initial)
        self._logits = tf.layers.Dense(params.num_classes, kernel_initializer=initial)

    def __call__(self, images: Tensor, noise: Noise | None = None) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns the logits, float32 [batch, num_classes], and the endpoints.

        Args:
          images: float32 [batch, height, width, channels], any range; [0, 1] trains well.
          noise: random numbers for dropout; None for no dropout.

        Returns:
          With the default parameters and images [batch, 128, 128, 1] the endpoints are conv1 [batch, 128,
          128, 32], pool1 [batch, 64, 64, 32], conv2 [batch, 64, 64, 32], pool2 [batch, 32, 32, 32] and
          dense [batch, 1024].
        """
        endpoints = dict(self.layers(images, noise))
        return endpoints.pop(LOGITS).values, endpoints

    def layers(self, images: Tensor, noise: Noise | None = None) -> Layers:
        """Yields the same endpoints one by one, then the logits.

        Args:
          images: as for a call; up to pool2 of any size.
          noise: as for a call.
        """
        # The variables keep the names of tf.layers; the graph shows those of the endpoints.
        with tf.name_scope('conv1'):
            conv1 = self._conv1(images)
        yield 'conv1', Endpoint(conv1, self._conv1.kernel)
        with tf.name_scope('pool1'):
            pool1 = tf.layers.max_pooling2d(conv1, pool_size=2, strides=2)
        yield 'pool1', Endpoint(pool1)
        with tf.name_scope('conv2'):
            conv2 = self._conv2(pool1)
        yield 'conv2', Endpoint(conv2, self._conv2.kernel)
        with tf.name_scope('pool2'):
            pool2 = tf.layers.max_pooling2d(conv2, pool_size=2, strides=2)
        yield 'pool2', Endpoint(pool2)
        with tf.name_scope(_DENSE):
            dense = self._dense(tf.layers.flatten(pool2))
        yield _DENSE, Endpoint(dense, self._dense.kernel)
        dropped = dropout(dense, self._dropout_rate, noise)
        with tf.name_scope(LOGITS):
            logits = self._logits(dropped)
        yield LOGITS, Endpoint(logits)


def layered(params: Params) -> Layered:
    """Returns the network layer by layer."""
    return Layered(Network(params).layers, _SMALLEST, _DENSE)


@model_function(Params, check)
def model_fn(args: Args[Params]) -> EstimatorSpec:
    """Classifies images: see `core.heads.classification.classification_spec`.

    The features may also be one tensor [batch, height * width * channels], or the notes' tuple of scalars.
    """
    logits, endpoints = Network(args.params, args.training)(args.images, args.noise)
    return classification_spec(args, logits, endpoints)


MODEL = Model('cnn', Params, model_fn, check, layered=layered)
