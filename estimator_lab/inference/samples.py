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
