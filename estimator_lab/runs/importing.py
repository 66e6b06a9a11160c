"""Imports a weight file: makes a model_dir of it, as if the model had been trained there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.errors import DataError, FlagError, hparam, option
from estimator_lab.base.files import listed, whole_file
from estimator_lab.base.outputs import locked, writing
from estimator_lab.base.settings import settings_that_are
from estimator_lab.core.abilities import HasPublishedWeights
from estimator_lab.core.model import AnyModel
from estimator_lab.core.params import parse_hparams, resolve
from estimator_lab.core.registry import find_model
from estimator_lab.data.examples.kind import Reader
from estimator_lab.data.examples.labels import read_vocabulary
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.runs.record import Record, make_record, write_record
from estimator_lab.runs.safe_paths import newest_checkpoint
from estimator_lab.runs.weights.checkpoint import write_checkpoint
from estimator_lab.runs.weights.files import WeightFile, open_weight_file
from estimator_lab.runs.weights.layouts import Layout, own_names
from estimator_lab.runs.weights.matching import match, shapes_of_variables, shapes_with_texts
from estimator_lab.tf1 import tf

_CHECKPOINT = 'model.ckpt-0'
_GRAPH = 'graph.pbtxt'  # training writes it
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Imported:
    """What was imported.

    Attributes:
      whose: which names the file uses.
      variables: how many were imported.
      labels: the classes in order; empty if the network has no last layer.
    """

    whose: str
    variables: int
    labels: tuple[str, ...]


def import_weights(
    weights: Path,
    model_dir: Path,
    model_name: str,
    hparams: str | Mapping[str, Any],
    image_shape: tuple[int, int, int],
    vocabulary: Path | None = None,
) -> Imported:
    """Makes a model_dir of a weight file.

    Args:
      weights: path of the file; of a checkpoint in several files, the common part of their names.
      model_dir: the folder, which is empty, or made.
      model_name: of the model whose weights they are.
      hparams: its hyper-parameters, by name or as text, name=value,...
      image_shape: (height, width, channels) of its images.
      vocabulary: file of the class names in order; None numbers the classes.

    Raises:
      FlagError: for a model or hyper-parameters that can't work; the folder isn't empty, or can't be written.
      DataError: the file can't be read, or holds the weights of another network.
    """
    model = find_model(model_name)
    given = parse_hparams(model.params, hparams)
    params = resolve(model.params, {**given, 'image_shape': image_shape})
    images = ImageOptions(ImageShape(*image_shape))
    reader = ImageReader(images)
    with open_weight_file(weights) as file:
        classes = _classes(model, params, reader, file)
        labels = _labels(weights, classes, vocabulary)
        params = replace(params, vocabulary=labels)
        try:
            params.check()
        except FlagError as error:
            if labels:
                raise
            raise FlagError(f'{weights} has no classes: {error.marked}') from error
        layouts = _layouts(model, shapes_of_variables(model, params, reader))
        whose, values = match(file, layouts, _network_text(params))
    _write(make_record(model.name, params, images), values, model_dir)
    return Imported(whose, len(values), labels)


def is_imported(model_dir: Path) -> bool:
    """Returns whether `import_weights` made a folder, and no training has taken place in it."""
    return Path(newest_checkpoint(model_dir)).name == _CHECKPOINT and not (model_dir / _GRAPH).exists()


def _layouts(model: AnyModel, shapes: Mapping[str, Sequence[int]]) -> list[Layout]:
    published = model.published_layouts(shapes) if isinstance(model, HasPublishedWeights) else []
    return [own_names(shapes), *published]


def _network_text(params: Any) -> str:
    """Returns the flags on which a network's shapes depend, for errors."""
    names = settings_that_are(type(params), 'structural')
    hparams = ','.join(f'{name}={getattr(params, name)}' for name in names)
    return f'the network of {option.image_size}={params.image_shape[0]} {hparam(hparams)}'


def _classes(model: AnyModel, params: Any, reader: Reader, file: WeightFile) -> int:
    """Returns how many classes the last layer in the file has; 0 without one."""
    shapes = shapes_with_texts(model, params, reader, 'vocabulary')
    fewer, more = (_layouts(model, each) for each in shapes)
    sources = [source for layout in fewer for source in layout.sources.values()]
    if not any(source.names.fullmatch(name) for source in sources for name in file.tensors):
        raise ValueError(f'it holds no weights of {option.model}={model.name}: name another model')
    sizes = {
        shape[axis]
        for of_two, of_three in zip(fewer, more, strict=True)
        for name, (shape, _) in file.tensors.items()
        for variable, source in of_two.sources.items()
        if source.names.fullmatch(name) and len(shape) == len(source.shape)
        for axis, length in enumerate(of_three.sources[variable].shape)
        if length != source.shape[axis]
    }
    if sizes and not 2 <= min(sizes) <= _MOST_CLASSES:
        raise ValueError(f'it has {min(sizes):,} classes, 2 to {_MOST_CLASSES:,} are possible')
    return min(sizes, default=0)


def _labels(weights: Path, classes: int, vocabulary: Path | None) -> tuple[str, ...]:
    """Returns the class names: as given, or numbers."""
    if vocabulary is None:
        return tuple(str(number).zfill(len(str(classes - 1))) for number in range(classes))
    if not classes:
        raise ValueError(f'it has no classes for {option.vocabulary}={vocabulary} to name')
    labels = read_vocabulary(vocabulary).labels
    if len(labels) != classes:
        raise DataError(
            f'{option.vocabulary}={vocabulary} names {len(labels)} classes, but {weights} has {classes}.'
        )
    return labels


def _write(record: Record, values: Mapping[str, np.ndarray], model_dir: Path) -> None:
    with writing('model_dir', model_dir):
        model_dir.mkdir(parents=True, exist_ok=True)
    with locked(
        model_dir, f'{option.model_dir}={model_dir} is being written by another process: name another.'
    ):
        if listed(model_dir):  # such as a model, or a link that leads elsewhere
            raise FlagError(f'{option.model_dir}={model_dir} is not empty: name a new folder.')
        step = {tf.GraphKeys.GLOBAL_STEP: np.array(0, np.int64)}
        try:
            with writing('model_dir', model_dir):
                write_checkpoint(model_dir / _CHECKPOINT, {**values, **step})
                with whole_file(model_dir / 'checkpoint') as file:
                    file.write(f'model_checkpoint_path: "{_CHECKPOINT}"\n'.encode())
                write_record(model_dir, record)
        except BaseException:
            for path in listed(model_dir):  # so that the next start finds it empty
                path.unlink(missing_ok=True)
            raise
