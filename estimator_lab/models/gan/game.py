"""A training step of a GAN: an update of the discriminator, then one of the generator.

Goodfellow et al. (2014), section 3, with the non-saturating loss. Both updates use the same fakes, which are
generated once; the generator learns against the updated discriminator. Together they are one global step.
"""

from typing import Any, NamedTuple

from estimator_lab.core import keys
from estimator_lab.core.noise import Noise
from estimator_lab.core.training import (
    apply_gradients,
    apply_if_nonempty,
    counted,
    optimizer_and_rate,
)
from estimator_lab.models.gan.augmentation import augmented
from estimator_lab.models.gan.networks import (
    AVERAGE,
    DISCRIMINATOR,
    GENERATOR,
    average_steps,
    discriminator,
    generator,
    power_steps,
)
from estimator_lab.tf1 import Operation, Optimizer, Tensor, tf

_BETA1 = 0.5  # of Adam (Radford et al. 2016)


class RealBatch(NamedTuple):
    """Real images, float32 [batch, height, width, channels] in [-1, 1], with weights, float32 [batch].

    For a conditional GAN, also classes, one-hot, float32 [batch, classes]; zeros for an unknown label.
    """

    images: Tensor
    classes: Tensor | None
    weights: Tensor


class Played(NamedTuple):
    """The results of a step.

    Attributes:
      train_op: makes both updates and increments the global step once.
      fakes: the generator's images, one for each of the batch and of the same class, in [-1, 1].
      layers: the discriminator's, for the images, then for the fakes.
      scalars: losses, lengths of gradients and the learning rate, by the names of summaries.
    """

    train_op: Operation
    fakes: Tensor
    layers: dict[str, Tensor]
    scalars: dict[str, Tensor]


def play(batch: RealBatch, params: Any, noise: Noise) -> Played:
    """Builds a training step on a batch, with the random numbers of the step."""
    count = tf.shape(batch.images)[0]
    with tf.name_scope('latent'):
        latent = noise.normal(tf.stack([count, params.latent_size]))
    generator(latent, batch.classes, params, AVERAGE)  # its variables, outside of the update
    fakes = generator(latent, batch.classes, params, GENERATOR, noise)
    statistics = tf.get_collection(tf.GraphKeys.UPDATE_OPS, f'{GENERATOR}/')
    with tf.name_scope('schedule'):
        new_optimizer, rate = optimizer_and_rate(params, beta1=_BETA1)
    optimizers = new_optimizer(), new_optimizer()
    both = None if batch.classes is None else tf.concat([batch.classes, batch.classes], axis=0)
    with tf.name_scope('discriminator_move'):
        images = tf.concat([batch.images, tf.stop_gradient(fakes)], axis=0)
        found = dict(discriminator(_seen(images, params, noise), both, params))
        real, fake = tf.split(found[keys.REALNESS][:, 0], 2)
        loss = mean_of(tf.nn.softplus(-real) + tf.nn.softplus(fake), batch.weights)
        update, norm = _update(optimizers[0], loss, DISCRIMINATOR, batch.weights, params, power_steps)
    # The generator's loss reads the discriminator after its move.
    with tf.control_dependencies([update]), tf.name_scope('generator_move'):
        layers = dict(discriminator(_seen(fakes, params, noise), batch.classes, params))
        generator_loss = mean_of(tf.nn.softplus(-layers[keys.REALNESS][:, 0]), batch.weights)
        with tf.control_dependencies(statistics):
            generator_update, generator_norm = _update(
                optimizers[1], generator_loss, GENERATOR, batch.weights, params, average_steps
            )
    scalars = {
        keys.LEARNING_RATE: rate,
        'discriminator_loss': loss,
        'gradients/discriminator': norm,
        'generator_loss': generator_loss,
        'gradients/generator': generator_norm,
    }
    return Played(counted(generator_update), fakes, found, scalars)


def mean_of(values: Tensor, weights: Tensor) -> Tensor:
    """Returns the mean of values, float32 [batch], weighted by float32 [batch]; 0 if all weights are 0."""
    return tf.div_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))


def _seen(images: Tensor, params: Any, noise: Noise) -> Tensor:
    """Returns images as the discriminator sees them in training."""
    return augmented(images, noise) if params.diff_augment else images


def _update(
    optimizer: Optimizer, loss: Tensor, scope: str, weights: Tensor, params: Any, then: Any
) -> tuple[Operation, Tensor]:
    """Returns the operation that lowers a loss by one step of a network, and the length of the gradient.

    If that is not finite, or all weights are 0, nothing changes. `then` builds what follows a change.
    """
    pairs = optimizer.compute_gradients(loss, tf.trainable_variables(f'{scope}/'))
    norm = tf.global_norm([gradient for gradient, _ in pairs])
    counts = tf.where(tf.fill(tf.shape(weights), tf.is_finite(norm)), weights, tf.zeros_like(weights))
    with tf.control_dependencies([apply_gradients(optimizer, pairs, counts, params.clip_norm)]):
        return apply_if_nonempty(counts, lambda: tf.group(*then())), norm
