"""Inspects one example for the `inspect` command; pictures as files and in TensorBoard."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from estimator_lab.base.activity import doing
from estimator_lab.base.command import tensorboard
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.outputs import writing
from estimator_lab.base.printable import safe_name
from estimator_lab.base.progress import warn
from estimator_lab.core.summaries import picture_value
from estimator_lab.data.examples import read_example
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.member import BadExampleError
from estimator_lab.inference.inspection import inspect_image, inspect_tree
from estimator_lab.inference.prediction import Predicted, Table
from estimator_lab.inference.settings import InspectionSettings
from estimator_lab.runs.memory import measure, shown_bytes
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.runs.summary import summary_lines
from estimator_lab.tf1 import tf

Rows = Iterator[tuple[str, str]]
Inspected = tuple[Mapping[str, np.ndarray], dict[str, Image.Image]]

_FOLDER = 'inspect'
_LABELS = 3  # in the prediction


def inspect_and_write(settings: InspectionSettings) -> Rows:
    """Inspects an image or a tree as the settings say; yields (title, text) for the user.

    Raises:
      DataError: the model or the example can't be read; the label is unknown.
      FlagError: the settings don't fit the model, or the folder can't be written.
      LabError: TensorFlow fails, or the disk is full.
    """
    trained = open_trained(settings.model_dir, device=settings.device)
    name = 'tree' if settings.tree else 'image'
    if trained.kind.name != name:
        raise FlagError(
            f'--{name} is given, but --model_dir={settings.model_dir} accepts {trained.kind.noun}.'
        )
    doing('inspecting')
    place = settings.tree or settings.image or ''
    values, pictures = (_inspect_tree if settings.tree else _inspect_image)(trained, place, settings.label)
    events = trained.model_dir / _FOLDER
    folder = settings.out or events / safe_name(place)
    with writing('out', folder):  # or its default, which --out replaces
        folder.mkdir(parents=True, exist_ok=True)
        for file, picture in pictures.items():
            picture.save(folder / f'{file}.png')
    yield 'Prediction', _prediction(trained, place, values)
    yield 'Pictures', f'{folder}: {", ".join(f"{file}.png" for file in pictures)}'
    yield from show_in_tensorboard(trained, _FOLDER, pictures)


def summary_of(model_dir: Path) -> Iterator[str]:
    """Yields the lines of a table of a model's layers.

    Raises:
      DataError: the model can't be read.
    """
    trained = open_trained(model_dir)
    doing('building the network')
    network = measure(trained.model, trained.params, trained.reader)
    weights = f'; {shown_bytes(network.variables)} of weights, at step {trained.step}'
    yield from summary_lines(network.layers, weights)


def show_in_tensorboard(trained: Trained, name: str, pictures: Mapping[str, Image.Image]) -> Rows:
    """Writes pictures as image summaries, under the tags of training; warns if that fails.

    Args:
      trained: the model.
      name: of the folder in its model_dir.
      pictures: by name.

    Yields:
      ('TensorBoard', the command that shows them).
    """
    folder = trained.model_dir / name
    values = [picture_value(name, picture) for name, picture in pictures.items()]
    try:
        with tf.Graph().as_default(), tf.summary.FileWriter(str(folder)) as writer:
            writer.add_summary(tf.Summary(value=values), trained.step)
    except (tf.errors.OpError, OSError) as error:
        warn(f'{folder} cannot be written, so TensorBoard does not show the pictures: {error}')
    else:
        yield 'TensorBoard', tensorboard(trained.model_dir)


def inspected(trained: Trained, data: bytes, label: str, key: str) -> Inspected:
    """Returns the predictions for an encoded example, and pictures of it; raises BadExampleError."""
    if trained.kind is not IMAGES:
        values, picture = inspect_tree(trained, data)
        return values, {'tree': picture}
    found = inspect_image(trained, trained.image_reader().decode(data, *trained.shape), label, key)
    return found.values, found.pictures()


def _inspect_image(trained: Trained, place: str, label: str) -> Inspected:
    try:
        return inspected(trained, read_example(place, IMAGES).data, label, place)
    except BadExampleError as reason:
        raise DataError(f'--image={place} cannot be decoded: {reason}.') from reason


def _inspect_tree(trained: Trained, place: str, label: str) -> Inspected:
    if label:
        raise FlagError(f'--label={label} is for images: a tree shows its most probable labels.')
    is_text = place.lstrip().startswith('(')
    data = place.encode() if is_text else read_example(place, trained.kind).data
    try:
        return inspected(trained, data, '', place)
    except BadExampleError as reason:
        raise DataError(f'--tree={place[:80]} is not a tree: {reason}.') from reason


def _prediction(trained: Trained, place: str, values: Mapping[str, np.ndarray]) -> str:
    top = min(_LABELS, max(len(trained.record.vocabulary), 1))
    batch = {name: value[None] for name, value in values.items()}
    (row,) = Table(trained, top).rows(Predicted([place], [], batch))
    columns, shown = dict(row.columns), []
    for suffix in ('', '_2', '_3')[:top]:
        label, probability = columns.pop(f'label{suffix}', None), columns.pop(f'probability{suffix}', None)
        if label:
            shown.append(f'{label} {probability:.4f}')
    return ', '.join([*shown, *(f'{name} {value}' for name, value in columns.items())])
