"""Samples of Boltzmann machines by Gibbs chains, and of generators."""

import contextlib
import io
import itertools
import math
import tarfile
from collections.abc import Iterator, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError, hparam, option
from estimator_lab.base.keys import IMAGE
from estimator_lab.base.outputs import check_suffix, written
from estimator_lab.base.progress import doing, warn
from estimator_lab.base.settings import path_from, settings_of
from estimator_lab.core.endpoints import LOGITS
from estimator_lab.core.noise import Noise
from estimator_lab.core.picture import COLUMNS, as_picture, labelled_grid, png_bytes
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import read_batches
from estimator_lab.inference.report.html import figure, framed
from estimator_lab.inference.settings import DreamSettings, SampleSettings
from estimator_lab.models.boltzmann.stack import Stack
from estimator_lab.runs.opening import open_trained
from estimator_lab.runs.trained import Trained
from estimator_lab.runs.weights.checkpoint import open_checkpoint
from estimator_lab.tf1 import Tensor, tf

PICTURES = ('.png', '.jpg', '.jpeg')
ARCHIVE = '.tar'
AT_ONCE = 1024
"""Gibbs chains in a batch."""

_OF_MACHINES = {'count', 'seed', 'steps', 'data'}
_OF_GENERATORS = {'count', 'seed', 'label', 'truncation'}
_MOST_IN_A_PICTURE = 4096
_MOST_COLUMNS = 20  # of classes
_STEPS, _STEPS_FROM_CHAINS = 1000, 50
_CHAINS = 'chains'  # the variable of `contrastive_divergence`
_BATCH = 64

Batches = Iterator[tuple[np.ndarray, Sequence[str]]]
"""Samples, float32 [n, height, width, channels] in [0, 1], and their n labels, '' for none."""


class Samples:
    """Images that a model makes up, when they are first used; in a notebook a grid of them.

    Raises:
      FlagError: the model makes no samples, or does not know the label.
    """

    def __init__(self, run: Trained, settings: SampleSettings) -> None:
        self._run, self._settings = run, settings
        self._machine = None if run.architecture.sampler else top_machine(run)
        if run.architecture.sampler and settings.label:
            if not run.architecture.sampler(run.params).conditional:
                raise FlagError(
                    f'{option.label}={settings.label} needs a conditional generator: one trained with '
                    f'{hparam.conditional}=true.'
                )
            run.class_id(settings.label)  # or it is unknown

    def batches(self) -> Batches:
        """Yields the samples in batches, in constant memory."""
        if self._machine is None:
            return generated(self._run, self._settings)
        return gibbs_chains(self._machine, self._settings, self._begin, self._steps)

    @cached_property
    def _begin(self) -> np.ndarray | None:
        settings = self._settings
        if self._machine is None or not settings.data:
            return None
        return first_images(self._machine, settings.data, settings.count)

    @property
    def _steps(self) -> int:
        assert self._machine
        from_chains = self._begin is None and persistent_chains(self._machine) is not None
        return self._settings.steps or (_STEPS_FROM_CHAINS if from_chains else _STEPS)

    @cached_property
    def _all(self) -> tuple[np.ndarray, list[str]]:
        images, texts = zip(*self.batches(), strict=True)
        return np.concatenate(images), list(itertools.chain(*texts))

    @property
    def images(self) -> np.ndarray:
        """The images, float32 [n, height, width, channels] in [0, 1]."""
        return self._all[0]

    @property
    def labels(self) -> Sequence[str]:
        """Their n labels, '' for none."""
        return self._all[1]

    def picture(self) -> Image.Image:
        """Returns the samples as one picture, a column for each class.

        Raises:
          FlagError: they are too many.
        """
        if self._settings.count > _MOST_IN_A_PICTURE:
            raise FlagError(
                f'{option.count}={self._settings.count} is more than the {_MOST_IN_A_PICTURE} samples of one '
                f'picture: give {option.out}=NAME{ARCHIVE} for an archive.'
            )
        return labelled_grid(self.images, self.labels, class_columns(self.labels), title=self.text())

    def text(self) -> str:
        """Returns what the samples are, in words."""
        if self._machine is None:
            return f'Samples, {self._run.model} at step {self._run.step:,}'
        return f'Samples of {self._machine.model} after {self._steps:,} Gibbs steps'

    def save(self, path: str | Path) -> None:
        """Writes a picture, or an archive that can be trained on if the path ends in .tar.

        Members are LABEL/000012.png, or samples/000012.png without labels.

        Raises:
          FlagError: the path can't be written, or ends in another suffix.
          LabError: the disk is full.
        """
        path = path_from('path', path)
        check_suffix('out', path, (*PICTURES, ARCHIVE))
        with written('out', path) as file:
            if path.suffix.lower() == ARCHIVE:
                _write_archive(file, self.batches())
            else:
                self.picture().save(file, format_of(path))

    def __len__(self) -> int:
        return self._settings.count

    def __repr__(self) -> str:
        return f'{len(self.images)} samples, {self.images.dtype} {list(self.images.shape)}'

    def _repr_html_(self) -> str:
        return framed('samples', [figure(self.picture(), repr(self))])


def sample(run: Trained, settings: SampleSettings, given: frozenset[str] = frozenset()) -> Samples:
    """Returns images that a generator, an RBM or a DBN makes up; see `Run.sample`.

    Of the settings that the user gave, one without a meaning for the model is an error.
    """
    samples = Samples(run, settings)
    check_known(run, given, _OF_GENERATORS if run.architecture.sampler else _OF_MACHINES, 'samples')
    return samples


def check_known(run: Trained, given: frozenset[str], known: Set[str], drawn: str) -> None:
    """Raises FlagError if the user gave a setting without a meaning for what is drawn."""
    for name in sorted(given & settings_of(DreamSettings).keys() - known):
        remedy = 'see --help'
        if name == 'label' and run.task.labelled:
            remedy = f'which have no classes; with {option.layer}={LOGITS}, an image is changed towards it'
        raise FlagError(f'{option(name)} has no meaning for {drawn} of {option.model}={run.model}, {remedy}.')


def class_columns(labels: Sequence[str]) -> int:
    """Returns the number of classes, whose samples then have a column each, if there are not too many."""
    classes = len(set(labels))
    return classes if 1 < classes <= _MOST_COLUMNS else COLUMNS


def format_of(path: Path) -> str:
    """Returns Pillow's format for a path that ends in one of `PICTURES`."""
    return 'PNG' if path.suffix.lower() == '.png' else 'JPEG'


def _write_archive(file: BinaryIO, batches: Batches) -> None:
    number = 0
    with tarfile.open(fileobj=file, mode='w') as archive:
        for images, labels in batches:
            for image, label in zip(images, labels, strict=True):
                data = png_bytes(as_picture(image))
                info = tarfile.TarInfo(f'{label or "samples"}/{number:06}.png')
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
                number += 1


# Boltzmann machines.


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


def first_images(run: Trained, archives: Sequence[str], count: int) -> np.ndarray:
    """Returns the first images of archives, decoded as in training: float32 [count, height, width, channels].

    Raises:
      DataError: an archive can't be read, or they have fewer than `count` images.
    """
    images: list[np.ndarray] = []
    order = run.examples(archives, note=warn).order()
    for batch in read_batches(order.epoch(0), count, run.reader, InputReport(run.kind)):
        if batch.keys:
            images.extend(batch.arrays[IMAGE])
        if len(images) >= count:
            return np.stack(images[:count])
    raise DataError(f'{", ".join(archives)} has {len(images)} images, fewer than {option.count}={count}.')


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


# Generators.


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
