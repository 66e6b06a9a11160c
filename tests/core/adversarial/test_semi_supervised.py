"""What images with and without a label teach a discriminator that tells classes."""

import numpy as np
import pytest

from estimator_lab.core.adversarial.game import Batch, Game
from estimator_lab.core.noise import Noise
from estimator_lab.models.gan import Params
from estimator_lab.models.gan import players as make_players
from estimator_lab.tf1 import tf

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (6, 8, 8, 1)).astype(np.float32)
PARAMS = Params(
    image_shape=(8, 8, 1),
    vocabulary=('a', 'b', 'c'),
    semi_supervised=True,
    kind='dense',
    layers='7-5',
    generator_layers='4',
    normalization='none',
    latent_size=3,
)


def softplus(values):
    return np.logaddexp(0, values)


def expected_loss(logits, unlabelled, labelled, ids):
    """Salimans et al. 2016, section 5, as their program weighs it: half of what tells fakes apart."""
    realness = np.logaddexp.reduce(logits, axis=1)
    fakes = slice(len(unlabelled), 2 * len(unlabelled))
    apart = softplus(-realness[: len(unlabelled)]).mean() + softplus(realness[fakes]).mean()
    taught = logits[-len(labelled) :] if len(labelled) else logits[:0]
    entropies = np.logaddexp.reduce(taught, axis=1) - taught[np.arange(len(taught)), ids]
    return 0.5 * apart + (entropies.mean() if len(labelled) else 0)


@pytest.mark.parametrize(
    ('labels', 'unlabelled'),
    [
        ([0, -1, 2, -1, -1, 1], [1, 3, 4]),
        ([-1] * 6, range(6)),
        ([0, 1, 2, 2, 1, 0], range(6)),  # then they are all that there is
    ],
)
def test_fakes_are_told_from_unlabelled_images_and_classes_by_labelled_ones(labels, unlabelled):
    labelled = [row for row, label in enumerate(labels) if label >= 0]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        tf.train.create_global_step()
        players = make_players(PARAMS)
        batch = Batch(tf.constant(IMAGES), tf.one_hot(labels, 3), tf.ones([6]))
        game = Game(players, batch, Noise(tf.constant([1, 2], tf.int64)), PARAMS)
        taught = IMAGES[labelled].reshape(-1, 8, 8, 1)
        rows = tf.concat([IMAGES[list(unlabelled)], game.made.images, taught], axis=0)
        logits = players.discriminator(rows).classes
        session.run(tf.global_variables_initializer())
        found, made, loss = session.run([logits, game.made.images, game.discriminator.loss])
    assert len(made) == len(unlabelled)
    ids = [labels[row] for row in labelled]
    assert loss == pytest.approx(expected_loss(found, list(unlabelled), labelled, ids), rel=1e-4)


@pytest.mark.parametrize('steps', [2, 4])
def test_each_move_has_a_part_of_both_kinds(steps):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        params = Params(**{**vars(PARAMS), 'discriminator_steps': steps})
        batch = Batch(tf.constant(IMAGES), tf.one_hot([0, -1, 2, -1, -1, -1], 3), tf.ones([6]))
        game = Game(make_players(params), batch, Noise(tf.constant([1, 2], tf.int64)), params)
        session.run(tf.global_variables_initializer())
        loss, _ = session.run([game.discriminator.loss, game.train_op])
        assert np.isfinite(loss) and session.run(tf.train.get_global_step()) == 1
