"""Samples of Boltzmann machines by Gibbs chains, and of generators, with walks, neighbours and films."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.console.activity import doing
from estimator_lab.conventions import IMAGE, to_unit_range
from estimator_lab.core.keys import SAMPLES
from estimator_lab.core.noise import Noise
from estimator_lab.core.summaries import picture_tag
from estimator_lab.data.archives import open_archives
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import read_batches
from estimator_lab.data.images.decode import open_image
from estimator_lab.data.member import BadExampleError
from estimator_lab.errors import DataError, FlagError
from estimator_lab.models.boltzmann.stack import Stack
from estimator_lab.runs.event_files import values_in
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.tf1 import Tensor, tf

_AT_ONCE = 1024  # chains
_STEPS, _STEPS_FROM_CHAINS = 1000, 50
_CHAINS = 'chains'  # the variable of `contrastive_divergence`
_BATCH = 64
_NEAREST_BATCH = 256
_MOST_FRAMES = 1000
_MOST_PIXELS = 2_000_000  # of a frame
_FRAME_SCALE = 2
# What a model needs to choose the class of a sample.
_LABELLED = '--model=gan with --hparams=conditional=true; an rbm and a dbn have no labels'
_CONDITIONAL = 'a conditional generator: one trained with --hparams=conditional=true'


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
    label: str = '',
    begin: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Yields samples in batches, in constant memory.

    Args:
      trained: a model from `top_machine`.
      count: how many samples.
      steps: Gibbs steps of each chain.
      seed: of the noise.
      label: must be '', as machines have no labels.
      begin: where the chains begin, float32 [count, height, width, channels] in [0, 1]; None for the
        persistent chains of training, in an order by the seed, or for noise if there are none.

    Yields:
      (float32 [n, height, width, channels] in [0, 1]; their n labels, '' for none).

    Raises:
      FlagError: a label is given.
      DataError: the persistent chains of the checkpoint have another shape.
    """
    with tf.Graph().as_default():
        stack = _stack_of(trained)
        assert stack, 'top_machine checks it'
        texts = _labels(trained, count, label, _LABELLED)
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
            yield session.run(found, feed), texts[some]


def _labels(trained: Trained, count: int, label: str, lacking: str, every: int = 1) -> list[str]:
    """Returns the labels of samples: the given one, or every class in turn.

    Args:
      trained: knows the classes.
      count: how many samples.
      label: the class of all of them; '' for every class in turn.
      lacking: what the model lacks to choose the class; '' for nothing.
      every: how many samples in a row have the same class.

    Raises:
      FlagError: the label is unknown, or can't be chosen.
    """
    known = trained.record.vocabulary
    if lacking:
        if label:
            raise FlagError(f'--label={label} needs {lacking}.')
        return [''] * count
    if label:
        trained.class_id(label)
    return [label or known[number // every % len(known)] for number in range(count)]


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
      walk: samples on the way from one latent vector to the next, both ends included; 0 for no walk.
    """

    count: int
    seed: int = 1
    label: str = ''
    truncation: float = 0.0
    walk: int = 0


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
            self._labels = tf.placeholder(tf.string, [None])
            self._images = sampler(self._latent, self._labels)
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
        lacking = '' if self._conditional else _CONDITIONAL
        every = max(request.walk, 1)  # a walk keeps its label
        labels = _labels(self._trained, request.count, request.label, lacking, every)
        latent = self._latent_of(request)
        for first in range(0, request.count, _BATCH):
            part = slice(first, first + _BATCH)
            feed = {self._latent: latent[part]}
            if self._conditional:
                feed[self._labels] = np.array([label.encode() for label in labels[part]], object)
            yield self._session.run(self._images, feed), labels[part]

    def _draw(self, size: int) -> Tensor:
        """Returns the latent vectors of the samples with these numbers, float32 [n, size]."""
        low = 0.5 * tf.math.erfc(self._bound / np.sqrt(2.0))

        def one(place: Tensor) -> Tensor:
            uniform = Noise(tf.stack([self._seed, place])).uniform([size])
            return tf.math.ndtri(low + (1.0 - 2.0 * low) * tf.clip_by_value(uniform, 1e-6, 1.0 - 1e-6))

        return tf.map_fn(one, self._places, dtype=tf.float32)

    def _latent_of(self, request: SampleRequest) -> np.ndarray:
        bound = request.truncation or np.inf
        count = -(-request.count // request.walk) + 1 if request.walk else request.count
        feed = {self._places: np.arange(count), self._seed: request.seed, self._bound: bound}
        latent = self._session.run(self._normal, feed)
        return walks(latent, request.walk)[: request.count] if request.walk else latent


def walks(latent: np.ndarray, steps: int) -> np.ndarray:
    """Returns points on the great circles from each latent vector to the next (spherical interpolation).

    Linear interpolation would give vectors shorter than those that the generator was trained on (White 2016,
    section 2.1).

    Args:
      latent: float32 [n, size], n at least 2.
      steps: points on each circle, both ends included; at least 2.

    Returns:
      float32 [(n - 1) * steps, size].
    """
    shares = np.linspace(0, 1, steps)[:, np.newaxis]
    ways = []
    for start, end in itertools.pairwise(latent):
        cosine = start @ end / max(float(np.linalg.norm(start) * np.linalg.norm(end)), 1e-12)
        angle = np.arccos(np.clip(cosine, -1 + 1e-6, 1 - 1e-6))
        ways.append((np.sin((1 - shares) * angle) * start + np.sin(shares * angle) * end) / np.sin(angle))
    return np.concatenate(ways).astype(np.float32)


def nearest(
    trained: Trained, samples: np.ndarray, archives: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Returns the nearest image to each sample, by the root mean squared difference of the pixels.

    Args:
      trained: the model; images are decoded as in its training.
      samples: float32 [n, height, width, channels] in [0, 1].
      archives: paths of tar archives.

    Returns:
      (the images, float32 of the same shape; their distances, float32 [n]; their keys).

    Raises:
      DataError: an archive can't be read, or no image can be decoded.
    """
    flat = samples.reshape(len(samples), -1)
    best = np.full(len(samples), np.inf, np.float32)
    images, keys = np.zeros_like(samples), [''] * len(samples)
    for found, names in _read(
        trained, archives, _NEAREST_BATCH, InputReport(trained.kind, lambda line: None)
    ):
        others = found.reshape(len(found), -1)
        squares = (flat**2).sum(1)[:, np.newaxis] + (others**2).sum(1) - 2 * flat @ others.T
        places = squares.argmin(axis=1)
        for row in np.flatnonzero(squares.min(axis=1) < best).tolist():
            best[row] = squares[row, places[row]]
            images[row], keys[row] = found[places[row]], names[places[row]]
    if not np.isfinite(best).all():
        raise DataError(f'{", ".join(archives)}: no image could be decoded.')
    return images, np.sqrt(np.maximum(best, 0) / flat.shape[1]), keys


def film(model_dir: Path) -> list[Image.Image]:
    """Returns the samples of fixed latent vectors that training has drawn, from the event files of a run.

    Raises:
      DataError: there are none, or they can't be read.
    """
    tag = picture_tag(SAMPLES)
    damage: list[str] = []
    frames = {
        step: value.image.encoded_image_string
        for path in sorted(model_dir.glob('events.out.tfevents.*'))
        for step, value in values_in(path, tag, damage.append)
    }
    try:
        pictures = [_frame(frames[step]) for step in sorted(frames)[:_MOST_FRAMES]]
    except BadExampleError as error:
        raise DataError(
            f'--model_dir={model_dir}: the pictures in its event files cannot be read ({error}).'
        ) from error
    if not pictures:
        why = f'one {damage[0]}' if damage else 'its event files have none'
        raise DataError(f'--model_dir={model_dir} holds no pictures of training: {why}.')
    width, height = pictures[0].size
    size = (width * _FRAME_SCALE, height * _FRAME_SCALE)
    return [picture.resize(size, Image.Resampling.NEAREST) for picture in pictures]


def _frame(data: bytes) -> Image.Image:
    picture = open_image(data)
    if picture.width * picture.height > _MOST_PIXELS:
        raise BadExampleError(f'one has {picture.width} x {picture.height} pixels')
    return picture.convert('RGB')
