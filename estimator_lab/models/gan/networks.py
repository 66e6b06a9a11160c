"""The two networks of a GAN, which are functions: calls with the same scope share their variables.

The generator is the notes' 'deconvolutional' network and the discriminator their 'standard CNN' (Radford et
al. 2016), whose kernels are divided by their spectral norms (Miyato et al. 2018). Both work on images in
[-1, 1]. A conditional generator gets the label with the latent vector; the discriminator adds the inner
product of the label's embedding and its last hidden layer (Miyato and Koyama 2018).
"""

import math
from typing import Any

from estimator_lab.core.endpoints import Layers
from estimator_lab.core.keys import REALNESS
from estimator_lab.core.layers import batch_norm, network_variable
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Operation, Tensor, Variable, tf

GENERATOR, AVERAGE, DISCRIMINATOR = 'generator', 'generator_average', 'discriminator'
"""Scopes of the networks' variables; those of the average have the generator's names within it."""

HIDDEN = 'hidden'
"""Endpoint of the discriminator: its last hidden layer as vectors, float32 [batch, units]."""

_STRIDE = 2
_SLOPE = 0.2  # of the leaky ReLU below 0 (Radford et al. 2016)
_DECAY = 0.999  # of the average of the generator's weights
_DIRECTION = 'direction'
_OF_NETWORKS = ('kernel', 'bias', 'gamma', 'beta', 'moving_mean', 'moving_variance')


def generator(
    latent: Tensor, classes: Tensor | None, params: Any, scope: str, noise: Noise | None = None
) -> Tensor:
    """Returns images, float32 [batch, height, width, channels] in [-1, 1].

    A dense layer, then transposed convolutions that each double the sides, with batch normalisation and ReLU
    between them, and tanh.

    Args:
      latent: float32 [batch, latent_size], of mean 0 and deviation 1.
      classes: float32 [batch, classes], one-hot; None for a generator without classes.
      params: `model.Params`.
      scope: GENERATOR, or AVERAGE, which is not trained.
      noise: that of a training step, which normalises by the batch; None uses the moving averages.
    """
    filters, trainable = params.chosen_filters, scope == GENERATOR
    *sides, channels = params.image_shape
    shapes = [tuple(sides)]
    for _ in filters:
        shapes.append(tuple(-(-side // _STRIDE) for side in shapes[-1]))
    *finer, coarsest = shapes
    maps = [*filters[-2::-1], channels]
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        x = latent if classes is None else tf.concat([latent, classes], axis=1)
        kernel = _kernel('dense/kernel', (x.shape.as_list()[1], math.prod(coarsest) * filters[-1]), trainable)
        x = tf.reshape(tf.matmul(x, kernel), [-1, *coarsest, filters[-1]])
        for number, (outputs, shape) in enumerate(zip(maps, reversed(finer), strict=True), 1):
            x = tf.nn.relu(batch_norm(x, noise, f'batch_norm_{number}', trainable))
            name, size = f'transposed_conv_{number}', params.kernel_size
            kernel = _kernel(f'{name}/kernel', (size, size, outputs, x.shape.as_list()[3]), trainable)
            batch = [tf.shape(x)[0], *shape, outputs]
            x = tf.nn.conv2d_transpose(x, kernel, batch, strides=_STRIDE, padding='SAME')
            x = tf.ensure_shape(x, [None, *shape, outputs])
        return tf.tanh(tf.nn.bias_add(x, _bias(f'{name}/bias', channels, trainable)))


def discriminator(images: Tensor, classes: Tensor | None, params: Any) -> Layers:
    """Yields conv_1, conv_2, ..., HIDDEN, then `realness`, float32 [batch, 1]: the logit of 'real'.

    Args:
      images: float32 [batch, height, width, channels] in [-1, 1], of any size up to HIDDEN.
      classes: float32 [batch, classes], one-hot, if it is conditional; None for the class under which each
        image is the most real.
      params: `model.Params`.
    """
    x = images
    for number, outputs in enumerate(params.chosen_filters, 1):
        x = _convolution(x, f'{DISCRIMINATOR}/conv_{number}', outputs, params.kernel_size)
        yield f'conv_{number}', x
    hidden = tf.layers.flatten(x)
    yield HIDDEN, hidden
    yield REALNESS, _realness(hidden, classes, params)


def _convolution(x: Tensor, scope: str, outputs: int, size: int) -> Tensor:
    """Returns a strided convolution with leaky ReLU; the sides are halved and rounded up."""
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        kernel = spectral_norm(_kernel('kernel', (size, size, x.shape.as_list()[3], outputs)))
        x = tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides=_STRIDE, padding='SAME'), _bias('bias', outputs))
        return tf.nn.leaky_relu(x, _SLOPE)


def _realness(hidden: Tensor, classes: Tensor | None, params: Any) -> Tensor:
    units = hidden.shape.as_list()[1]
    with tf.variable_scope(f'{DISCRIMINATOR}/logits', reuse=tf.AUTO_REUSE):
        kernel = spectral_norm(_kernel('kernel', (units, 1)))
        realness = tf.nn.bias_add(tf.matmul(hidden, kernel), _bias('bias', 1))
    if not params.conditional:
        return realness
    with tf.variable_scope(f'{DISCRIMINATOR}/projection', reuse=tf.AUTO_REUSE):
        products = tf.matmul(hidden, spectral_norm(_kernel('kernel', (units, params.num_classes))))
        if classes is None:
            return realness + tf.reduce_max(products, axis=1, keepdims=True)
        return realness + tf.reduce_sum(classes * products, axis=1, keepdims=True)


def spectral_norm(kernel: Variable) -> Tensor:
    """Returns a kernel divided by its largest singular value (Miyato et al. 2018, algorithm 1).

    The value is estimated by a step of power iteration from the variable `direction` in the current scope,
    the estimate of the right singular vector, which `power_steps` moves. Only the value has a gradient
    (section 2.1). The kernel is float32 [..., units].
    """
    matrix = tf.reshape(kernel, [-1, kernel.shape.as_list()[-1]])
    direction = network_variable(_DIRECTION, matrix.shape[1:], tf.random_normal_initializer(), False)
    return kernel / _singular(matrix, direction)[0]


def power_steps() -> list[Operation]:
    """Returns the operations that move the discriminator's singular vectors after its kernels."""
    steps = []
    for direction in tf.global_variables(f'{DISCRIMINATOR}/.*/{_DIRECTION}'):
        (kernel,) = tf.trainable_variables(direction.op.name.replace(_DIRECTION, 'kernel'))
        matrix = tf.reshape(kernel, [-1, kernel.shape.as_list()[-1]])
        steps.append(tf.assign(direction, _singular(matrix, direction)[1]))
    return steps


def _singular(matrix: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Makes a step of power iteration from a direction, float32 [columns], of any length other than 0.

    Returns:
      (the estimate of the first singular value; that of its right vector, float32 [columns] of length 1).
    """
    fixed = tf.stop_gradient(matrix)
    left = tf.nn.l2_normalize(tf.linalg.matvec(fixed, direction))
    right = tf.nn.l2_normalize(tf.linalg.matvec(fixed, left, transpose_a=True))
    left, right = tf.stop_gradient(left), tf.stop_gradient(right)
    return tf.reduce_sum(left * tf.linalg.matvec(matrix, right)), right


def average_steps() -> list[Operation]:
    """Returns the operations that move the generator's average towards it.

    Early in a run the average covers a tenth of the steps only, as in
    `tf.train.ExponentialMovingAverage` with `num_updates`: at step t it keeps min(0.999, (1 + t) / (10 + t)).
    """
    step = tf.cast(tf.train.get_or_create_global_step(), tf.float32)
    kept = tf.minimum(_DECAY, (1.0 + step) / (10.0 + step))
    averages = _variables_of(AVERAGE)
    return [
        tf.assign(averages[name], kept * averages[name] + (1.0 - kept) * variable.read_value())
        for name, variable in _variables_of(GENERATOR).items()
    ]


def _variables_of(scope: str) -> dict[str, Variable]:
    """Returns the variables of a network that has been called, also its statistics, by name in the scope."""
    found = {v.op.name.removeprefix(scope): v for v in tf.global_variables(f'{scope}/')}
    return {name: v for name, v in found.items() if name.rpartition('/')[2] in _OF_NETWORKS}


def _kernel(name: str, shape: tuple[int, ...], trainable: bool = True) -> Variable:
    return network_variable(name, shape, tf.glorot_uniform_initializer(), trainable)


def _bias(name: str, units: int, trainable: bool = True) -> Variable:
    return network_variable(name, [units], tf.zeros_initializer(), trainable)
