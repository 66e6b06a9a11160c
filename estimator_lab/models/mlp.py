"""The notes' multilayer perceptron: dense layers on the pixels, then logits.

The defaults are a plain ReLU network with dropout (Srivastava et al. 2014); `max_norm` is their bound on the
weights into each unit. `virtual_adversarial` trains for predictions that do not change near an image (Miyato
et al. 2018, 'Virtual adversarial training', algorithm 1 with one power iteration).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from estimator_lab.base.settings import setting
from estimator_lab.core import classifier
from estimator_lab.core.abilities import HasNetwork
from estimator_lab.core.endpoints import LOGITS, Layers, publish_all
from estimator_lab.core.float32 import in_float32
from estimator_lab.core.layers import ActivationParams, class_logits, hidden_layers, network_pixels
from estimator_lab.core.model import Args, Model, arguments
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.core.params import (
    SIZES,
    AnyOptimizer,
    ClassifierParams,
    centred_pixels,
    other_default,
    share,
    sizes,
    structural,
)
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

# Of faint letters on a background of varying brightness, 26 classes with 40 images each, 0.96 are recognised
# after 1,500 steps; after the 330 of ten epochs, and after 500, fewer than half.
_LEAST_STEPS = 1500
# Length of the probe by which the worst direction is found; the paper's 1e-6 is lost in bfloat16.
_PROBE = 1.0


@dataclasses.dataclass(frozen=True)
class Params(ActivationParams, AnyOptimizer, ClassifierParams):
    """Parameters of the network."""

    pixels_from = staticmethod(centred_pixels)

    layers: str = structural('1024-1024', 'units of each hidden layer', pattern=SIZES)
    dropout_rate: float = share(0.5, 'share of hidden units dropped in training')
    input_dropout_rate: float = share(0.2, 'share of pixels dropped in training')
    # As for cnn: with those letters, most units of the second layer are dead without a warm-up.
    warmup_steps: int = other_default(ClassifierParams, 'warmup_steps', 50)
    warmup_inputs: int = other_default(ClassifierParams, 'warmup_inputs', 1024)
    max_norm: float = setting(0.0, 'largest norm of the weights into a unit; 0 for no bound', lower=0)
    virtual_adversarial: float = setting(
        0.0,
        'distance, in values of pixels, within which predictions are not to change (Miyato et al. 2018), '
        'instead of dropout: 2 for digits; 0 for none',
        lower=0,
    )


def network(images: Tensor, params: Params, noise: Noise | None = None) -> Layers:
    """Yields layer_1 and so on, float32 [batch, units], then the logits: see `core.abilities.HasNetwork`."""
    pixels = dropout(tf.layers.flatten(network_pixels(images, params)), params.input_dropout_rate, noise)
    hidden = yield from hidden_layers(
        pixels,
        sizes(params.layers),
        params.activation_function,
        noise,
        params.dropout_rate,
        max_norm=params.max_norm,
    )
    yield LOGITS, class_logits(hidden, params)


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Classifies images: see `core.classifier`. TRAIN may add the virtual adversarial loss."""
    args = arguments(Params, features, labels, mode, params, config)
    layers = publish_all(network(args.images, args.params, args.noise))
    if mode == tf.estimator.ModeKeys.PREDICT:
        return classifier.predict_spec(args, layers)
    terms = []
    if args.noise and args.params.virtual_adversarial:
        terms = [_adversarial_term(args, layers[LOGITS], args.noise)]
    loss = classifier.loss(args, layers, terms)
    if mode == tf.estimator.ModeKeys.EVAL:
        return classifier.eval_spec(args, layers, loss)
    return classifier.train_spec(args, layers, loss)


def _adversarial_term(args: Args[Params], logits: Tensor, noise: Noise) -> Tensor:
    def classify(images: Tensor) -> Tensor:
        return dict(network(images, args.params, noise.again()))[LOGITS]

    distance = args.params.virtual_adversarial
    return virtual_adversarial_loss(classify, logits, args.images, args.weights, distance, noise)


def virtual_adversarial_loss(
    classify: Callable[[Tensor], Tensor],
    logits: Tensor,
    images: Tensor,
    weights: Tensor,
    distance: float,
    noise: Noise,
) -> Tensor:
    """Returns by how much a step in the worst direction changes the predictions: a float32 scalar, in nats.

    That is the mean of the divergences KL(p(image) || p(image + step)). It needs no labels. Its gradient
    passes through the second prediction alone.

    Args:
      classify: returns the logits of images. It drops the same units at each call as were
        dropped for `logits`: if it dropped none, the network without dropout would learn to predict the same
        for all images.
      logits: for the images, float32 [batch, classes].
      images: float32 [batch, height, width, channels].
      weights: the weight of each image, float32 [batch] or a number.
      distance: Euclidean length of the step, above 0, in the units of the pixels.
      noise: draws the direction in which the search begins.
    """
    with tf.name_scope('virtual_adversarial'):
        probe = _PROBE * _directions(noise.normal(tf.shape(images)))
        (steepest,) = tf.gradients(_divergences(logits, classify(images + probe)), probe)
        step = tf.stop_gradient(distance * _directions(steepest))
        changes = _divergences(logits, classify(images + step))
        return tf.losses.compute_weighted_loss(changes, weights, loss_collection=None)


def _divergences(logits: Tensor, others: Tensor) -> Tensor:
    """Returns KL(p || q) of each example, float32 [batch]; gradients reach q only.

    TensorFlow computes cross-entropies in float32 even under `--precision=bfloat16`. In bfloat16, their
    gradient q - p would be noise as soon as predictions are confident.
    """
    shares = tf.nn.softmax(in_float32(tf.stop_gradient(logits)))
    crossed = tf.nn.softmax_cross_entropy_with_logits_v2(labels=shares, logits=others)
    own = tf.nn.softmax_cross_entropy_with_logits_v2(labels=shares, logits=logits)
    return crossed - tf.stop_gradient(own)


def _directions(images: Tensor) -> Tensor:
    """Returns the images divided by their lengths; 0 stays 0."""
    largest = tf.reduce_max(tf.abs(images), axis=[1, 2, 3], keepdims=True)
    # First by the largest value, as the squares of confident predictions' gradients are 0 in float32.
    return tf.nn.l2_normalize(tf.div_no_nan(images, largest), axis=[1, 2, 3])


class Mlp(Model[Params], HasNetwork):
    """A feed-forward network."""

    name = 'mlp'
    params = Params
    model_fn = staticmethod(model_fn)
    network = staticmethod(network)
    least_steps = _LEAST_STEPS


MODEL = Mlp()
