"""Reads what a model_dir holds of a trained model, or says why it holds none."""

import contextlib
import re
from pathlib import Path
from typing import Any, get_type_hints

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.files import in_subfolders, listed, read_regular
from estimator_lab.base.json_input import as_type
from estimator_lab.base.keys import RECORD
from estimator_lab.base.progress import doing
from estimator_lab.base.version import __version__
from estimator_lab.core.model import AnyModel
from estimator_lab.core.params import resolve
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.data.archives.kinds import KINDS
from estimator_lab.data.images.decode import BACKGROUNDS
from estimator_lab.data.images.reader import DECODERS
from estimator_lab.runs.record import Record, read_record
from estimator_lab.runs.safe_paths import check_safe_paths, newest_checkpoint
from estimator_lab.runs.weights.checkpoint import HeldCheckpoint, index_of, step_of
from estimator_lab.tf1 import prepare_process

_MOST_STATE_BYTES = 2**20
_MOST_OPENINGS = 10  # while a training saves
_CHECKPOINT = 'model.ckpt-'
_INDEX = re.compile(rf'{re.escape(_CHECKPOINT)}[0-9]{{1,18}}\.index')


Contents = tuple[Record, AnyModel, Any, HeldCheckpoint, int]
"""The contents of experiment.json, the model, its parameters, the newest checkpoint and its global step."""


def read_folder(model_dir: Path, flag: str) -> Contents:
    """Returns what `Trained` holds of a folder; raises as `Trained.open` does."""
    prepare_process()
    doing('opening the model')
    for _ in range(_MOST_OPENINGS - 1):
        state = _state(model_dir)
        try:
            return _contents(model_dir, flag)
        except DataError:
            if state == _state(model_dir):
                raise
            # A training has saved meanwhile, and may have deleted the checkpoint that was about to be read.
    return _contents(model_dir, flag)


def _state(model_dir: Path) -> bytes:
    """Returns the list of checkpoints as it is stored, which each save changes."""
    with contextlib.suppress(OSError, ValueError):
        return read_regular(model_dir / 'checkpoint', _MOST_STATE_BYTES)
    return b''


def _contents(model_dir: Path, flag: str) -> Contents:
    if not model_dir.is_dir():
        raise DataError(f'{flag}={model_dir} {_why_no_model(model_dir)}.')
    check_safe_paths(model_dir, flag)
    record = read_record(model_dir)
    if record is None:
        raise DataError(f'{flag}={model_dir} {_why_no_model(model_dir)}.')
    try:
        model = find_model(record.model)
        params = _resolved(model.params, record, model_dir)
        params.check()
        if record.kind not in MODELS[record.model].kinds:
            raise FlagError(f'its examples are of the kind {record.kind!r}, which its model does not accept.')
        for name, known in (('decode', DECODERS), ('background', BACKGROUNDS)):
            if (value := getattr(record, name)) not in known:
                raise FlagError(f'it has {name}={value}; known are: {", ".join(known)}.')
    except FlagError as error:
        writer = record.versions.get('estimator_lab', 'an unknown version')
        raise DataError(
            f'{flag}={model_dir}, made by estimator_lab {writer}, cannot be opened by this version '
            f'({__version__}): {error.marked}'
        ) from error
    if len(record.vocabulary) == 1 and model.task(params).labelled:
        label = record.vocabulary[0]
        raise DataError(
            f'{flag}={model_dir}: its {RECORD} has one label only, {label!r}; a classifier has two or more.'
        )
    checkpoint = newest_checkpoint(model_dir)
    if not checkpoint and (unlisted := unlisted_checkpoint(model_dir)):
        raise DataError(
            f"{flag}={model_dir} holds {unlisted}, but no file 'checkpoint' that lists it: write the line "
            f'model_checkpoint_path: "{unlisted}" into such a file.'
        )
    if not checkpoint:
        raise DataError(f'{flag}={model_dir} holds no checkpoint yet: train it first.')
    held = HeldCheckpoint(checkpoint)
    return record, model, params, held, step_of(held)


def _why_no_model(model_dir: Path) -> str:
    if model_dir.is_file():
        return 'is a file: name the folder that a model was trained in'
    if index_of(model_dir).is_file():
        return f'is a checkpoint: name its folder, {model_dir.parent}'
    if not model_dir.is_dir():
        return 'is not a folder'
    inner = sorted(in_subfolders(model_dir, RECORD), key=lambda path: path.stat().st_mtime)
    if inner:
        count = f'{len(inner)} folders of models' if len(inner) > 1 else 'the folder of a model'
        return f'holds no model itself, but {count}: name one of them, such as {inner[-1].parent}'
    if checkpoint := _newest_checkpoint(model_dir):
        return (
            f'holds the checkpoint {checkpoint}, but no {RECORD}, which describes its model: copy '
            'that file from the folder that the model was trained in'
        )
    return f'holds no {RECORD}, so no model was trained in it'


def unlisted_checkpoint(model_dir: Path) -> str:
    """Returns the name of the newest checkpoint in a folder without a list of checkpoints; '' for none."""
    if (model_dir / 'checkpoint').exists():
        return ''
    return _newest_checkpoint(model_dir)


def _newest_checkpoint(model_dir: Path) -> str:
    names = (path.name for path in listed(model_dir, f'{_CHECKPOINT}*.index'))
    steps = [int(name[len(_CHECKPOINT) : -len('.index')]) for name in names if _INDEX.fullmatch(name)]
    return f'{_CHECKPOINT}{max(steps)}' if steps else ''


def _resolved(params_class: type, record: Record, model_dir: Path) -> Any:
    """Returns the parameters of training; lists in JSON that were tuples are tuples again.

    Raises:
      FlagError: a parameter is unknown, of another type, or not allowed.
    """
    known = get_type_hints(params_class)
    data: dict[str, Any] = {
        'image_shape': record.image_shape,
        'vocabulary': record.vocabulary,
        'model_dir': str(model_dir),
    }
    if record.kind in KINDS:
        data |= KINDS[record.kind].restore(model_dir)
    try:
        given = {
            name: as_type(value, known[name], f'hyper-parameter {name}') if name in known else value
            for name, value in record.hparams.items()
        }
    except ValueError as error:
        raise FlagError(f'{error}.') from error
    return resolve(params_class, {**given, **{name: data[name] for name in data if name in known}})
