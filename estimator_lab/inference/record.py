"""What a model_dir says about itself: which model made it, from which labels and image size."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from estimator_lab import __version__
from estimator_lab.errors import DataError, FlagError

_FILE = 'experiment.json'

FORMAT = 1
"""Of the records that this version writes; 0 are those from before there was a number."""


@dataclasses.dataclass(frozen=True)
class Record:
    """The contents of model_dir/experiment.json.

    Attributes:
      model: value of --model.
      image_shape: (height, width, channels) in pixels.
      vocabulary: label texts in the order of their class ids.
      hparams: the hyper-parameters of the last training run.
      versions: of this package and of TensorFlow, at the last training run.
      value_range: lowest and highest value of the pixels that the network takes.
      decode: value of --decode.
      format: number of the record's format.
    """

    model: str
    image_shape: tuple[int, int, int]
    vocabulary: tuple[str, ...]
    hparams: dict[str, Any]
    versions: dict[str, str]
    value_range: tuple[float, float] = (0.0, 1.0)
    decode: str = 'exact'
    format: int = FORMAT


def read_record(model_dir: Path) -> Record | None:
    """Returns what a model_dir says of itself, or None for a new one.

    Raises:
      DataError: if its file can't be understood, or was written by a newer version.
    """
    path = model_dir / _FILE
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        found = fields.setdefault('format', 0)
        if found <= FORMAT:
            return _record_of(fields)
        writer = fields.get('versions', {}).get('estimator_lab', 'a newer version')
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f'{path} cannot be read as a description of this folder: {error}.') from error
    raise DataError(
        f'{path} has format {found}, written by estimator_lab {writer}; this is estimator_lab {__version__}, '
        f'which knows formats up to {FORMAT}: install the newer version.'
    )


def _record_of(fields: dict[str, Any]) -> Record:
    tuples: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    record = Record(**tuples)
    if len(record.image_shape) != 3:
        raise ValueError(f'its image_shape is {record.image_shape}')
    return record


def write_record(model_dir: Path, record: Record) -> None:
    """Writes the record so that a reader sees the old file or the new one, never half of one."""
    path = model_dir / _FILE
    partial = path.with_suffix('.partial')
    partial.write_text(json.dumps(dataclasses.asdict(record), indent=1) + '\n', encoding='utf-8')
    partial.replace(path)


def versions(tensorflow_version: str) -> dict[str, str]:
    """Returns the versions that a record names."""
    return {'estimator_lab': __version__, 'tensorflow': tensorflow_version}


def check_same(
    model_dir: Path, old: Record, new: Record, bound: list[str], flag: str = '--model_dir'
) -> None:
    """Makes sure that training `new` may go on from what `old` left in model_dir.

    Args:
      model_dir: named in errors.
      old: the record found there.
      new: the record of the run that is about to start.
      bound: hyper-parameters that the checkpoint's shapes depend on.
      flag: by which the user named the folder, for errors.

    Raises:
      FlagError: for another model, image size or network size.
      DataError: for another vocabulary.
    """
    remedy = 'name another folder, or none to start anew'
    if old.model != new.model:
        raise FlagError(f'{flag}={model_dir} was made by --model={old.model}: {remedy}.')
    if old.image_shape != new.image_shape:
        was, now = ('x'.join(map(str, record.image_shape)) for record in (old, new))
        raise FlagError(
            f'{flag}={model_dir} was trained on images of {was} pixels and channels, not {now}: '
            'give the same --image_size and --channels, or another folder.'
        )
    for name in bound:
        if old.hparams.get(name) != new.hparams.get(name):
            raise FlagError(
                f'{flag}={model_dir} was made with --hparams={name}={old.hparams.get(name)}, not '
                f'{new.hparams.get(name)}: {remedy}.'
            )
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
