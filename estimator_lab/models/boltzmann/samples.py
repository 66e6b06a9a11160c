"""Samples of Boltzmann machines by Gibbs chains, of all that they have learned or of one class.

The machines have no units for labels. Samples of a class are therefore drawn from the product of p(image), by
the machines, and a power of p(class | image), by the classifier that they have become, as in the guidance of
Dhariwal and Nichol 2021 (section 4.3): chains are repeatedly chosen in proportion to the second (a particle
filter: Gordon, Salmond and Smith 1993).
"""

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.progress import doing
from estimator_lab.core.abilities import Batches, Drawing, Draws, HasNetwork
from estimator_lab.core.endpoints import LOGITS
from estimator_lab.core.noise import Noise
from estimator_lab.models.boltzmann.stack import Stack
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf

StackOf = Callable[[Any], Stack | None]

AT_ONCE = 1024
"""Gibbs chains in a batch."""

_CHAINS_OF_A_CLASS, _OF_A_CLASS = 512, 128  # that run for a class at once, and that become samples
_CHOICES = 10  # of chains, with Gibbs steps in between
# Power of p(class | image): with 1, the network is unsure of many samples.
_GUIDANCE = 10.0
_STEPS, _STEPS_FROM_CHAINS = 1000, 50
_CHAINS = 'chains'  # the variable of `contrastive_divergence`


@dataclass(frozen=True)
class GibbsChains:
    """Chains whose ends are samples.

    Attributes:
      count: how many.
      steps: Gibbs steps of each.
      seed: of the noise.
      begin: where they begin, float32 [count, height, width, channels] in [0, 1]; None for the persistent
        chains of training, in an order by the seed, or for noise if there are none.
      weigh: returns the logs of weights, float32 [n], of images, by which chains are chosen; or None.
    """

    count: int
    steps: int
    seed: int = 0
    begin: np.ndarray | None = None
    weigh: Callable[[np.ndarray], np.ndarray] | None = None


class DrawsFromMachines(Draws):
    """A model whose samples are the ends of Gibbs chains of its top machine."""

    @staticmethod
    @abstractmethod
    def stack_of(params: Any) -> Stack | None:
        """Makes the variables of its machines; returns None if these parameters train none."""

    def draw(
        self,
        run: Trained,
        *,
        count: int,
        seed: int,
        steps: int | None,
        data: Callable[[], np.ndarray] | None,
        label: str,
    ) -> Drawing | None:
        """Returns the samples of a model's top machine, None if it has none: see `core.abilities.Draws`.

        Raises:
          FlagError: the model does not know the label, '' for none.
        """
        if label and (run.params.phase or not run.task.labelled):
            raise FlagError(f'{option.label}={label} needs a model with classes: {option.model}=dbn.')
        number = run.class_id(label) if label else None
        machine = top_machine(run)
        with tf.Graph().as_default():
            if self.stack_of(machine.params) is None:
                return None
        from_chains = data is None and persistent_chains(machine) is not None
        chosen = steps or (_STEPS_FROM_CHAINS if from_chains else _STEPS)

        def batches() -> Batches:
            chains = GibbsChains(count, chosen, seed, data() if data else None)
            if number is None:
                yield from gibbs_samples(self.stack_of, machine, chains)
                return
            with _classified(run, number) as weigh:
                for images, _ in gibbs_samples(self.stack_of, machine, replace(chains, weigh=weigh)):
                    yield images, [label] * len(images)

        of_label = f', {label},' if label else ''
        return Drawing(f'Samples of {machine.model}{of_label} after {chosen:,} Gibbs steps', batches)


@contextlib.contextmanager
def _classified(run: Trained, number: int) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Returns the function that gives the logs of the weights of images for a class, float32 [n]."""
    assert isinstance(run.architecture, HasNetwork), 'a model with classes'
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [None, *run.shape])
        logits = dict(run.architecture.network(images, run.params))[LOGITS]
        found = _GUIDANCE * tf.nn.log_softmax(logits)[:, number]
        session = run.session()
    with contextlib.closing(session):
        yield lambda batch: session.run(found, {images: batch})


def top_machine(run: Trained) -> Trained:
    """Returns the model that is sampled from: with phases, the one of its top machine."""
    *early, _ = run.architecture.phases(run.params)
    return Trained.open(run.model_dir / early[-1].name) if early and not run.params.phase else run


def persistent_chains(run: Trained) -> np.ndarray | None:
    """Returns the persistent chains of training, float32 [chains, visible units]; None if there are none.

    They are samples of all that the model has learned, while chains from noise may stay in a state that
    training has never visited.
    """
    with run.tensors() as reader:
        if len(reader.get_variable_to_shape_map().get(_CHAINS, [])) != 2:
            return None
        return np.asarray(reader.get_tensor(_CHAINS), np.float32)


def gibbs_samples(stack_of: StackOf, run: Trained, chains: GibbsChains) -> Batches:
    """Yields samples of a Boltzmann machine, a model from `top_machine`, in batches.

    `stack_of` makes the variables of its machines.
    """
    count, seed, begin, weigh = chains.count, chains.seed, chains.begin, chains.weigh
    with tf.Graph().as_default():
        stack = stack_of(run.params)
        assert stack, 'a model that has machines'
        part, rows = tf.placeholder(tf.int64, []), tf.placeholder(tf.int32, [])
        images = tf.placeholder(tf.float32, [None, *run.shape])
        noise = Noise(tf.stack([tf.constant(seed, tf.int64), part]))
        units = stack.top.weights.shape.as_list()[0]
        learned = persistent_chains(run) if begin is None else None
        if learned is not None:
            learned = np.random.default_rng(seed).permutation(learned)
            numbers = tf.range(rows) + AT_ONCE * tf.cast(part, tf.int32)
            start = tf.gather(learned, numbers % len(learned))
        else:
            start = noise.uniform([rows, units]) if begin is None else stack.visible(images)
        state = tf.placeholder_with_default(tf.ensure_shape(start, [None, units]), [None, units])
        hops = chains.steps if weigh is None else max(chains.steps // _CHOICES, 1)
        moved = stack.top.gibbs(state, hops, noise)
        samples = stack.images(stack.top.gibbs_means(moved, 0, noise), noise=noise)
        # The machines below the top are not trained.
        below = [variable for machine in stack.machines[:-1] for variable in machine.parameters]
        session = run.session(tf.trainable_variables() + below)
    rng, at_once = np.random.default_rng(seed), _OF_A_CLASS if weigh else AT_ONCE
    with contextlib.closing(session):
        for number, first in enumerate(range(0, count, at_once)):
            wanted = min(at_once, count - first)
            feed: dict[Any, Any] = {part: number, rows: _CHAINS_OF_A_CLASS if weigh else wanted}
            if begin is not None:
                feed[images] = np.resize(begin[first : first + at_once], (feed[rows], *run.shape))
            doing(f'taking {chains.steps:,} Gibbs steps from sample {first + 1:,} of {count:,} on')
            batch, ends = session.run([samples, moved], feed)
            if weigh:
                for turn in range(1, _CHOICES):
                    kept = ends[rng.choice(len(batch), len(batch), p=_shares(weigh(batch)))]
                    batch, ends = session.run([samples, moved], {part: number + turn * count, state: kept})
                batch = batch[chosen_by_weight(weigh(batch), wanted, rng)]
            yield batch, [''] * len(batch)


def chosen_by_weight(logs: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns `count` different places, chosen by weights whose logs are float [n].

    Gumbel-top-k: Kool et al. 2019, 'Stochastic beams and where to find them'.
    """
    return np.argsort(-logs - rng.gumbel(size=len(logs)))[:count]


def _shares(logs: np.ndarray) -> np.ndarray:
    """Returns weights that sum to 1, float64 [n], given their logs."""
    weights = np.exp(logs.astype(np.float64) - logs.max())
    return weights / weights.sum()
