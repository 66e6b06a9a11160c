"""Summaries of a GAN for TensorBoard."""

from pathlib import Path

from estimator_lab.core import keys
from estimator_lab.core.adversarial.discriminator import Discriminated
from estimator_lab.core.adversarial.game import Batch, Game
from estimator_lab.core.adversarial.params import AdversarialParams
from estimator_lab.core.adversarial.players import Players, to_unit_range
from estimator_lab.core.adversarial.quality import Samples
from estimator_lab.core.noise import Noise
from estimator_lab.core.picture import COLUMNS
from estimator_lab.core.projector import ProjectorHook
from estimator_lab.core.summaries import histogram, rows_picture, weight_histograms
from estimator_lab.tf1 import SessionRunHook, Tensor, tf

SAMPLES = 'samples'
"""Name of the picture of fixed noise."""

_ROWS = 8
_MOST_CLASSES = 10


def game_summaries(game: Game, batch: Batch, diversity: Tensor) -> None:
    """Adds the summaries of a training step on a batch to its graph.

    Both losses, the lengths of their gradients, `diversity`, a scalar, the spread of fakes relative to that
    of images; histograms of the discriminator's outputs for both, of its layers, and of all weights.
    """
    scalars = {
        keys.DISCRIMINATOR_LOSS: game.discriminator.loss,
        keys.GENERATOR_LOSS: game.generator.loss,
        keys.DISCRIMINATOR_GRADIENT: game.discriminator.norm,
        keys.GENERATOR_GRADIENT: game.generator.norm,
        keys.LEARNING_RATE: game.learning_rate,
        keys.DIVERSITY: diversity,
    }
    for name, value in scalars.items():
        tf.summary.scalar(name, value)
    histogram('outputs/real', game.discriminator.real)
    histogram('outputs/fake', game.discriminator.fake)
    weight_histograms()
    for name, endpoint in game.discriminator.endpoints.items():
        histogram(f'activations/discriminator/{name}', endpoint)


def sample_pictures(players: Players, game: Game, batch: Batch, params: AdversarialParams) -> None:
    """Adds the pictures of training.

    `images/samples` shows the averaged generator's images of fixed latent vectors; a conditional generator
    has a row for each of the first ten labels, with the same vectors. `images/batch` shows this step's images
    and fakes.
    """
    with tf.name_scope('pictures'):
        latent, classes = _fixed(params)
        grid = to_unit_range(players.average(latent, classes).images)
        rows = tf.split(grid, grid.shape.as_list()[0] // COLUMNS)
        both = [to_unit_range(images) for images in (batch.images, game.made.images)]
    rows_picture(SAMPLES, rows)
    rows_picture('batch', both)


def projector_hook(
    real: Discriminated, fake: Discriminated, samples: Samples, images: Tensor, folder: Path
) -> SessionRunHook:
    """Returns the hook that shows images and samples as the discriminator sees them, in the Projector.

    Args:
      real: the discriminator's outputs for the images.
      fake: its outputs for the samples.
      samples: the samples.
      images: float32 [batch, height, width, channels] in [0, 1], the images.
      folder: that of the evaluations' event files.
    """
    with tf.name_scope('projector'):
        origins = [
            tf.fill([tf.shape(one.realness)[0]], name)
            for one, name in ((real, 'archive'), (fake, 'generator'))
        ]
        columns = {
            'origin': (tf.concat(origins, axis=0), bytes.decode),
            'realness': (tf.concat([real.realness, fake.realness], axis=0), '{:.3g}'.format),
        }
        hidden = tf.concat([real.hidden, fake.hidden], axis=0)
        shown = tf.concat([images, samples.fake], axis=0)
        return ProjectorHook(hidden, shown, columns, folder)


def _fixed(params: AdversarialParams) -> tuple[Tensor, Tensor | None]:
    """Returns latent vectors, the same in each step of a run, and their classes."""
    noise = Noise(tf.constant([tf.get_default_graph().seed or 0, 0], tf.int64))
    if not params.conditional:
        return noise.normal([_ROWS * COLUMNS, params.latent_size]), None
    rows = min(params.classes, _MOST_CLASSES)
    latent = tf.tile(noise.normal([COLUMNS, params.latent_size]), [rows, 1])
    ids = [row for row in range(rows) for _ in range(COLUMNS)]
    return latent, tf.one_hot(ids, params.classes)
