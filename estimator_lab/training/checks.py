"""TrainSettings before a training: checked without TensorFlow, which takes seconds to load, and completed."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.json_input import shortened
from estimator_lab.base.keys import RECORD
from estimator_lab.base.outputs import check_folder, writing
from estimator_lab.base.sizes import parse_size
from estimator_lab.core.registry import find_model
from estimator_lab.data.archives.blocks import parse_block_size
from estimator_lab.data.archives.mixture import parse_weights
from estimator_lab.data.archives.part import EVERYTHING, Part
from estimator_lab.data.demo_sets.archives import demo_faces
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources.source import Source, expand
from estimator_lab.training.settings import TrainSettings

EXPORTS = ('best', 'latest', 'final')
"""The names that --export accepts."""

_MOST_EPOCHS = 1_000_000


def prepared(settings: TrainSettings, say: Callable[[str], None]) -> TrainSettings:
    """Returns settings that can work whatever the data, with their folder and, if they name none, their data.

    Without data, a run trains and evaluates on the built-in faces. Its folder is runs/MODEL by default.

    Raises:
      FlagError: a setting is not understood, excludes another, or names a folder that can't be written or
        that holds something else.
      DataError: there are no examples of that name, or no folder to start from; the built-in faces can't be
        written.
    """
    for name in ('data', 'eval_data'):
        _check_files(name, getattr(settings, name) or ())
    settings = replace(settings, model_dir=settings.model_dir or Path('runs', settings.model))
    _check_settings(settings)
    find_model(settings.model)
    if settings.data is not None:
        return settings
    for name in ('eval_data', 'split'):
        if getattr(settings, name):
            raise FlagError(
                f'{option(name)} needs {option.data}: the built-in faces have their own evaluation images.'
            )
    train, test = demo_faces(say)
    return replace(settings, data=(str(train),), eval_data=(str(test),))


def _check_files(name: str, patterns: Sequence[str | Source]) -> None:
    """Raises DataError for examples on this machine that are not there."""
    local = [pattern for pattern in patterns if isinstance(pattern, str) and '://' not in pattern]
    try:
        if local:
            expand(local)
    except DataError as error:
        raise DataError(f'{option(name)}: {error.marked}') from error


def _check_settings(settings: TrainSettings) -> None:
    _ = settings.images  # which parses --augment
    parse_split(settings.split)
    parse_weights(settings.weights)
    if settings.shuffle_blocks:
        parse_block_size(settings.shuffle_blocks)
    if settings.cache:
        parse_size(option.cache, settings.cache)
    if settings.split and settings.eval_data:
        raise FlagError(f'{option.split} divides {option.data} in two; give it without {option.eval_data}.')
    if settings.max_steps is not None and settings.epochs is not None:
        raise FlagError(f'{option.max_steps} and {option.epochs} exclude each other: give one of them.')
    if settings.epochs is not None and not 0 < settings.epochs <= _MOST_EPOCHS:
        raise FlagError(
            f'{option.epochs}={settings.epochs:g} must be more than 0, and at most {_MOST_EPOCHS:,}.'
        )
    for name in settings.export:
        if name not in EXPORTS:
            given = shortened(name)
            raise FlagError(f'{option.export}={given} is not allowed: one or more of {", ".join(EXPORTS)}.')
    _check_folder(settings.model_dir, [path for path in settings.data or () if isinstance(path, str)])
    resumes = (settings.model_dir / 'checkpoint').exists()  # without --warm_start, whose folder may be gone
    if settings.warm_start and not resumes:
        _check_no_checkpoint('warm_start', settings.warm_start)
        if not settings.warm_start.exists():
            raise DataError(f'{option.warm_start}={settings.warm_start} is not a folder.')


def _check_no_checkpoint(name: str, folder: Path) -> None:
    if Path(f'{folder}.index').is_file():
        raise FlagError(f'{option(name)}={folder} is a checkpoint: name its folder, {folder.parent}.')


def _check_folder(model_dir: Path, data: Sequence[str]) -> None:
    """Raises FlagError if the folder can't be made, or holds examples and no run."""
    with writing('model_dir', model_dir):
        _check_no_checkpoint('model_dir', model_dir)
        if not (model_dir / RECORD).exists():
            check_folder('model_dir', model_dir, data, IMAGES.accepts)
        new = [path for path in (model_dir, *model_dir.parents) if not path.exists()]
        model_dir.mkdir(parents=True, exist_ok=True)
        if not new:
            tempfile.TemporaryFile(dir=model_dir).close()  # fails now rather than at the first checkpoint
    with suppress(OSError):  # another process of the cluster has removed it, or uses it
        for path in new:
            path.rmdir()


def parse_split(text: str) -> tuple[Part, Part]:
    """Parses 'TRAIN,EVAL' or 'TRAIN', shares of the examples; '' trains and evaluates on everything.

    Raises:
      FlagError: it is something else, or the shares are more than 1 together.
    """
    if not text:
        return EVERYTHING, EVERYTHING
    try:
        shares = [float(part) for part in text.split(',')]
    except ValueError:
        shares = []
    if len(shares) == 1:
        shares.append(1 - shares[0])
    if len(shares) != 2 or not all(share > 0 for share in shares) or sum(shares) > 1 + 1e-9:
        raise FlagError(
            f'{option.split}={shortened(text)} is not understood: give the shares of images to train and to '
            'evaluate on, such as 0.9,0.1, each above 0, together at most 1.'
        )
    return Part(0.0, shares[0]), Part(1 - shares[1], 1.0)
