"""What the event files of a run tell: its curves and its newest pictures."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from estimator_lab.base.errors import DataError
from estimator_lab.base.files import in_subfolders, listed
from estimator_lab.base.json_input import shortened
from estimator_lab.base.keys import RECORD
from estimator_lab.base.printable import printable
from estimator_lab.core.model import EVALUATION
from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.images.decode import open_image
from estimator_lab.inference.report.html import framed, note, shown_number, table
from estimator_lab.runs.event_files import values_in

TRAINING, EVALUATING = 'training', 'evaluation'
"""Names of the two lines that each chart of a run has."""

_INSPECTED = 'inspect'
_FILES = 'events.out.tfevents.*'
MOST_TAGS = 200
MOST_POINTS = 20_000  # of a curve; of longer ones, every second is left out
_MOST_BYTES = 2**22  # of an encoded picture
_IMAGE = '/image'  # what tf.summary.image appends to a name
_PICTURES = 'images/'


@dataclass(frozen=True)
class Shown:
    """A picture that a run has written.

    Attributes:
      step: global step.
      line: the part of the run that wrote it.
      picture: in mode L or RGB.
      of: the name of what it shows; '' if the picture does not say.
    """

    step: int
    line: str
    picture: Image.Image
    of: str = ''


@dataclass
class History:
    """What a run has written.

    Attributes:
      curves: tag -> name of the line -> global step -> value, all finite, steps ascending.
      pictures: the newest ones by their names, the tags without 'images/'.
      damage: what can't be read, a sentence for each file.
    """

    curves: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    pictures: dict[str, Shown] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        damage = f', {len(self.damage)} damaged files' if self.damage else ''
        return f'History: {len(self.curves)} curves, {len(self.pictures)} pictures{damage}'

    def _repr_html_(self) -> str:
        rows = [(tag, step, shown_number(value)) for tag, (step, value) in self.last().items()]
        return framed(
            'history', [note(f'{self!r}; the last evaluation:'), table([('', 'step', 'value'), *rows])]
        )

    def last(self) -> dict[str, tuple[int, float]]:
        """Returns (global step, value) of the last evaluation, by tag."""
        ends = {}
        for tag, lines in self.curves.items():
            if curve := lines.get(EVALUATING):
                step = max(curve)
                ends[tag] = step, curve[step]
        return ends


def read_history(model_dir: Path) -> History:
    """Reads the event files of a run, of its evaluations, its phases and what was inspected."""
    history = History()
    encoded: dict[str, tuple[int, str, bytes, str]] = {}
    phases = _phases(model_dir)
    names = [phase.name for phase in phases]
    for folder, line in _folders(model_dir, phases):
        if folder.is_symlink() and folder != model_dir:
            continue
        for path in _event_files(folder, history.damage):
            damage: list[str] = []
            try:
                for step, value in values_in(path, damage.append):
                    phase, tag = _split(value.tag, names)
                    _take(history, encoded, (f'{phase}, {line}' if phase else line, tag), step, value)
            except DataError as error:
                history.damage.append(error.sentence)
            history.damage += [f'{path} {what}' for what in dict.fromkeys(damage)]
    for lines in history.curves.values():
        for line, values in lines.items():
            lines[line] = dict(sorted(values.items()))
    for name, (step, line, data, of) in encoded.items():
        try:
            history.pictures[name] = Shown(step, line, open_image(data), of)
        except BadExampleError as reason:
            history.damage.append(f'The picture {name} at step {step} cannot be decoded: {reason}')
    return history


def _event_files(folder: Path, damage: list[str]) -> list[Path]:
    try:
        return listed(folder, _FILES)
    except DataError as error:
        damage.append(error.sentence)
        return []


def _phases(model_dir: Path) -> list[Path]:
    """Returns the folders of the phases before the last."""
    folders = (record.parent for record in in_subfolders(model_dir, RECORD))
    return [folder for folder in folders if not folder.is_symlink()]


def _folders(model_dir: Path, phases: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yields the folders of event files with the names of their lines."""
    for phase in phases:
        yield phase, f'{phase.name}, {TRAINING}'
        yield phase / EVALUATION, f'{phase.name}, {EVALUATING}'
    yield model_dir, TRAINING
    yield model_dir / EVALUATION, EVALUATING
    yield model_dir / _INSPECTED, _INSPECTED


def _split(tag: str, phases: Collection[str]) -> tuple[str, str]:
    """Returns (phase, tag); '' for the phase of a tag that is of none."""
    phase, _, rest = tag.partition('/')
    return (phase, rest) if phase in phases else ('', tag)


def _take(
    history: History,
    encoded: dict[str, tuple[int, str, bytes, str]],
    place: tuple[str, str],
    step: int,
    value: Any,
) -> None:
    line, tag = place
    if value.HasField('simple_value'):
        if not math.isfinite(value.simple_value) or (
            tag not in history.curves and len(history.curves) >= MOST_TAGS
        ):
            return
        values = history.curves.setdefault(tag, {}).setdefault(line, {})
        values[step] = value.simple_value
        if len(values) > MOST_POINTS:
            for old in list(values)[1::2]:
                del values[old]
    elif value.HasField('image') and tag.startswith(_PICTURES):
        name, data = tag.removeprefix(_PICTURES).removesuffix(_IMAGE), value.image.encoded_image_string
        before = encoded.get(name)
        if len(data) > _MOST_BYTES or (before is None and len(encoded) >= MOST_TAGS):
            return
        if before is None or (before[0], before[1]) <= (step, line) or before[1] == line:
            of = printable(shortened(value.metadata.summary_description))
            encoded[name] = step, line, data, of
