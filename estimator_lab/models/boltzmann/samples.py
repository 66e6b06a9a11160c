"""Samples of Boltzmann machines by Gibbs chains."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from estimator_lab.base.progress import doing
from estimator_lab.core.noise import Noise
from estimator_lab.core.opened import Batches, Drawing, Opened, OpenTrained
from estimator_lab.models.boltzmann.stack import Stack
from estimator_lab.tf1 import tf

StackOf = Callable[[Any], Stack | None]

AT_ONCE = 1024
"""Gibbs chains in a batch."""

_STEPS, _STEPS_FROM_CHAINS = 1000, 50
_CHAINS = 'chains'  # the variable of `contrastive_divergence`


def draw(
    stack_of: StackOf,
    run: Opened,
    open_trained: OpenTrained,
    *,
    count: int,
    seed: int,
    steps: int | None,
    data: Callable[[], np.ndarray] | None,
) -> Drawing | None:
    """Returns the samples of a model's top machine, None if it has none: see `Model.draw`.

    `stack_of` makes the variables of the machines, and returns None if the parameters train none.
    """
    machine = top_machine(run, open_trained)
    with tf.Graph().as_default():
        if stack_of(machine.params) is None:
            return None
    from_chains = data is None and persistent_chains(machine) is not None
    chosen = steps or (_STEPS_FROM_CHAINS if from_chains else _STEPS)

    def batches() -> Batches:
        return gibbs_chains(stack_of, machine, count, seed, data() if data else None, chosen)

    return Drawing(f'Samples of {machine.model} after {chosen:,} Gibbs steps', batches)


def top_machine(run: Opened, open_trained: OpenTrained) -> Opened:
    """Returns the model that is sampled from: of one with phases, that of its top machine."""
    *early, _ = run.architecture.phases(run.params)
    return open_trained(run.model_dir / early[-1].name) if early and not run.params.phase else run


def persistent_chains(run: Opened) -> np.ndarray | None:
    """Returns the persistent chains of training, float32 [chains, visible units]; None if there are none.

    They are samples of all that the model has learned, while chains from noise may stay in a state that
    training has never visited.
    """
    with run.tensors() as reader:
        if len(reader.get_variable_to_shape_map().get(_CHAINS, [])) != 2:
            return None
        return np.asarray(reader.get_tensor(_CHAINS), np.float32)


def gibbs_chains(
    stack_of: StackOf, run: Opened, count: int, seed: int, begin: np.ndarray | None, steps: int
) -> Batches:
    """Yields samples of a Boltzmann machine in batches.

    Args:
      stack_of: makes the variables of its machines.
      run: a model from `top_machine`.
      count: how many.
      seed: of the noise.
      begin: where the chains begin, float32 [count, height, width, channels] in [0, 1]; None for the
        persistent chains of training, in an order by the seed, or for noise if there are none.
      steps: Gibbs steps of each chain.
    """
    with tf.Graph().as_default():
        stack = stack_of(run.params)
        assert stack, 'a model that has machines'
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
        for number, first in enumerate(range(0, count, AT_ONCE)):
            feed: dict[Any, Any] = {part: number, rows: min(AT_ONCE, count - first)}
            if begin is not None:
                feed[images] = begin[first : first + AT_ONCE]
            doing(f'taking {steps:,} Gibbs steps from sample {first + 1:,} of {count:,} on')
            batch = session.run(samples, feed)
            yield batch, [''] * len(batch)
