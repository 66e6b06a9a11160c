"""experiment.json: what a model_dir says about itself, such as model, labels, image size and data."""

import dataclasses
import glob
import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import DataError, FlagError, hparam, option
from estimator_lab.base.files import listed, whole_file, why_unread
from estimator_lab.base.json_input import as_object, as_type, read_json, shown
from estimator_lab.base.keys import RECORD
from estimator_lab.base.printable import printable
from estimator_lab.base.version import __version__
from estimator_lab.data.archives.opened import Identity
from estimator_lab.data.images.decode import BACKGROUNDS, MAX_PIXELS, MAX_SIDE, ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.tf1 import tf

_LONGEST_TEXT = 200
_LARGEST = 2**40  # steps, and images of an archive or an epoch
_LARGEST_POSITION = 2**62

_NO_HPARAMS = (
    'image_shape',
    'vocabulary',
    'tokens',
    'class_weights',
    'curves',
    'model_dir',
    'given',
    'first_mean',
)
"""Parameters of a model that are not among the hyper-parameters of a record."""

FORMAT = 7
"""The format of records that this version reads and writes."""


@dataclasses.dataclass(frozen=True)
class InputRecord:
    """Which examples the steps of a training see.

    A checkpoint holds the position, the number of examples that were consumed (`training.position`). That of
    the step at which training went on with these archives and settings is here.

    Attributes:
      archives: of training, in order; empty for imported weights.
      evaluation: the archives of evaluation; empty if the same as in training.
      settings: what else decides which examples a step sees and how they are changed, by name.
      first_step: global step at which training, or its phase, began.
      step: global step since which the archives and the settings of the order are these.
      position: examples that were consumed at that step.
      lanes: workers at that step, by whose number the order is divided; see `data.archives.places.Places`.
    """

    archives: tuple[Identity, ...] = ()
    evaluation: tuple[Identity, ...] = ()
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    first_step: int = 0
    step: int = 0
    position: int = 0
    lanes: int = 1

    @property
    def examples(self) -> int:
        """Examples in an epoch; 0 if unknown."""
        return sum(archive.images for archive in self.archives)


@dataclasses.dataclass(frozen=True)
class Record:
    """The contents of model_dir/experiment.json.

    Attributes:
      model: value of --model.
      image_shape: (height, width, channels) in pixels.
      vocabulary: label texts in the order of their class ids.
      hparams: the hyper-parameters of the last training.
      versions: of this package and of TensorFlow, at the last training.
      decode: value of --decode.
      background: value of --background.
      input: which examples its steps saw.
      kind: of the examples, a name in `data.archives.kinds`.
      format: number of the record's format.
    """

    model: str
    image_shape: tuple[int, int, int]
    vocabulary: tuple[str, ...]
    hparams: dict[str, Any]
    versions: dict[str, str]
    decode: str = 'exact'
    background: str = BACKGROUNDS[0]
    input: InputRecord = dataclasses.field(default_factory=InputRecord)
    kind: str = 'image'
    format: int = FORMAT

    @property
    def images(self) -> ImageOptions:
        """How images become pixels, without augmentation."""
        return ImageOptions(ImageShape(*self.image_shape), self.decode, self.background)


def make_record(model: str, params: Any, images: ImageOptions, **more: Any) -> Record:
    """Returns the record of a model with these parameters and images, written by this version."""
    hparams = {name: value for name, value in dataclasses.asdict(params).items() if name not in _NO_HPARAMS}
    versions = {'estimator_lab': __version__, 'tensorflow': tf.__version__}
    known = params.image_shape, params.vocabulary, hparams, versions
    return Record(model, *known, decode=images.decode, background=images.background, **more)


def read_record(model_dir: Path) -> Record | None:
    """Returns the record in a model_dir, or None for a new one.

    Raises:
      DataError: the file can't be understood, or another version wrote it.
    """
    path = model_dir / RECORD
    try:
        fields = read_json(path)
        if not isinstance(fields, dict):
            raise ValueError(f'it is {shown(fields)}, not an object')
        number = as_type(fields.get('format'), int, 'format')
        if number == FORMAT:
            record = as_object(fields, Record)
            record = dataclasses.replace(record, vocabulary=tuple(map(printable, record.vocabulary)))
            _check_values(record)
            return record
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = why_unread(error)
        raise DataError(f'{path} cannot be read as a description of this folder: {reason}.') from error
    writer = _writer(fields)
    if writer == f'estimator_lab {__version__}':  # two states of one version
        age, remedy = ('an older', 'train the model again') if number < FORMAT else ('a newer', 'install it')
        writer = f'{age} state of {writer}'
    else:
        remedy = 'train the model again, or use that version' if number < FORMAT else 'install that version'
    raise DataError(
        f'{path} has format {number}, written by {writer}; this is estimator_lab '
        f'{__version__}, which reads format {FORMAT}: {remedy}.'
    )


def _check_values(record: Record) -> None:
    """Raises ValueError for what training never writes."""
    *sides, channels = record.image_shape
    if not all(1 <= side <= MAX_SIDE for side in sides) or math.prod(sides) > MAX_PIXELS:
        raise ValueError(f'its image_shape is {shown(list(record.image_shape))}')
    if channels not in (1, 3):
        raise ValueError(f'its images have {channels} channels')
    texts = {
        'model': record.model,
        'decode': record.decode,
        'background': record.background,
        'kind': record.kind,
        **record.versions,
        **record.hparams,
    }
    inputs = record.input.settings.items()
    for name, text in (*texts.items(), *inputs):
        if not (_is_short(name) and (_is_short(text) or not isinstance(text, str))):
            raise ValueError(f'its {shown(name)} is {shown(text)}')
    for name, value in inputs:
        if not isinstance(value, int | float | str):
            raise ValueError(f'its {name} is {shown(value)}')
    _check_input(record.input)
    if len(set(record.vocabulary)) < len(record.vocabulary):
        twice = next(label for label, count in Counter(record.vocabulary).items() if count > 1)
        raise ValueError(f'its vocabulary holds {shown(twice)} twice')


def _check_input(record: InputRecord) -> None:
    """Raises ValueError for what training never writes."""
    if not all(0 <= step < _LARGEST for step in (record.first_step, record.step)):
        raise ValueError(f'its steps are {record.first_step} and {record.step}')
    if not 0 <= record.position < _LARGEST_POSITION:
        raise ValueError(f'its position is {record.position}')
    if not 0 < record.lanes < _LARGEST:
        raise ValueError(f'its lanes are {record.lanes}')
    for archive in (*record.archives, *record.evaluation):
        if not (all(map(_is_short, (archive.name, archive.fingerprint))) and 0 <= archive.images < _LARGEST):
            raise ValueError(f'one of its archives is {shown(archive)}')


def _is_short(text: Any) -> bool:
    """Returns whether a value is a text that a message may quote."""
    return isinstance(text, str) and len(text) <= _LONGEST_TEXT and text.isprintable()


def _writer(fields: Mapping[str, Any]) -> str:
    written_by = fields.get('versions')
    version = str(written_by.get('estimator_lab', '')) if isinstance(written_by, dict) else ''
    is_version = re.fullmatch(r'[\w.+-]{1,40}', version)
    return f'estimator_lab {version}' if is_version else 'another version of estimator_lab'


def write_record(model_dir: Path, record: Record) -> None:
    """Writes the record whole or not at all.

    Raises:
      OSError: it can't be written.
    """
    with whole_file(model_dir / RECORD) as file:
        file.write(f'{json.dumps(dataclasses.asdict(record), indent=1)}\n'.encode())


def link_model(checkpoint: Path, folder: Path) -> None:
    """Makes a new model_dir for a checkpoint; hard-links its files, and files of a style or judge.

    Nothing is done if the checkpoint does not exist; the folder must not exist.

    Raises:
      OSError: it can't be written.
    """
    files = listed(checkpoint.parent, f'{glob.escape(checkpoint.name)}.*')
    record = checkpoint.parent / RECORD
    if not files or not record.exists():
        return
    folder.mkdir()
    for file in (*files, *listed(checkpoint.parent, '*.npz')):
        try:
            (folder / file.name).hardlink_to(file)
        except OSError:  # the file system has no links
            shutil.copyfile(file, folder / file.name)
    shutil.copyfile(record, folder / RECORD)
    (folder / 'checkpoint').write_text(f'model_checkpoint_path: "{checkpoint.name}"\n', encoding='utf-8')


def check_same(
    model_dir: Path, old: Record, new: Record, bound: Iterable[str], flag: str = option.model_dir
) -> None:
    """Checks that training can go on from the checkpoint in a folder, whose record is `old`.

    `bound` are the names of the hyper-parameters that the checkpoint's shapes depend on.

    Raises:
      FlagError: the model, image size or network size differs.
      DataError: the vocabulary differs.
    """
    remedy = 'name another folder, or none for a new one'
    if old.model != new.model:
        raise FlagError(f'{flag}={model_dir} was made by {option.model}={old.model}: {remedy}.')
    if old.kind != new.kind:
        raise FlagError(
            f'{flag}={model_dir} was trained on {old.kind}s, but {option.data} holds {new.kind}s: {remedy}.'
        )
    if old.image_shape != new.image_shape:
        was, now = ('x'.join(map(str, record.image_shape)) for record in (old, new))
        raise FlagError(
            f'{flag}={model_dir} was trained on images of {was} pixels and channels, not {now}: '
            f'give the same {option.image_size} and {option.channels}, or another folder.'
        )
    for name in bound:
        before, after = (record.hparams.get(name) for record in (old, new))
        if before != after:
            text = f'{before}' if len(f'{before}') <= _LONGEST_TEXT else f'{before}'[:_LONGEST_TEXT] + '...'
            raise FlagError(f'{flag}={model_dir} was made with {hparam(name)}={text}, not {after}: {remedy}.')
    if old.vocabulary != new.vocabulary:
        raise DataError(
            f'{flag}={model_dir} was trained on other labels ({_difference(old, new)}): {remedy}.'
        )


def _difference(old: Record, new: Record) -> str:
    gone = sorted(set(old.vocabulary) - set(new.vocabulary))
    added = sorted(set(new.vocabulary) - set(old.vocabulary))
    parts = [f'{len(old.vocabulary)} there, {len(new.vocabulary)} in the data']
    parts += [f'{len(gone)} missing, such as {gone[0]!r}'] if gone else []
    parts += [f'{len(added)} new, such as {added[0]!r}'] if added else []
    return '; '.join(parts)
