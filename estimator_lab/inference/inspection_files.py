"""Inspects one example for the `inspect` command; pictures as files and in TensorBoard."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from estimator_lab.base.printable import safe_name
from estimator_lab.console.outputs import writing
from estimator_lab.core.display.summaries import picture_value
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.member import BadExampleError
from estimator_lab.data.order.order import Order
from estimator_lab.data.pipeline.paths import read_example
from estimator_lab.errors import DataError, FlagError
from estimator_lab.inference.inspection import Inspection, inspect_image
from estimator_lab.inference.prediction import Predicted, Table
from estimator_lab.inference.settings import InspectionSettings
from estimator_lab.inference.tree_inspection import TreeInspection, inspect_tree
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.tf1 import tf

_FOLDER = 'inspect'
_LABELS = 3  # in the prediction


class Written(NamedTuple):
    """What an inspection has written.

    Attributes:
      prediction: the prediction in words.
      folder: the folder of the pictures.
      names: of the pictures; each is a file NAME.png.
      problem: why TensorBoard does not show them, in a sentence; '' if it does.
    """

    prediction: str
    folder: Path
    names: list[str]
    problem: str


def inspect_and_write(settings: InspectionSettings) -> Written:
    """Inspects an image or a tree as the settings say.

    Raises:
      DataError: the model or the example can't be read; the label is unknown.
      FlagError: the settings don't fit the model, or the folder can't be written.
      LabError: TensorFlow fails, or the disk is full.
    """
    trained = open_trained(settings.model_dir)
    name = 'tree' if settings.tree else 'image'
    if trained.kind.name != name:
        raise FlagError(
            f'--{name} is given, but --model_dir={settings.model_dir} accepts {trained.kind.noun}.'
        )
    place = settings.tree or settings.image or ''
    found = (_inspect_tree if settings.tree else _inspect_image)(trained, place, settings.label)
    pictures = found.pictures()
    events = trained.model_dir / _FOLDER
    folder = settings.out or events / safe_name(place)
    with writing('out', folder):  # or its default, which --out replaces
        folder.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            pictures[picture].save(folder / f'{picture}.png')
    problem = write_summaries(events, pictures, trained.step)
    return Written(_prediction(trained, place, found), folder, list(pictures), problem)


def pictures_of_first(trained: Trained, examples: Order) -> tuple[str, dict[str, Image.Image]]:
    """Returns the key of the first example that can be decoded, and pictures of it by name.

    Args:
      trained: the model.
      examples: encoded; read from the beginning.

    Raises:
      DataError: the examples can't be read.
    """
    for unread in examples.epoch(0):
        member = unread.read()
        try:
            if trained.kind is not IMAGES:
                return member.key, inspect_tree(trained, member.data).pictures()
            image = trained.image_reader().decode(member.data, *trained.shape)
            return member.key, inspect_image(trained, image, key=member.key).pictures()
        except BadExampleError:
            continue
    return '', {}


def write_summaries(folder: Path, pictures: Mapping[str, Image.Image], step: int) -> str:
    """Writes pictures as image summaries, under the tags of training, to a folder that TensorBoard reads.

    Returns:
      Why the folder can't be written, in a sentence; '' if it was.
    """
    values = [picture_value(name, picture) for name, picture in pictures.items()]
    try:
        with tf.Graph().as_default(), tf.summary.FileWriter(str(folder)) as writer:
            writer.add_summary(tf.Summary(value=values), step)
    except (tf.errors.OpError, OSError) as error:
        return f'{folder} cannot be written, so TensorBoard does not show the pictures: {error}'
    return ''


def _inspect_image(trained: Trained, place: str, label: str) -> Inspection:
    member = read_example(place)
    try:
        image = trained.image_reader().decode(member.data, *trained.shape)
    except BadExampleError as reason:
        raise DataError(f'--image={place} cannot be decoded: {reason}.') from reason
    return inspect_image(trained, image, label, place)


def _inspect_tree(trained: Trained, place: str, label: str) -> TreeInspection:
    if label:
        raise FlagError(f'--label={label} is for images: a tree shows its most probable labels.')
    is_text = place.lstrip().startswith('(')
    data = place.encode() if is_text else read_example(place, trained.kind).data
    try:
        return inspect_tree(trained, data)
    except BadExampleError as reason:
        raise DataError(f'--tree={place[:80]} is not a tree: {reason}.') from reason


def _prediction(trained: Trained, place: str, found: Inspection | TreeInspection) -> str:
    top = min(_LABELS, max(len(trained.record.vocabulary), 1))
    values = {name: value[None] for name, value in found.values.items()}
    (row,) = Table(trained, top).rows(Predicted([place], [], values))
    columns, shown = dict(row.columns), []
    for suffix in ('', '_2', '_3')[:top]:
        label, probability = columns.pop(f'label{suffix}', None), columns.pop(f'probability{suffix}', None)
        if label:
            shown.append(f'{label} {probability:.4f}')
    return ', '.join([*shown, *(f'{name} {value}' for name, value in columns.items())])
