"""Samples of a generator."""

import contextlib
import math
from collections.abc import Sequence

import numpy as np

from estimator_lab.base.errors import FlagError, hparam, option
from estimator_lab.core.abilities import Batches, Drawing
from estimator_lab.core.noise import Noise
from estimator_lab.models.gan.head import one_hot, to_unit_range
from estimator_lab.models.gan.networks import AVERAGE, generator
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import Tensor, tf

_BATCH = 64


def draw(run: Trained, *, count: int, seed: int, label: str, truncation: float) -> Drawing:
    """Returns the samples of a generator: see `core.abilities.Draws`.

    Args:
      run: the model.
      count: how many.
      seed: sample n depends on the seed and n alone.
      label: class of the samples of a conditional generator, '' for every class in turn.
      truncation: latent numbers stay within that many standard deviations; fewer give better and less diverse
        samples (Brock et al. 2019, section 3.1); 0 for no limit.

    Raises:
      FlagError: the generator is not conditional, or does not know the label.
    """
    if label:
        if not run.params.conditional:
            raise FlagError(
                f'{option.label}={label} needs a conditional generator: one trained with '
                f'{hparam.conditional}=true.'
            )
        run.class_id(label)  # or it is unknown
    labels = [''] * count
    if run.params.conditional:
        labels = [label or run.labels[number % len(run.labels)] for number in range(count)]
    title = f'Samples, {run.model} at step {run.step:,}'
    return Drawing(title, lambda: _generated(run, labels, seed, truncation))


def _generated(run: Trained, labels: Sequence[str], seed: int, truncation: float) -> Batches:
    params = run.params
    with tf.Graph().as_default():
        latent = tf.placeholder(tf.float32, [None, params.latent_size])
        label = tf.placeholder(tf.string, [None])
        classes = one_hot(label, params) if params.conditional else None
        images = to_unit_range(generator(latent, classes, params, AVERAGE))
        latent_numbers = latent_vectors(len(labels), params.latent_size, seed, truncation)
        session = run.session(tf.global_variables(f'{AVERAGE}/'))
    with contextlib.closing(session):
        vectors = session.run(latent_numbers)
        for first in range(0, len(labels), _BATCH):
            part = slice(first, first + _BATCH)
            feed = {latent: vectors[part]}
            if params.conditional:
                feed[label] = np.array([text.encode() for text in labels[part]], object)
            yield session.run(images, feed), labels[part]


def latent_vectors(count: int, size: int, seed: int, truncation: float) -> Tensor:
    """Returns latent vectors, float32 [count, size], normal numbers within +-truncation; 0 for no limit."""
    low = 0.5 * math.erfc((truncation or math.inf) / math.sqrt(2.0))

    def vector(place: Tensor) -> Tensor:
        uniform = Noise(tf.stack([tf.constant(seed, tf.int64), place])).uniform([size])
        return tf.math.ndtri(low + (1.0 - 2.0 * low) * tf.clip_by_value(uniform, 1e-6, 1.0 - 1e-6))

    return tf.map_fn(vector, tf.range(count, dtype=tf.int64), dtype=tf.float32)
