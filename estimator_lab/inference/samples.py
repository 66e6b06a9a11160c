"""Samples of Boltzmann machines by Gibbs chains, and of generators."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from estimator_lab.base.activity import doing
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.keys import IMAGE, to_unit_range
from estimator_lab.core.noise import Noise
from estimator_lab.data.archives import open_archives
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import read_batches
from estimator_lab.models.boltzmann.stack import Stack
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.tf1 import Tensor, tf

_AT_ONCE = 1024  # chains
_STEPS, _STEPS_FROM_CHAINS = 1000, 50
_CHAINS = 'chains'  # the variable of `contrastive_divergence`
_BATCH = 64


def top_machine(trained: Trained) -> Trained:
    """Returns the model that can be sampled from: of a model with phases, that of its top machine.

    Raises:
      FlagError: it has no Boltzmann machine.
    """
    model_dir = trained.model_dir
    *early, _ = trained.model.phases(trained.params)
    if early and not trained.params.phase:
        trained = open_trained(model_dir / early[-1].name)
    with tf.Graph().as_default():
        if _stack_of(trained) is None:
            raise FlagError(
                f'--model_dir={model_dir} holds a model that does not dream: --model=rbm does, and '
                '--model=dbn that was pre-trained with rbms.'
            )
    return trained


def _stack_of(trained: Trained) -> Stack | None:
    """Makes the variables of a model's machines; returns None if it has none."""
    return trained.model.stack(trained.params) if trained.model.stack else None


def first_images(trained: Trained, archives: Sequence[str], count: int) -> np.ndarray:
    """Returns the first images of archives, decoded as in training: float32 [count, height, width, channels].

    Raises:
      DataError: an archive can't be read, or they have fewer than `count` images.
    """
    found: list[np.ndarray] = []
    for images, _ in _read(trained, archives, count, InputReport(trained.kind)):
        found.extend(images)
        if len(found) >= count:
            return np.stack(found[:count])
    raise DataError(f'{", ".join(archives)} has {len(found)} images, fewer than --count={count}.')


def persistent_chains(trained: Trained) -> np.ndarray | None:
    """Returns the persistent chains of training, float32 [chains, visible units].

    They are samples of all that the model has learned, while chains from noise may stay in a state that
    training has never visited. None if there are none.
    """
    if not trained.params.chains:
        return None
    reader = tf.train.load_checkpoint(trained.pinned.path)
    if len(reader.get_variable_to_shape_map().get(_CHAINS, [])) != 2:
        return None
    return np.asarray(reader.get_tensor(_CHAINS), np.float32)


def _check_chains(trained: Trained, chains: np.ndarray, units: int) -> None:
    expected = (trained.params.chains, units)
    if chains.shape != expected:
        raise DataError(
            f'{trained.pinned.path} has persistent chains of the shape {list(chains.shape)} instead of '
            f'{list(expected)}.'
        )


def gibbs_steps(trained: Trained, steps: int | None, begin: np.ndarray | None) -> int:
    """Returns how many Gibbs steps samples take: those given, or a default for where they begin."""
    from_chains = begin is None and persistent_chains(trained) is not None
    return steps or (_STEPS_FROM_CHAINS if from_chains else _STEPS)


def sample_batches(
    trained: Trained,
    count: int,
    steps: int,
    seed: int,
    begin: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Yields samples in batches, in constant memory: float32 [n, height, width, channels] in [0, 1].

    Args:
      trained: a model from `top_machine`.
      count: how many samples.
      steps: Gibbs steps of each chain.
      seed: of the noise.
      begin: where the chains begin, float32 [count, height, width, channels] in [0, 1]; None for the
        persistent chains of training, in an order by the seed, or for noise if there are none.

    Raises:
      DataError: the persistent chains of the checkpoint have another shape.
    """
    with tf.Graph().as_default():
        stack = _stack_of(trained)
        assert stack, 'top_machine checks it'
        part, rows = tf.placeholder(tf.int64, []), tf.placeholder(tf.int32, [])
        images = tf.placeholder(tf.float32, [None, *trained.shape])
        noise = Noise(tf.stack([tf.constant(seed, tf.int64), part]))
        units = stack.top.kernel.shape.as_list()[0]
        chains = persistent_chains(trained) if begin is None else None
        if chains is not None:
            _check_chains(trained, chains, units)
            chains = np.random.default_rng(seed).permutation(chains)
            numbers = tf.range(rows) + _AT_ONCE * tf.cast(part, tf.int32)
            start = tf.gather(chains, numbers % len(chains))
        else:
            start = noise.uniform([rows, units]) if begin is None else stack.visible(images)
        start = tf.ensure_shape(start, [None, units])
        found = stack.images(stack.top.rbm.gibbs_means(start, steps, noise))
        # The layers below the top are not trained.
        below = [v for layer in stack.layers[:-1] for v in (layer.kernel, layer.bias, layer.visible_bias)]
        session = trained.session(tf.trainable_variables() + below)
    with contextlib.closing(session):
        for number, first in enumerate(range(0, count, _AT_ONCE)):
            some = slice(first, min(first + _AT_ONCE, count))
            feed: dict[Any, Any] = {part: number, rows: some.stop - first}
            if begin is not None:
                feed[images] = begin[some]
            doing(f'taking {steps:,} Gibbs steps from sample {first + 1:,} of {count:,} on')
            yield session.run(found, feed)


def _read(
    trained: Trained, archives: Sequence[str], size: int, report: InputReport
) -> Iterator[tuple[np.ndarray, Sequence[str]]]:
    """Yields images, float32 [n, height, width, channels] in [0, 1], with their keys, `size` at once."""
    order = open_archives(archives, trained.kind).order()
    for batch in read_batches(order.epoch(0), size, trained.reader, report):
        if batch.keys:
            yield to_unit_range(batch.arrays[IMAGE]), batch.keys


@dataclass(frozen=True)
class SampleRequest:
    """Which samples to make.

    Attributes:
      count: how many.
      seed: of the latent vectors; sample n depends on the seed and n alone.
      label: class of the samples of a conditional generator; '' for every class in turn.
      truncation: latent numbers stay within this many standard deviations; fewer give better and less diverse
        samples (Brock et al. 2019, section 3.1); 0 for no limit.
    """

    count: int
    seed: int = 1
    label: str = ''
    truncation: float = 0.0


class Sampling:
    """A trained generator in its own session, which ends with the `with` block.

    Args:
      trained: a model with a `sampler`.
    """

    def __init__(self, trained: Trained) -> None:
        self._trained = trained
        with tf.Graph().as_default():
            assert trained.model.sampler, 'a model that makes samples'
            sampler = trained.model.sampler(trained.params)
            self._conditional: bool = sampler.conditional
            self._latent = tf.placeholder(tf.float32, [None, sampler.latent_size])
            self._label = tf.placeholder(tf.string, [None])
            self._images = sampler(self._latent, self._label)
            self._places, self._seed = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.int64, [])
            self._bound = tf.placeholder(tf.float32, [])
            self._normal = self._draw(sampler.latent_size)
            self._session = trained.session(tf.global_variables(f'{sampler.scope}/'))

    def __enter__(self) -> 'Sampling':
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def batches(self, request: SampleRequest) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Yields samples in batches: (float32 [n, height, width, channels] in [0, 1], n labels, '' for none).

        Raises:
          FlagError: the label is unknown, or the generator is not conditional.
        """
        labels = self._labels_of(request)
        latent = self._latent_of(request)
        for first in range(0, request.count, _BATCH):
            part = slice(first, first + _BATCH)
            feed = {self._latent: latent[part]}
            if self._conditional:
                feed[self._label] = np.array([label.encode() for label in labels[part]], object)
            yield self._session.run(self._images, feed), labels[part]

    def _labels_of(self, request: SampleRequest) -> list[str]:
        if not self._conditional:
            if request.label:
                raise FlagError(
                    f'--label={request.label} needs a conditional generator: one trained with '
                    '--hparams=conditional=true.'
                )
            return [''] * request.count
        if request.label:
            self._trained.class_id(request.label)  # or it is unknown
        known = self._trained.record.vocabulary
        return [request.label or known[number % len(known)] for number in range(request.count)]

    def _draw(self, size: int) -> Tensor:
        """Returns the latent vectors of the samples with these numbers, float32 [n, size]."""
        low = 0.5 * tf.math.erfc(self._bound / np.sqrt(2.0))

        def one(place: Tensor) -> Tensor:
            uniform = Noise(tf.stack([self._seed, place])).uniform([size])
            return tf.math.ndtri(low + (1.0 - 2.0 * low) * tf.clip_by_value(uniform, 1e-6, 1.0 - 1e-6))

        return tf.map_fn(one, self._places, dtype=tf.float32)

    def _latent_of(self, request: SampleRequest) -> np.ndarray:
        bound = request.truncation or np.inf
        feed = {self._places: np.arange(request.count), self._seed: request.seed, self._bound: bound}
        found: np.ndarray = self._session.run(self._normal, feed)
        return found
