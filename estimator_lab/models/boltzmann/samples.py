"""Samples of Boltzmann machines by Gibbs chains."""

import contextlib
from typing import Any

import numpy as np

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.progress import doing
from estimator_lab.core.noise import Noise
from estimator_lab.inference.samples import Batches
from estimator_lab.inference.settings import SampleSettings
from estimator_lab.models.boltzmann.stack import Stack
from estimator_lab.runs.opening import open_trained
from estimator_lab.runs.trained import Trained
from estimator_lab.runs.weights.checkpoint import open_checkpoint
from estimator_lab.tf1 import tf

AT_ONCE = 1024
"""Gibbs chains in a batch."""

_CHAINS = 'chains'  # the variable of `contrastive_divergence`


def top_machine(run: Trained) -> Trained:
    """Returns the model that can be sampled from: of a model with phases, that of its top machine.

    Raises:
      FlagError: it has no Boltzmann machine.
    """
    model_dir = run.model_dir
    *early, _ = run.architecture.phases(run.params)
    if early and not run.params.phase:
        run = open_trained(model_dir / early[-1].name)
    with tf.Graph().as_default():
        if _stack_of(run) is None:
            raise FlagError(
                f'{option.model_dir}={model_dir} holds a model that does not dream: {option.model}=rbm does, '
                f'and {option.model}=dbn that was pre-trained with rbms.'
            )
    return run


def _stack_of(run: Trained) -> Stack | None:
    """Makes the variables of a model's machines; returns None if it has none."""
    return run.architecture.stack(run.params) if run.architecture.stack else None


def persistent_chains(run: Trained) -> np.ndarray | None:
    """Returns the persistent chains of training, float32 [chains, visible units]; None if there are none.

    They are samples of all that the model has learned, while chains from noise may stay in a state that
    training has never visited.
    """
    with open_checkpoint(run.held) as reader:
        if len(reader.get_variable_to_shape_map().get(_CHAINS, [])) != 2:
            return None
        return np.asarray(reader.get_tensor(_CHAINS), np.float32)


def gibbs_chains(run: Trained, settings: SampleSettings, begin: np.ndarray | None, steps: int) -> Batches:
    """Yields samples of a Boltzmann machine in batches.

    Args:
      run: a model from `top_machine`.
      settings: how many, and the seed of the noise.
      begin: where the chains begin, float32 [count, height, width, channels] in [0, 1]; None for the
        persistent chains of training, in an order by the seed, or for noise if there are none.
      steps: Gibbs steps of each chain.
    """
    seed = settings.seed
    with tf.Graph().as_default():
        stack = _stack_of(run)
        assert stack, 'top_machine checks it'
        part, rows = tf.placeholder(tf.int64, []), tf.placeholder(tf.int32, [])
        images = tf.placeholder(tf.float32, [None, *run.shape])
        noise = Noise(tf.stack([tf.constant(seed, tf.int64), part]))
        units = stack.top.weights.shape.as_list()[0]
        chains = persistent_chains(run) if begin is None else None
        if chains is not None:
            chains = np.random.default_rng(seed).permutation(chains)
            numbers = tf.range(rows) + AT_ONCE * tf.cast(part, tf.int32)
            start = tf.gather(chains, numbers % len(chains))
        else:
            start = noise.uniform([rows, units]) if begin is None else stack.visible(images)
        start = tf.ensure_shape(start, [None, units])
        samples = stack.images(stack.top.gibbs_means(start, steps, noise))
        # The machines below the top are not trained.
        below = [variable for machine in stack.machines[:-1] for variable in machine.parameters]
        session = run.session(tf.trainable_variables() + below)
    with contextlib.closing(session):
        for number, first in enumerate(range(0, settings.count, AT_ONCE)):
            feed: dict[Any, Any] = {part: number, rows: min(AT_ONCE, settings.count - first)}
            if begin is not None:
                feed[images] = begin[first : first + AT_ONCE]
            doing(f'taking {steps:,} Gibbs steps from sample {first + 1:,} of {settings.count:,} on')
            batch = session.run(samples, feed)
            yield batch, [''] * len(batch)
