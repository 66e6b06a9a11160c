"""Samples of a generator."""

import contextlib
import math

import numpy as np

from estimator_lab.core.noise import Noise
from estimator_lab.inference.samples import Batches
from estimator_lab.inference.settings import SampleSettings
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import Tensor, tf

_BATCH = 64


def generated(run: Trained, settings: SampleSettings) -> Batches:
    """Yields samples of a generator in batches; sample n depends on the seed and n alone.

    Args:
      run: a model with a `sampler`.
      settings: `label` is the class of the samples of a conditional generator, '' for every class in turn.
        Latent numbers stay within `truncation` standard deviations; fewer give better and less diverse
        samples (Brock et al. 2019, section 3.1); 0 for no limit.
    """
    assert run.architecture.sampler, 'a model that makes samples'
    sampler = run.architecture.sampler(run.params)
    labels = [''] * settings.count
    if sampler.conditional:
        labels = [settings.label or run.labels[number % len(run.labels)] for number in range(settings.count)]
    with tf.Graph().as_default():
        latent = tf.placeholder(tf.float32, [None, sampler.latent_size])
        label = tf.placeholder(tf.string, [None])
        images = sampler(latent, label)
        latent_numbers = _latent_vectors(settings, sampler.latent_size)
        session = run.session(tf.global_variables(f'{sampler.scope}/'))
    with contextlib.closing(session):
        vectors = session.run(latent_numbers)
        for first in range(0, settings.count, _BATCH):
            part = slice(first, first + _BATCH)
            feed = {latent: vectors[part]}
            if sampler.conditional:
                feed[label] = np.array([text.encode() for text in labels[part]], object)
            yield session.run(images, feed), labels[part]


def _latent_vectors(settings: SampleSettings, size: int) -> Tensor:
    """Returns the latent vectors, float32 [count, size]."""
    low = 0.5 * math.erfc((settings.truncation or math.inf) / math.sqrt(2.0))

    def vector(place: Tensor) -> Tensor:
        uniform = Noise(tf.stack([tf.constant(settings.seed, tf.int64), place])).uniform([size])
        return tf.math.ndtri(low + (1.0 - 2.0 * low) * tf.clip_by_value(uniform, 1e-6, 1.0 - 1e-6))

    return tf.map_fn(vector, tf.range(settings.count, dtype=tf.int64), dtype=tf.float32)
