"""One step of the game: the discriminator's moves on slices of the batch, then the generator's."""

import functools
import itertools
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from estimator_lab.core.adversarial.augmentation import augmented
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
from estimator_lab.core.layers.discriminator import Discriminated
from estimator_lab.core.layers.generator import Generated
from estimator_lab.core.model.endpoints import Endpoints
from estimator_lab.core.step.noise import Noise
from estimator_lab.core.step.train_step import apply_gradients, apply_if_nonempty, sequential_train_op
from estimator_lab.optimizers import learning_rate_at, make_optimizer
from estimator_lab.tf1 import Operation, Tensor, tf

_ADAM = 'adam'
_REALNESS_SHARE = 0.5  # of telling fakes beside telling classes, as in the program of Salimans et al. (2016)


class Batch(NamedTuple):
    """What the players see of a batch.

    Attributes:
      images: float32 [batch, height, width, channels] in [-1, 1].
      classes: float32 [batch, classes], one-hot, zeros for a label that is not known; None without labels.
      weights: what each example counts, float32 [batch].
    """

    images: Tensor
    classes: Tensor | None
    weights: Tensor

    @property
    def count(self) -> Tensor:
        """How many rows there are, int32."""
        return tf.shape(self.images)[0]

    def rows(self, part: slice) -> 'Batch':
        """Returns some of the rows."""
        classes = None if self.classes is None else self.classes[part]
        return Batch(self.images[part], classes, self.weights[part])

    def where(self, chosen: Tensor) -> 'Batch':
        """Returns the rows at which `chosen`, bool [batch], is true; there have to be classes."""
        return Batch(*(tf.boolean_mask(values, chosen) for values in self))


class Move(NamedTuple):
    """What a move came to, for people to see.

    Attributes:
      loss: a scalar.
      norm: length of its gradient, a scalar; a move whose gradient is no number changes nothing.
      real: what the discriminator said of real images, float32 [n]; None in a move of the generator.
      fake: what it said of fakes, float32 [n].
      endpoints: of the discriminator, of images and fakes; none in a move of the generator.
    """

    loss: Tensor
    norm: Tensor
    real: Tensor | None
    fake: Tensor
    endpoints: Endpoints = MappingProxyType({})


class Game:
    """The graph of a training step.

    Args:
      players: the networks.
      batch: what they see. Where the discriminator learns to tell classes, images without a label are those
        that it is to tell from fakes, and those with one teach it classes alone: they come far more often
        than others, and would be taken for what images look like (Salimans et al. 2016, section 5). In a
        batch of labelled images only, they are both.
      noise: of this step.
      params: how they learn.

    Attributes:
      batch: the images that are told from fakes.
      made: the generator's fakes of this step, one for each of those images, and of its class.
      train_op: the operation that makes all moves and counts them as one global step.
      discriminator: what the last move of the discriminator came to.
      generator: what the generator's move came to.
      learning_rate: of the generator, a scalar.
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
        # Its weights stay as they are until its own move, so that all moves can share these fakes.
        self.made: Generated = players.generator(latent, self._told(batch), training=True)
        self.learning_rate = self._rate(params.learning_rate)
        self._optimizer = self._make_optimizer(self.learning_rate)
        own_rate = params.discriminator_learning_rate
        self._discriminators_optimizer = self._make_optimizer(
            self._rate(own_rate) if own_rate else self.learning_rate
        )
        self.train_op = sequential_train_op(
            [
                *self._discriminators_moves(),
                self._generators_move,
            ]
        )

    def _make_averages(self, latent: Tensor) -> None:
        """Makes the variables of the averages, which a move can only change."""
        self._players.average(latent, self._told(self.batch))
        if self._players.discriminator_average:
            self._players.discriminator_average(self.batch.images)

    def _discriminators_moves(self) -> list[Callable[[], Operation]]:
        """Returns what makes each move of the discriminator, on a part of the batch of its own."""
        slices = self._slices(self.batch)
        if self._labelled is None:
            return [functools.partial(self._discriminators_move, part) for part in slices]
        return [
            functools.partial(self._discriminators_move, part, self._labelled.rows(labelled))
            for part, labelled in zip(slices, self._slices(self._labelled), strict=True)
        ]

    def _slices(self, batch: Batch) -> list[slice]:
        """Returns the parts of a batch on which the discriminator moves.

        Bad examples may have left fewer rows than moves: then some rows are looked at more than once.
        """
        count, moves = batch.count, self._params.discriminator_steps
        if moves == 1:
            return [slice(None)]
        starts = [move * count // moves for move in range(moves + 1)]
        return [slice(start, tf.maximum(end, start + 1)) for start, end in itertools.pairwise(starts)]

    def _discriminators_move(self, part: slice, labelled: Batch | None = None) -> Operation:
        params, batch = self._params, self.batch.rows(part)
        fakes = tf.stop_gradient(self.made.images[part])
        with tf.name_scope('discriminator_move'):
            more = [] if labelled is None else [labelled.images]
            real, fake, *taught = self._together([batch.images, fakes, *more], self._told(batch))
            mean = functools.partial(weighted_mean, weights=batch.weights)
            loss = mean(self._loss.real(real.realness)) + mean(self._loss.fake(fake.realness))
            if labelled is not None:
                loss = _REALNESS_SHARE * loss + _cross_entropy(taught[0], labelled)
            if params.chosen_loss == 'wasserstein' and params.gradient_penalty:
                loss += params.gradient_penalty * mean(self._penalty(batch, fakes))
            if params.r1:
                loss += 0.5 * params.r1 * mean(self._squared_gradient(batch))
            optimizer = self._discriminators_optimizer
            moved, norm = _move(optimizer, loss, DISCRIMINATOR, batch.weights, self._behind_discriminator)
        self.discriminator = Move(loss, norm, real.realness, fake.realness, real.endpoints)
        return moved

    def _behind_discriminator(self) -> Operation:
        """Returns what comes behind a change of the discriminator's weights."""
        steps = self._players.discriminator.power_steps()
        if self._players.discriminator_average:
            steps += averaged(DISCRIMINATOR, DISCRIMINATOR_AVERAGE, self._params.average_decay)
        return tf.group(*steps)

    def _generators_move(self) -> Operation:
        batch, fakes = self.batch, self.made.images
        with tf.name_scope('generator_move'):
            if self._params.chosen_loss == 'feature_matching':
                real, fake = self._together([batch.images, fakes], self._told(batch))
                loss = feature_distance(tf.stop_gradient(real.hidden), fake.hidden, batch.weights)
            else:
                fake = self._judged(fakes, self._told(batch))
                loss = weighted_mean(self._loss.generator(fake.realness), batch.weights)
            moved, norm = _move(self._optimizer, loss, GENERATOR, batch.weights, self._behind_generator)
        self.generator = Move(loss, norm, None, fake.realness)
        return moved

    def _behind_generator(self) -> Operation:
        """Returns what comes behind a change of the generator's weights: its statistics, then its average."""
        statistics = [tf.assign(variable, value) for variable, value in self.made.updates]
        with tf.control_dependencies(statistics):
            return tf.group(*averaged(GENERATOR, AVERAGE, self._params.average_decay))

    def _together(self, several: Sequence[Tensor], told: Tensor | None) -> list[Discriminated]:
        """Returns what the discriminator says of some batches of images, in one pass.

        Args:
          several: the images of each.
          told: the classes of each.
        """
        if told is not None:
            told = tf.concat([told] * len(several), axis=0)
        said = self._judged(tf.concat(several, axis=0), told)
        ends = list(itertools.accumulate(tf.shape(images)[0] for images in several))
        return [_rows(said, slice(*ends_of)) for ends_of in itertools.pairwise([0, *ends])]

    def _judged(self, images: Tensor, told: Tensor | None) -> Discriminated:
        """Returns what the discriminator says of images as it gets to see them."""
        seen = augmented(images, self._params.augment_both, self._noise)
        return self._players.discriminator(seen, told, self._noise)

    def _penalty(self, batch: Batch, fakes: Tensor) -> Tensor:
        shares = self._noise.uniform(tf.stack([tf.shape(fakes)[0], 1, 1, 1]))
        between = fakes + shares * (batch.images - fakes)
        said = self._judged(between, self._told(batch))
        return gradient_penalty(said.realness, between)

    def _squared_gradient(self, batch: Batch) -> Tensor:
        said = self._judged(batch.images, self._told(batch))
        return squared_gradient(said.realness, batch.images)

    def _told(self, batch: Batch) -> Tensor | None:
        """Returns the classes that both networks are told."""
        return batch.classes if self._params.conditional else None

    def _rate(self, initial: float) -> Tensor:
        params = self._params
        with tf.name_scope('schedule'):
            step = tf.train.get_or_create_global_step() - params.first_step
            return learning_rate_at(params.learning_rate_schedule, initial, step, params.train_steps)

    def _make_optimizer(self, rate: Tensor) -> Any:
        params = self._params
        if params.optimizer == _ADAM:
            return tf.train.AdamOptimizer(rate, params.beta1, params.beta2, params.epsilon)
        return make_optimizer(params.optimizer, rate, params.momentum)


def _unlabelled_and_labelled(batch: Batch) -> tuple[Batch, Batch]:
    """Returns the images without a label, or all of them where each has one, and those with one."""
    with tf.name_scope('labels'):
        labelled = tf.reduce_sum(batch.classes, axis=1) > 0
        return batch.where(tf.logical_or(~labelled, tf.reduce_all(labelled))), batch.where(labelled)


def _cross_entropy(said: Discriminated, batch: Batch) -> Tensor:
    """Returns the mean cross-entropy of images whose class is known; 0 of none."""
    values = tf.nn.softmax_cross_entropy_with_logits_v2(labels=batch.classes, logits=said.classes)
    return weighted_mean(values, batch.weights)


def _rows(said: Discriminated, part: slice) -> Discriminated:
    classes = None if said.classes is None else said.classes[part]
    return said._replace(realness=said.realness[part], classes=classes, hidden=said.hidden[part])


def _move(
    optimizer: Any, loss: Tensor, scope: str, weights: Tensor, behind: Callable[[], Operation]
) -> tuple[Operation, Tensor]:
    """Returns the operation that goes down a loss, and the length of its gradient.

    Where that is no number, or no example counts, nothing is changed.

    Args:
      optimizer: of the network.
      loss: a scalar.
      scope: of the network.
      weights: what each example counts, float32 [n].
      behind: builds what follows the change.
    """
    pairs = optimizer.compute_gradients(loss, tf.trainable_variables(f'{scope}/'))
    norm = tf.global_norm([gradient for gradient, _ in pairs])
    counts = tf.where(tf.fill(tf.shape(weights), tf.is_finite(norm)), weights, tf.zeros_like(weights))
    with tf.control_dependencies([apply_gradients(optimizer, pairs, counts)]):
        return apply_if_nonempty(counts, behind), norm
