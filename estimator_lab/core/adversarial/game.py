"""One training step of a GAN: the discriminator's steps on slices of the batch, then the generator's."""

import functools
import itertools
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from estimator_lab.core.adversarial.augmentation import augmented
from estimator_lab.core.adversarial.discriminator import Discriminated
from estimator_lab.core.adversarial.generator import Generated
from estimator_lab.core.adversarial.losses import (
    LOSSES,
    feature_distance,
    gradient_penalty,
    squared_gradient,
    weighted_mean,
)
from estimator_lab.core.adversarial.params import AdversarialParams
from estimator_lab.core.adversarial.players import (
    AVERAGE,
    DISCRIMINATOR,
    DISCRIMINATOR_AVERAGE,
    GENERATOR,
    Players,
    averaged,
)
from estimator_lab.core.endpoints import Endpoints
from estimator_lab.core.noise import Noise
from estimator_lab.core.training import (
    LossScaledOptimizer,
    apply_gradients,
    apply_if_nonempty,
    loss_scaled,
    sequential_train_op,
)
from estimator_lab.optimizers import FanInAdam, learning_rate_at, make_optimizer
from estimator_lab.tf1 import Operation, Tensor, tf

_ADAM = 'adam'
# Weight of real against fake, with classes, as in the program of Salimans et al. (2016).
_REALNESS_SHARE = 0.5


class Batch(NamedTuple):
    """A batch as the two networks see it.

    Attributes:
      images: float32 [batch, height, width, channels] in [-1, 1].
      classes: float32 [batch, classes], one-hot, zeros for an unknown label; None without labels.
      weights: the weight of each example, float32 [batch].
    """

    images: Tensor
    classes: Tensor | None
    weights: Tensor

    @property
    def count(self) -> Tensor:
        """Number of rows, int32."""
        return tf.shape(self.images)[0]

    @property
    def known(self) -> Tensor:
        """1 for each example of a known label, 0 for others, float32 [batch]; the batch must have classes."""
        return tf.reduce_sum(self.classes, axis=1)

    def condition(self, params: AdversarialParams) -> Tensor | None:
        """Returns the classes that both networks are conditioned on."""
        return self.classes if params.conditional else None

    def rows(self, part: slice) -> 'Batch':
        """Returns some of the rows."""
        classes = None if self.classes is None else self.classes[part]
        return Batch(self.images[part], classes, self.weights[part])

    def where(self, chosen: Tensor) -> 'Batch':
        """Returns the rows where `chosen`, bool [batch], is true; the batch must have classes."""
        return Batch(*(tf.boolean_mask(values, chosen) for values in self))


class Step(NamedTuple):
    """The results of one network's step, for summaries.

    Attributes:
      loss: a scalar.
      norm: length of its gradient, a scalar; a step whose gradient is not finite changes nothing.
      real: the discriminator's logits of real images, float32 [n]; None in a step of the generator.
      fake: its logits of fakes, float32 [n].
      endpoints: the discriminator's, for images and fakes; none in a step of the generator.
    """

    loss: Tensor
    norm: Tensor
    real: Tensor | None
    fake: Tensor
    endpoints: Endpoints = MappingProxyType({})


class Game:
    """The graph of a training step of both networks: the discriminator's steps, then the generator's.

    Args:
      players: the networks.
      batch: the images. A discriminator that classifies compares images without a label with fakes, and
        learns classes from those with one: labelled images repeat far more often, and would be memorised
        as real (Salimans et al. 2016, section 5). In a batch of labelled images only, they serve for both.
      noise: the random numbers of this step.
      params: the hyper-parameters of training.

    Attributes:
      batch: the images that are compared with fakes.
      made: the generator's fakes of this step, one for each of those images, and of the same class.
      train_op: the operation that runs all steps and increments the global step once.
      discriminator: the results of the discriminator's last step.
      generator: the results of the generator's step.
      learning_rate: the generator's, a scalar.
    """

    def __init__(self, players: Players, batch: Batch, noise: Noise, params: AdversarialParams) -> None:
        self._players = players
        self._labelled: Batch | None = None
        if params.semi_supervised:
            batch, self._labelled = _unlabelled_and_labelled(batch)
        self.batch = batch
        self._noise = noise
        self._params = params
        self._loss = LOSSES[params.chosen_loss]
        with tf.name_scope('latent'):
            latent = noise.normal(tf.stack([batch.count, params.latent_size]))
        self._make_averages(latent)
        # Its weights do not change before its own step, so that all steps can share these fakes.
        self.made: Generated = players.generator(latent, batch.condition(self._params), training=True)
        self.learning_rate = self._rate(params.learning_rate)
        self._optimizer = self._make_optimizer(self.learning_rate)
        own_rate = params.discriminator_learning_rate
        self._discriminator_optimizer = self._make_optimizer(
            self._rate(own_rate) if own_rate else self.learning_rate
        )
        self.train_op = sequential_train_op([*self._discriminator_steps(), self._generator_step])

    def _make_averages(self, latent: Tensor) -> None:
        """Creates the variables of the averages, outside of the steps that update them."""
        self._players.average(latent, self.batch.condition(self._params))
        if self._players.discriminator_average:
            self._players.discriminator_average(self.batch.images)

    def _discriminator_steps(self) -> list[Callable[[], Operation]]:
        """Returns the builders of the discriminator's steps, each on its own slice of the batch."""
        slices = self._slices(self.batch)
        if self._labelled is None:
            return [functools.partial(self._discriminator_step, part) for part in slices]
        return [
            functools.partial(self._discriminator_step, part, self._labelled.rows(labelled))
            for part, labelled in zip(slices, self._slices(self._labelled), strict=True)
        ]

    def _slices(self, batch: Batch) -> list[slice]:
        """Returns the slices of a batch, one for each step of the discriminator.

        If bad examples left fewer rows than steps, some rows are used more than once.
        """
        count, steps = batch.count, self._params.discriminator_steps
        if steps == 1:
            return [slice(None)]
        starts = [step * count // steps for step in range(steps + 1)]
        return [slice(start, tf.maximum(end, start + 1)) for start, end in itertools.pairwise(starts)]

    def _discriminator_step(self, part: slice, labelled: Batch | None = None) -> Operation:
        params, batch = self._params, self.batch.rows(part)
        fakes = tf.stop_gradient(self.made.images[part])
        with tf.name_scope('discriminator_move'):
            labelled_images = [] if labelled is None else [labelled.images]
            real, fake, *others = self._together(
                [batch.images, fakes, *labelled_images], batch.condition(self._params)
            )
            mean = functools.partial(weighted_mean, weights=batch.weights)
            loss = mean(self._loss.real(real.realness)) + mean(self._loss.fake(fake.realness))
            if labelled is not None:
                loss = _REALNESS_SHARE * loss + _cross_entropy(others[0], labelled)
            if params.chosen_loss == 'wasserstein' and params.gradient_penalty:
                loss += params.gradient_penalty * mean(self._penalty(batch, fakes))
            if params.r1:
                loss += 0.5 * params.r1 * mean(self._squared_gradient(batch))
            optimizer = self._discriminator_optimizer
            update, norm = _step(
                optimizer,
                loss,
                DISCRIMINATOR,
                batch.weights,
                self._after_discriminator,
                params.clip_norm,
            )
        self.discriminator = Step(loss, norm, real.realness, fake.realness, real.endpoints)
        return update

    def _after_discriminator(self) -> Operation:
        """Returns what follows an update of the discriminator: power iterations, then its average."""
        steps = self._players.discriminator.power_steps()
        if self._players.discriminator_average:
            steps += averaged(DISCRIMINATOR, DISCRIMINATOR_AVERAGE, self._params.average_decay)
        return tf.group(*steps)

    def _generator_step(self) -> Operation:
        batch, fakes = self.batch, self.made.images
        with tf.name_scope('generator_move'):
            if self._params.chosen_loss == 'feature_matching':
                real, fake = self._together([batch.images, fakes], batch.condition(self._params))
                loss = feature_distance(tf.stop_gradient(real.hidden), fake.hidden, batch.weights)
            else:
                fake = self._discriminated(fakes, batch.condition(self._params))
                loss = weighted_mean(self._loss.generator(fake.realness), batch.weights)
            update, norm = _step(
                self._optimizer,
                loss,
                GENERATOR,
                batch.weights,
                self._after_generator,
                self._params.clip_norm,
            )
        self.generator = Step(loss, norm, None, fake.realness)
        return update

    def _after_generator(self) -> Operation:
        """Returns what follows an update of the generator: its statistics, then its average."""
        statistics = [tf.assign(variable, value) for variable, value in self.made.updates]
        with tf.control_dependencies(statistics):
            return tf.group(*averaged(GENERATOR, AVERAGE, self._params.average_decay))

    def _together(self, several: Sequence[Tensor], classes: Tensor | None) -> list[Discriminated]:
        """Runs the discriminator on several batches of images in one pass.

        Args:
          several: the images of each batch.
          classes: the classes of each batch; None for none.
        """
        if classes is not None:
            classes = tf.concat([classes] * len(several), axis=0)
        found = self._discriminated(tf.concat(several, axis=0), classes)
        ends = list(itertools.accumulate(tf.shape(images)[0] for images in several))
        return [_rows(found, slice(*ends_of)) for ends_of in itertools.pairwise([0, *ends])]

    def _discriminated(self, images: Tensor, classes: Tensor | None) -> Discriminated:
        """Runs the discriminator on augmented images."""
        augmented_images = augmented(images, self._params.augment_both, self._noise)
        return self._players.discriminator(augmented_images, classes, self._noise)

    def _penalty(self, batch: Batch, fakes: Tensor) -> Tensor:
        shares = self._noise.uniform(tf.stack([tf.shape(fakes)[0], 1, 1, 1]))
        between = fakes + shares * (batch.images - fakes)
        found = self._discriminated(between, batch.condition(self._params))
        return gradient_penalty(found.realness, between)

    def _squared_gradient(self, batch: Batch) -> Tensor:
        found = self._discriminated(batch.images, batch.condition(self._params))
        return squared_gradient(found.realness, batch.images)

    def _rate(self, initial: float) -> Tensor:
        params = self._params
        with tf.name_scope('schedule'):
            return learning_rate_at(
                params.learning_rate_schedule,
                initial,
                self._steps_taken(),
                params.train_steps,
                params.warmup_steps,
            )

    def _steps_taken(self) -> Tensor:
        return tf.train.get_or_create_global_step() - self._params.first_step

    def _make_optimizer(self, rate: Tensor) -> Any:
        params = self._params
        if params.optimizer == _ADAM:
            optimizer = FanInAdam(
                rate,
                self._steps_taken(),
                params.warmup_steps,
                params.warmup_inputs,
                beta1=params.beta1,
                beta2=params.beta2,
                epsilon=params.epsilon,
            )
        else:
            optimizer = make_optimizer(params.optimizer, rate, params.momentum)
        return loss_scaled(optimizer, params)


def _unlabelled_and_labelled(batch: Batch) -> tuple[Batch, Batch]:
    """Returns the images without a label, or all if every image has one; and the images with one."""
    with tf.name_scope('labels'):
        labelled = batch.known > 0
        return batch.where(tf.logical_or(~labelled, tf.reduce_all(labelled))), batch.where(labelled)


def _cross_entropy(found: Discriminated, batch: Batch) -> Tensor:
    """Returns the mean cross-entropy of labelled images; 0 for none."""
    values = tf.nn.softmax_cross_entropy_with_logits_v2(labels=batch.classes, logits=found.classes)
    return weighted_mean(values, batch.weights)


def _rows(found: Discriminated, part: slice) -> Discriminated:
    classes = None if found.classes is None else found.classes[part]
    return found._replace(realness=found.realness[part], classes=classes, hidden=found.hidden[part])


def _step(
    optimizer: Any,
    loss: Tensor,
    scope: str,
    weights: Tensor,
    after: Callable[[], Operation],
    clip_norm: float = 0.0,
) -> tuple[Operation, Tensor]:
    """Returns the operation that minimises a loss by one step, and the length of the gradient.

    If that is not finite, or all weights are 0, nothing changes.

    Args:
      optimizer: the network's optimizer.
      loss: a scalar.
      scope: the scope of the network's variables.
      weights: the weight of each example, float32 [n].
      after: builds what follows the update.
      clip_norm: largest length of the gradient, 0 for none.
    """
    pairs = optimizer.compute_gradients(loss, tf.trainable_variables(f'{scope}/'))
    norm = tf.global_norm([gradient for gradient, _ in pairs])
    counts = tf.where(tf.fill(tf.shape(weights), tf.is_finite(norm)), weights, tf.zeros_like(weights))
    # A scaled loss learns from infinite gradients that its scale is too large.
    used = weights if isinstance(optimizer, LossScaledOptimizer) else counts
    with tf.control_dependencies([apply_gradients(optimizer, pairs, used, clip_norm=clip_norm)]):
        return apply_if_nonempty(counts, after), norm
