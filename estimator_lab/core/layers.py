"""Layers that several models use: activations by name, dense layers, batch normalisation."""

import dataclasses
import functools
from collections.abc import Callable, Generator, Sequence
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import setting
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.core.params import ClassifierParams, share
from estimator_lab.tf1 import Initializer, Operation, Tensor, Variable, tf

MEAN_IMAGE = 'centred/mean_image'
"""Name of the variable that holds the mean image."""

_LEAKY = 'leaky_relu'
_GRADIENT = 'EstimatorLabDense'
_EPSILON = 1e-5
_DECAY = 0.9  # of moving averages, per step


def _tanh(values: Tensor) -> Tensor:
    """Returns the tanh in a form that TensorFlow does not fuse.

    On CPUs it fuses a convolution, a normalisation by moving averages and a tanh into an operation that its
    oneDNN kernels refuse: 'Fusion is not implemented: [FusedBatchNorm,Tanh]'.
    """
    return -tf.nn.tanh(-values)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    'elu': tf.nn.elu,
    _LEAKY: tf.nn.leaky_relu,
    'linear': tf.identity,
    'relu': tf.nn.relu,
    'selu': tf.nn.selu,
    'sigmoid': tf.nn.sigmoid,
    'softplus': tf.nn.softplus,
    'tanh': _tanh,
}
"""Activation functions by the name that hyper-parameters use."""


@dataclasses.dataclass(frozen=True)
class ActivationParams:
    """Parameters of a network with a choice of activation."""

    activation: str = setting('relu', 'activation of the layers', choices=tuple(ACTIVATIONS))
    slope: float = share(
        0.2, 'slope of leaky_relu below 0', used_if=lambda params: params.activation == _LEAKY
    )

    @property
    def activation_function(self) -> Callable[[Tensor], Tensor]:
        """The activation; leaky ReLU has the slope."""
        if self.activation == _LEAKY:
            return functools.partial(tf.nn.leaky_relu, alpha=self.slope)
        return ACTIVATIONS[self.activation]


def network_pixels(images: Tensor, params: Any) -> Tensor:
    """Returns what a network reads of images, float32 [batch, height, width, channels] in [0, 1].

    `params.pixels` says how; `image_pixels` is the inverse. A mean image is a variable, so that checkpoints,
    exports and all workers of a cluster have the same. It is resized to images of another size.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      params: `PixelParams`.
    """
    pixels = params.pixels
    values = pixels.scaled(images)
    if pixels.mean_image:
        values -= _mean_image(values, params)
    elif pixels.mean:
        values -= pixels.mean
    return values if pixels.gain == 1 else values * pixels.gain


def image_pixels(values: Tensor, params: Any) -> Tensor:
    """Returns the images in [0, 1] for the values that `network_pixels` returns."""
    pixels = params.pixels
    values = values if pixels.gain == 1 else values / pixels.gain
    if pixels.mean_image:
        values += _mean_image(values, params)
    elif pixels.mean:
        values += pixels.mean
    return pixels.unscaled(values)


def _mean_image(images: Tensor, params: Any) -> Tensor:
    """Returns the mean image in the size of other images, [height, width, channels] or a batch of one."""
    scope, _, name = MEAN_IMAGE.partition('/')
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        given = params.first_mean
        first = tf.zeros_initializer() if given is None else tf.constant_initializer(given)
        mean = network_variable(name, params.image_shape, first, trainable=False)
        if images.shape.as_list()[1:3] != list(params.image_shape[:2]):
            mean = tf.image.resize_bilinear(tf.expand_dims(mean, 0), tf.shape(images)[1:3])
        return mean


def dense(
    values: Tensor,
    units: int,
    name: str,
    activation: Callable[[Tensor], Tensor] | None = None,
    initializer: Initializer = None,
    layer: type = tf.layers.Dense,
    **options: Any,
) -> Tensor:
    """Returns the outputs of a dense layer, float32 [batch, units]; calls of one name share variables.

    Args:
      values: float32 [batch, inputs].
      units: number of units.
      name: of the layer, and scope of its variables `kernel` and `bias`.
      activation: of the units; None for none.
      initializer: of the kernel. The default is TF1's, which Keras 2 below tf.layers would draw without the
        graph's seed.
      layer: `tf.layers.Dense`, or `FastDense`.
      **options: further arguments of the layer.
    """
    kernel = initializer or tf.glorot_uniform_initializer()
    made = layer(
        units, activation, name=name, kernel_initializer=kernel, _scope=name, _reuse=tf.AUTO_REUSE, **options
    )
    return made(values)


def class_logits(values: Tensor, params: ClassifierParams, name: str = 'logits') -> Tensor:
    """Returns a classifier's logits, float32 [batch, num_classes].

    Args:
      values: float32 [batch, inputs].
      params: have the vocabulary.
      name: of the layer; see `dense`.

    Raises:
      FlagError: the vocabulary is empty.
    """
    if not params.num_classes:
        raise FlagError('This classifier needs labels, but its vocabulary is empty.')
    return dense(values, params.num_classes, name)


def hidden_layers(
    values: Tensor,
    units: Sequence[int],
    activation: Callable[[Tensor], Tensor],
    noise: Noise | None = None,
    rate: float = 0.0,
    max_norm: float = 0.0,
) -> Generator[tuple[str, Tensor], None, Tensor]:
    """Yields dense layers with dropout after each, as layer_1, layer_2, ...; `yield from` gives the last.

    Args:
      values: float32 [batch, inputs].
      units: units of each layer.
      activation: activation of each layer.
      noise: draws what is dropped; None drops nothing.
      rate: share of each layer's units that is dropped in training, in [0, 1).
      max_norm: maximum length of the weights into a unit, enforced after each step (Srivastava et al. 2014,
        section 5.1); 0 for none.
    """

    def clip(kernel: Tensor) -> Tensor:
        return tf.clip_by_norm(kernel, max_norm, axes=[0])

    for number, count in enumerate(units, 1):
        name = f'layer_{number}'
        values = dense(values, count, name, activation, kernel_constraint=clip if max_norm else None)
        yield name, values
        values = dropout(values, rate, noise)
    return values


class FastDense(tf.layers.Dense):
    """`tf.layers.Dense` for many inputs and small batches: the same variables and values, computed faster.

    The gradient with respect to the input is (W g')' instead of g W': Eigen rearranges a transposed W before
    it multiplies, which takes three times as long as the product with 32 rows itself.

    With parameter servers, the products are computed on the server of the kernel. The network then transfers
    the layer's input, its output and both gradients, 8 MB for 32 rows of 32,768 values, instead of the kernel
    and its gradient, 268 MB for 1,024 units (Krizhevsky 2014, 'One weird trick for parallelizing
    convolutional neural networks').
    """

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Tensor) -> Tensor:
        """Returns the outputs, float32 [batch, units], for float32 [batch, values]."""
        on_its_device = tf.device(self.kernel.device)
        with tf.get_default_graph().gradient_override_map({'MatMul': _GRADIENT}), on_its_device:
            return super().call(inputs)


@tf.RegisterGradient(_GRADIENT)
def _gradients(product: Operation, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the gradients of a product of untransposed matrices with respect to its two factors."""
    values, kernel = product.inputs
    with tf.device(product.device):
        return (
            tf.transpose(tf.matmul(kernel, gradient, transpose_b=True)),
            tf.matmul(values, gradient, transpose_a=True),
        )


def batch_norm(values: Tensor, noise: Noise | None, scope: str, trainable: bool = True) -> Tensor:
    """Normalises each unit or map of a batch to mean `beta` and deviation `gamma` (Ioffe and Szegedy 2015).

    Calls of one scope share its variables `gamma`, `beta`, `moving_mean` and `moving_variance`. In training
    it adds the updates of the moving averages to tf.GraphKeys.UPDATE_OPS; unlike
    `tf.layers.batch_normalization`, these leave a batch out in which no example counts.

    Args:
      values: float32 [batch, height, width, maps] or [batch, units].
      noise: in a training step, which uses the batch's statistics; None uses the moving averages.
      scope: scope of the variables.
      trainable: whether `gamma` and `beta` are trained.
    """
    units = values.shape.as_list()[-1]
    maps = values if values.shape.rank == 4 else tf.reshape(values, [-1, 1, 1, units])
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        gamma = network_variable('gamma', [units], tf.ones_initializer(), trainable)
        beta = network_variable('beta', [units], tf.zeros_initializer(), trainable)
        mean = network_variable('moving_mean', [units], tf.zeros_initializer(), False)
        variance = network_variable('moving_variance', [units], tf.ones_initializer(), False)
        if noise is None:
            normalised, *_ = tf.nn.fused_batch_norm(
                maps, gamma, beta, mean, variance, epsilon=_EPSILON, is_training=False
            )
        else:
            normalised, *statistics = tf.nn.fused_batch_norm(maps, gamma, beta, epsilon=_EPSILON)
            for moving, now in zip((mean, variance), statistics, strict=True):
                _move(moving, now, noise.counts)
        return tf.reshape(normalised, tf.shape(values)) if maps is not values else normalised


def _move(average: Variable, now: Tensor, counts: Tensor | bool) -> None:
    """Adds the update of a moving average to UPDATE_OPS."""
    moved = _DECAY * average + (1 - _DECAY) * now
    if counts is not True:
        moved = tf.cond(counts, lambda: moved, lambda: tf.identity(average))
    tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign(average, moved).op)


def network_variable(name: str, shape: Sequence[int], initializer: Initializer, trainable: bool) -> Variable:
    """Returns a variable in the current scope; assignments of several replicas are averaged."""
    return tf.get_variable(
        name, shape, initializer=initializer, trainable=trainable, aggregation=tf.VariableAggregation.MEAN
    )
