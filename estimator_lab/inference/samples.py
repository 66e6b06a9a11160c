"""Samples that a model draws: in memory, as one picture, or as an archive."""

import inspect
import io
import itertools
import tarfile
from collections.abc import Sequence, Set
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.keys import IMAGE
from estimator_lab.base.outputs import check_suffix, written
from estimator_lab.base.progress import warn
from estimator_lab.base.settings import keywords_of, path_from
from estimator_lab.core.abilities import Batches, Draws
from estimator_lab.core.picture import COLUMNS, as_picture, labelled_grid, png_bytes
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import read_batches
from estimator_lab.inference.report.html import figure, framed
from estimator_lab.inference.settings import DreamSettings
from estimator_lab.runs.trained import Trained

PICTURES = ('.png', '.jpg', '.jpeg')
ARCHIVE = '.tar'

_MOST_IN_A_PICTURE = 4096
_MOST_COLUMNS = 20  # of classes


class Samples:
    """Images that a model makes up, when they are first used; in a notebook a grid of them.

    Raises:
      FlagError: the model makes no samples, or does not know the label.
    """

    notes: Sequence[str] = ()

    def __init__(self, run: Trained, settings: DreamSettings) -> None:
        self._settings, model, drawing = settings, run.architecture, None
        if isinstance(model, Draws):
            data = settings.data
            begin = cache(partial(first_images, run, data, settings.count)) if data else None
            values = {**vars(settings), 'data': begin}
            drawing = model.draw(run, **{name: values[name] for name in _settings_of(model)})
        if drawing is None:
            raise FlagError(
                f'{option.model_dir}={run.model_dir} holds a model that does not dream: {option.model}=rbm '
                f'does, and {option.model}=dbn that was pre-trained with rbms.'
            )
        self._drawing = drawing

    def batches(self) -> Batches:
        """Yields the samples in batches, in constant memory."""
        return self._drawing.batches()

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

    def for_tensorboard(self) -> dict[str, Image.Image]:
        """Returns nothing: training shows samples itself."""
        return {}

    def text(self) -> str:
        """Returns what the samples are, in words."""
        return self._drawing.title

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


def sample(run: Trained, settings: DreamSettings, given: frozenset[str] = frozenset()) -> Samples:
    """Returns images that a generator, an RBM or a DBN makes up; see `Run.sample`.

    Of the settings that the user gave, one without a meaning for the model is an error.
    """
    samples = Samples(run, settings)
    check_known(run, given, _settings_of(run.architecture), 'samples')
    return samples


def _settings_of(model: Any) -> set[str]:
    """Returns the names of the settings that `model.draw` honours: its keyword-only parameters."""
    parameters = inspect.signature(model.draw).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def check_known(run: Trained, given: frozenset[str], known: Set[str], drawn: str) -> None:
    """Raises FlagError if the user gave a setting without a meaning for what is drawn."""
    for name in sorted(given & keywords_of(DreamSettings).keys() - known):
        raise FlagError(
            f'{option(name)} has no meaning for {drawn} of {option.model}={run.model}, see --help.'
        )


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
            images.extend(batch.data[IMAGE])
        if len(images) >= count:
            return np.stack(images[:count])
    raise DataError(f'{", ".join(archives)} has {len(images)} images, fewer than {option.count}={count}.')
